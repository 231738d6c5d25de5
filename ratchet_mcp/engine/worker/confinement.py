"""The second wall: what the worker process gives up once it has started.

After `confine()` even Python code inside the worker cannot open a file or a socket, start a process, or signal another one. The kernel
enforces it (seccomp), so it holds although JavaScript may have escaped its realm.
"""

from __future__ import annotations

import errno
import resource
import sys
from typing import Any

ALLOWED = (
    "read write readv writev close fstat lseek mmap munmap mprotect madvise brk mremap membarrier futex sched_yield "
    "sched_getaffinity nanosleep clock_nanosleep clock_gettime clock_getres gettimeofday rt_sigaction rt_sigprocmask rt_sigreturn "
    "sigaltstack exit exit_group poll ppoll select pselect6 getpid gettid getrandom rseq set_robust_list getrusage restart_syscall"
).split()
"""System calls a running worker may make, without looking at their arguments."""

PR_SET_NAME, PR_SET_VMA, PR_SET_PDEATHSIG = 15, 0x53564D41, 1


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its coordinator ends, also while a busy loop runs (Linux)."""
    if sys.platform == "linux":
        import ctypes
        import signal

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def limit_resources(memory_mb: int) -> list[str]:
    """Set the rlimits; return the names of those that this platform does not have."""
    missing: list[str] = []
    wanted = {
        "RLIMIT_CORE": 0,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_MEMLOCK": 0,
        "RLIMIT_MSGQUEUE": 0,
        "RLIMIT_DATA": _data_in_use() + (memory_mb << 20),
    }
    for name, value in wanted.items():
        kind = getattr(resource, name, None)
        try:
            if kind is None:
                raise OSError
            resource.setrlimit(kind, (value, value))
        except (OSError, ValueError):
            if name in ("RLIMIT_DATA", "RLIMIT_CORE"):
                missing.append(name)
    return missing


def _data_in_use() -> int:
    """Return the private writable memory that this process has now, in bytes (0 where /proc is not there)."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("VmData:"):
                    return int(line.split()[1]) << 10
    except OSError:
        pass
    return 0


def deny_system_calls() -> list[str]:
    """Load the seccomp filter into all threads; return what is missing when that is not possible."""
    if sys.platform != "linux":
        return ["seccomp (Linux only)"]
    try:
        import pyseccomp as seccomp  # pyright: ignore[reportMissingTypeStubs]
    except (ImportError, OSError, RuntimeError) as error:
        return [f"libseccomp ({error}); install the system package libseccomp2 (Debian, Ubuntu) or libseccomp (Fedora, Alpine, Arch)"]
    try:
        _load_filter(seccomp)
    except (OSError, ValueError) as error:
        return [f"seccomp filter ({error})"]
    return []


def _load_filter(seccomp: Any) -> None:
    import os

    wall = seccomp.SyscallFilter(seccomp.ERRNO(errno.EPERM))
    wall.set_attr(seccomp.Attr.CTL_TSYNC, 1)
    for name in ALLOWED:
        try:
            wall.add_rule(seccomp.ALLOW, name)
        except (OSError, ValueError):  # a name this architecture or library does not know stays denied
            continue
    wall.add_rule(seccomp.ALLOW, "prctl", seccomp.Arg(0, seccomp.EQ, PR_SET_NAME))
    wall.add_rule(seccomp.ALLOW, "prctl", seccomp.Arg(0, seccomp.EQ, PR_SET_VMA))
    wall.add_rule(seccomp.ALLOW, "tgkill", seccomp.Arg(0, seccomp.EQ, os.getpid()))
    wall.load()


def confine(memory_mb: int) -> tuple[str, list[str]]:
    """Give everything up that can be given up here. Return the isolation level (`full | partial`) and what is missing from `full`."""
    missing = limit_resources(memory_mb) + deny_system_calls()
    return ("partial" if missing else "full"), missing
