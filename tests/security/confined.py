"""A program that confines itself as a worker does, and then tries to get out. It reports on its standard output.

Not a test module: test_second_wall.py runs it. `--machine-code HEX` calls that code instead, `--kill-self SIGNAL` signals its own thread.
"""

from __future__ import annotations

import sys


def split(arguments: list[str]) -> tuple[str, str, list[str]]:
    if arguments and arguments[0].startswith("--"):
        return arguments[0], arguments[1], arguments[2:]
    return "", "", arguments


MODE, VALUE, PATHS = split(sys.argv[1:])
sys.path[:0] = PATHS

import ctypes  # noqa: E402  # the paths come first
import errno  # noqa: E402
import json  # noqa: E402
import mmap  # noqa: E402
import os  # noqa: E402
import resource  # noqa: E402
import signal  # noqa: E402
import socket  # noqa: E402
import subprocess  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from typing import Any  # noqa: E402

from ratchet_mcp.engine.worker import confinement  # noqa: E402

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
PARENT = os.getppid()
ME = os.getpid()
BUFFER = ctypes.create_string_buffer(4096)
AT_FDCWD = -100
READY_SOCKET = socket.socket()


def call(number: int, *arguments: Any) -> Callable[[], Any]:
    """Return an attempt to make a system call by its x86-64 number."""

    def attempt() -> int:
        result = libc.syscall(ctypes.c_long(number), *(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments))
        if result < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return int(result)

    return attempt


def prctl(*arguments: int) -> Callable[[], Any]:
    return call(157, *arguments, *([0] * (5 - len(arguments))))


def listen() -> None:
    with socket.create_server(("127.0.0.1", 0)):
        pass


def connect() -> None:
    READY_SOCKET.connect(("127.0.0.1", 9))


def thread() -> None:
    started = threading.Thread(target=lambda: None)
    started.start()
    started.join()


def fork() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def raise_limit(kind: int) -> Callable[[], Any]:
    return lambda: resource.setrlimit(kind, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


path = b"/etc/passwd\0"
PROGRAM = b"/bin/true\0"
HARMLESS: dict[str, Callable[[], Any]] = {
    "open a file": lambda: open("/etc/passwd").close(),
    "open with openat": lambda: os.close(call(257, AT_FDCWD, path, 0)()),
    "read a directory": lambda: os.listdir("/"),
    "stat a path": lambda: os.stat("/"),
    "read its own memory through /proc": lambda: open("/proc/self/mem", "rb").close(),
    "read its environment through /proc": lambda: open("/proc/self/environ", "rb").close(),
    "listen on loopback": listen,
    "make a Unix socket": lambda: socket.socket(socket.AF_UNIX).close(),
    "make a socket pair": lambda: [end.close() for end in socket.socketpair()],
    "fork": fork,
    "start a thread": thread,
    "spawn a program": lambda: subprocess.run(["/bin/true"], check=True),
    "kill itself with kill": lambda: os.kill(ME, 0),
    "memfd": lambda: os.close(os.memfd_create("x")),
    "copy a descriptor": lambda: os.close(os.dup(1)),
    "make a pipe": lambda: [os.close(end) for end in os.pipe()],
    "its parent's id": call(110),
    "change directory": lambda: os.chdir("/"),
}
ATTEMPTS: dict[str, Callable[[], Any]] = {
    **HARMLESS,
    "open with openat2": call(437, AT_FDCWD, path, BUFFER, 24),
    "create a file": lambda: open("/tmp/ratchet-escaped", "w").close(),
    "read a link": lambda: os.readlink("/proc/self/exe"),
    "read the command line of its parent": lambda: open(f"/proc/{PARENT}/cmdline", "rb").close(),
    "connect to loopback": connect,
    "receive a descriptor": call(47, 0, BUFFER, 0),
    "vfork": call(58),
    "clone a process": call(56, signal.SIGCHLD, 0, 0, 0, 0),
    "clone with clone3": call(435, BUFFER, 88),
    "exec a program": lambda: os.execv("/bin/true", ["true"]),
    "exec with execveat": call(322, AT_FDCWD, PROGRAM, 0, 0, 0),
    "kill its parent": lambda: os.kill(PARENT, 0),
    "kill everything": lambda: os.kill(-1, 0),
    "signal its parent's thread": call(234, PARENT, PARENT, 0),
    "queue a signal": call(129, ME, 0, BUFFER),
    "signal by pidfd": call(424, 0, 0, 0, 0),
    "open a pidfd": lambda: os.close(os.pidfd_open(ME)),
    "ptrace its parent": call(101, 16, PARENT, 0, 0),
    "be traced": call(101, 0, 0, 0, 0),
    "read another process's memory": call(310, ME, BUFFER, 1, BUFFER, 1, 0),
    "write another process's memory": call(311, ME, BUFFER, 1, BUFFER, 1, 0),
    "raise the memory limit": raise_limit(resource.RLIMIT_DATA),
    "raise the file limit": raise_limit(resource.RLIMIT_FSIZE),
    "raise limits with prlimit": lambda: resource.prlimit(0, resource.RLIMIT_DATA, (1 << 40, 1 << 40)),
    "read the limits of its parent": lambda: resource.prlimit(PARENT, resource.RLIMIT_NOFILE),
    "io_uring": call(425, 8, BUFFER),
    "bpf": call(321, 0, BUFFER, 0),
    "perf": call(298, BUFFER, 0, -1, -1, 0),
    "userfaultfd": call(323, 1),
    "shared memory": call(29, 0, 4096, 0o1600),
    "a message queue": call(68, 0, 0o1600),
    "a semaphore": call(64, 0, 1, 0o1600),
    "a keyring": call(248, b"user\0", b"x\0", b"y\0", 1, -3),
    "a timer signal": lambda: signal.setitimer(signal.ITIMER_REAL, 1000),
    "mount": call(165, b"none\0", b"/tmp\0", b"tmpfs\0", 0, 0),
    "unmount": call(166, b"/nowhere\0", 0),
    "change its root": lambda: os.chroot("/"),
    "unshare namespaces": call(272, 0x10000000),
    "enter a namespace": call(308, 0, 0),
    "set its user": lambda: os.setuid(0),
    "set its group": lambda: os.setgid(0),
    "a capability": call(126, BUFFER, BUFFER),
    "load a module": call(313, 0, b"\0", 0),
    "a new seccomp filter": call(317, 1, 0, BUFFER),
    "seccomp by prctl": prctl(22, 2),
    "become dumpable": prctl(4, 1),
    "not die with its parent": prctl(1, 0),
    "change its memory map by prctl": prctl(35, 1),
    "an ioctl on its pipe": call(16, 1, 0x541B, BUFFER),
    "fcntl on its pipe": call(72, 1, 3),
    "an eventfd": call(290, 0, 0),
    "inotify": call(294, 0),
    "epoll on a new descriptor": call(291, 0),
    "rename": lambda: os.rename("/tmp/ratchet-a", "/tmp/ratchet-b"),
    "unlink": lambda: os.unlink("/tmp/ratchet-a"),
    "chmod": lambda: os.chmod("/tmp", 0o1777),
    "truncate": lambda: os.ftruncate(1, 0),
    "sync": call(162),
    "change the clock": call(227, 0, BUFFER),
    "change the host's name": call(170, b"x\0", 1),
    "reboot": call(169, 0, 0, 0, 0),
    "swap": call(167, b"/x\0", 0),
    "a new session": lambda: os.setsid(),
    "nice itself": lambda: os.nice(1),
    "schedule in real time": call(144, 0, 1, BUFFER),
    "send a file": call(40, 1, 0, 0, 1),
    "splice": call(275, 0, 0, 1, 0, 1, 0),
    "vmsplice": call(278, 1, BUFFER, 1, 0),
    "process_madvise": call(440, 0, BUFFER, 1, 4, 0),
    "quotas": call(179, 0, 0, 0, 0),
    "lock memory for ever": call(151, 3),
}


def outcome(attempt: Callable[[], Any]) -> str:
    try:
        attempt()
    except OSError as error:
        return "refused" if error.errno == errno.EPERM else f"errno {error.errno}"
    except (RuntimeError, ValueError) as error:  # "can't start new thread", "not allowed to raise maximum limit"
        return "refused" if isinstance(error, RuntimeError) or "not allowed" in str(error) else str(error)
    return "done"


def run_machine_code(code: bytes) -> int:
    memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(code)
    entry = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    return ctypes.CFUNCTYPE(ctypes.c_int)(entry)()


def main() -> None:
    os.environ.clear() if MODE else None
    before = {} if MODE else {name: outcome(attempt) for name, attempt in HARMLESS.items()}
    level, missing = confinement.confine(256)
    if MODE == "--machine-code":
        os.write(1, str(run_machine_code(bytes.fromhex(VALUE))).encode())
        return
    if MODE == "--kill-self":
        libc.syscall(ctypes.c_long(234), ctypes.c_long(ME), ctypes.c_long(threading.get_native_id()), ctypes.c_long(int(VALUE)))
        return
    allowed: dict[str, Callable[[], Any]] = {
        "name its thread": prctl(15, ctypes.addressof(BUFFER)),
        "anonymous memory": lambda: mmap.mmap(-1, 1 << 20).close(),
        "the time": time.time,
        "randomness": lambda: os.urandom(16),
    }
    report = {
        "level": level,
        "missing": missing,
        "environment": dict(os.environ),
        "before": before,
        "attempts": {name: outcome(attempt) for name, attempt in ATTEMPTS.items()},
        "allowed": {name: outcome(attempt) for name, attempt in allowed.items()},
    }
    data = json.dumps(report).encode()
    while data:
        data = data[os.write(1, data) :]


main()
