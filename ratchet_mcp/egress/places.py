"""Who may have a connection next: all runs share them, and none can keep the others away."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Hashable
from contextlib import asynccontextmanager

import anyio


class Places:
    """Room for `total` requests at once. The last quarter is for runs that have none; the next goes to the run that has the fewest."""

    def __init__(self, total: int) -> None:
        self.free = total
        self._reserve = total // 4
        self._held: dict[Hashable, int] = {}
        self._waiting: dict[Hashable, deque[anyio.Event]] = {}

    @asynccontextmanager
    async def place(self, run: Hashable) -> AsyncGenerator[None]:
        """Hold a place for a request of a run, after waiting for it; requests of one run are served in their order."""
        turn = anyio.Event()
        self._waiting.setdefault(run, deque()).append(turn)
        self._grant()
        try:
            await turn.wait()
            yield
        finally:
            self._leave(run, turn)

    @property
    def waiting(self) -> int:
        """Return how many requests wait."""
        return sum(map(len, self._waiting.values()))

    def _leave(self, run: Hashable, turn: anyio.Event) -> None:
        if turn.is_set():
            self.free += 1
            self._held[run] -= 1
            if self._held[run] == 0:
                del self._held[run]
        else:  # given up before its turn
            self._waiting[run].remove(turn)
            if not self._waiting[run]:
                del self._waiting[run]
        self._grant()

    def _grant(self) -> None:
        while self.free > 0:
            ready = [run for run in self._waiting if self.free > self._reserve or run not in self._held]
            if not ready:
                return
            run = min(ready, key=lambda each: self._held.get(each, 0))
            turns = self._waiting.pop(run)
            turns.popleft().set()
            if turns:  # behind the others
                self._waiting[run] = turns
            self._held[run] = self._held.get(run, 0) + 1
            self.free -= 1
