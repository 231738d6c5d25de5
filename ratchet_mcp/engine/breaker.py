"""A circuit breaker: a task that kills workers again and again is paused."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from datetime import UTC, datetime
from typing import Any

from ratchet_mcp.errors import CircuitOpen
from ratchet_mcp.settings.engine import EngineSettings

MAX_KEYS = 1000


class Breaker:
    """Counts worker deaths by task. After `breaker_failures` within the window the task is refused until the pause is over.

    After the pause one run is let through (half open): when it kills its worker too, the pause starts again.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._deaths: OrderedDict[str, deque[float]] = OrderedDict()
        self._open_until: dict[str, float] = {}

    def check(self, key: str) -> None:
        """Raise `CircuitOpen` while the task is paused."""
        until = self._open_until.get(key)
        if until is None:
            return
        left = until - time.monotonic()
        if left <= 0:
            del self._open_until[key]
            return
        retry_at = datetime.fromtimestamp(time.time() + left, UTC).isoformat(timespec="seconds")
        raise CircuitOpen(
            f"This task killed {self._settings.breaker_failures} workers within {self._settings.breaker_window_seconds:g} s; "
            f"it is paused for another {left:.0f} s.",
            hint="Change the task (an edited task starts afresh) or wait.",
            details={"retry_at": retry_at, "retry_in_seconds": round(left, 1)},
        )

    def died(self, key: str) -> None:
        """Count a death."""
        now = time.monotonic()
        deaths = self._deaths.setdefault(key, deque(maxlen=self._settings.breaker_failures))
        self._deaths.move_to_end(key)
        deaths.append(now)
        if len(deaths) == self._settings.breaker_failures and now - deaths[0] <= self._settings.breaker_window_seconds:
            self._open_until[key] = now + self._settings.breaker_open_seconds
        while len(self._deaths) > MAX_KEYS:
            forgotten, _ = self._deaths.popitem(last=False)
            self._open_until.pop(forgotten, None)

    def survived(self, key: str) -> None:
        """Forget a task's deaths after a run that left its worker alive."""
        if key in self._deaths:
            del self._deaths[key]

    def status(self) -> list[dict[str, Any]]:
        """Return the tasks that are paused now."""
        now = time.monotonic()
        return [{"key": key, "seconds_left": round(until - now, 1)} for key, until in self._open_until.items() if until > now]
