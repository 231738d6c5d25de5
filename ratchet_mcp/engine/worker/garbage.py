"""Collect what a fat run left, so that it does not count against the next one.

The engine collects when its own heap fills up, but not for buffers, which come from malloc: a run could meet the limit of the process
because of memory that nobody uses any more.
"""

from __future__ import annotations

import ctypes
import resource
from collections.abc import Callable
from typing import Any

MANY = 24 << 20
"""Bytes in use after a run, above what an idle worker has, that are worth a collection (2 to 20 ms)."""


class _Mallinfo(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")
    ]


def _meter() -> Callable[[], int]:
    """Return a function that tells how many bytes malloc has handed out (0 where the C library does not say)."""
    try:
        mallinfo: Any = ctypes.CDLL(None).mallinfo2
    except (OSError, AttributeError):
        return lambda: 0
    mallinfo.restype = _Mallinfo

    def in_use() -> int:
        facts = mallinfo()
        return facts.uordblks + facts.hblkhd

    return in_use


def _touched() -> int:
    """Return how many bytes of fresh memory the process was ever given."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt * resource.getpagesize()


class Garbage:
    """Decides after each run whether to collect. Build it before the confinement."""

    def __init__(self, collect: Callable[[], Any]) -> None:
        self._collect = collect
        self._in_use = _meter()
        self._idle = self._in_use()
        self._touched = _touched()

    def after_run(self) -> None:
        """Collect when the run before left much, or was given much."""
        touched = _touched()
        if self._in_use() - self._idle > MANY or touched - self._touched > 2 * MANY:
            self._collect()
            touched = _touched()
        self._touched = touched
