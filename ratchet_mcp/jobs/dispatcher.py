"""What a dispatcher is: the way of jobs to the free places of this process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from ratchet_mcp.jobs.models import Job

Perform = Callable[[str], Awaitable[None]]
"""Runs one attempt of the job with this id, if it may run now, and returns when that has ended and is recorded."""


class Dispatcher(Protocol):
    """Moves job ids to free places of this process. The job's row is the truth; ids are delivered at least once."""

    async def announce(self, jobs: Sequence[Job]) -> None:
        """Say that there is new or changed work (submitted, resumed, retried); after COMMIT."""
        ...

    async def run(self, perform: Perform) -> None:
        """Hand out work until cancelled."""
        ...

    def free(self, id: str) -> None:
        """Hear that the run of a job has ended, and that its end is on the way to the database: its place can be given away."""
        ...

    async def drain(self, seconds: float) -> None:
        """Take no more work; return when what runs has ended, or after so many seconds."""
        ...
