"""Two whole servers on one database: a schedule becomes a job once, and one of them runs it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio
import pytest
from schedule_machines import Tasks

from ratchet_mcp.app import Ratchet
from ratchet_mcp.jobs.models import JobPage, JobStatus
from ratchet_mcp.jobs.schedules.models import ScheduleRequest
from ratchet_mcp.settings import EngineSettings, RegistrySettings, ScheduleSettings, Settings, SourceSettings, StoreSettings

COUNT = 12


@pytest.fixture
async def settings(url: str, tasks: Tasks, store: object) -> Settings:
    return Settings(
        store=StoreSettings(url=url),
        registry=RegistrySettings(bundled=False, sources=[SourceSettings(name="ours", uri=str(tasks.folder))]),
        engine=EngineSettings(spare_workers=0, max_workers=1),
        schedules=ScheduleSettings(poll_seconds=0.05),
    )


async def completed(ratchet: Ratchet, count: int) -> JobPage:
    with anyio.fail_after(60):
        while True:
            page = await ratchet.jobs.find(limit=500)
            if len(page.jobs) >= count and all(job.status is JobStatus.COMPLETED for job in page.jobs):
                return page
            await anyio.sleep(0.05)


async def test_each_time_is_one_job_that_ends_once(settings: Settings):
    async with Ratchet.open(settings, work=True) as first, Ratchet.open(settings, work=True) as second:
        made = [await first.schedules.create(ScheduleRequest("report", "0 0 1 1 *", input={"n": n})) for n in range(COUNT)]
        now = datetime.now(UTC)
        for schedule in made:  # all are due now
            record = await first.store.schedules.get(schedule.id)
            await first.store.schedules.change(record, {"next_run": now - timedelta(seconds=1)})
        page = await completed(second, COUNT)
        assert sorted(job.schedule_id for job in page.jobs) == sorted(schedule.id for schedule in made)
        runs = await second.executions.find(limit=100)
        assert sorted(run.job_id for run in runs.executions if run.job_id) == sorted(job.id for job in page.jobs)
        assert all(run.origin == "schedule" for run in runs.executions if run.job_id)


async def test_a_front_machine_makes_schedules_and_lets_others_run_them(settings: Settings):
    async with Ratchet.open(settings, work=False) as front, Ratchet.open(settings, work=True) as worker:
        made = await front.schedules.create(ScheduleRequest("report", "0 0 1 1 *", input={}))
        await front.store.schedules.change(await front.store.schedules.get(made.id), {"next_run": datetime.now(UTC)})
        (job,) = (await completed(front, 1)).jobs
        assert job.schedule_id == made.id
        assert (front.schedules.status(), worker.schedules.status()) == ({"here": False}, {"here": True})
