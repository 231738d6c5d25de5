"""What a caller holds of an execution that it started."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager

from ratchet_mcp.engine.course import Course
from ratchet_mcp.engine.observe import Observed
from ratchet_mcp.engine.run import ProgressUpdate
from ratchet_mcp.errors import Interrupted
from ratchet_mcp.execution.asking import Asking
from ratchet_mcp.execution.keeper import cancelled
from ratchet_mcp.execution.live import Live
from ratchet_mcp.execution.models import Execution
from ratchet_mcp.tasks.definition import Task


class Handle:
    """A started execution. `execution` is live: it changes in place until it is final."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self.id = live.execution.id
        self.execution = live.execution

    async def wait(self, seconds: float | None) -> Execution:
        """Wait until the execution is final and recorded, or so many seconds; that it began is recorded in any case."""
        if not await self._live.wait(seconds) and self._live.begun is not None:
            await asyncio.wait([self._live.begun])
            if self._live.begun.exception() is not None:
                await self._live.wait(None)
        return self.execution

    @property
    def observed(self) -> Observed | None:
        """Return what was seen of a run that was started with `observe`, once it has ended."""
        return self._live.observed

    @property
    def course(self) -> Course | None:
        """Return the course that a run took which was started with one, once it has ended; with it, the run can be repeated."""
        return self._live.course

    @property
    def ended(self) -> bool:
        """Tell whether the execution is final and recorded."""
        return self._live.has_ended

    @property
    def task(self) -> Task:
        """Return the task that runs."""
        return self._live.task

    @contextmanager
    def when_ended(self, listener: Callable[[], None]) -> Generator[None]:
        """Call a listener on the event loop when the execution is final, if that happens meanwhile."""
        with self._live.when_ended(listener):
            yield

    @property
    def asking(self) -> Asking:
        """Return the questions of the run."""
        return self._live.asking

    def tell_progress(self, listener: Callable[[ProgressUpdate], None] | None) -> None:
        """Tell another listener of progress from now on."""
        self._live.tell_progress(listener)

    def cancel(self, reason: str | None = None) -> None:
        """Kill the run; without effect when it has ended."""
        self._live.end(cancelled(reason))

    def interrupt(self, message: str) -> None:
        """Kill the run because the server stops; without effect when it has ended."""
        self._live.end(Interrupted(message))
