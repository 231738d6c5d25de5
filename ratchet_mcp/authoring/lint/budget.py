"""The time that a lint may take: code that is made to be slow to look at must not hold up a server."""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from contextlib import contextmanager
from threading import local

SECONDS = 3.0
"""Processor time of one lint."""
_STEPS = 64


class OutOfTime(Exception):
    """The lint has used up its time."""


class _Clock(local):
    deadline = math.inf
    steps = 0


_clock = _Clock()


@contextmanager
def limited(seconds: float = SECONDS) -> Generator[None]:
    """Limit the processor time of what runs on this thread inside the block."""
    _clock.deadline = time.thread_time() + seconds
    try:
        yield
    finally:
        _clock.deadline = math.inf


def tick(steps: int = 1) -> None:
    """Count steps, and look at the clock now and then. Raises `OutOfTime`."""
    _clock.steps += steps
    if _clock.steps >= _STEPS:
        _clock.steps = 0
        if time.thread_time() > _clock.deadline:
            raise OutOfTime
