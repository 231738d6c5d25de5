"""Warnings of what is tried again and again: a database that is away for an hour must not fill the log with it."""

from __future__ import annotations

import time
from collections.abc import Callable

from loguru import logger

SECONDS = 60.0
MOST = 1000


class Seldom:
    """Warns of the same thing at most once in `SECONDS`; what is left out goes to DEBUG."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._told: dict[tuple[str, tuple[str, ...]], float] = {}

    def warning(self, template: str, *values: object) -> None:
        """Log as `logger.warning` does."""
        now = self._monotonic()
        what = template, tuple(str(value) for value in values)
        last = self._told.get(what)
        again = last is not None and now - last < SECONDS
        if not again:
            if len(self._told) >= MOST:
                self._told.clear()
            self._told[what] = now
        logger.opt(depth=1).log("DEBUG" if again else "WARNING", template, *values)


seldom = Seldom()
"""The one of this process. Its values are compared as texts, so they must say what is the matter, and no time."""
