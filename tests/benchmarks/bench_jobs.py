"""Jobs on the embedded dispatcher: jobs a second beside plain runs, how soon one starts, claiming from a backlog, and what waiting costs."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any

import psutil
from figures import Figure, at_most, quantile
from uuid_utils.compat import uuid7
from wire import SOURCES

from ratchet_mcp.app import Ratchet
from ratchet_mcp.execution.models import Origin
from ratchet_mcp.jobs.models import Job, JobRequest
from ratchet_mcp.settings import EngineSettings, RegistrySettings, Settings, StoreSettings
from ratchet_mcp.store.job_records import JobRecord
from ratchet_mcp.store.jobs import JobRepository
from ratchet_mcp.store.store import Store

Work = tuple[str, dict[str, Any]]

PLACES, JOBS, ROUNDS, STARTS = 2, 1_000, 3, 300
BACKLOG, CLAIMS = 100_000, 300
IDLE_SECONDS = 10.0
LEAST_RATE, MOST_MS, MOST_RATIO, MOST_PAUSED_RATIO, MOST_PERCENT = 500, 20.0, 1.5, 2.5, 1.0
SMALL: Work = ("add", {"a": 1, "b": 2})
"""The task of the other benchmarks: what is left is what a job costs."""
REAL: Work = ("text-statistics", {"text": "one two three"})
"""A task as people write them: compiling its regular expressions alone takes some milliseconds."""


def file_in(folder: str) -> str:
    """Return the URL of a store in a folder."""
    return f"sqlite:///{folder}/ratchet.db"


def settings_in(url: str) -> Settings:
    """Return settings with this store, as many workers as there are places for jobs, and our task beside the bundled ones."""
    store, registry = StoreSettings(url=url), RegistrySettings.model_validate({"sources": json.loads(SOURCES)})
    return Settings(store=store, registry=registry, engine=EngineSettings(min_workers=PLACES, max_workers=PLACES))


async def plain_rate(ratchet: Ratchet, work: Work) -> float:
    """Return how many recorded runs a second as many callers get as there are places."""

    async def caller() -> None:
        for _ in range(JOBS // PLACES):
            await (await ratchet.execute(*work, origin=Origin.JOB)).wait(None)

    start = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(PLACES)))
    return JOBS / (time.perf_counter() - start)


async def job_rate(ratchet: Ratchet, work: Work) -> float:
    """Return how many jobs a second end, from the moment when they are submitted."""
    left, done = JOBS, asyncio.Event()

    def count(job: Job) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            done.set()

    ratchet.jobs.on_end(count)
    start = time.perf_counter()
    await ratchet.jobs.submit_many([JobRequest(*work) for _ in range(JOBS)])
    await done.wait()
    return JOBS / (time.perf_counter() - start)


async def start_times(ratchet: Ratchet, work: Work = SMALL) -> list[float]:
    """Return the milliseconds from the call that submits a job until it runs, when nothing else waits."""
    times: list[float] = []
    for _ in range(STARTS):
        before = time.time()
        job = await ratchet.jobs.wait((await ratchet.jobs.submit(JobRequest(*work))).id, 30)
        execution = await ratchet.executions.get(job.execution_id or "")
        assert execution.started_at is not None
        times.append((execution.started_at.timestamp() - before) * 1000)
    return times


@dataclass(frozen=True)
class Rates:
    """How many jobs and how many plain runs of one task ended in a second, once for each round."""

    jobs: list[float]
    plain: list[float]

    def figure(self, what: str, least: int | None) -> Figure:
        """Return the row of the table."""
        ours, other = median(self.jobs), median(self.plain)
        target, met = ("", None) if least is None else (f"≥ {least} jobs/s", ours >= least)
        return Figure(what, f"{ours:,.0f} jobs/s", f"{other:,.0f} runs/s without a queue", f"{ours / other:.2f}", target, met)


async def rates(ratchet: Ratchet, work: Work) -> Rates:
    """Measure jobs and plain runs of a task in turn."""
    await plain_rate(ratchet, work)
    pairs = [(await job_rate(ratchet, work), await plain_rate(ratchet, work)) for _ in range(ROUNDS)]
    return Rates([ours for ours, _ in pairs], [plain for _, plain in pairs])


async def running() -> tuple[Rates, Rates, list[float]]:
    """Return the rates of the small and of the real task, and the times to start."""
    with tempfile.TemporaryDirectory() as folder:
        async with Ratchet.open(settings_in(file_in(folder))) as ratchet:
            return await rates(ratchet, SMALL), await rates(ratchet, REAL), await start_times(ratchet)


def rows(task: str, count: int, priority: int) -> list[JobRecord]:
    """Return queued jobs."""
    now = datetime.now(UTC)
    return [
        JobRecord(str(uuid7()), task, "1.0.0", "queued", priority, "job", "local", now, now, now, retry_policy={}) for _ in range(count)
    ]


async def claim_times(jobs: JobRepository) -> list[float]:
    """Return the milliseconds of claiming as many jobs as there are places."""
    times: list[float] = []
    for _ in range(CLAIMS):
        await jobs.add(rows("other", PLACES, 1))
        start = time.perf_counter()
        claimed = await jobs.claim(PLACES)
        times.append((time.perf_counter() - start) * 1000)
        assert [record.task for record in claimed] == ["other"] * PLACES
        for record in claimed:
            await jobs.settle(record.id, record.attempts, {"status": "completed"})
    return times


async def claiming() -> tuple[list[float], list[float], list[float]]:
    """Return the times of a claim from an empty queue, before a backlog, and behind the backlog of a paused task."""
    with tempfile.TemporaryDirectory() as folder:
        async with Store.open(settings_in(file_in(folder)).store) as store:
            empty = await claim_times(store.jobs)
            for _ in range(BACKLOG // 1000):
                await store.jobs.add(rows("backlog", 1000, 2))
            before = await claim_times(store.jobs)
            for _ in range(BACKLOG // 1000):
                await store.jobs.add(rows("paused", 1000, 0))
            await store.jobs.control("paused", {"paused": True})
            return empty, before, await claim_times(store.jobs)


def idle_percent() -> float:
    """Return how much of a core a worker with nothing to do takes, its pool included, in percent."""
    with tempfile.TemporaryDirectory() as folder:
        variables = {**os.environ, "RATCHET_STORE__URL": file_in(folder), "RATCHET_REGISTRY__SOURCES": json.dumps([])}
        worker = subprocess.Popen(
            (sys.executable, "-m", "ratchet_mcp.cli.main", "worker"), env=variables, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
        try:
            assert worker.stderr is not None
            worker.stderr.readline()  # it says that it is there
            time.sleep(2)
            all_of_it = [psutil.Process(worker.pid), *psutil.Process(worker.pid).children(recursive=True)]
            before = sum(sum(each.cpu_times()[:2]) for each in all_of_it)
            time.sleep(IDLE_SECONDS)
            used = sum(sum(each.cpu_times()[:2]) for each in all_of_it) - before
        finally:
            worker.terminate()
            worker.wait(30)
    return used / IDLE_SECONDS * 100


def measure() -> list[Figure]:
    """Measure everything."""
    small, real, starts = asyncio.run(running())
    empty, before, behind = asyncio.run(claiming())
    idle = idle_percent()
    p50, p99 = quantile(starts, 0.5), quantile(starts, 0.99)
    return [
        small.figure(f"jobs that end, {PLACES} at a time (SQLite file)", LEAST_RATE),
        real.figure(f"the same of `{REAL[0]}`, whose code takes longer than a job", None),
        Figure(
            "a job starts after it was submitted", f"p50 {p50:.1f} ms, p99 {p99:.1f} ms", "", "", f"p50 < {MOST_MS:g} ms", p50 < MOST_MS
        ),
        at_most(f"a claim with {BACKLOG:,} jobs in the queue", before, empty, MOST_RATIO, "ms", "with an empty queue"),
        at_most(f"a claim with {BACKLOG:,} more of a paused task first", behind, empty, MOST_PAUSED_RATIO, "ms", "with an empty queue"),
        Figure("a worker that waits for jobs", f"{idle:.2f} % of a core", "", "", f"< {MOST_PERCENT:g} %", idle < MOST_PERCENT),
    ]
