"""Take stdin and stdout for the protocol before anything else can touch them.

Imports nothing but the standard library: it runs before every other import of the process.
"""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StandardStreams:
    """Private descriptors of what were stdin and stdout; no child process inherits them."""

    read_fd: int
    write_fd: int


def claim() -> StandardStreams | None:
    """Move the protocol to private descriptors, so that descriptor 0 reads nothing and 1 writes to stderr.

    From then on a stray `print`, a library's C code or a child process cannot disturb the protocol. Returns `None`, and changes
    nothing, when stdin or stdout is neither a pipe nor a socket (a file, a terminal) or on Windows: asyncio cannot wait on those.
    """
    if sys.platform == "win32" or not (_is_pipe(0) and _is_pipe(1)):
        return None
    read_fd, write_fd = _duplicate(0), _duplicate(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2 if _is_open(2) else nothing, 1)
    os.close(nothing)
    return StandardStreams(read_fd, write_fd)


def _duplicate(fd: int) -> int:
    import fcntl  # not on Windows

    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def _is_pipe(fd: int) -> bool:
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
