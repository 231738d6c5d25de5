"""The dispatcher for many machines: what is announced on one of them wakes all the others, through PgQueuer in their database."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import anyio
from loguru import logger

from ratchet_mcp.errors import RatchetError
from ratchet_mcp.jobs.dispatcher import Perform
from ratchet_mcp.jobs.embedded import EmbeddedDispatcher
from ratchet_mcp.jobs.models import Job, JobStatus
from ratchet_mcp.jobs.running import Running
from ratchet_mcp.store.shared_queue import SharedQueue


class PostgresDispatcher:
    """Fills the free places of this process as the embedded dispatcher does, from the shared queue.

    The short look every `poll_seconds` stays: it finds what is due, and jobs whose announcement was lost.
    """

    def __init__(self, queue: SharedQueue, running: Running, poll_seconds: float) -> None:
        self._queue = queue
        self._inner = EmbeddedDispatcher(queue, partial(running.claim, source=queue.claim), running.pace, poll_seconds)

    async def announce(self, jobs: Sequence[Job]) -> None:
        """Tell all machines of jobs; they find those later that cannot be announced now, so that this never fails."""
        queued = [(job.id, job.priority.value) for job in jobs if job.status is JobStatus.QUEUED]
        try:
            await self._queue.announce(queued)
        except RatchetError as error:
            logger.warning("{} jobs could not be announced; they are found a little later: {}", len(queued), error.message)
        await self._inner.announce(jobs)

    def free(self, id: str) -> None:
        """Give the place of a job to the next one."""
        self._inner.free(id)

    async def run(self, perform: Perform) -> None:
        """Hand out work until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._queue.listen, self._inner.wake)
            await self._inner.run(perform)

    async def drain(self, seconds: float) -> None:
        """Take no more work; return when what runs has ended, or after so many seconds."""
        await self._inner.drain(seconds)
