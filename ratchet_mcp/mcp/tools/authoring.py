"""Tools that write tasks: make, change, remove, check, import and export them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

import anyio.to_thread
from mcp.types import ToolAnnotations
from pydantic import Field

from ratchet_mcp.errors import ConfirmationRequired, InvalidArgument
from ratchet_mcp.mcp.results import ToolResult, failure, success, to_json
from ratchet_mcp.mcp.tools import schemas
from ratchet_mcp.mcp.tools.arguments import Arguments
from ratchet_mcp.mcp.tools.spec import READ_ONLY, RUNS_CODE, STOPS, Call, ToolSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ratchet_mcp.authoring.bundles import ImportReport
    from ratchet_mcp.authoring.drafts import Parts
    from ratchet_mcp.authoring.findings import Finding
    from ratchet_mcp.authoring.service import Written

TOLD = 10
"""Findings that the result of create_task and edit_task tells."""
TEST = "{name, input, expected_output | expected_error: {code?, message_contains?}, match?}"
Reference = Annotated[str, Field(description="name, name@version or UUID", min_length=1, max_length=200)]
Bump = Literal["patch", "minor", "major"]
OnConflict = Literal["error", "skip", "overwrite", "new_version", "rename"]
Text = Annotated[str | None, Field(default=None)]
Json = Annotated[Any, Field(default=None)]


class _Given(Arguments):
    """The parts of a task that an author gives."""

    description: Text
    code: Annotated[str | None, Field(default=None, description="JavaScript of main(input, context)")]
    input_schema: Annotated[Any, Field(default=None, description="JSON Schema")]
    output_schema: Json
    tests: Annotated[list[dict[str, Any]] | None, Field(default=None, max_length=200, description=TEST)]

    def parts(self) -> Parts:
        """Return what was given as the service takes it."""
        from ratchet_mcp.authoring.drafts import Parts

        names = set(Parts.__dataclass_fields__) & self.model_fields_set
        return Parts(**{name: getattr(self, name) for name in names})


class _Written(_Given):
    """What create_task and edit_task have in common."""

    title: Text
    tags: list[str] | None = None
    timeout_seconds: float | None = None
    expose: Annotated[Literal["tool", "none"] | None, Field(default=None, description='"tool": its own MCP tool')]
    annotations: Annotated[dict[str, Any] | None, Field(default=None, description="hints of that tool")]


class CreateTask(_Written):
    """Arguments of create_task."""

    name: Annotated[str, Field(description="a-z, 0-9, - and _", max_length=200)]
    version: Annotated[str, Field(max_length=200)] = "1.0.0"
    template: Annotated[str | None, Field(description="of list_templates; gives what is left out")] = None


class EditTask(_Written):
    """Arguments of edit_task."""

    task: Reference
    bump: Annotated[Bump | None, Field(description="default patch")] = None
    version: Annotated[str | None, Field(description="instead of bump", max_length=200)] = None
    enabled: Annotated[bool | None, Field(description="let the task run or not; makes no version")] = None


class DeleteTask(Arguments):
    """Arguments of delete_task."""

    task: Reference
    version: Annotated[str | None, Field(description="default: all versions", max_length=64)] = None
    confirm: bool = False


class ValidateTask(_Given):
    """Arguments of validate_task."""

    task: Annotated[str | None, Field(description="a saved task, or give code", min_length=1, max_length=200)] = None
    run_tests: bool = False


class ImportTasks(Arguments):
    """Arguments of import_tasks."""

    data: Annotated[Any, Field(default=None, description="base64 of a ZIP, or a JSON bundle")]
    uri: Annotated[str | None, Field(description="instead of data", min_length=1, max_length=2000)] = None
    on_conflict: OnConflict = "error"
    dry_run: bool = False


class ExportTasks(Arguments):
    """Arguments of export_tasks."""

    tasks: Annotated[list[str], Field(description="name, name@version, or name@* for all versions", min_length=1, max_length=200)]
    format: Literal["zip", "json"] = "zip"


class ListTemplates(Arguments):
    """Arguments of list_templates."""

    template: Annotated[str | None, Field(description="show this one with its code", max_length=100)] = None


# ---------------------------------------------------------------- writing
async def create_task(call: Call, arguments: CreateTask) -> ToolResult:
    """Make a new task."""
    ratchet = await call.app.get()
    written = await ratchet.authoring.create(
        arguments.name, arguments.parts(), version=arguments.version, template=arguments.template, principal=call.principal
    )
    return success(_written(written))


async def edit_task(call: Call, arguments: EditTask) -> ToolResult:
    """Make a new version of a task, or let it run or not."""
    ratchet = await call.app.get()
    written = await ratchet.authoring.edit(
        arguments.task,
        arguments.parts(),
        bump=arguments.bump,
        version=arguments.version,
        enabled=arguments.enabled,
        principal=call.principal,
    )
    return success(_written(written))


def _written(written: Written) -> dict[str, Any]:
    task = written.task
    view: dict[str, Any] = {"task": task.name, "version": task.version, "uuid": str(task.uuid), "tests": len(task.tests)}
    if written.replaces is not None:
        view["previous_version"] = written.replaces
    worth = [each for each in written.findings if each.severity != "hint"]
    view["findings"] = [each.to_dict() for each in worth[:TOLD]]
    view["notes"] = list(written.notes)
    if len(worth) > TOLD:
        view["notes"].append(f"{len(worth) - TOLD} more findings: validate_task lists them.")
    return view


async def delete_task(call: Call, arguments: DeleteTask) -> ToolResult:
    """Remove one version or all, after the user or the caller has confirmed it."""
    from ratchet_mcp.mcp.elicitation import confirm

    ratchet = await call.app.get()
    plan = await ratchet.authoring.plan_deletion(arguments.task, arguments.version)
    agreed = arguments.confirm
    if not agreed:
        listed = ", ".join(plan.versions[:10]) + (f" and {len(plan.versions) - 10} more" if len(plan.versions) > 10 else "")
        answer = await confirm(call, f"Remove {plan.name} ({listed}) for good? Its executions stay.")
        if answer is False:
            raise ConfirmationRequired(
                f"The user did not agree to removing {plan.name}; nothing was removed.",
                hint="Ask the user what they want instead.",
                details={"would_remove": plan.to_dict()},
            )
        agreed = answer is True
    gone = await ratchet.authoring.delete(plan, confirmed=agreed)
    return success(
        {"deleted": [f"{plan.name}@{version}" for version in gone], "stays": [f"{plan.name}@{version}" for version in plan.stays]}
    )


# ---------------------------------------------------------------- checking
async def validate_task(call: Call, arguments: ValidateTask) -> ToolResult:
    """Check a saved task, or parts of one. What is wrong is the answer, and no failure of the call."""
    parts = arguments.parts()
    if (arguments.task is None) == (not parts.given):
        raise InvalidArgument("validate_task takes task, or code with its schemas.", hint="Give exactly one of both.")
    ratchet = await call.app.get()
    check = ratchet.authoring.validation
    if arguments.task is not None:
        report = await check.saved(arguments.task, run_tests=arguments.run_tests, principal=call.principal)
    else:
        report = await check.unsaved(None, parts, run_tests=arguments.run_tests, principal=call.principal)
    view: dict[str, Any] = {
        "valid": report.valid,
        "errors": report.count("error"),
        "warnings": report.count("warning"),
        "findings": _fitting(report.findings, call.characters - 1000),
        "notes": report.notes,
    }
    if report.task is not None and arguments.task is not None:
        view["task"] = report.task.reference
    if report.tests is not None:
        view["tests"] = {"passed": report.tests[0], "total": report.tests[1]}
    return success(view)


def _fitting(findings: Sequence[Finding], characters: int) -> list[dict[str, Any]]:
    """Return as many findings as fit, the worst first."""
    kept: list[dict[str, Any]] = []
    for each in findings:
        view = each.to_dict()
        characters -= len(to_json(view)) + 1
        if characters < 0:
            break
        kept.append(view)
    return kept


# ---------------------------------------------------------------- sharing
async def import_tasks(call: Call, arguments: ImportTasks) -> ToolResult:
    """Import tasks, all or nothing."""
    ratchet = await call.app.get()
    report = await ratchet.authoring.bundles.take(
        data=arguments.data,
        uri=arguments.uri,
        on_conflict=arguments.on_conflict,
        dry_run=arguments.dry_run,
        principal=call.principal,
    )
    view = _imported(report, call.characters)
    if not report.failed:
        return success(view)
    wrong = [each for each in report.verdicts if each.status == "failed"]
    error: dict[str, Any] = {
        "code": str((wrong[0].error or {}).get("code", "task_invalid")),
        "message": f"Nothing was imported: {len(wrong)} of {len(report.verdicts)} tasks failed.",
        "retryable": False,
        "hint": "Correct or leave out the tasks that failed, and import again.",
    }
    lines = [f"- {each.task or each.place}: {(each.error or {}).get('message', '')}" for each in wrong[:20]]
    hints = {str((each.error or {})["hint"]): None for each in wrong if (each.error or {}).get("hint")}
    text = "\n".join([f"{error['code']}: {error['message']}", *lines, *(f"What to do: {hint}" for hint in list(hints)[:3])])
    return failure({**view, "error": error}, text)


def _imported(report: ImportReport, characters: int) -> dict[str, Any]:
    """Return the report; where it is too long, only what failed, and the counts."""
    view = report.to_dict()
    if len(to_json(view)) > characters:
        view["tasks"] = [each for each in view["tasks"] if each["status"] == "failed"][:20]
    return view


async def export_tasks(call: Call, arguments: ExportTasks) -> ToolResult:
    """Export tasks as one file that import_tasks takes again."""
    import hashlib

    ratchet = await call.app.get()
    export = await ratchet.authoring.bundles.export(arguments.tasks, arguments.format)
    text = await anyio.to_thread.run_sync(export.text)
    if len(text) > call.characters - 2000:
        raise InvalidArgument(
            f"The export of {len(export.tasks)} tasks has {len(text):,} characters, a result holds {call.characters:,}.",
            hint='Export fewer tasks at a time, or ask for format "zip", which is smaller.',
            details={"tasks": export.tasks[:50]},
        )
    sha256 = hashlib.sha256(export.data).hexdigest()
    return success({"format": export.format, "tasks": export.tasks, "bytes": len(export.data), "sha256": sha256, "data": text})


async def list_templates(call: Call, arguments: ListTemplates) -> ToolResult:
    """List the templates, or show one."""
    from ratchet_mcp.authoring.templates import find_template, list_templates

    if arguments.template is None:
        found = await anyio.to_thread.run_sync(list_templates)
        return success({"templates": [{"name": each.name, "description": each.description} for each in found]})
    one = await anyio.to_thread.run_sync(find_template, arguments.template)
    shown: dict[str, Any] = {"name": one.name, "description": one.description, "code": one.texts["main.js"]}
    shown |= {f"{kind}_schema": json.loads(one.texts[f"{kind}.schema.json"]) for kind in ("input", "output")}
    shown["tests"] = [json.loads(text) for path, text in sorted(one.texts.items()) if path.startswith("tests/")]
    return success({"templates": [shown]})


STRINGS: dict[str, Any] = {"type": "array", "items": schemas.STRING}
FINDING: dict[str, Any] = {
    "code": schemas.STRING,
    "severity": {"type": "string", "enum": ["error", "warning", "hint"]},
    "file": schemas.STRING,
    "message": schemas.STRING,
    "path": schemas.STRING,
    "line": schemas.INTEGER,
    "column": schemas.INTEGER,
    "suggestion": schemas.STRING,
}
FINDINGS = schemas.array_of(FINDING, "code", "severity", "file", "message")
VERDICT: dict[str, Any] = {
    "place": schemas.STRING,
    "status": {"type": "string", "enum": ["imported", "unchanged", "skipped", "failed", "withheld"]},
    "task": schemas.STRING,
    "was": schemas.STRING,
    "message": schemas.STRING,
    "error": schemas.ERROR,
}
WRITTEN: dict[str, Any] = {
    "task": schemas.STRING,
    "version": schemas.STRING,
    "uuid": schemas.STRING,
    "tests": schemas.INTEGER,
    "previous_version": schemas.STRING,
    "findings": FINDINGS,
    "notes": STRINGS,
}
TEMPLATE: dict[str, Any] = {
    "name": schemas.STRING,
    "description": schemas.STRING,
    "code": schemas.STRING,
    "input_schema": schemas.OBJECT,
    "output_schema": schemas.OBJECT,
    "tests": {"type": "array", "items": schemas.OBJECT},
}
MAKES = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False)
IMPORTS = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=True)

TOOLS: list[ToolSpec[Any]] = [
    ToolSpec(
        name="create_task",
        title="Create a task",
        description=(
            "Save a new task. Needs description, code and both schemas, or a template. "
            'Example: {"name": "shout", "template": "text", "code": "(input) => …"}'
        ),
        arguments=CreateTask,
        output=schemas.result(WRITTEN),
        annotations=MAKES,
        handler=create_task,
        toolset="author",
    ),
    ToolSpec(
        name="edit_task",
        title="Edit a task",
        description=(
            "Save a new version of a task with only the given parts changed; the old version stays. "
            'Example: {"task": "shout", "code": "…", "bump": "minor"}'
        ),
        arguments=EditTask,
        output=schemas.result(WRITTEN),
        annotations=MAKES,
        handler=edit_task,
        toolset="author",
    ),
    ToolSpec(
        name="delete_task",
        title="Delete a task",
        description='Remove a task that was made here. Asks the user, or needs confirm: true. Example: {"task": "shout@1.0.0"}',
        arguments=DeleteTask,
        output=schemas.result({"deleted": STRINGS, "stays": STRINGS}),
        annotations=STOPS,
        handler=delete_task,
        toolset="author",
    ),
    ToolSpec(
        name="validate_task",
        title="Validate a task",
        description=(
            "List everything wrong or doubtful in a saved task, or in code and schemas before saving them. "
            'Example: {"code": "(input) => input.a", "input_schema": {"type": "object"}}'
        ),
        arguments=ValidateTask,
        output=schemas.result(
            {
                "valid": schemas.BOOLEAN,
                "task": schemas.STRING,
                "errors": schemas.INTEGER,
                "warnings": schemas.INTEGER,
                "findings": FINDINGS,
                "tests": {"type": "object", "properties": {"passed": schemas.INTEGER, "total": schemas.INTEGER}},
                "notes": STRINGS,
            }
        ),
        annotations=RUNS_CODE,
        handler=validate_task,
        toolset="author",
        runs_if="run_tests",
    ),
    ToolSpec(
        name="import_tasks",
        title="Import tasks",
        description=(
            "Import tasks from a ZIP or a JSON bundle, all or none. uri: an https address or a file, where the settings allow it. "
            'Example: {"data": "UEsDBBQ…", "on_conflict": "skip"}'
        ),
        arguments=ImportTasks,
        output=schemas.result(
            {
                "tasks": schemas.array_of(VERDICT, "place", "status"),
                **dict.fromkeys(("imported", "unchanged", "skipped", "failed", "withheld"), schemas.INTEGER),
            }
        ),
        annotations=IMPORTS,
        handler=import_tasks,
        toolset="author",
    ),
    ToolSpec(
        name="export_tasks",
        title="Export tasks",
        description='Pack tasks for import_tasks or to share: data is base64 of a ZIP, or JSON text. Example: {"tasks": ["shout@*"]}',
        arguments=ExportTasks,
        output=schemas.result(
            {"format": schemas.STRING, "tasks": STRINGS, "bytes": schemas.INTEGER, "sha256": schemas.STRING, "data": schemas.STRING}
        ),
        annotations=READ_ONLY,
        handler=export_tasks,
        toolset="author",
    ),
    ToolSpec(
        name="list_templates",
        title="List templates",
        description='List tasks to start from, for create_task. Example: {"template": "text"}',
        arguments=ListTemplates,
        output=schemas.result({"templates": schemas.array_of(TEMPLATE, "name", "description")}),
        annotations=READ_ONLY,
        handler=list_templates,
        toolset="author",
    ),
]
