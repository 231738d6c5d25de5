"""`test_task` over stdio with 100 tests beside 1: what a test costs once its worker is there, with coverage and without."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

from figures import Figure, at_most
from wire import Wire, server

MANY, ROUNDS = 100, 7
TEST = {"input": {"a": 1, "b": 2}, "expected_output": {"sum": 3}}


async def _seconds(wire: Wire, tests: int, *, coverage: bool) -> float:
    cases = [{"name": f"t{number}", **TEST} for number in range(tests)]
    arguments: dict[str, Any] = {"task": "add", "tests": cases, "coverage": coverage}
    start = time.perf_counter()
    result = await wire.call("test_task", arguments)
    taken = time.perf_counter() - start
    assert result["structuredContent"]["passed"], result["structuredContent"]
    return taken * 1000


async def _measure() -> list[Figure]:
    figures: list[Figure] = []
    async with server(sys.executable, "-m", "ratchet_mcp.mcp.stdio_main") as wire:
        await wire.initialize()
        for coverage, limit in ((False, 60), (True, 5)):
            many: list[float] = []
            one: list[float] = []
            await _seconds(wire, MANY, coverage=coverage)
            for _ in range(ROUNDS):
                # a debugging worker is kept for a moment: without the pause, one test would find that of the hundred
                await asyncio.sleep(2.5 if coverage else 0)
                one.append(await _seconds(wire, 1, coverage=coverage))
                await asyncio.sleep(2.5 if coverage else 0)
                many.append(await _seconds(wire, MANY, coverage=coverage))
            what = f"`test_task` of {MANY} tests{' with coverage' if coverage else ''}"
            figures.append(at_most(what, many, one, limit, "ms", "1 test"))
    return figures


def measure() -> list[Figure]:
    """Return the figures."""
    return asyncio.run(_measure())
