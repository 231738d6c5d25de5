"""Starting a run for a client, waiting for it, and telling what failed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import anyio

from ratchet_mcp.errors import ExecutionNotFound, RatchetError
from ratchet_mcp.mcp.asking import attend, continued
from ratchet_mcp.mcp.elicitation import Asked
from ratchet_mcp.mcp.long_output import ALL_LINES, lines_that_fit
from ratchet_mcp.mcp.progress import ProgressRelay, wanted
from ratchet_mcp.mcp.results import describe
from ratchet_mcp.mcp.tasks_extension.becoming import Becomes, become

if TYPE_CHECKING:
    from ratchet_mcp.app import Ratchet
    from ratchet_mcp.engine.run import ProgressUpdate
    from ratchet_mcp.execution.models import Execution
    from ratchet_mcp.execution.service import Handle
    from ratchet_mcp.mcp.tools.spec import Call

OnProgress = Callable[["ProgressUpdate"], None] | None
LOG_TAIL = 20


async def run_and_wait(
    call: Call, start: Callable[[OnProgress], Awaitable[Handle]], seconds: float, becomes: Becomes | None = None
) -> Execution:
    """Start a run and wait for it; its questions go to the user of the client. When the client cancels the call, the run is killed.

    A call that is repeated with the answers to questions goes on with the run that asked them, and starts nothing. For a client that
    knows tasks, a run that takes longer than a moment goes on as what it `becomes`, and `BecameTask` is raised.
    """
    relay = ProgressRelay(call.context) if wanted(call.context) else None
    on_progress = relay.take if relay else None
    id = await continued(call)
    if id is None:
        handle = await start(on_progress)
    else:
        ratchet = await call.app.get()
        known = ratchet.executions.handle(id)
        if known is None or known.execution.principal != call.principal.id:
            return await _ended(ratchet, call, id, seconds)
        handle = known
        handle.tell_progress(on_progress)
    waiting = _wait(call, handle, seconds, becomes)
    try:
        return await (relay.during(waiting) if relay else waiting)
    except Asked:
        handle.tell_progress(None)
        raise
    except anyio.get_cancelled_exc_class():
        handle.cancel("The client cancelled the request.")
        raise


async def _wait(call: Call, handle: Handle, seconds: float, becomes: Becomes | None) -> Execution:
    if becomes is not None:
        await become(call, handle, becomes, seconds)
    return await attend(call, handle, seconds)


async def _ended(ratchet: Ratchet, call: Call, id: str, seconds: float) -> Execution:
    """Return the run that asked, which has ended meanwhile. Raises `ExecutionNotFound`."""
    execution = await ratchet.executions.wait(id, seconds)
    if execution.principal != call.principal.id:
        raise ExecutionNotFound(f"No execution has the id {id!r}.")
    return execution


async def failure_text(ratchet: Ratchet, execution: Execution, error: dict[str, Any]) -> str:
    """Tell what failed, where, what to change, and the end of the console output."""
    parts = [f"{execution.task}@{execution.version} {execution.status.value.replace('_', ' ')}.", describe(error)]
    try:
        lines = await ratchet.executions.logs(execution.id, 0, ALL_LINES)
    except RatchetError as unreadable:
        parts.append(f"Console output could not be read: {unreadable.message}")
        lines = []
    if lines:
        tail = lines_that_fit(lines[-LOG_TAIL:], 4_000, newest=True)
        parts.append(f"Console output (last {len(tail)} of {len(lines)} lines):")
        parts += [f"[{line['level']}] {line['message']}" for line in tail]
    return "\n".join(parts)
