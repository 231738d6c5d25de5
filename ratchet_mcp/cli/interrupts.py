"""Runs what a command does, so that Ctrl+C ends it at once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import TypeVar, TypeVarTuple

import anyio

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def run(work: Callable[[*Ts], Awaitable[T]], *arguments: *Ts) -> T:
    """Run `work` as `anyio.run` does. Raises what it raises, and `KeyboardInterrupt` at Ctrl+C; a second one does not wait for its end.

    `asyncio.run` only notes the signal: one that comes just before the event loop goes to sleep is heard when something else wakes it.
    A signal handler of the loop wakes it always.
    """
    return anyio.run(_interruptible, work, arguments)


async def _interruptible(work: Callable[[*Ts], Awaitable[T]], arguments: tuple[*Ts]) -> T:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    presses: list[int] = []

    def interrupt() -> None:
        presses.append(signal.SIGINT)
        if len(presses) > 1 or task is None:
            raise KeyboardInterrupt
        task.cancel()

    loop.add_signal_handler(signal.SIGINT, interrupt)
    try:
        return await work(*arguments)
    except asyncio.CancelledError:
        if len(presses) == 1:
            raise KeyboardInterrupt from None
        raise
    finally:
        loop.remove_signal_handler(signal.SIGINT)
