"""Tools that write tasks: make, change and remove them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

import anyio.to_thread
from mcp.types import ToolAnnotations
from pydantic import Field

from ratchet_mcp.errors import ConfirmationRequired
from ratchet_mcp.mcp.results import ToolResult, success
from ratchet_mcp.mcp.tools import schemas
from ratchet_mcp.mcp.tools.arguments import Arguments
from ratchet_mcp.mcp.tools.given import FINDINGS, STRINGS, Given, Reference, Text
from ratchet_mcp.mcp.tools.spec import READ_ONLY, STOPS, Call, ToolSpec

if TYPE_CHECKING:
    from ratchet_mcp.authoring.service import Written

TOLD = 10
"""Findings that the result of create_task and edit_task tells."""
Bump = Literal["patch", "minor", "major"]


class _Written(Given):
    """What create_task and edit_task have in common."""

    title: Text
    tags: list[str] | None = None
    timeout_seconds: float | None = None
    expose: Annotated[Literal["tool", "none"] | None, Field(default=None, description='"tool": its own MCP tool')]
    annotations: Annotated[dict[str, Any] | None, Field(default=None, description="hints of that tool")]
    network: Annotated[dict[str, Any] | None, Field(default=None, description="{allow: [hosts], secrets: [names]}")]
    cache: Annotated[dict[str, Any] | None, Field(default=None, description='results given again: {ttl: "1h", key?: ["/a"]}')]


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


class ListTemplates(Arguments):
    """Arguments of list_templates."""

    template: Annotated[str | None, Field(description="show this one with its code", max_length=100)] = None


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
