"""Jobs in the store: claimed in order, held back, settled once, taken over, forgotten."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, update
from uuid_utils.compat import uuid7

from ratchet_mcp.settings import StoreSettings
from ratchet_mcp.store.job_records import JobFilter, JobRecord
from ratchet_mcp.store.jobs import JobRepository
from ratchet_mcp.store.statements import JOBS, OWNERS
from ratchet_mcp.store.store import Store

NOW = datetime.now(UTC)


def job(task: str = "add", *, at: float = 0.0, **changes: Any) -> JobRecord:
    """Make a queued job that was submitted `at` seconds after the first."""
    moment = NOW + timedelta(seconds=at)
    plain = JobRecord(
        id=str(uuid7()),
        task=task,
        version="1.0.0",
        status="queued",
        priority=2,
        origin="job",
        principal="local",
        run_at=moment,
        created_at=moment,
        updated_at=moment,
        input={"a": 1},
        retry_policy={"attempts": 1},
    )
    return replace(plain, **changes)


@pytest.fixture
async def jobs(store: Store) -> JobRepository:
    return store.jobs


@pytest.fixture
async def pair(shared_url: str) -> AsyncIterator[tuple[Store, Store]]:
    """Two processes' stores on one database."""
    settings = StoreSettings(url=shared_url)
    async with Store.open(settings) as first, Store.open(settings) as second:
        yield first, second


async def claimed_tasks(jobs: JobRepository, most: int) -> list[str]:
    return [record.task for record in await jobs.claim(most)]


async def test_jobs_go_by_priority_then_by_their_time(jobs: JobRepository) -> None:
    late, early, low, urgent = job(at=2), job(at=1), job(at=0, priority=3), job(at=9, priority=0)
    await jobs.add([late, early, low, urgent])
    claimed = await jobs.claim(10)
    assert [record.id for record in claimed] == [urgent.id, early.id, late.id, low.id]
    assert await jobs.claim(10) == []


async def test_a_claimed_job_is_running_and_has_the_number_and_the_execution_of_its_attempt(jobs: JobRepository, store: Store) -> None:
    await jobs.add([job()])
    (claimed,) = await jobs.claim(1)
    stored = await jobs.get(claimed.id)
    assert stored is not None
    assert (stored.status, stored.owner, stored.attempts, stored.execution_id) == ("running", store.owner, 1, claimed.execution_id)
    assert stored.input == {"a": 1}


async def test_two_processes_never_claim_the_same_job(pair: tuple[Store, Store]) -> None:
    first, _ = pair
    await first.jobs.add([job(at=number) for number in range(40)])
    futures = [store.jobs.claim(3) for _ in range(8) for store in pair]
    claimed = [record.id for future in futures for record in await future]
    assert len(claimed) == len(set(claimed)) == 40


async def test_jobs_of_a_paused_task_stay_and_those_behind_them_are_found(jobs: JobRepository) -> None:
    await jobs.add([*(job("paused", at=number) for number in range(50)), job("b", at=99), job("a", at=98)])
    await jobs.control("paused", {"paused": True})
    assert await claimed_tasks(jobs, 5) == ["a", "b"]
    await jobs.control("paused", {"paused": False})
    assert await claimed_tasks(jobs, 2) == ["paused", "paused"]
    assert await jobs.controls() == []


async def test_a_paused_queue_hands_nothing_out(jobs: JobRepository) -> None:
    await jobs.add([job()])
    await jobs.control("*", {"paused": True})
    assert await jobs.claim(5) == []
    await jobs.control("*", {"paused": False})
    assert len(await jobs.claim(5)) == 1


async def test_no_more_jobs_of_a_task_run_at_once_than_its_limit_says(jobs: JobRepository) -> None:
    await jobs.add([job("slow", at=number) for number in range(6)] + [job("other", at=9)])
    await jobs.control("slow", {"concurrency": 2})
    first = await jobs.claim(4)
    assert [record.task for record in first] == ["slow", "slow", "other"]
    assert await jobs.claim(4) == []
    assert await jobs.settle(first[0].id, 1, {"status": "completed"})
    assert await claimed_tasks(jobs, 4) == ["slow"]


async def test_a_limit_counts_over_all_processes(pair: tuple[Store, Store]) -> None:
    first, _ = pair
    await first.jobs.add([job("slow", at=number) for number in range(20)])
    await first.jobs.control("slow", {"concurrency": 3})
    futures = [store.jobs.claim(2) for _ in range(4) for store in pair]
    assert sum([len(await future) for future in futures]) == 3


async def test_no_more_jobs_start_in_a_time_than_the_rate_says(jobs: JobRepository) -> None:
    await jobs.add([job("slow", at=number) for number in range(6)])
    await jobs.control("slow", {"rate_count": 2, "rate_seconds": 3600.0})
    assert len(await jobs.claim(1)) == 1
    assert len(await jobs.claim(5)) == 1
    assert await jobs.claim(5) == []
    await jobs.control("slow", {"rate_count": 5, "rate_seconds": 3600.0})
    assert len(await jobs.claim(5)) == 3


async def test_pauses_that_began_in_the_future_begin_now_and_times_that_users_asked_for_stay(jobs: JobRepository) -> None:
    hour, now = 3600.0, datetime.now(UTC)
    pause = job(at=hour, status="scheduled", attempts=1, run_at=NOW + timedelta(seconds=hour + 60))
    older = job(at=-hour, status="scheduled", attempts=1, run_at=NOW + timedelta(seconds=hour))
    asked = job(at=hour, status="scheduled", run_at=NOW + timedelta(seconds=2 * hour))
    await jobs.add([pause, older, asked])
    assert (await jobs.bring_forward(), await jobs.bring_forward()) == (1, 0)
    stored = await jobs.get(pause.id)
    assert stored is not None
    assert stored.updated_at >= now - timedelta(seconds=1)
    assert stored.run_at - stored.updated_at == timedelta(seconds=60)
    for untouched in (older, asked):
        stored = await jobs.get(untouched.id)
        assert stored is not None
        assert stored.run_at == untouched.run_at


async def test_starts_leave_the_rate_when_their_time_has_passed_also_after_the_clock_was_set_back(store: Store) -> None:
    if store.backend != "sqlite":
        pytest.skip("a server's own clock decides, which no test can set")
    jobs, now = store.jobs, NOW
    store.jobs.clock = lambda: now
    await jobs.add([job("slow", at=number) for number in range(6)])
    await jobs.control("slow", {"rate_count": 1, "rate_seconds": 60.0})
    assert len(await jobs.claim(5)) == 1
    assert await jobs.claim(5) == []
    now += timedelta(seconds=61)
    assert len(await jobs.claim(5)) == 1
    now = NOW - timedelta(hours=5)
    assert len(await jobs.claim(5)) == 1
    assert await jobs.claim(5) == []


async def test_what_a_task_says_of_itself_counts_until_a_user_says_otherwise(jobs: JobRepository) -> None:
    await jobs.add([job("slow", at=number) for number in range(9)])
    await jobs.declare("slow", {"concurrency": 1, "rate": [100, 60.0]})
    assert len(await jobs.claim(9)) == 1
    await jobs.control("slow", {"concurrency": 3})
    assert len(await jobs.claim(9)) == 2
    await jobs.control("slow", {"concurrency": None})
    await jobs.declare("slow", None)
    assert await jobs.controls() == []
    assert len(await jobs.claim(9)) == 6


async def test_one_job_is_taken_by_its_id_only_if_it_may_start(jobs: JobRepository) -> None:
    free, held = job("free"), job("held")
    await jobs.add([free, held])
    await jobs.control("held", {"paused": True})
    assert [record.id for record in await jobs.take(free.id)] == [free.id]
    assert await jobs.take(free.id) == []
    assert await jobs.take(held.id) == []


async def test_only_the_attempt_that_runs_a_job_ends_it_and_only_once(pair: tuple[Store, Store]) -> None:
    first, second = pair
    await first.jobs.add([job()])
    (claimed,) = await first.jobs.claim(1)
    assert not await second.jobs.settle(claimed.id, 1, {"status": "failed"})
    assert not await first.jobs.settle(claimed.id, 2, {"status": "failed"})
    assert await first.jobs.settle(claimed.id, 1, {"status": "completed"})
    assert not await first.jobs.settle(claimed.id, 1, {"status": "failed"})
    stored = await first.jobs.get(claimed.id)
    assert stored is not None
    assert (stored.status, stored.finished_at is not None) == ("completed", True)


async def test_scheduled_jobs_are_queued_when_they_are_due(jobs: JobRepository) -> None:
    await jobs.add([job(status="scheduled", at=-5), job(status="scheduled", at=-9), job(status="scheduled", at=3600)])
    seen = await jobs.look()
    assert not seen.queued
    assert seen.next_due == NOW - timedelta(seconds=9)
    assert len(await jobs.promote(1)) == 1
    assert len(await jobs.promote()) == 1
    assert await jobs.promote() == []
    assert (await jobs.look()).queued
    assert await jobs.counts(100) == {"queued": 2, "scheduled": 1, "running": 0}


async def test_the_job_of_a_taken_key_is_given_instead_of_a_second_one(pair: tuple[Store, Store]) -> None:
    first, _ = pair
    records = [job(unique_key="once") for _ in range(6)]
    futures = [store.jobs.add_unique([record], lambda *_: None) for record, store in zip(records, pair * 3, strict=True)]
    there = {found.id for future in futures for found in await future}
    assert len(there) == 1
    assert len(await first.jobs.find(JobFilter(), 10)) == 1


async def test_the_jobs_of_a_process_that_leaves_are_queued_again(shared_url: str) -> None:
    async with Store.open(StoreSettings(url=shared_url)) as first:
        async with Store.open(StoreSettings(url=shared_url)) as second:
            await second.jobs.add([job()])
            (claimed,) = await second.jobs.claim(1)
        stored = await first.jobs.get(claimed.id)
        assert stored is not None
        assert (stored.status, stored.owner, stored.crashes, stored.attempts) == ("queued", None, 0, 1)


async def test_the_jobs_of_a_process_that_died_are_queued_again_and_its_outcome_does_not_count(pair: tuple[Store, Store]) -> None:
    dead, other = pair
    await dead.jobs.add([job()])
    (claimed,) = await dead.jobs.claim(1)
    forget = OWNERS.delete().where(OWNERS.c.id == dead.owner)
    await other._writer.call(lambda connection: connection.execute(forget).rowcount)  # pyright: ignore[reportPrivateUsage]
    async with Store.open(StoreSettings(url=other._database.settings.url)) as third:  # pyright: ignore[reportPrivateUsage]
        stored = await third.jobs.get(claimed.id)
        assert stored is not None
        assert (stored.status, stored.owner, stored.crashes) == ("queued", None, 1)
        (again,) = await third.jobs.claim(1)
        assert again.attempts == 2
        assert not await dead.jobs.settle(claimed.id, 1, {"status": "failed"})
        assert await third.jobs.settle(claimed.id, 2, {"status": "completed"})


async def test_cancelling_ends_what_waits_asks_for_what_runs_and_leaves_what_has_ended(jobs: JobRepository) -> None:
    waits, runs, ended = job(at=9), job(at=1), job(at=0)
    await jobs.add([waits, runs, ended])
    await jobs.claim(2)
    await jobs.settle(ended.id, 1, {"status": "completed"})
    found = [await jobs.cancel(each.id, "why\0") for each in (waits, runs, ended)]
    assert [(each.record.status, each.ended) for each in found if each] == [("cancelled", True), ("running", False), ("completed", False)]
    assert await jobs.cancel_requests() == {runs.id: "why\ufffd"}
    assert await jobs.cancel(str(uuid7()), None) is None


async def test_dead_letters_run_again_one_by_one_or_all(jobs: JobRepository) -> None:
    records = [job("bad" if number % 2 else "worse", at=number) for number in range(6)]
    await jobs.add(records)
    for claimed in await jobs.claim(6):
        await jobs.settle(claimed.id, 1, {"status": "failed", "failures": 1, "last_error": {"code": "task_error"}})
    one = await jobs.retry(records[0].id)
    assert one is not None
    assert (one.status, one.failures, one.attempts, one.finished_at) == ("queued", 0, 1, None)
    assert await jobs.retry(records[0].id) is None
    assert {record.task for record in await jobs.retry_failed("bad", None, 100)} == {"bad"}
    assert len(await jobs.retry_failed(None, None, 1)) == 1
    assert len(await jobs.find(JobFilter(status="failed"), 100)) == 1


async def test_jobs_are_listed_newest_first_and_page_by_page(jobs: JobRepository) -> None:
    records = [job("a" if number < 3 else "b", at=number) for number in range(5)]
    await jobs.add(records)
    newest = [record.id for record in reversed(records)]
    page = await jobs.find(JobFilter(), 2)
    assert [record.id for record in page] == newest[:2]
    rest = await jobs.find(JobFilter(after=(page[-1].created_at, page[-1].id)), 10)
    assert [record.id for record in rest] == newest[2:]
    assert len(await jobs.find(JobFilter(task="a", since=NOW + timedelta(seconds=1)), 10)) == 2
    assert await jobs.find(JobFilter(task="a", version="2.0.0"), 10) == []


async def test_only_jobs_that_ended_long_ago_are_removed(jobs: JobRepository, store: Store) -> None:
    old, fresh, waits = job(at=-999), job(at=-99), job(at=-999, status="scheduled")
    await jobs.add([old, fresh, waits])
    for claimed in await jobs.claim(2):
        await jobs.settle(claimed.id, 1, {"status": "completed"})
    long_ago = NOW - timedelta(days=40)
    age = update(JOBS).where(JOBS.c.id == old.id).values(created_at=long_ago, finished_at=long_ago)
    await store._writer.call(lambda connection: connection.execute(age).rowcount)  # pyright: ignore[reportPrivateUsage]
    assert await jobs.remove_finished(NOW - timedelta(days=30)) == 1
    assert {record.id for record in await jobs.find(JobFilter(), 10)} == {fresh.id, waits.id}


async def test_claiming_never_goes_through_a_backlog(store: Store) -> None:
    if store.backend != "sqlite":
        pytest.skip("SQLite says how it finds rows whatever the table holds")
    await store.jobs.add([job("held"), job("free")])
    await store.jobs.control("held", {"paused": True})
    database = store._database  # pyright: ignore[reportPrivateUsage]
    seen: list[tuple[str, Any]] = []
    event.listen(database.engine, "before_cursor_execute", lambda *facts: seen.append((facts[2], facts[3])))
    assert len(await store.jobs.claim(2)) == 1
    await store.jobs.look()
    await store.jobs.promote()
    selects = [(sql, values) for sql, values in seen if "jobs" in sql and sql.lstrip().startswith(("SELECT", "WITH"))]

    def explain(connection: Any) -> list[str]:
        plans = [connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values) for sql, values in selects]
        return [row[3] for plan in plans for row in plan]

    steps = await database.read(explain)
    assert not [step for step in steps if "B-TREE" in step][1:], steps  # sorting is for the few that were found by task
    assert steps[0].endswith("INDEX ix_jobs_claim"), steps
    assert any("ix_jobs_claim_task" in step for step in steps), steps
    assert sum("ix_jobs_due" in step for step in steps) == 2, steps
    assert not [step for step in steps if step.startswith("SCAN jobs") and "INDEX ix_jobs_" not in step], steps
