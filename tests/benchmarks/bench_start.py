"""From the start of the process to the first answer, and to the first result, beside the SDK's smallest echo server."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from bench_stdio import TASK
from figures import Figure, at_most
from wire import server

ECHO = str(Path(__file__).parent / "echo_server.py")
ROUNDS = 7


async def _measure() -> list[Figure]:
    first: list[float] = []
    result: list[float] = []
    echo: list[float] = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        async with server(sys.executable, "-m", "ratchet_mcp.mcp.stdio_main") as ratchet:
            await ratchet.initialize()
            first.append(time.perf_counter() - start)
            await ratchet.call("execute_task", TASK)
            result.append(time.perf_counter() - start)
        start = time.perf_counter()
        async with server(sys.executable, ECHO, "sdk") as smallest:
            await smallest.initialize()
            echo.append(time.perf_counter() - start)
    return [
        at_most("process start to the first answer", first, echo, 1.5, "s", "SDK's smallest echo server"),
        at_most("process start to the first `execute_task` result (new database)", result, echo, 3, "s", "the same"),
    ]


def measure() -> list[Figure]:
    """Return the figures."""
    return asyncio.run(_measure())
