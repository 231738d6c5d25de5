"""What the native core takes for the running event loop: a queue of promise jobs, and nothing else.

SpiderMonkey's promise jobs go to `asyncio`'s running loop. A real loop costs a system call and a task switch for each; this one is a
deque that the worker drains after every macrotask, as a browser does. It also hears of promises that were rejected while nobody
listened: for each of those the core asks for a future and sets the exception on it.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections import deque
from collections.abc import Callable
from sys import getrefcount
from typing import Any

MAX_HELD = 1000
"""Rejections of one run whose reasons can be asked for."""


_give_back = ctypes.pythonapi.Py_DecRef
_give_back.argtypes, _give_back.restype = [ctypes.py_object], None


def _references() -> int:
    """Return what `getrefcount` says of something that only a variable holds, in the way of `JobQueue.drain`."""
    waiting = deque([(object(), ())])
    item, _ = waiting.popleft()
    return getrefcount(item)


FORGOTTEN = _references() + 1
"""What it says of a job that has run, when the core still holds it."""


class Reasons:
    """Stands in for the future of every promise that was rejected without a handler; collects the reasons."""

    def __init__(self) -> None:
        self.found: list[Any] = []

    def set_exception(self, error: Any) -> None:
        """Take a rejection's reason (called by the native core)."""
        self.found.append(getattr(error, "jsError", error))

    def set_result(self, value: Any) -> None:
        """Take a result; a rejected promise has none (called by the native core)."""

    def add_done_callback(self, callback: Any, *_: Any, **__: Any) -> None:
        """Accept a callback; nobody waits for these futures (called by the native core)."""


class JobQueue:
    """The promise jobs of one worker, and the rejections nobody listened to.

    The core reacts to such a rejection with one more job, which turns the reason into a Python object. That kills the process for some
    reasons (`null`, a symbol, an invalid date, a detached buffer), so these jobs are held back until `reasons()` really needs them.
    """

    def __init__(self, on_rejection: Callable[[], None]) -> None:
        self._jobs: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()
        self._held: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []
        self._hold_next = False
        self._reading = False
        self._reasons = Reasons()
        self._count = 0
        self._on_rejection = on_rejection
        self._exception_handler = self.call_exception_handler

    def call_soon_threadsafe(self, callback: Callable[..., Any], *arguments: Any, **_: Any) -> JobQueue:
        """Queue a promise job (called by the native core)."""
        self._count += 1
        if not self._hold_next:
            self._jobs.append((callback, arguments))
        elif len(self._held) < MAX_HELD:
            self._held.append((callback, arguments))
        self._hold_next = False
        return self

    call_soon = call_soon_threadsafe

    def create_future(self) -> Reasons:
        """Note that a promise was rejected without a handler; the next job is the one to hold back (called by the native core)."""
        if self._reading:
            return Reasons()
        self._hold_next = True
        with contextlib.suppress(Exception):  # no stack left for it; the core needs its future all the same
            self._on_rejection()
        return self._reasons

    def queued(self) -> int:
        """Return how many jobs were ever queued."""
        return self._count

    def reasons(self) -> list[Any]:
        """Return the reasons of the rejections nobody listened to. Can end the process, see above."""
        self._reading = True
        try:
            for callback, arguments in self._held:
                callback(*arguments)
            return self._reasons.found[:]
        finally:
            self._reading = False

    def call_exception_handler(self, *_: Any) -> None:
        """Ignore what asyncio would log (called by the native core)."""

    def __bool__(self) -> bool:
        return bool(self._jobs)

    def drain(self) -> None:
        """Run jobs until none is left. A task that queues jobs for ever is ended by its time limit.

        The core forgets to give back its reference to each job (1.4.1), and with it everything that the job reaches, such as the values of
        promises, would stay for ever. Where there is exactly one reference too many, it is given back here.
        """
        jobs = self._jobs
        while jobs:
            callback, arguments = jobs.popleft()
            callback(*arguments)
            if getrefcount(callback) == FORGOTTEN:
                _give_back(callback)

    def clear(self) -> None:
        """Forget jobs and rejections of the run that just ended."""
        self._jobs.clear()
        self._held.clear()
        self._reasons.found.clear()
        self._hold_next = False
