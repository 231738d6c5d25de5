"""What the native core takes for the running event loop: a queue of promise jobs, and nothing else.

SpiderMonkey's promise jobs go to `asyncio`'s running loop. A real loop costs a system call and a task switch for each; this one is a
deque that the worker drains after every macrotask, as a browser does. It also hears of promises that were rejected while nobody
listened: for each of those the core asks for a future and sets the exception on it.
"""

from __future__ import annotations

import asyncio.events
from collections import deque
from collections.abc import Callable
from typing import Any


class RejectedPromise:
    """Stands in for the future of a promise that was rejected without a handler; holds the reason."""

    def __init__(self) -> None:
        self.reason: Any = None
        self.known = False

    def set_exception(self, error: Any) -> None:
        """Take the rejection's reason (called by the native core)."""
        self.reason = getattr(error, "jsError", error)
        self.known = True

    def set_result(self, value: Any) -> None:
        """Take a result; a rejected promise has none (called by the native core)."""

    def add_done_callback(self, callback: Any, *_: Any, **__: Any) -> None:
        """Accept a callback; nobody waits for these futures (called by the native core)."""


class JobQueue:
    """The promise jobs of one worker, and the rejections nobody listened to."""

    def __init__(self, on_rejection: Callable[[], None]) -> None:
        self._jobs: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()
        self._on_rejection = on_rejection
        self._exception_handler = self.call_exception_handler
        self.rejections: list[RejectedPromise] = []

    def install(self) -> None:
        """Become the running loop of this thread."""
        asyncio.events._set_running_loop(self)  # type: ignore[arg-type]

    def call_soon_threadsafe(self, callback: Callable[..., Any], *arguments: Any, **_: Any) -> JobQueue:
        """Queue a promise job (called by the native core)."""
        self._jobs.append((callback, arguments))
        return self

    call_soon = call_soon_threadsafe

    def create_future(self) -> RejectedPromise:
        """Note that a promise was rejected without a handler (called by the native core)."""
        rejected = RejectedPromise()
        if len(self.rejections) < 1000:
            self.rejections.append(rejected)
        self._on_rejection()
        return rejected

    def call_exception_handler(self, *_: Any) -> None:
        """Ignore what asyncio would log (called by the native core)."""

    def __bool__(self) -> bool:
        return bool(self._jobs)

    def drain(self) -> None:
        """Run jobs until none is left. A task that queues jobs for ever is ended by its time limit."""
        jobs = self._jobs
        while jobs:
            callback, arguments = jobs.popleft()
            callback(*arguments)

    def clear(self) -> None:
        """Forget jobs and rejections of the run that just ended."""
        self._jobs.clear()
        self.rejections.clear()
