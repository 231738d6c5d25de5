"""Jobs of one process: submitted, run, tried again, held back, cancelled, listed."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from ratchet_mcp.app import Ratchet
from ratchet_mcp.errors import (
    Busy,
    InputInvalid,
    InvalidArgument,
    InvalidCursor,
    JobFinished,
    JobNotFound,
    RatchetError,
    TaskNotFound,
)
from ratchet_mcp.execution.models import Origin, Status
from ratchet_mcp.jobs.models import Job, JobRequest, JobStatus, Priority
from ratchet_mcp.jobs.retention import forget_finished
from ratchet_mcp.jobs.retry import RetryPolicy
from ratchet_mcp.security.principal import Principal

AT_ONCE = RetryPolicy(attempts=3, delay_seconds=0, on=("any",))


async def ended(ratchet: Ratchet, request: JobRequest) -> Job:
    job = await ratchet.jobs.wait((await ratchet.jobs.submit(request)).id, 30)
    assert job.status.final, job.to_dict()
    return job


async def until_running(ratchet: Ratchet, id: str) -> Job:
    with anyio.fail_after(30):
        while (job := await ratchet.jobs.get(id)).status is not JobStatus.RUNNING:
            await anyio.sleep(0.01)
    return job


async def test_a_job_runs_as_an_execution_that_carries_its_id_and_the_attempt(ratchet: Ratchet) -> None:
    job = await ended(ratchet, JobRequest("whoami", origin=Origin.MCP, principal=Principal("someone")))
    assert (job.status, job.attempts, job.last_error) == (JobStatus.COMPLETED, 1, None)
    assert job.execution_id is not None
    execution = await ratchet.executions.get(job.execution_id)
    assert (execution.job_id, execution.origin, execution.principal) == (job.id, Origin.MCP, "someone")
    assert execution.output["attempt"] == 1
    assert execution.output["executionId"] == job.execution_id
    assert [each.id for each in (await ratchet.executions.find(job_id=job.id)).executions] == [job.execution_id]


async def test_an_unsaved_function_runs_as_a_job(ratchet: Ratchet) -> None:
    job = await ended(ratchet, JobRequest("", {"n": 4}, code="(input) => input.n * 2"))
    assert job.execution_id is not None
    assert (await ratchet.executions.get(job.execution_id)).output == 8


async def test_the_version_of_the_task_is_pinned_when_the_job_is_submitted(ratchet: Ratchet) -> None:
    job = await ratchet.jobs.submit(JobRequest("add", {"a": 1, "b": 2}))
    assert (job.task, job.version) == ("add", "1.0.0")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"task": "nobody"}, TaskNotFound),
        ({"input": {"a": 1}}, InputInvalid),
        ({"run_at": datetime.now(UTC) - timedelta(hours=1)}, InvalidArgument),
        ({"run_at": datetime(2999, 1, 1)}, InvalidArgument),
        ({"run_at": datetime(2999, 1, 1, tzinfo=UTC)}, InvalidArgument),
        ({"timeout_seconds": 1e9}, InvalidArgument),
        ({"unique_key": ""}, InvalidArgument),
        ({"unique_key": "x" * 201}, InvalidArgument),
    ],
    ids=["task", "input", "past", "zone", "far", "timeout", "empty-key", "long-key"],
)
async def test_what_cannot_run_is_refused_when_it_is_submitted_and_leaves_nothing(
    ratchet: Ratchet, changes: dict[str, Any], error: type[RatchetError]
) -> None:
    before = (await ratchet.jobs.find(limit=1)).jobs
    good = JobRequest("add", {"a": 1, "b": 2})
    with pytest.raises(error):
        await ratchet.jobs.submit_many([good, JobRequest(**{"task": "add", "input": {"a": 1, "b": 2}, **changes})])
    assert [job.id for job in (await ratchet.jobs.find(limit=1)).jobs] == [job.id for job in before]


async def test_a_unique_key_gives_the_job_that_is_there(ratchet: Ratchet) -> None:
    first = await ratchet.jobs.submit(JobRequest("add", {"a": 1, "b": 2}, unique_key="report"))
    again = await ratchet.jobs.submit(JobRequest("add", {"a": 1, "b": 2}, unique_key="report"))
    assert (first.reused, again.reused, again.id) == (False, True, first.id)
    with pytest.raises(InvalidArgument, match=first.id):
        await ratchet.jobs.submit(JobRequest("fail", unique_key="report"))


async def test_jobs_that_are_asked_for_together_are_there_all_or_none(ratchet: Ratchet) -> None:
    await ratchet.jobs.submit(JobRequest("add", {"a": 1, "b": 2}, unique_key="taken"))
    together = [JobRequest("add", {"a": 3, "b": 4}, unique_key="free"), JobRequest("fail", unique_key="taken")]
    with pytest.raises(InvalidArgument, match="belongs to job"):
        await ratchet.jobs.submit_many(together)
    assert "free" not in [job.unique_key for job in (await ratchet.jobs.find()).jobs]


async def test_a_failed_attempt_is_followed_by_the_next_one_which_knows_its_number(ratchet: Ratchet) -> None:
    job = await ended(ratchet, JobRequest("flaky", {"good": 3}, retry=AT_ONCE))
    assert (job.status, job.attempts, job.failures, job.last_error) == (JobStatus.COMPLETED, 3, 2, None)
    executions = (await ratchet.executions.find(job_id=job.id)).executions
    assert [(each.attempt, each.status) for each in executions] == [(3, Status.COMPLETED), (2, Status.FAILED), (1, Status.FAILED)]


async def test_a_job_whose_attempts_are_used_up_is_a_dead_letter_that_can_run_again(ratchet: Ratchet) -> None:
    job = await ended(ratchet, JobRequest("flaky", {"good": 5}, retry=AT_ONCE))
    assert (job.status, job.attempts, job.failures) == (JobStatus.FAILED, 3, 3)
    assert job.last_error is not None
    assert job.last_error["code"] == "task_error"
    again = await ratchet.jobs.retry(job.id)
    assert (again.status, again.failures) == (JobStatus.QUEUED, 0)
    job = await ratchet.jobs.wait(job.id, 30)
    assert (job.status, job.attempts) == (JobStatus.COMPLETED, 5)
    with pytest.raises(JobFinished):
        await ratchet.jobs.retry(job.id)


async def test_all_dead_letters_of_a_task_run_again(ratchet: Ratchet) -> None:
    jobs = [await ended(ratchet, JobRequest("fail")) for _ in range(3)]
    since = datetime.now(UTC) + timedelta(hours=1)
    assert await ratchet.jobs.retry_all(task="fail", since=since) == 0
    assert await ratchet.jobs.retry_all(task="fail") == 3
    again = [await ratchet.jobs.wait(job.id, 30) for job in jobs]
    assert [(job.status, job.attempts) for job in again] == [(JobStatus.FAILED, 2)] * 3


async def test_a_task_says_itself_how_its_jobs_are_tried_again(ratchet: Ratchet) -> None:
    job = await ended(ratchet, JobRequest("stubborn"))
    assert (job.attempts, job.max_attempts) == (2, 2)
    assert (await ended(ratchet, JobRequest("stubborn", retry=RetryPolicy()))).attempts == 1


async def test_a_retry_that_waits_holds_no_place(ratchet: Ratchet) -> None:
    patient = RetryPolicy(attempts=2, delay_seconds=600, max_delay_seconds=600, on=("any",))
    waiting = [await ratchet.jobs.submit(JobRequest("fail", retry=patient)) for _ in range(4)]
    assert (await ended(ratchet, JobRequest("add", {"a": 1, "b": 2}))).status is JobStatus.COMPLETED
    for job in waiting:
        with anyio.fail_after(30):
            while (job := await ratchet.jobs.get(job.id)).status is not JobStatus.SCHEDULED:
                await anyio.sleep(0.01)
        assert timedelta(seconds=500) < job.run_at - datetime.now(UTC) < timedelta(seconds=700)
        assert (await ratchet.jobs.cancel(job.id)).status is JobStatus.CANCELLED


async def test_a_job_for_later_waits_until_then(ratchet: Ratchet) -> None:
    later = datetime.now(UTC) + timedelta(seconds=0.5)
    job = await ratchet.jobs.submit(JobRequest("add", {"a": 1, "b": 2}, run_at=later))
    assert job.status is JobStatus.SCHEDULED
    job = await ratchet.jobs.wait(job.id, 30)
    assert job.execution_id is not None
    assert (await ratchet.executions.get(job.execution_id)).created_at >= later


async def test_a_clock_that_is_set_loses_no_job_and_runs_none_twice(settings_for: partial) -> None:
    async with Ratchet.open(settings_for("sqlite://")) as ratchet:
        shift = timedelta()
        ratchet.store.jobs.clock = lambda: datetime.now(UTC) + shift
        tomorrow = await ratchet.jobs.submit(JobRequest("add", {"a": 1, "b": 2}, run_at=datetime.now(UTC) + timedelta(days=1)))
        shift = timedelta(hours=-5)
        job = await ended(ratchet, JobRequest("add", {"a": 1, "b": 2}))
        assert job.attempts == 1
        assert (await ratchet.jobs.get(tomorrow.id)).status is JobStatus.SCHEDULED
        shift = timedelta(days=2)
        assert (await ratchet.jobs.wait(tomorrow.id, 30)).status is JobStatus.COMPLETED
        shift = timedelta(days=-2)
        job = await ended(ratchet, JobRequest("flaky", {"good": 2}, retry=AT_ONCE))
        assert (job.status, job.attempts) == (JobStatus.COMPLETED, 2)
        assert len((await ratchet.executions.find(limit=50)).executions) == 4


async def test_a_pause_between_attempts_lasts_no_longer_because_the_clock_is_set_back(settings_for: partial) -> None:
    async with Ratchet.open(settings_for("sqlite://", jobs={"poll_seconds": 0.05})) as ratchet:
        shift = timedelta(hours=1)
        ratchet.store.jobs.clock = lambda: datetime.now(UTC) + shift
        soon = RetryPolicy(attempts=2, delay_seconds=1, on=("any",))
        job = await ratchet.jobs.submit(JobRequest("flaky", {"good": 2}, retry=soon))
        with anyio.fail_after(30):
            while (await ratchet.jobs.get(job.id)).status is not JobStatus.SCHEDULED:
                await anyio.sleep(0.01)
        shift = timedelta()
        job = await ratchet.jobs.wait(job.id, 30)
        assert (job.status, job.attempts) == (JobStatus.COMPLETED, 2)


async def test_urgent_jobs_go_first(settings_for: partial) -> None:
    async with Ratchet.open(settings_for("sqlite://", jobs={"concurrency": 1})) as ratchet:
        await ratchet.jobs.pause()
        order = [Priority.LOW, Priority.NORMAL, Priority.URGENT, Priority.HIGH, Priority.NORMAL]
        jobs = [await ratchet.jobs.submit(JobRequest("add", {"a": 1, "b": 2}, priority=priority)) for priority in order]
        assert (await ratchet.jobs.wait(jobs[0].id, 0.3)).status is JobStatus.QUEUED
        await ratchet.jobs.resume()
        done = [await ratchet.jobs.wait(job.id, 30) for job in jobs]
        first_to_last = sorted(done, key=lambda job: job.finished_at or job.created_at)
        assert [job.priority for job in first_to_last] == sorted(order)


async def test_a_paused_task_waits_while_others_run(ratchet: Ratchet) -> None:
    await ratchet.jobs.pause("whoami")
    held = await ratchet.jobs.submit(JobRequest("whoami"))
    assert (await ended(ratchet, JobRequest("add", {"a": 1, "b": 2}))).status is JobStatus.COMPLETED
    assert (await ratchet.jobs.get(held.id)).status is JobStatus.QUEUED
    assert [control.to_dict() for control in await ratchet.jobs.controls() if control.paused] == [{"task": "whoami", "paused": True}]
    await ratchet.jobs.resume("whoami")
    assert (await ratchet.jobs.wait(held.id, 30)).status is JobStatus.COMPLETED
    with pytest.raises(TaskNotFound):
        await ratchet.jobs.pause("nobody")


async def test_a_task_that_says_one_at_a_time_runs_one_at_a_time(ratchet: Ratchet) -> None:
    jobs = await ratchet.jobs.submit_many([JobRequest("one-at-a-time") for _ in range(4)])
    done = [await ratchet.jobs.wait(job.id, 30) for job in jobs]
    executions = [await ratchet.executions.get(job.execution_id or "") for job in done]
    spans = sorted((each.started_at, each.finished_at) for each in executions if each.started_at and each.finished_at)
    assert len(spans) == 4
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))


async def test_limits_are_checked_listed_and_taken_away(ratchet: Ratchet) -> None:
    await ratchet.jobs.limit("add", concurrency=2, rate="100/15m")
    limits = {control.task: control.to_dict() for control in await ratchet.jobs.controls()}
    assert limits["add"] == {"task": "add", "paused": False, "concurrency": 2, "rate": "100/15m"}
    await ratchet.jobs.limit("add")
    assert "add" not in {control.task for control in await ratchet.jobs.controls()}
    for wrong in ({"concurrency": 0}, {"concurrency": True}, {"rate": "often"}, {"rate": "0/m"}, {"rate": "5000/h"}):
        with pytest.raises(InvalidArgument):
            await ratchet.jobs.limit("add", **wrong)


async def test_a_running_job_is_cancelled_and_so_is_one_that_waits(ratchet: Ratchet) -> None:
    told: list[str] = []
    ratchet.jobs.on_end(lambda job: told.append(job.id))
    runs = await ratchet.jobs.submit(JobRequest("forever", retry=AT_ONCE))
    await until_running(ratchet, runs.id)
    waits = await ratchet.jobs.submit(JobRequest("add", {"a": 1, "b": 2}, run_at=datetime.now(UTC) + timedelta(hours=1)))
    for job in (runs, waits):
        cancelled = await ratchet.jobs.cancel(job.id, "enough")
        assert (cancelled.status, cancelled.cancel_reason) == (JobStatus.CANCELLED, "enough")
        with pytest.raises(JobFinished):
            await ratchet.jobs.cancel(job.id)
    assert told == [runs.id, waits.id]
    (execution,) = (await ratchet.executions.find(job_id=runs.id)).executions
    assert execution.status is Status.CANCELLED
    assert (await ratchet.jobs.retry(waits.id)).status is JobStatus.QUEUED


async def test_cancelling_the_execution_cancels_its_job(ratchet: Ratchet) -> None:
    job = await ratchet.jobs.submit(JobRequest("forever", retry=AT_ONCE))
    job = await until_running(ratchet, job.id)
    with anyio.fail_after(30):
        while ratchet.executions.handle(job.execution_id or "") is None:
            await anyio.sleep(0.01)
    await ratchet.executions.cancel(job.execution_id or "", "not now")
    job = await ratchet.jobs.wait(job.id, 30)
    assert (job.status, job.attempts) == (JobStatus.CANCELLED, 1)


@pytest.mark.parametrize("id", ["nonsense", "01a1fd90-385a-7731-9165-5d9da245eb79", "", "x" * 10_000])
async def test_an_unknown_job_is_an_error_of_its_own(ratchet: Ratchet, id: str) -> None:
    for call in (ratchet.jobs.get, ratchet.jobs.cancel, ratchet.jobs.retry, partial(ratchet.jobs.wait, seconds=0)):
        with pytest.raises(JobNotFound):
            await call(id)


async def test_jobs_are_found_page_by_page(ratchet: Ratchet) -> None:
    jobs = await ratchet.jobs.submit_many([JobRequest("add", {"a": number, "b": 1}) for number in range(5)])
    page = await ratchet.jobs.find(task="add@1.0.0", limit=2)
    assert len(page.jobs) == 2
    rest = await ratchet.jobs.find(task="add", since=jobs[0].created_at, limit=50, cursor=page.next_cursor)
    assert {job.id for job in page.jobs} | {job.id for job in rest.jobs} == {job.id for job in jobs}
    with pytest.raises(InvalidCursor):
        await ratchet.jobs.find(cursor="x")


async def test_a_run_under_way_becomes_a_job(ratchet: Ratchet) -> None:
    task = await ratchet.catalog.resolve("sleep")
    handle = await ratchet.executions.start(task, {"ms": 100}, origin=Origin.MCP, principal=Principal("me"))
    job = await ratchet.jobs.adopt(handle, task, request=JobRequest("sleep", {"ms": 100}, origin=Origin.MCP, principal=Principal("me")))
    assert (job.status, job.execution_id, job.attempts) == (JobStatus.RUNNING, handle.id, 1)
    job = await ratchet.jobs.wait(job.id, 30)
    assert (job.status, job.task) == (JobStatus.COMPLETED, "sleep")
    assert (await ratchet.executions.get(handle.id)).job_id == job.id


async def test_too_many_waiting_jobs_are_refused_as_busy(settings_for: partial) -> None:
    async with Ratchet.open(settings_for("sqlite://", jobs={"max_waiting": 3}), work=False) as ratchet:
        await ratchet.jobs.submit_many([JobRequest("whoami") for _ in range(3)])
        with pytest.raises(Busy, match="max_waiting"):
            await ratchet.jobs.submit(JobRequest("whoami"))
        assert await ratchet.jobs.counts() == {"queued": 3, "scheduled": 0, "running": 0}


@pytest.mark.parametrize("why", ["work", "read_only"])
async def test_a_process_that_is_not_to_run_jobs_leaves_them(settings_for: partial, why: str) -> None:
    settings = settings_for("sqlite://")
    if why == "read_only":
        settings = settings.model_copy(update={"mcp": settings.mcp.model_copy(update={"read_only": True})})
    async with Ratchet.open(settings, work=False if why == "work" else None) as ratchet:
        assert ratchet.jobs.status()["working"] is False
        job = await ratchet.jobs.submit(JobRequest("add", {"a": 1, "b": 2}))
        assert (await ratchet.jobs.wait(job.id, 0.3)).status is JobStatus.QUEUED


async def test_old_jobs_are_forgotten_and_their_executions_stay(settings_for: partial, tmp_path: Path) -> None:
    async with Ratchet.open(settings_for(f"sqlite:///{tmp_path}/r.db")) as ratchet:
        job = await ended(ratchet, JobRequest("add", {"a": 1, "b": 2}))
        ratchet.store.jobs.clock = lambda: datetime.now(UTC) + timedelta(days=31)
        assert await forget_finished(ratchet.store.jobs, 30) == 1
        with pytest.raises(JobNotFound):
            await ratchet.jobs.get(job.id)
        execution = await ratchet.executions.get(job.execution_id or "")
        assert (execution.status, execution.job_id) == (Status.COMPLETED, None)
