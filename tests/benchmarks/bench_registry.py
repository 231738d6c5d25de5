"""A collection of 10,000 tasks: from the start of the process to the first listing, what it keeps in memory, and how soon an edit is seen."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from bench_memory import resident_mb
from figures import Figure
from wire import Wire, server

TASKS, STARTS, EDITS = 10_000, 3, 5
START_SECONDS, RELOAD_SECONDS = 3, 2
CODE = "(input) => ({ doubled: input.value * 2 })\n"
SCHEMA = {"type": "object", "properties": {"value": {"type": "number"}}, "required": ["value"]}


def _write(folder: Path, count: int) -> None:
    for number in range(count):
        task = folder / f"group-{number // 500:02}" / f"task-{number:05}"
        task.mkdir(parents=True)
        metadata = {"name": task.name, "version": "1.0.0", "description": f"Doubles a number, variant {number}", "tags": ["bench"]}
        (task / "metadata.json").write_text(json.dumps(metadata))
        (task / "main.js").write_text(CODE)
        (task / "input.schema.json").write_text(json.dumps(SCHEMA))


def _serve(folder: Path) -> Any:
    sources = json.dumps([{"name": "collection", "uri": str(folder)}])
    return server(sys.executable, "-m", "ratchet_mcp.mcp.stdio_main", RATCHET_REGISTRY__SOURCES=sources)


async def _described(ratchet: Wire, task: str) -> str:
    shown = await ratchet.call("list_tasks", {"query": task, "limit": 1})
    return shown["structuredContent"]["tasks"][0]["description"]


async def _starts(folder: Path) -> tuple[list[float], float]:
    times: list[float] = []
    memory = 0.0
    for _ in range(STARTS):
        start = time.perf_counter()
        async with _serve(folder) as ratchet:
            await ratchet.initialize()
            listed = await ratchet.call("list_tasks", {"tags": ["bench"], "limit": 50})
            times.append(time.perf_counter() - start)
            assert listed["structuredContent"]["total"] == TASKS
            memory = resident_mb(ratchet.process.pid)
    return times, memory


async def _edits(folder: Path) -> list[float]:
    times: list[float] = []
    async with _serve(folder) as ratchet:
        await ratchet.initialize()
        name = "task-00007"
        await _described(ratchet, name)
        file = folder / "group-00" / name / "metadata.json"
        metadata = json.loads(file.read_text())
        await ratchet.call("execute_task", {"task": name, "input": {"value": 1}})  # the watcher is up when everything is
        await asyncio.sleep(1)
        for number in range(EDITS):
            wanted = f"Edited {number}"
            start = time.perf_counter()
            file.write_text(json.dumps({**metadata, "description": wanted}))
            while await _described(ratchet, name) != wanted:
                if time.perf_counter() - start > 30:
                    raise RuntimeError("the edit was not seen within 30 s")
                await asyncio.sleep(0.02)
            times.append(time.perf_counter() - start)
    return times


async def _measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "collection"
        _write(folder, TASKS)
        starts, memory = await _starts(folder)
        edits = await _edits(folder)
    start, edit = median(starts), median(edits)
    return [
        Figure(
            f"process start to the first listing of {TASKS:,} tasks",
            f"{start:.2f} s",
            f"server process then: {memory:.0f} MB",
            "",
            f"≤ {START_SECONDS} s",
            start <= START_SECONDS,
        ),
        Figure(
            f"an edit of one of {TASKS:,} files to the new listing",
            f"{edit:.2f} s",
            "of these 0.5 s wait for further edits",
            "",
            f"≤ {RELOAD_SECONDS} s",
            edit <= RELOAD_SECONDS,
        ),
    ]


def measure() -> list[Figure]:
    """Return the figures."""
    return asyncio.run(_measure())
