"""How long a run may still take. Its time stands still while it waits for the user."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager


class RunClock:
    """Counts the seconds of one run down, from `start` to `end`. `caller` is the clock of the run that called this one."""

    def __init__(self, seconds: float, caller: RunClock | None = None) -> None:
        self._left = seconds
        self._caller = caller
        self._stops = 0
        self._since: float | None = None
        self._on_expiry: Callable[[], None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def remaining(self) -> float:
        """Return how many seconds are left; all of them before the start."""
        return self._left if self._since is None else self._left - (time.monotonic() - self._since)

    def start(self, on_expiry: Callable[[], None]) -> None:
        """Begin to count; `on_expiry` is called once on the event loop when no time is left."""
        self._on_expiry = on_expiry
        self._go_on()

    def end(self) -> None:
        """Count no more."""
        self._hold()
        self._on_expiry = None

    @contextmanager
    def stopped(self) -> Generator[None]:
        """Let no time pass meanwhile, here and in the runs that wait for this one."""
        clocks: list[RunClock] = []
        clock: RunClock | None = self
        while clock is not None:
            clocks.append(clock)
            clock = clock._caller
        for each in clocks:
            each._stops += 1
            each._hold()
        try:
            yield
        finally:
            for each in clocks:
                each._stops -= 1
                each._go_on()

    def _hold(self) -> None:
        self._left = self.remaining
        self._since = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _go_on(self) -> None:
        if self._stops == 0 and self._on_expiry is not None and self._since is None:
            self._since = time.monotonic()
            self._timer = asyncio.get_running_loop().call_later(max(0.0, self._left), self._expire)

    def _expire(self) -> None:
        self._timer = None
        if self._on_expiry is not None:
            self._on_expiry()
