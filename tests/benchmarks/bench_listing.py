"""Listings that must not grow with what is stored: tasks of a catalog, executions of a store."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import Any

from figures import Figure, at_most

from ratchet_mcp.app import Ratchet
from ratchet_mcp.execution.models import Origin, Status
from ratchet_mcp.settings import RegistrySettings, Settings, SourceSettings, StoreSettings

CALLS, ROUNDS = 60, 5
FEW_TASKS, MANY_TASKS, FEW_ROWS, MANY_ROWS = 100, 5_000, 100, 500_000

COPY = """
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})
INSERT INTO executions ({names}) SELECT {values} FROM (SELECT * FROM executions LIMIT 1) AS executions, numbers
"""


def _write_tasks(folder: Path, count: int) -> None:
    for number in range(count):
        task = folder / f"task-{number:05}"
        task.mkdir(parents=True)
        metadata = {"name": task.name, "version": "1.0.0", "description": f"The task with the number {number}.", "tags": ["bench"]}
        (task / "metadata.json").write_text(json.dumps(metadata))
        (task / "main.js").write_text("(input) => input")


def _copy_rows(file: Path, count: int) -> None:
    with sqlite3.connect(file) as database:
        names = [row[1] for row in database.execute("PRAGMA table_info(executions)")]
        changed = {
            "id": "printf('%08x-0000-7000-8000-%012x', n, n)",
            "created_at": "executions.created_at - n * 1000",
        }
        values = ", ".join(changed.get(name, f"executions.{name}") for name in names)
        database.execute(COPY.format(count=count, names=", ".join(names), values=values))
        database.execute("ANALYZE")
    database.close()


async def _p50(call: Callable[[], Awaitable[Any]]) -> float:
    times: list[float] = []
    for _ in range(CALLS):
        start = time.perf_counter()
        await call()
        times.append((time.perf_counter() - start) * 1000)
    return median(times)


async def _compare(few: Callable[[], Awaitable[Any]], many: Callable[[], Awaitable[Any]]) -> tuple[list[float], list[float]]:
    await _p50(few)
    await _p50(many)
    pairs = [(await _p50(many), await _p50(few)) for _ in range(ROUNDS)]
    return [one for one, _ in pairs], [other for _, other in pairs]


def _settings(folder: Path) -> Settings:
    return Settings(
        store=StoreSettings(url=f"sqlite:///{folder / 'bench.db'}"),
        registry=RegistrySettings(bundled=False, sources=[SourceSettings(name="bench", uri=str(folder / "tasks"))]),
    )


async def _fill(folder: Path, tasks: int, rows: int) -> None:
    await asyncio.to_thread(_write_tasks, folder / "tasks", tasks)
    async with Ratchet.open(_settings(folder)) as ratchet:
        handle = await ratchet.execute("task-00000", {}, origin=Origin.CLI)
        await handle.wait(None)
    await asyncio.to_thread(_copy_rows, folder / "bench.db", rows)


async def _measure() -> list[Figure]:
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as name:
        small, large = Path(name) / "small", Path(name) / "large"
        await _fill(small, FEW_TASKS, FEW_ROWS)
        await _fill(large, MANY_TASKS, MANY_ROWS)
        async with Ratchet.open(_settings(small)) as few, Ratchet.open(_settings(large)) as many:

            async def tasks(ratchet: Ratchet) -> None:
                assert len(ratchet.catalog.find(limit=50).tasks) == 50

            async def executions(ratchet: Ratchet, **filters: Any) -> None:
                assert len((await ratchet.executions.find(limit=50, **filters)).executions) == 50

            ours, theirs = await _compare(lambda: tasks(few), lambda: tasks(many))
            figures.append(at_most(f"`list_tasks` with {MANY_TASKS:,} tasks, p50", ours, theirs, 1.5, "ms", f"with {FEW_TASKS}"))
            for what, filters in (("", {}), (", one task that completed", {"task": "task-00000", "status": Status.COMPLETED})):
                ours, theirs = await _compare(lambda f=filters: executions(few, **f), lambda f=filters: executions(many, **f))
                figures.append(
                    at_most(f"`list_executions` with {MANY_ROWS:,} rows{what}, p50", ours, theirs, 1.5, "ms", f"with {FEW_ROWS}")
                )
    return figures


def measure() -> list[Figure]:
    """Return the figures."""
    return asyncio.run(_measure())
