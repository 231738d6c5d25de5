"""Python code inside a confined process: what somebody has who escaped from JavaScript. The kernel must refuse all of it."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ratchet_mcp.engine.process import module_paths

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="seccomp is Linux's, and the numbers of the system calls are x86-64's"
)

ATTEMPTS = Path(__file__).parent / "confined.py"
REFUSED = {
    "open a file", "open with openat", "open with openat2", "create a file", "read a directory", "stat a path", "read a link",
    "read its own memory through /proc", "read its environment through /proc", "read the command line of its parent",
    "connect to loopback", "listen on loopback", "make a Unix socket", "make a socket pair", "receive a descriptor",
    "fork", "vfork", "clone a process", "clone with clone3", "start a thread", "exec a program", "exec with execveat", "spawn a program",
    "kill its parent", "kill everything", "kill itself with kill", "signal its parent's thread", "queue a signal", "signal by pidfd", "open a pidfd",
    "ptrace its parent", "be traced", "read another process's memory", "write another process's memory",
    "raise the memory limit", "raise the file limit", "raise limits with prlimit", "read the limits of its parent",
    "io_uring", "bpf", "perf", "userfaultfd", "memfd", "shared memory", "a message queue", "a semaphore", "a keyring", "a timer signal",
    "mount", "unmount", "change its root", "unshare namespaces", "enter a namespace", "set its user", "set its group", "a capability",
    "load a module", "a new seccomp filter", "seccomp by prctl", "become dumpable", "not die with its parent", "change its memory map by prctl",
    "an ioctl on its pipe", "fcntl on its pipe", "copy a descriptor", "make a pipe", "an eventfd", "inotify", "epoll on a new descriptor",
    "change directory", "rename", "unlink", "chmod", "truncate", "sync", "change the clock", "change the host's name", "reboot", "swap",
    "its parent's id", "a new session", "nice itself", "schedule in real time", "send a file", "splice", "vmsplice", "process_madvise", "quotas",
    "lock memory for ever",
}  # fmt: skip


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """Let a confined process try everything and tell how each attempt ended."""
    command = [sys.executable, "-I", "-S", str(ATTEMPTS), *module_paths()]
    done = subprocess.run(command, capture_output=True, timeout=60, env={}, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def test_the_process_is_confined_fully(report: dict[str, Any]) -> None:
    assert report["level"] == "full", report["missing"]
    assert set(report["environment"]) <= {"LC_CTYPE"}  # Python sets it itself


@pytest.mark.parametrize("attempt", sorted(REFUSED))
def test_a_confined_process_cannot(attempt: str, report: dict[str, Any]) -> None:
    assert report["attempts"][attempt] == "refused"


def test_every_attempt_is_expected_to_fail(report: dict[str, Any]) -> None:
    assert set(report["attempts"]) == REFUSED


def test_before_confinement_the_same_attempts_succeed(report: dict[str, Any]) -> None:
    assert set(report["before"].values()) == {"done"}, report["before"]


def test_a_confined_process_can_still_compute_and_end(report: dict[str, Any]) -> None:
    assert report["allowed"] == {"name its thread": "done", "anonymous memory": "done", "the time": "done", "randomness": "done"}


@pytest.mark.parametrize(
    ("way", "code"),
    [
        ("32-bit system calls", "b8 05 00 00 00 cd 80 c3"),  # mov eax, open; int 0x80; ret
        ("x32 system calls", "b8 02 00 00 40 0f 05 c3"),  # mov eax, 0x40000002; syscall; ret
    ],
)
def test_another_calling_convention_is_no_way_around(way: str, code: str) -> None:
    del way
    command = [sys.executable, "-I", "-S", str(ATTEMPTS), "--machine-code", code.replace(" ", ""), *module_paths()]
    done = subprocess.run(command, capture_output=True, timeout=60, env={}, check=False)

    assert done.returncode < 0 or done.stdout.strip() in (b"-1", b"-38"), (done.returncode, done.stdout, done.stderr)


def test_a_confined_process_may_only_kill_itself() -> None:
    command = [sys.executable, "-I", "-S", str(ATTEMPTS), "--kill-self", "9", *module_paths()]
    done = subprocess.run(command, capture_output=True, timeout=60, env={}, check=False)

    assert done.returncode == -9
