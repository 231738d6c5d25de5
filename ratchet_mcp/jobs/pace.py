"""The places of this process, and how far ahead of them it claims jobs: short ones would otherwise wait for the database each time."""

from __future__ import annotations

import math
import time

import anyio

AHEAD_SECONDS = 0.05
"""Jobs that are claimed ahead should find a free place within this time."""
MOST_AHEAD = 16
PATIENCE_SECONDS = 0.25
"""A job that was claimed ahead and has found no place after this time is given back, because another process may have one."""
WEIGHT = 0.2
"""How much the latest run counts in the average."""


class Pace:
    """Lets at most `places` jobs run at the same time, and says how many more may be claimed already."""

    def __init__(self, places: int) -> None:
        self.places = places
        self._free = anyio.Semaphore(places)
        self._average = math.inf

    @property
    def ahead(self) -> int:
        """Return how many jobs beyond the places to claim while the queue is long: none unless the latest runs were short."""
        return min(MOST_AHEAD, int(self.places * AHEAD_SECONDS / self._average)) if self._average > 0 else MOST_AHEAD

    async def take(self) -> float | None:
        """Wait for a place; returns what `leave` wants to have, None when there was none in time."""
        if self._free.value > 0:  # then nobody waits, and a scope can be spared
            self._free.acquire_nowait()
            return time.monotonic()
        with anyio.move_on_after(PATIENCE_SECONDS) as waiting:
            await self._free.acquire()
        if waiting.cancelled_caught:
            self._average = math.inf
            return None
        return time.monotonic()

    def leave(self, since: float) -> None:
        """Give a place back."""
        self._free.release()
        seconds = time.monotonic() - since
        self._average = seconds if math.isinf(self._average) else (1 - WEIGHT) * self._average + WEIGHT * seconds
