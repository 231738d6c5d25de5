"""Jobs on PostgreSQL beside bare PgQueuer: the same task in the same places, recorded by both as an execution in the same database."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
from bench_jobs import BACKLOG, CLAIMS, MOST_RATIO, PLACES, ROUNDS, SMALL, job_rate, rows, settings_in, start_times
from bench_jobs import JOBS as COUNT
from figures import Figure, at_least, at_most, quantile
from pgqueuer import PgQueuer, Queries
from pgqueuer.db import PsycopgDriver

from ratchet_mcp.app import Ratchet
from ratchet_mcp.execution.models import Origin
from ratchet_mcp.settings import StoreSettings
from ratchet_mcp.store.shared_queue import SharedQueue
from ratchet_mcp.store.store import Store

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
from postgres import missing_programs, new_database, running_server

SHARE = 0.6


class TwoConnections(PsycopgDriver):
    """PgQueuer's driver at its best: with one connection alone, its queries wait while it listens."""

    def __init__(self, connection: Any, listening: Any) -> None:
        super().__init__(connection)
        self._ear = PsycopgDriver(listening)

    async def add_listener(self, channel: str, callback: Any) -> None:
        await self._ear.add_listener(channel, callback)

    async def __aenter__(self) -> Any:
        await self._ear.__aenter__()
        return await super().__aenter__()

    async def __aexit__(self, *error: object) -> None:
        await self._ear.__aexit__(*error)
        await super().__aexit__(*error)


@asynccontextmanager
async def bare(url: str, ratchet: Ratchet) -> AsyncIterator[Any]:
    """Yield what measures the rate of a PgQueuer whose jobs are plain runs, as many at a time as there are places."""
    connect = psycopg.AsyncConnection.connect
    async with (
        await connect(url, autocommit=True) as one,
        await connect(url, autocommit=True) as ear,
        await connect(url, autocommit=True) as two,
    ):
        worker, client = PgQueuer(TwoConnections(one, ear)), Queries(PsycopgDriver(two))
        await client.install()
        places, left, done = asyncio.Semaphore(PLACES), 0, asyncio.Event()

        @worker.entrypoint("run")
        async def run(_: Any) -> None:
            nonlocal left
            async with places:
                await (await ratchet.execute(*SMALL, origin=Origin.JOB)).wait(None)
            left -= 1
            if left == 0:
                done.set()

        async def rate() -> float:
            nonlocal left
            left = COUNT
            done.clear()
            start = time.perf_counter()
            await client.enqueue(["run"] * COUNT, [None] * COUNT, [0] * COUNT)
            await done.wait()
            return COUNT / (time.perf_counter() - start)

        working = asyncio.create_task(worker.run())
        yield rate
        worker.shutdown.set()
        await working


async def running(url: str) -> tuple[list[float], list[float], list[float]]:
    """Return the rates of jobs and of bare PgQueuer, and the times to start."""
    settings = settings_in(url)
    async with Ratchet.open(settings) as ratchet, bare(url, ratchet) as bare_rate:
        await bare_rate()
        rates = [(await job_rate(ratchet, SMALL), await bare_rate()) for _ in range(ROUNDS)]
        return [ours for ours, _ in rates], [theirs for _, theirs in rates], await start_times(ratchet)


async def claim_times(store: Store, queue: SharedQueue) -> list[float]:
    """Return the milliseconds of claiming as many announced jobs as there are places."""
    times: list[float] = []
    for _ in range(CLAIMS):
        await add(store, queue, rows("other", PLACES, 1))
        start = time.perf_counter()
        claimed = await queue.claim(PLACES)
        times.append((time.perf_counter() - start) * 1000)
        for record in claimed:
            await store.jobs.settle(record.id, record.attempts, {"status": "completed"})
    return times


async def add(store: Store, queue: SharedQueue, records: Any) -> None:
    """Submit jobs."""
    await store.jobs.add(records)
    await queue.announce([(record.id, record.priority) for record in records])


async def claiming(url: str) -> tuple[list[float], list[float]]:
    """Return the times of a claim from an empty queue, and before a backlog."""
    async with Store.open(StoreSettings(url=url)) as store:
        assert store.shared_queue is not None
        await store.shared_queue.look()
        empty = await claim_times(store, store.shared_queue)
        for _ in range(BACKLOG // 1000):
            await add(store, store.shared_queue, rows("backlog", 1000, 2))
        await store.shared_queue.look()
        return empty, await claim_times(store, store.shared_queue)


def measure() -> list[Figure]:
    """Measure everything."""
    if missing := missing_programs():
        raise SystemExit(f"PostgreSQL is not measured: not on PATH: {', '.join(missing)}.")
    for server in running_server():
        for url in new_database(server):
            ours, theirs, starts = asyncio.run(running(url))
        for url in new_database(server):
            empty, before = asyncio.run(claiming(url))
    p50, p99 = quantile(starts, 0.5), quantile(starts, 0.99)
    return [
        at_least(f"jobs that end, {PLACES} at a time (PostgreSQL)", ours, theirs, SHARE, "jobs/s", "bare PgQueuer, same recorded runs"),
        Figure("the same: a job starts after it was submitted", f"p50 {p50:.1f} ms, p99 {p99:.1f} ms", "", "", "", None),
        at_most(f"the same: a claim with {BACKLOG:,} jobs in the queue", before, empty, MOST_RATIO, "ms", "with an empty queue"),
    ]
