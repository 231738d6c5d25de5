"""The promise jobs of the engine come to the worker's queue, in whichever Python it runs; where they do not, the worker says so at its start."""

from __future__ import annotations

import subprocess
import sys

BEGINNING = """
import os, sys
from ratchet_mcp.engine.worker import core, loop, running_loop
jobs = loop.JobQueue(lambda: None)
native = core.load(jobs.call_exception_handler)
"""
END = "\nsys.stdout.flush(); os._exit(0)"


def printed_by(program: str) -> str:
    """Run a program beside the engine, in a process of its own; return what it prints."""
    command = [sys.executable, "-c", BEGINNING + program + END]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def test_jobs_of_promises_come_to_the_queue_and_rejections_that_nobody_handles_are_heard_of() -> None:
    program = """
running_loop.install(jobs)
running_loop.prove(native, jobs)
native.eval("globalThis.seen = []; Promise.resolve(1).then((value) => seen.push(value)); Promise.reject(new Error('x')); 0")
jobs.drain()
print(native.eval("seen.join()"), len(jobs.reasons()))
"""
    assert printed_by(program) == "1 1\n"


def test_an_engine_that_finds_no_queue_is_refused_with_the_release_of_python() -> None:
    program = """
try:
    running_loop.prove(native, jobs)
except ImportError as error:
    print(error)
"""
    version = ".".join(str(part) for part in sys.version_info[:3])
    said = printed_by(program)
    assert said.startswith(f"PythonMonkey does not work together with Python {version}; use another release")
