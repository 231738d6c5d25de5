"""Make a queue of promise jobs the running event loop of this thread, where the native core looks for it."""

from __future__ import annotations

import asyncio.events
import ctypes
import sys
from typing import Any

from ratchet_mcp.engine.worker.loop import JobQueue

_thread_state = ctypes.pythonapi.PyThreadState_Get
_thread_state.argtypes, _thread_state.restype = [], ctypes.c_void_p

WORDS_3_13 = 42
"""The size of a thread state in Python 3.13, in machine words; later releases may have one more."""


def install(jobs: JobQueue) -> None:
    """Make `jobs` the running loop of this thread for as long as the process lives: it must not go away."""
    asyncio.events._set_running_loop(jobs)  # type: ignore[arg-type]
    if sys.version_info[:2] == (3, 13):
        _note_it_beside(jobs)


def prove(core: Any, jobs: JobQueue) -> None:
    """Raise `ImportError` when the core's promise jobs do not come to `jobs`: then no asynchronous task could run."""
    before = jobs.queued()
    try:
        core.eval("Promise.resolve().then(() => {}); 0")
    except RuntimeError as error:
        raise ImportError(_unusable(str(error))) from error
    if jobs.queued() == before:
        raise ImportError(_unusable("Its promises are not heard of."))
    jobs.drain()


def _note_it_beside(jobs: JobQueue) -> None:
    """Note the loop once more in the word after the one where Python keeps it.

    PythonMonkey 1.4.1 for Python 3.13 was built with a late release of it (such as 3.13.15), whose thread state has one word more than
    early ones (3.13.0, 3.13.5): there it reads one word too far, and finds no loop. That word serves builds without the GIL; in all others
    it is null and nobody reads it.
    """
    words = (ctypes.c_size_t * WORDS_3_13).from_address(_thread_state())
    for place in range(WORDS_3_13 - 1):
        if words[place] == id(jobs) and words[place + 1] == 0:
            words[place + 1] = id(jobs)
            return


def _unusable(reason: str) -> str:
    version = ".".join(str(part) for part in sys.version_info[:3])
    advice = "use another release, such as the newest 3.12"
    return f"PythonMonkey does not work together with Python {version}; {advice}. It said: {reason.rstrip('.')}"
