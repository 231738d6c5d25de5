"""How much processor time and memory a worker uses, as the kernel counts it (Linux; elsewhere unknown)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Usage:
    """Processor time in seconds since the process started, resident memory in MiB."""

    cpu_seconds: float
    memory_mb: float


_TICK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def measure(pid: int) -> Usage | None:
    """Return the usage of a process, `None` when it is gone or cannot be seen."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    fields = text[text.rindex(b")") + 2 :].split()
    return Usage((int(fields[11]) + int(fields[12])) / _TICK, int(fields[21]) * _PAGE / (1 << 20))
