"""The order of events of a run that is recorded or repeated, and what time it is at each."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Container
from typing import Any

MOST_EVENTS = 20_000
"""As in `engine.course`: events beyond are not noted, so that a run with more can be repeated up to there."""


class Course:
    """Notes the events of a run; gives those of a recorded run in their order, as long as the run keeps to it."""

    def __init__(self, started_ms: int, events: list[list[Any]]) -> None:
        self.taken: list[list[Any]] = []
        self._ahead = deque(events)
        self._origin = time.monotonic() - started_ms / 1000

    def expected(self, calls: Container[int], timers: Container[int]) -> tuple[str, int] | None:
        """Return kind and number of the next event, `None` when the run has no course before it or has departed from it."""
        if not self._ahead:
            return None
        kind, number, _ = self._ahead[0]
        if number not in (calls if kind == "call" else timers):
            self._ahead.clear()
            return None
        return kind, number

    def happens(self, kind: str, number: int) -> int:
        """Note an event; returns its time in milliseconds."""
        at = int((time.monotonic() - self._origin) * 1000)
        if self._ahead:
            if self._ahead[0][:2] == [kind, number]:
                at = self._ahead.popleft()[2]
            else:
                self._ahead.clear()
        if len(self.taken) < MOST_EVENTS:
            self.taken.append([kind, number, at])
        return at
