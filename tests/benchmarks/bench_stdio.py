"""A warm `execute_task` over stdio (validated, sandboxed, two durable rows) beside a bare echo tool on the same transport."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from figures import Figure, at_most, quantile
from mcp import Client, StdioServerParameters
from wire import SOURCES, Wire, server

ECHO = str(Path(__file__).parent / "echo_server.py")
FLOOR = str(Path(__file__).parent / "floor_server.py")
TASK = {"task": "add", "input": {"a": 1, "b": 2}}
CALLS, ROUNDS, CALLERS = 500, 5, 16


async def _latencies(wire: Wire, name: str, arguments: dict[str, Any]) -> list[float]:
    times: list[float] = []
    for _ in range(CALLS):
        start = time.perf_counter()
        await wire.call(name, arguments)
        times.append((time.perf_counter() - start) * 1000)
    return times


async def _rate(wire: Wire, name: str, arguments: dict[str, Any]) -> float:
    numbers = iter(range(CALLS * 4))

    async def caller() -> None:
        for _ in numbers:
            await wire.call(name, arguments)

    start = time.perf_counter()
    await asyncio.gather(*[caller() for _ in range(CALLERS)])
    return CALLS * 4 / (time.perf_counter() - start)


async def _as_users_do() -> list[Figure]:
    """Measure both with the SDK's own client, as a user's MCP client would call them."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "RATCHET_STORE__URL": f"sqlite:///{Path(folder) / 'bench.db'}", "RATCHET_REGISTRY__SOURCES": SOURCES}
        ratchet = StdioServerParameters(command=sys.executable, args=["-m", "ratchet_mcp.mcp.stdio_main"], env=environment)
        smallest = StdioServerParameters(command=sys.executable, args=[ECHO], env=dict(os.environ))
        async with Client(ratchet) as mine, Client(smallest) as echo:

            async def p50(client: Client, name: str, arguments: dict[str, Any]) -> float:
                times: list[float] = []
                for _ in range(CALLS):
                    start = time.perf_counter()
                    assert not (await client.call_tool(name, arguments)).is_error
                    times.append((time.perf_counter() - start) * 1000)
                return median(times)

            await p50(mine, "execute_task", TASK)
            await p50(echo, "echo", {"message": "x"})
            pairs = [(await p50(mine, "execute_task", TASK), await p50(echo, "echo", {"message": "x"})) for _ in range(ROUNDS)]
    ours, theirs = [one for one, _ in pairs], [other for _, other in pairs]
    return [at_most("warm `execute_task` over stdio with the SDK's client, p50", ours, theirs, 3, "ms", "bare echo tool, same transport")]


async def _measure() -> list[Figure]:
    ours: list[float] = []
    echoes: list[float] = []
    least: list[float] = []
    rates: list[float] = []
    least_rates: list[float] = []
    tails: list[float] = []
    async with (
        server(sys.executable, "-m", "ratchet_mcp.mcp.stdio_main") as ratchet,
        server(sys.executable, ECHO) as echo,
        server(sys.executable, FLOOR) as floor,
    ):
        for each in (ratchet, echo, floor):
            await each.initialize()
        code = {"code": "(input) => ({ sum: input.a + input.b })", "input": {"a": 1, "b": 2}}
        await _latencies(ratchet, "execute_task", TASK)
        await _latencies(echo, "echo", {"message": "x"})
        await _latencies(floor, "execute_task", TASK)
        for _ in range(ROUNDS):
            mine = await _latencies(ratchet, "execute_task", TASK)
            ours.append(median(mine))
            tails.append(quantile(mine, 0.99))
            echoes.append(median(await _latencies(echo, "echo", {"message": "x"})))
            least.append(median(await _latencies(floor, "execute_task", TASK)))
            rates.append(await _rate(ratchet, "execute_task", TASK))
            least_rates.append(await _rate(floor, "execute_task", TASK))
        unsaved = median(await _latencies(ratchet, "run_javascript", code))
    rate = median(rates)
    return [
        *await _as_users_do(),
        at_most("the same with a client of bare pipes, p50", ours, echoes, 3, "ms", "bare echo tool, same transport"),
        Figure(
            "of this, a bare engine behind a pipe and a commit, nothing checked",
            f"{median(least):.3g} ms",
            f"{median(echoes):.3g} ms bare echo tool",
            f"{median(least) / median(echoes):.2f}",
            "",
            None,
        ),
        Figure(
            f"`execute_task`, {CALLERS} callers",
            f"{rate:,.0f} /s",
            f"{median(least_rates):,.0f} /s bare engine and commit, one worker",
            f"{rate / median(least_rates):.2f}",
            "≥ 1,200 /s",
            rate >= 1200,
        ),
        Figure("`execute_task`, p99; `run_javascript`, p50", f"{median(tails):.3g} ms; {unsaved:.3g} ms", "", "", "", None),
    ]


def measure() -> list[Figure]:
    """Return the figures."""
    return asyncio.run(_measure())
