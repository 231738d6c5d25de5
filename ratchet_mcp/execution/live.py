"""An execution while it runs: what its worker reports, who waits for it, how it is ended early."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import anyio
from loguru import logger

from ratchet_mcp.engine.clock import RunClock
from ratchet_mcp.engine.course import Course, Event
from ratchet_mcp.engine.observe import Observed
from ratchet_mcp.engine.run import LogLine, ProgressUpdate, RunRequest
from ratchet_mcp.errors import RatchetError
from ratchet_mcp.execution.asking import Asking
from ratchet_mcp.execution.ending import Ended, OnEnd
from ratchet_mcp.execution.models import Execution, Status
from ratchet_mcp.security.principal import Principal
from ratchet_mcp.tasks.definition import Task

if TYPE_CHECKING:
    from ratchet_mcp.egress.service import RunNetwork
    from ratchet_mcp.execution.cache import CachedRun

Calling = Callable[["Live", str, Any], Awaitable[Any]]


class Live:
    """One run under way. It is the `RunHost` of its worker; everything happens on the event loop."""

    def __init__(
        self,
        execution: Execution,
        task: Task,
        request: RunRequest,
        principal: Principal,
        calling: Calling,
        on_progress: Callable[[ProgressUpdate], None] | None = None,
        network: RunNetwork | None = None,
    ) -> None:
        self.execution = execution
        self.task = task
        self.request = request
        self.principal = principal
        self.scope = anyio.CancelScope()
        self.ending: RatchetError | None = None
        self.begun: asyncio.Future[None] | None = None
        self.lines: list[LogLine] = []
        self.observed: Observed | None = None
        self.written = 0
        self.marked = False
        self.children: set[Live] = set()
        self.network = network
        self.given_network: RunNetwork | None = None
        self.cached: CachedRun | None = None
        self.on_end: OnEnd | None = None
        self.calls_made = 0
        self.course: Course | None = None
        self.child_courses: dict[int, Course] = {}
        self.created = time.perf_counter()
        self.clock = request.clock or RunClock(request.limits.timeout_seconds)
        self.asking = Asking(None)
        self._ended = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []
        self._calling = calling
        self._on_progress = on_progress

    # ------------------------------------------------------------ what the engine reports
    def on_start(self) -> None:
        """Note that the run left the queue."""
        self.execution.status = Status.RUNNING
        self.execution.started_at = datetime.now(UTC)

    def log(self, line: LogLine) -> None:
        """Take one line of console output; the engine counts its bytes."""
        self.lines.append(line)

    def tell_progress(self, listener: Callable[[ProgressUpdate], None] | None) -> None:
        """Tell another listener of progress from now on."""
        self._on_progress = listener

    def progress(self, update: ProgressUpdate) -> None:
        """Take one progress report; only the latest is kept."""
        self.execution.progress = {name: value for name, value in asdict(update).items() if value is not None}
        if self._on_progress is not None:
            try:
                self._on_progress(update)
            except Exception as error:
                logger.opt(exception=error).error("A listener to progress failed")

    async def call(self, method: str, arguments: Any) -> Any:
        """Answer a call of the task. Raises `RatchetError`."""
        return await self._calling(self, method, arguments)

    def take_course(self, events: tuple[Event, ...]) -> None:
        """Keep the course that the run took, with those of the tasks that it called."""
        course = self.request.course
        if course is not None:  # a call that ran nothing, or was given up, keeps its place, so that the others keep theirs
            children = tuple(self.child_courses.get(number) or course.of_child(number) for number in range(self.calls_made))
            self.course = course.taken(events, children)

    def http_calls(self) -> list[dict[str, Any]]:
        """Return the fetches of the run so far, as JSON."""
        return [] if self.network is None else [call.to_dict() for call in self.network.calls]

    # ------------------------------------------------------------ ending it
    async def tell_end(self) -> None:
        """Tell who wants to hear of the end, before it is recorded; what they raise is a warning."""
        if self.on_end is None:
            return
        try:
            await self.on_end(Ended(self.execution, self.lines, self.course or self.request.course, self.asking.told))
        except RatchetError as error:
            self.execution.warnings.append(error.message)
        except Exception as error:
            logger.opt(exception=error).error("Who listens to the end of execution {} failed", self.execution.id)
            self.execution.warnings.append(f"The run was not recorded: {type(error).__name__}.")

    def end(self, error: RatchetError) -> None:
        """End the run early with this error, unless it has ended or is being ended already."""
        if self.ending is None and not self._ended.is_set():
            self.ending = error
            self.scope.cancel()

    def watch(self, begun: asyncio.Future[None]) -> None:
        """End the run if its start cannot be recorded."""
        self.begun = begun
        begun.add_done_callback(self._on_begun)

    def _on_begun(self, begun: asyncio.Future[None]) -> None:
        error = None if begun.cancelled() else begun.exception()
        if isinstance(error, RatchetError):
            self.end(error)

    @property
    def has_ended(self) -> bool:
        """Tell whether the execution is final and recorded."""
        return self._ended.is_set()

    def ended(self) -> None:
        """Wake who waits: the execution is final and recorded."""
        self._ended.set()
        for listener in list(self._listeners):
            listener()

    @contextmanager
    def when_ended(self, listener: Callable[[], None]) -> Generator[None]:
        """Call a listener when the execution is final and recorded, if that happens meanwhile."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    async def wait(self, seconds: float | None) -> bool:
        """Wait until the execution is final and recorded; tells whether it is after so many seconds."""
        if seconds is None:
            await self._ended.wait()
        elif not self._ended.is_set():
            with anyio.move_on_after(seconds):
                await self._ended.wait()
        return self._ended.is_set()
