"""Collect what a fat run left, so that it does not count against the next one.

The engine collects when its own heap fills up, but not for buffers, which come from malloc: a run could meet the limit of the process
because of memory that nobody uses any more. And what the bridge between Python and JavaScript lost for good, only a new process gives back.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

MUCH = 24 << 20
"""Bytes more than after the last collection that are worth another one (2 to 20 ms)."""


class Memory:
    """How much memory counts against this process' limit. Build it before the confinement: it keeps a descriptor."""

    def __init__(self) -> None:
        try:
            self._file = os.open("/proc/self/statm", os.O_RDONLY)
        except OSError:  # not Linux
            self._file = -1
        self._page = os.sysconf("SC_PAGE_SIZE")

    def used(self) -> int:
        """Return the bytes of private writable memory (0 where the kernel does not tell)."""
        if self._file < 0:
            return 0
        os.lseek(self._file, 0, os.SEEK_SET)
        return int(os.read(self._file, 256).split()[5]) * self._page


class Garbage:
    """Decides after each run whether to collect, and whether the process is still good for another run."""

    def __init__(self, collect: Callable[[], Any], limit: int) -> None:
        self._collect = collect
        self._memory = Memory()
        self._idle = self._low = self._memory.used()
        self._limit = limit

    def after_run(self) -> bool:
        """Tidy up. Return whether more than a quarter of the `limit` (bytes) stays lost, so that the process had better end."""
        used = self._memory.used()
        if used - self._low <= MUCH:
            return False
        self._collect()
        self._low = self._memory.used()
        return self._low - self._idle > self._limit // 4
