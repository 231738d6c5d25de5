"""Tools that look after runs: their status and results, their history, stopping them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ratchet_mcp.execution.models import Execution, Origin, Status
from ratchet_mcp.mcp import execution_view
from ratchet_mcp.mcp.long_output import ALL_LINES, items_that_fit, lines_that_fit, page_of_output, with_output
from ratchet_mcp.mcp.results import ToolResult, clipped, success
from ratchet_mcp.mcp.tools import schemas
from ratchet_mcp.mcp.tools.arguments import WHOLE, Arguments, Cursor, PageSize, Since
from ratchet_mcp.mcp.tools.spec import READ_ONLY, STOPS, Call, ToolSpec

if TYPE_CHECKING:
    from ratchet_mcp.app import Ratchet

Part = Literal["output", "logs", "error", "http"]
Id = Annotated[str, Field(description="execution_id", min_length=1, max_length=100)]
PAGE_OF_LINES = 200
TAIL_OF_LINES = 20
PAGE_OF_FETCHES = 50


class GetStatus(Arguments):
    """Arguments of get_status."""

    id: Id
    wait_seconds: Annotated[float, Field(ge=0, le=50, description="wait this long for the end")] = 0
    include: Annotated[
        list[Part],
        Field(description="by default all but http (the fetches of the run)", default_factory=lambda: ["output", "logs", "error"]),
    ]
    offset: Annotated[
        Annotated[int, Field(ge=0), WHOLE] | None,
        Field(description='first character of the output\'s JSON text; with include ["logs"] or ["http"], first line'),
    ] = None
    limit: Annotated[Annotated[int, Field(ge=1, le=1_000_000), WHOLE] | None, Field(description="how many of them")] = None


class ListExecutions(Arguments):
    """Arguments of list_executions."""

    task: Annotated[str | None, Field(description="name", max_length=200)] = None
    status: Literal["queued", "running", "completed", "failed", "timed_out", "cancelled", "interrupted"] | None = None
    origin: Literal["mcp", "rest", "graphql", "cli", "schedule", "job", "test"] | None = None
    since: Since = None
    limit: PageSize = 50
    cursor: Cursor = None


class CancelExecution(Arguments):
    """Arguments of cancel_execution."""

    id: Id
    reason: Annotated[str | None, Field(max_length=500)] = None


async def get_status(call: Call, arguments: GetStatus) -> ToolResult:
    """Return where a run stands, with the parts asked for."""
    ratchet = await call.app.get()
    if arguments.wait_seconds:
        execution = await ratchet.executions.wait(arguments.id, arguments.wait_seconds)
    else:
        execution = await ratchet.executions.get(arguments.id)
    view = execution_view.full(execution)
    if "error" in arguments.include and execution.error:
        view["error"] = clipped(execution.error)
    if "logs" in arguments.include:
        await _add_logs(view, ratchet, call, arguments)
    if "http" in arguments.include:
        _add_http(view, execution, call, arguments)
    if not execution.status.final:
        view["hint"] = "Not finished yet. Call get_status again with wait_seconds."
    elif report := ratchet.replays.report_of(execution.id):
        view["replay"] = clipped(report.to_dict())
    if "output" in arguments.include and execution.status is Status.COMPLETED:
        return _with_output(view, execution, call, arguments)
    return success(view)


def _with_output(view: dict[str, Any], execution: Execution, call: Call, arguments: GetStatus) -> ToolResult:
    if arguments.offset is None and arguments.limit is None:
        return with_output(view, execution.output, call.characters)
    return success(page_of_output(view, execution.output, arguments.offset or 0, arguments.limit, call.characters))


async def _add_logs(view: dict[str, Any], ratchet: Ratchet, call: Call, arguments: GetStatus) -> None:
    """Add one page of lines when only logs are asked for, else the last lines."""
    if arguments.include == ["logs"]:
        offset, limit = arguments.offset or 0, arguments.limit or PAGE_OF_LINES
        lines = await ratchet.executions.logs(arguments.id, offset, limit + 1)
        view["logs"] = lines_that_fit(lines[:limit], call.characters * 3 // 4, newest=False)
        view["offset"] = offset
        if len(view["logs"]) < len(lines):
            view["next_offset"] = offset + len(view["logs"])
        return
    lines = await ratchet.executions.logs(arguments.id, 0, ALL_LINES)
    view["logs"] = lines_that_fit(lines[-TAIL_OF_LINES:], call.characters // 4, newest=True)
    view["logs_total"] = len(lines)


def _add_http(view: dict[str, Any], execution: Execution, call: Call, arguments: GetStatus) -> None:
    """Add a page of fetches when only they are asked for, else the first ones."""
    alone = arguments.include == ["http"]
    offset = (arguments.offset or 0) if alone else 0
    wanted = execution.http[offset : offset + (arguments.limit or PAGE_OF_FETCHES if alone else PAGE_OF_FETCHES)]
    view["http"] = items_that_fit(clipped(wanted), call.characters * 3 // 4 if alone else call.characters // 4)
    view["http_total"] = len(execution.http)
    if alone and offset + len(view["http"]) < len(execution.http):
        view["next_offset"] = offset + len(view["http"])


async def list_executions(call: Call, arguments: ListExecutions) -> ToolResult:
    """Return one page of the history, newest first."""
    ratchet = await call.app.get()
    page = await ratchet.executions.find(
        task=arguments.task,
        status=Status(arguments.status) if arguments.status else None,
        origin=Origin(arguments.origin) if arguments.origin else None,
        since=arguments.since,
        limit=arguments.limit,
        cursor=arguments.cursor,
    )
    structured: dict[str, Any] = {"executions": [execution_view.listed(execution) for execution in page.executions]}
    if page.next_cursor is not None:
        structured["next_cursor"] = page.next_cursor
    return success(structured)


async def cancel_execution(call: Call, arguments: CancelExecution) -> ToolResult:
    """Stop a run, whichever client or process started it."""
    ratchet = await call.app.get()
    return success(execution_view.full(await ratchet.executions.cancel(arguments.id, arguments.reason)))


FULL: dict[str, Any] = {
    **schemas.EXECUTION,
    "origin": schemas.ORIGIN,
    "created_at": schemas.STRING,
    "started_at": schemas.STRING,
    "finished_at": schemas.STRING,
    "parent_id": schemas.STRING,
    "worker_id": schemas.STRING,
    "replay": schemas.OBJECT,
}
LOGS = schemas.array_of({"level": schemas.STRING, "message": schemas.STRING}, "level", "message")
LISTED: dict[str, Any] = {
    "execution_id": schemas.STRING,
    "task": schemas.STRING,
    "version": schemas.STRING,
    "status": schemas.STATUS,
    "origin": schemas.ORIGIN,
    "started_at": schemas.STRING,
    "duration_ms": schemas.NUMBER,
    "error": {"type": "object", "properties": {"code": schemas.STRING, "message": schemas.STRING}},
}

TOOLS: list[ToolSpec[Any]] = [
    ToolSpec(
        name="get_status",
        title="Status of an execution",
        description=(
            "Show an execution, running or finished: status, output, error, console lines. Long outputs and logs are read in pieces "
            'with offset and limit. Example: {"id": "0198c1d2-…", "wait_seconds": 25}'
        ),
        arguments=GetStatus,
        output=schemas.result(
            {
                **FULL,
                "logs": LOGS,
                "logs_total": schemas.INTEGER,
                "http": {"type": "array", "items": {"type": "object"}},
                "http_total": schemas.INTEGER,
                "output_text": schemas.STRING,
                "offset": schemas.INTEGER,
                "next_offset": schemas.INTEGER,
            }
        ),
        annotations=READ_ONLY,
        handler=get_status,
    ),
    ToolSpec(
        name="list_executions",
        title="List executions",
        description='List recent executions, newest first. Example: {"status": "failed", "since": "2026-01-31T00:00:00Z", "limit": 10}',
        arguments=ListExecutions,
        output=schemas.result({"executions": schemas.array_of(LISTED, "execution_id", "status"), "next_cursor": schemas.STRING}),
        annotations=READ_ONLY,
        handler=list_executions,
    ),
    ToolSpec(
        name="cancel_execution",
        title="Cancel an execution",
        description='Stop an execution that is queued or running. Example: {"id": "0198c1d2-…", "reason": "no longer needed"}',
        arguments=CancelExecution,
        output=schemas.result(FULL),
        annotations=STOPS,
        handler=cancel_execution,
    ),
]
