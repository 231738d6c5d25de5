"""The dispatcher that needs nothing but the database: it claims from our own table."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Protocol

import anyio
from anyio.abc import TaskGroup

from ratchet_mcp.errors import RatchetError
from ratchet_mcp.jobs.dispatcher import Perform
from ratchet_mcp.jobs.models import Job, JobStatus
from ratchet_mcp.jobs.pace import Pace
from ratchet_mcp.observability.seldom import seldom
from ratchet_mcp.store.clock import Clock
from ratchet_mcp.store.job_records import Waiting

FAILED_SECONDS = 1.0
"""Pause after the database refused."""

LONG = 8
"""After so many claims in a row that found as much as they wanted, the queue counts as long."""

Claim = Callable[[int], Awaitable[list[str]]]


class Queue(Protocol):
    """What there is to do, and when something is due."""

    @property
    def clock(self) -> Callable[[], datetime]:
        """Return the clock by which this process waits."""
        ...

    async def look(self) -> Waiting:
        """Tell whether there is something to do, now or later, without taking it."""
        ...

    def promote(self) -> Awaitable[list[str]]:
        """Queue scheduled jobs that are due."""
        ...

    def bring_forward(self) -> Awaitable[int]:
        """Let pauses between attempts not last longer because the clock was set back; returns how many would have."""
        ...


class EmbeddedDispatcher:
    """Claims as many jobs as there are free places, in one transaction, whenever there may be some.

    An event of this process wakes it at once; what other processes submit it finds by a short look every `poll_seconds`, which
    also notices a clock that was set. While the queue is long and its jobs are short, some more are claimed than there are places.
    """

    def __init__(self, queue: Queue, claim: Claim, pace: Pace, poll_seconds: float) -> None:
        self._queue = queue
        self._claim = claim
        self._pace = pace
        self._places = pace.places
        self._least = 1
        self._full = 0
        self._poll_seconds = poll_seconds
        self._taken: dict[str, object] = {}
        """What holds a place: the id of each job, with a mark of its own, because a job may come back at once."""
        self._draining = False
        self._maybe = True
        self._looked = 0.0
        self._next_due: datetime | None = None
        self._clock = Clock()
        self._wake = anyio.Event()
        self._idle = anyio.Event()

    async def announce(self, jobs: Sequence[Job]) -> None:
        """Wake up, now or when the first of the jobs is due."""
        for job in jobs:
            if job.status is JobStatus.SCHEDULED:
                self._next_due = job.run_at if self._next_due is None else min(self._next_due, job.run_at)
        self.wake()

    def wake(self) -> None:
        """Look for work at once."""
        self._maybe = True
        self._wake.set()

    async def run(self, perform: Perform) -> None:
        """Hand out work until cancelled."""
        async with anyio.create_task_group() as tasks:
            while True:
                self._wake = anyio.Event()
                try:
                    await self._look_around()
                    if not await self._hand_out(tasks, perform):
                        with anyio.move_on_after(self._seconds_to_rest()):
                            await self._wake.wait()
                except RatchetError as error:
                    seldom.warning("The queue of jobs cannot be read now: {}", error.message)
                    self._maybe = True
                    await anyio.sleep(FAILED_SECONDS)

    async def drain(self, seconds: float) -> None:
        """Take no more work; return when what runs has ended, or after so many seconds."""
        self._draining = True
        with anyio.move_on_after(seconds):
            while self._taken:
                self._idle = anyio.Event()
                await self._idle.wait()

    async def _hand_out(self, tasks: TaskGroup, perform: Perform) -> bool:
        """Fill the free places; tells whether there may be more to do at once."""
        free = self._places - len(self._taken)
        if not self._maybe or free < self._least or self._draining:
            return False
        self._maybe = False
        claimed = await self._claim(free)
        for id in claimed:
            mark = self._taken[id] = object()
            tasks.start_soon(self._perform, perform, id, mark)
        self._full = self._full + 1 if len(claimed) == free else 0
        ahead = self._pace.ahead if self._full >= LONG else 0
        self._places, self._least = self._pace.places + ahead, 1 + ahead // 2
        return self._maybe and len(self._taken) < self._places

    def free(self, id: str) -> None:
        """Give the place of a job to the next one: its run has ended, and its end is on the way to the database."""
        self._taken.pop(id, None)
        if not self._taken:
            self._idle.set()
        self.wake()

    async def _perform(self, perform: Perform, id: str, mark: object) -> None:
        try:
            await perform(id)
        finally:
            if self._taken.get(id) is mark:
                self.free(id)

    async def _look_around(self) -> None:
        """Queue what is due, and see whether anything is queued; at most every `poll_seconds`, or when something is due."""
        if self._draining or self._seconds_to_rest() > 0:
            return
        waiting = await self._queue.look()
        if self._clock.went_back(waiting.now) and await self._queue.bring_forward():
            waiting = await self._queue.look()
        self._looked, self._next_due = time.monotonic(), waiting.next_due
        self._maybe = self._maybe or waiting.queued
        if waiting.next_due is not None and waiting.next_due <= waiting.now:
            self._maybe = bool(await self._queue.promote()) or self._maybe
            self._next_due = None

    def _seconds_to_rest(self) -> float:
        seconds = self._looked + self._poll_seconds - time.monotonic()
        if self._next_due is not None:
            seconds = min(seconds, (self._next_due - self._queue.clock()).total_seconds())
        return max(0.0, seconds)
