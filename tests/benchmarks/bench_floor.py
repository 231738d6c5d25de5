"""The pool alone beside the bare pipe round trip of the same engine."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

from figures import Figure, at_least

from ratchet_mcp.engine.pool import WorkerPool
from ratchet_mcp.engine.run import LogLine, ProgressUpdate, RunLimits, RunRequest
from ratchet_mcp.engine.script import compose
from ratchet_mcp.settings import EngineSettings, Limits
from ratchet_mcp.tasks.code import prepare

SOURCE = "(function(input){ const {num1,num2}=input; return {sum:num1+num2}; })"
RUNS, ROUNDS, WORKERS, CALLERS = 3000, 5, 2, 16


class Silent:
    """A host for tasks that say nothing."""

    def log(self, line: LogLine) -> None: ...

    def progress(self, update: ProgressUpdate) -> None: ...

    async def call(self, method: str, arguments: object) -> object:
        return None


async def _rate(one: object, callers: int) -> float:
    numbers = iter(range(RUNS))

    async def caller() -> None:
        for number in numbers:
            await one(number)  # type: ignore[operator]

    start = time.perf_counter()
    await asyncio.gather(*[caller() for _ in range(callers)])
    return RUNS / (time.perf_counter() - start)


async def _measure() -> list[Figure]:
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, str(Path(__file__).parent / "floor_worker.py"), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        for _ in range(WORKERS)
    ]
    free: asyncio.Queue[asyncio.subprocess.Process] = asyncio.Queue()
    for process in processes:
        free.put_nowait(process)

    async def bare(number: int) -> None:
        process = await free.get()
        try:
            assert process.stdin and process.stdout
            process.stdin.write(json.dumps({"id": number, "source": SOURCE, "input": {"num1": number, "num2": 2}}).encode() + b"\n")
            json.loads(await process.stdout.readline())
        finally:
            free.put_nowait(process)

    limits = RunLimits(30, 20, 256, 1 << 22, 1 << 22, 1 << 18, 100)
    script, digest = compose(prepare(SOURCE))
    host = Silent()
    settings = EngineSettings(max_workers=WORKERS, min_workers=WORKERS, spare_workers=1, max_tasks_per_worker=1_000_000)
    async with WorkerPool(settings, Limits()) as pool:

        async def pooled(number: int) -> None:
            request = RunRequest(str(number), digest, script, digest, json.dumps({"num1": number, "num2": 2}), {}, limits)
            outcome = await pool.run(request, host)
            assert outcome.error is None

        await _rate(bare, CALLERS)
        await _rate(pooled, CALLERS)
        rates: list[tuple[float, float]] = [(await _rate(pooled, CALLERS), await _rate(bare, CALLERS)) for _ in range(ROUNDS)]
    for process in processes:
        process.kill()
        await process.wait()
    ours, theirs = [rate for rate, _ in rates], [rate for _, rate in rates]
    return [at_least(f"pool alone, {CALLERS} callers", ours, theirs, 0.7, "runs/s", "bare pipe round trip")]


def measure() -> list[Figure]:
    """Return the figures."""
    return asyncio.run(_measure())
