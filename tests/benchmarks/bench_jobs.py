"""Jobs on the embedded dispatcher: jobs a second beside plain runs, how soon one starts, claiming from a backlog, and what waiting costs."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from statistics import median

import psutil
from figures import Figure, at_most, quantile
from uuid_utils.compat import uuid7

from ratchet_mcp.app import Ratchet
from ratchet_mcp.execution.models import Origin
from ratchet_mcp.jobs.models import Job, JobRequest
from ratchet_mcp.settings import EngineSettings, Settings, StoreSettings
from ratchet_mcp.store.job_records import JobRecord
from ratchet_mcp.store.jobs import JobRepository
from ratchet_mcp.store.store import Store

PLACES, JOBS, ROUNDS, STARTS = 2, 1_000, 3, 300
BACKLOG, CLAIMS = 100_000, 300
IDLE_SECONDS = 10.0
LEAST_RATE, MOST_MS, MOST_RATIO, MOST_PAUSED_RATIO, MOST_PERCENT = 500, 20.0, 1.5, 2.5, 1.0
TASK, INPUT = "text-statistics", {"text": "one two three"}


def settings_in(folder: str) -> Settings:
    """Return settings with a file of our own and as many workers as there are places for jobs."""
    url = f"sqlite:///{folder}/ratchet.db"
    return Settings(store=StoreSettings(url=url), engine=EngineSettings(min_workers=PLACES, max_workers=PLACES))


async def plain_rate(ratchet: Ratchet) -> float:
    """Return how many recorded runs a second as many callers get as there are places."""

    async def caller() -> None:
        for _ in range(JOBS // PLACES):
            await (await ratchet.execute(TASK, INPUT, origin=Origin.JOB)).wait(None)

    start = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(PLACES)))
    return JOBS / (time.perf_counter() - start)


async def job_rate(ratchet: Ratchet) -> float:
    """Return how many jobs a second end, from the moment when they are submitted."""
    left, done = JOBS, asyncio.Event()

    def count(job: Job) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            done.set()

    ratchet.jobs.on_end(count)
    start = time.perf_counter()
    await ratchet.jobs.submit_many([JobRequest(TASK, INPUT) for _ in range(JOBS)])
    await done.wait()
    return JOBS / (time.perf_counter() - start)


async def start_times(ratchet: Ratchet) -> list[float]:
    """Return the milliseconds from the call that submits a job until it runs, when nothing else waits."""
    times: list[float] = []
    for _ in range(STARTS):
        before = time.time()
        job = await ratchet.jobs.wait((await ratchet.jobs.submit(JobRequest(TASK, INPUT))).id, 30)
        execution = await ratchet.executions.get(job.execution_id or "")
        assert execution.started_at is not None
        times.append((execution.started_at.timestamp() - before) * 1000)
    return times


async def running() -> tuple[list[float], list[float], list[float]]:
    """Return the rates of jobs and of plain runs, and the times to start."""
    with tempfile.TemporaryDirectory() as folder:
        async with Ratchet.open(settings_in(folder)) as ratchet:
            await plain_rate(ratchet)
            rates = [(await job_rate(ratchet), await plain_rate(ratchet)) for _ in range(ROUNDS)]
            return [ours for ours, _ in rates], [plain for _, plain in rates], await start_times(ratchet)


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
        async with Store.open(settings_in(folder).store) as store:
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
        variables = {**os.environ, "RATCHET_STORE__URL": f"sqlite:///{folder}/ratchet.db", "RATCHET_REGISTRY__SOURCES": json.dumps([])}
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
    ours, plain, starts = asyncio.run(running())
    empty, before, behind = asyncio.run(claiming())
    idle = idle_percent()
    rate, other = median(ours), median(plain)
    p50, p99 = quantile(starts, 0.5), quantile(starts, 0.99)
    return [
        Figure(
            f"jobs that end, {PLACES} at a time (SQLite file)",
            f"{rate:,.0f} jobs/s",
            f"{other:,.0f} runs/s without a queue",
            f"{rate / other:.2f}",
            f"≥ {LEAST_RATE} jobs/s",
            rate >= LEAST_RATE,
        ),
        Figure(
            "a job starts after it was submitted", f"p50 {p50:.1f} ms, p99 {p99:.1f} ms", "", "", f"p50 < {MOST_MS:g} ms", p50 < MOST_MS
        ),
        at_most(f"a claim with {BACKLOG:,} jobs in the queue", before, empty, MOST_RATIO, "ms", "with an empty queue"),
        at_most(f"a claim with {BACKLOG:,} more of a paused task first", behind, empty, MOST_PAUSED_RATIO, "ms", "with an empty queue"),
        Figure("a worker that waits for jobs", f"{idle:.2f} % of a core", "", "", f"< {MOST_PERCENT:g} %", idle < MOST_PERCENT),
    ]
