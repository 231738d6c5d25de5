"""Notices that the clock was set back. What was to happen in some seconds would otherwise happen when the clock has caught up."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

STEP = 1.0
"""By how many seconds the clock must go back to count."""
DIFFERENCE = timedelta(minutes=1)
"""How far in the future a time may be, as the clocks of machines differ; one from further on is from before the clock was set back."""


class Clock:
    """Notices that the time of day goes back, by comparing it with a clock that never does."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._ahead: float | None = None

    def went_back(self, now: datetime) -> bool:
        """Tell whether the time went back since this was last asked; the first time it may have."""
        ahead = now.timestamp() - self._monotonic()
        before, self._ahead = self._ahead, ahead
        return before is None or ahead < before - STEP
