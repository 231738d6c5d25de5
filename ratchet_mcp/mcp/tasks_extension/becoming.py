"""A call that takes longer than a moment becomes a task: its run a job, its answer a handle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import anyio
from loguru import logger

from ratchet_mcp.errors import RatchetError
from ratchet_mcp.jobs.retry import RetryPolicy
from ratchet_mcp.mcp.asking import until_news
from ratchet_mcp.mcp.elicitation import Asked
from ratchet_mcp.mcp.tasks_extension.protocol import created, declared

if TYPE_CHECKING:
    from ratchet_mcp.execution.handle import Handle
    from ratchet_mcp.jobs.models import JobRequest
    from ratchet_mcp.mcp.tools.spec import Call

TOOL = "tool"


@dataclass(frozen=True, slots=True)
class Becomes:
    """What a run has to be as a job: the request that runs it again after a crash, the tool that tells its result, and what that needs."""

    tool: str
    request: JobRequest
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])


class BecameTask(Asked):
    """Ends a call whose run goes on as a task; `result` is its handle."""


async def become(call: Call, handle: Handle, becomes: Becomes, seconds: float) -> None:
    """Give a run a moment, at most `seconds`, to end or to ask. Raises `BecameTask` for a client that knows tasks when it has not ended."""
    if not declared(call.context):
        return
    await until_news(handle, min(seconds, call.settings.mcp.task_after_seconds))
    if handle.execution.status.final:
        return
    ratchet = await call.app.get()
    # What fails is told to the client, as the call would have told it; only a crash makes it run again.
    request = replace(becomes.request, retry=RetryPolicy(attempts=1), call={TOOL: becomes.tool, **becomes.facts})
    try:
        with anyio.CancelScope(shield=True):  # a job that is half adopted would have no end
            job = await ratchet.jobs.adopt(handle, handle.task, request=request)
            raise BecameTask(created(job, call.settings.mcp))
    except RatchetError as error:
        logger.warning("A run could not be made a task, so its call waits for it: {}", error.message)
