"""A thousand schedules that are due at the same moment, until all their jobs are in the queue; and what they cost while they wait."""

from __future__ import annotations

import asyncio
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from figures import Figure

from ratchet_mcp.app import Ratchet
from ratchet_mcp.jobs.models import JobRequest
from ratchet_mcp.jobs.schedules.firing import Heart
from ratchet_mcp.jobs.schedules.models import ScheduleRequest
from ratchet_mcp.settings import EngineSettings, LoggingSettings, Settings, StoreSettings

SCHEDULES, ROUNDS, IDLE_SECONDS = 1_000, 5, 5.0
MOST_SECONDS, MOST_PERCENT = 1.0, 1.0
TASK, INPUT = "text-statistics", {"text": "one two three"}


async def _fire(ratchet: Ratchet) -> list[float]:
    """Return how long each round took in which all schedules came true."""
    store, times = ratchet.store, []
    ahead = datetime.fromisoformat("2030-01-01T00:00:30+00:00") - datetime.now(UTC)
    store.schedules.clock = lambda: datetime.now(UTC) + ahead
    for _ in range(SCHEDULES):
        await ratchet.schedules.create(ScheduleRequest(TASK, "*/10 * * * *", timezone="Europe/Berlin", input=INPUT))
    heart = Heart(store.schedules, ratchet.jobs, ratchet.settings.schedules)
    await heart.beat()
    for number in range(1, ROUNDS + 1):
        ahead += timedelta(minutes=10)
        start = time.perf_counter()
        await heart.beat()
        times.append(time.perf_counter() - start)
        assert (await ratchet.jobs.counts())["queued"] == SCHEDULES * number
    return times


async def _submit(ratchet: Ratchet) -> list[float]:
    """Return how long it takes to put as many jobs into the queue by hand."""
    times = []
    for _ in range(ROUNDS):
        requests = [JobRequest(TASK, INPUT) for _ in range(SCHEDULES)]
        start = time.perf_counter()
        await ratchet.jobs.submit_many(requests)
        times.append(time.perf_counter() - start)
    return times


async def _idle(ratchet: Ratchet) -> float:
    """Return how much of a core this process takes while all schedules wait, in percent."""
    heart = Heart(ratchet.store.schedules, ratchet.jobs, ratchet.settings.schedules)
    running = asyncio.create_task(heart.run())
    await asyncio.sleep(1)
    start = time.process_time()
    await asyncio.sleep(IDLE_SECONDS)
    used = time.process_time() - start
    running.cancel()
    return used / IDLE_SECONDS * 100


async def _measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as name:
        settings = Settings(
            store=StoreSettings(url=f"sqlite:///{Path(name) / 'ratchet.db'}"),
            engine=EngineSettings(spare_workers=0),
            logging=LoggingSettings(level="ERROR"),
        )
        async with Ratchet.open(settings, work=False) as ratchet:
            fired, idle, submitted = median(await _fire(ratchet)), await _idle(ratchet), median(await _submit(ratchet))
    return [
        Figure(
            f"{SCHEDULES:,} schedules due at once until all jobs are in the queue",
            f"{fired:.2f} s",
            f"{submitted:.2f} s for as many jobs in one submit_many",
            f"{fired / submitted:.2f}",
            f"≤ {MOST_SECONDS:g} s",
            fired <= MOST_SECONDS,
        ),
        Figure(
            f"processor time while {SCHEDULES:,} schedules wait",
            f"{idle:.2f} % of a core",
            "the whole server process",
            "",
            f"≤ {MOST_PERCENT:g} %",
            idle <= MOST_PERCENT,
        ),
    ]


def measure() -> list[Figure]:
    """Return the figures."""
    return asyncio.run(_measure())
