"""The tool that runs several tasks in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import anyio
from pydantic import Field

from ratchet_mcp.errors import BatchFinished, RatchetError
from ratchet_mcp.execution.models import Origin
from ratchet_mcp.mcp import batch_view
from ratchet_mcp.mcp.progress import ProgressRelay, wanted
from ratchet_mcp.mcp.results import ToolResult
from ratchet_mcp.mcp.tasks_extension.becoming import TOOL, BecameTask
from ratchet_mcp.mcp.tasks_extension.protocol import created, declared
from ratchet_mcp.mcp.tools import schemas
from ratchet_mcp.mcp.tools.arguments import WHOLE, Arguments
from ratchet_mcp.mcp.tools.spec import RUNS_CODE, Call, ToolSpec

if TYPE_CHECKING:
    from ratchet_mcp.app import Ratchet
    from ratchet_mcp.batches.models import Batch
    from ratchet_mcp.batches.plan import Plan
    from ratchet_mcp.batches.service import Batches

REQUESTS = (
    "{id, task, input?, depends_on?: [id], when?: {from: id, path, op: == != < <= > >= in contains exists, value}}; anywhere in an input "
    '{"$from": id, "path": "/a/0"} stands for an earlier output ({"$literal": x} for x as it is)'
)


class BatchExecute(Arguments):
    """Arguments of batch_execute."""

    requests: Annotated[list[dict[str, Any]], Field(description=REQUESTS)]
    mode: Annotated[
        Literal["dependency", "parallel", "sequential"], Field(description="dependency: each as soon as what it needs has completed")
    ] = "dependency"
    max_parallel: Annotated[Annotated[int, Field(ge=1)] | None, WHOLE] = None
    stop_on_error: Annotated[bool, Field(description="start nothing more after a failure")] = False
    wait_seconds: Annotated[float | None, Field(ge=0, le=50)] = None
    background: Annotated[bool, Field(description="a job, which survives a crash")] = False


async def batch_execute(call: Call, arguments: BatchExecute) -> ToolResult:
    """Check all requests, run them, and wait for the end, but not longer than the client's patience."""
    ratchet = await call.app.get()
    batches = await ratchet.batches()
    plan = await batches.check(
        arguments.requests, mode=arguments.mode, max_parallel=arguments.max_parallel, stop_on_error=arguments.stop_on_error
    )
    if arguments.background:
        _, batch = await ratchet.submit_batch(plan, origin=Origin.MCP, principal=call.principal)
        return batch_view.answer(batch, call.characters)
    seconds = call.settings.mcp.wait_seconds if arguments.wait_seconds is None else arguments.wait_seconds
    if declared(call.context):
        return batch_view.answer(await _as_task(call, ratchet, plan, seconds), call.characters)
    return batch_view.answer(await _run_and_wait(call, batches, plan, seconds), call.characters)


async def _as_task(call: Call, ratchet: Ratchet, plan: Plan, seconds: float) -> Batch:
    """Start a batch as a job and give it a moment, with its progress. Raises `BecameTask` when it has not ended then."""
    job, _ = await ratchet.submit_batch(plan, origin=Origin.MCP, principal=call.principal, call={TOOL: "batch_execute"})
    relay = ProgressRelay(call.context, total=len(plan.requests)) if wanted(call.context) else None
    batches = await ratchet.batches()
    try:
        waiting = ratchet.jobs.wait(job.id, min(seconds, call.settings.mcp.task_after_seconds))
        if relay is None:
            job = await waiting
        else:
            with batches.listening(job.id, relay.take_count):
                job = await relay.during(waiting)
    except anyio.get_cancelled_exc_class():
        with anyio.CancelScope(shield=True):
            await cancel(batches, job.id, "The client cancelled the request.")
        raise
    if not job.status.final:
        raise BecameTask(created(job, call.settings.mcp))
    return await batches.get(job.id)


async def _run_and_wait(call: Call, batches: Batches, plan: Plan, seconds: float) -> Batch:
    """Start a batch and wait for it. When the client cancels the call, all of it is cancelled."""
    relay = ProgressRelay(call.context, total=len(plan.requests)) if wanted(call.context) else None
    batch = await batches.start(plan, origin=Origin.MCP, principal=call.principal, on_progress=relay.take_count if relay else None)
    try:
        waiting = batches.wait(batch.id, seconds)
        return await (relay.during(waiting) if relay else waiting)
    except anyio.get_cancelled_exc_class():
        with anyio.CancelScope(shield=True):
            await cancel(batches, batch.id, "The client cancelled the request.")
        raise


async def cancel(batches: Batches, id: str, reason: str) -> None:
    """Cancel a batch if it has not ended."""
    try:
        await batches.cancel(id, reason)
    except BatchFinished:
        return
    except RatchetError as error:
        from loguru import logger

        logger.warning("Batch {} could not be cancelled: {}", id, error.message)


TOOLS: list[ToolSpec[Any]] = [
    ToolSpec(
        name="batch_execute",
        title="Execute several tasks",
        description=(
            "Run several tasks in one call, with outputs as later inputs and conditions; all problems are told before anything runs. "
            "Example: "
            '{"requests": [{"id": "a", "task": "text-statistics", "input": {"text": "to be"}}, '
            '{"id": "b", "task": "x", "input": {"n": {"$from": "a", "path": "/words"}}}]}'
        ),
        arguments=BatchExecute,
        output=schemas.result(batch_view.BATCH),
        annotations=RUNS_CODE,
        handler=batch_execute,
    ),
]
