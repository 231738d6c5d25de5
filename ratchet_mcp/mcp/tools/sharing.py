"""Tools that carry tasks from one server to another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import anyio.to_thread
from mcp.types import ToolAnnotations
from pydantic import Field

from ratchet_mcp.errors import InvalidArgument
from ratchet_mcp.mcp.results import ToolResult, failure, success, to_json
from ratchet_mcp.mcp.tools import schemas
from ratchet_mcp.mcp.tools.arguments import Arguments
from ratchet_mcp.mcp.tools.given import STRINGS
from ratchet_mcp.mcp.tools.spec import READ_ONLY, Call, ToolSpec

if TYPE_CHECKING:
    from ratchet_mcp.authoring.bundles import ImportReport

OnConflict = Literal["error", "skip", "overwrite", "new_version", "rename"]


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


_FEWER, _SMALLER = "Export fewer tasks at a time", ', ask for format "zip", which is smaller'


async def export_tasks(call: Call, arguments: ExportTasks) -> ToolResult:
    """Export tasks as one file that import_tasks takes again."""
    import hashlib

    ratchet = await call.app.get()
    export = await ratchet.authoring.bundles.export(arguments.tasks, arguments.format)
    text = await anyio.to_thread.run_sync(export.text)
    if len(text) > call.characters - 2000:
        raise InvalidArgument(
            f"The export of {len(export.tasks)} tasks has {len(text):,} characters, a result holds {call.characters:,}.",
            hint=f"{_FEWER}{_SMALLER if export.format == 'json' else ''}, or let the user run `ratchet repo export`.",
            details={"tasks": export.tasks[:50]},
        )
    sha256 = hashlib.sha256(export.data).hexdigest()
    return success({"format": export.format, "tasks": export.tasks, "bytes": len(export.data), "sha256": sha256, "data": text})


VERDICT: dict[str, Any] = {
    "place": schemas.STRING,
    "status": {"type": "string", "enum": ["imported", "unchanged", "skipped", "failed", "withheld"]},
    "task": schemas.STRING,
    "was": schemas.STRING,
    "message": schemas.STRING,
    "error": schemas.ERROR,
}
IMPORTS = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=True)


TOOLS: list[ToolSpec[Any]] = [
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
]
