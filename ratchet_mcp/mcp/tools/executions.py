"""Tools that look after runs: their history, and stopping them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ratchet_mcp.errors import BatchNotFound, ExecutionNotFound, JobNotFound
from ratchet_mcp.execution.models import Origin, Status
from ratchet_mcp.mcp import batch_view, execution_view, job_view
from ratchet_mcp.mcp.results import ToolResult, success
from ratchet_mcp.mcp.tools import schemas
from ratchet_mcp.mcp.tools.arguments import Arguments, Cursor, PageSize, Since
from ratchet_mcp.mcp.tools.spec import READ_ONLY, STOPS, Call, ToolSpec

if TYPE_CHECKING:
    from ratchet_mcp.app import Ratchet

Id = Annotated[str, Field(description="execution_id or job_id", min_length=1, max_length=100)]


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
    try:
        return success(execution_view.full(await ratchet.executions.cancel(arguments.id, arguments.reason)))
    except ExecutionNotFound as unknown:
        try:
            return success(job_view.listed(await ratchet.jobs.cancel(arguments.id, arguments.reason)))
        except JobNotFound:
            return await _cancel_batch(call, arguments, ratchet, unknown)


async def _cancel_batch(call: Call, arguments: CancelExecution, ratchet: Ratchet, unknown: ExecutionNotFound) -> ToolResult:
    try:
        batch = await (await ratchet.batches()).cancel(arguments.id, arguments.reason)
    except BatchNotFound:
        raise unknown from None
    return success(batch_view.view(batch, call.characters))


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
        description='Stop an execution, a background job or a batch. Example: {"id": "0198c1d2-…", "reason": "no longer needed"}',
        arguments=CancelExecution,
        output=schemas.result({**batch_view.BATCH, **job_view.JOB, **schemas.FULL, "status": batch_view.ANY_STATUS}),
        annotations=STOPS,
        handler=cancel_execution,
    ),
]
