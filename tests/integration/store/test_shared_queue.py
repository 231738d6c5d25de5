"""The queue that many machines share on PostgreSQL: who gets what, and what is found that nobody announced."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest
from postgres import PostgresServer
from sqlalchemy import text
from uuid_utils.compat import uuid7

from ratchet_mcp.settings import StoreSettings
from ratchet_mcp.store import shared_queue
from ratchet_mcp.store.job_records import JobRecord
from ratchet_mcp.store.shared_queue import SharedQueue
from ratchet_mcp.store.store import Store

NOW = datetime.now(UTC)
LIMIT_SECONDS = 30
"""Only to turn a hang into a failure."""


def job(task: str = "add", **changes: Any) -> JobRecord:
    plain = JobRecord(str(uuid7()), task, "1.0.0", "queued", 2, "job", "local", NOW, NOW, NOW, retry_policy={"attempts": 1})
    return replace(plain, **changes)


def queue_of(store: Store) -> SharedQueue:
    assert store.shared_queue is not None
    return store.shared_queue


async def submit(store: Store, jobs: Sequence[JobRecord]) -> None:
    await store.jobs.add(jobs)
    await queue_of(store).announce([(each.id, each.priority) for each in jobs])


async def entries(store: Store) -> int:
    statement = text("SELECT count(*) FROM ratchet_pgqueuer")
    return await store._database.read(lambda connection: connection.execute(statement).scalar_one())


@pytest.fixture
async def machines(postgres_url: str) -> AsyncIterator[tuple[Store, Store]]:
    """The stores of two machines that share a database."""
    settings = StoreSettings(url=postgres_url, busy_timeout_seconds=20)
    async with Store.open(settings) as first, Store.open(settings) as second:
        yield first, second


async def test_two_machines_install_it_at_the_same_time_and_again(machines: tuple[Store, Store]) -> None:
    async with anyio.create_task_group() as tasks:
        for store in machines:
            tasks.start_soon(queue_of(store).install)
    newcomer = SharedQueue(machines[0]._database, machines[0]._writer, machines[0].jobs, machines[0].owner)
    await newcomer.install()
    assert await newcomer.claim(1) == []


async def test_the_environment_does_not_name_its_tables(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from ratchet_mcp.store import entries as adapter

    for name, value in {
        "CHANNEL": "x",
        "PGQUEUER_PREFIX": "other_",
        "QUEUE_TABLE": "t",
        "PGQUEUER_SCHEMA": "s",
        "DURABILITY": "durable",
    }.items():
        monkeypatch.setenv(name, value)
    fresh = adapter.names.__wrapped__()
    assert fresh == adapter.names()
    assert (fresh.queue_table, fresh.channel, fresh.db_schema) == ("ratchet_pgqueuer", "ratchet_entries", None)


async def test_jobs_go_by_priority_and_each_to_one_machine(machines: tuple[Store, Store]) -> None:
    jobs = [job(priority=number % 4) for number in range(40)]
    await submit(machines[0], jobs)
    await queue_of(machines[0]).look()
    urgent = {each.id for each in await queue_of(machines[0]).claim(10)}
    assert urgent == {each.id for each in jobs if each.priority == 0}
    claimed = list(urgent)
    while taken := [each.id for store in machines for each in await queue_of(store).claim(7)]:
        claimed += taken
    assert sorted(claimed) == sorted(each.id for each in jobs)
    assert await entries(machines[0]) == 0


async def test_a_job_is_announced_once_however_often_that_is_done(machines: tuple[Store, Store]) -> None:
    one = job()
    await submit(machines[0], [one])
    await queue_of(machines[1]).announce([(one.id, one.priority)])
    assert await entries(machines[0]) == 1
    assert [each.id for each in await queue_of(machines[1]).claim(5)] == [one.id]
    assert await queue_of(machines[0]).claim(5) == []


async def test_a_job_that_nobody_announced_is_found_by_its_row(machines: tuple[Store, Store]) -> None:
    first, second = machines
    await queue_of(first).install()
    lost = job()
    await first.jobs.add([lost])
    assert (await queue_of(second).look()).queued
    assert [each.id for each in await queue_of(second).claim(5)] == [lost.id]


async def test_a_job_that_nobody_announced_is_found_also_while_others_always_wait(
    machines: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_queue, "LOOK_SECONDS", 0.0)
    first, _ = machines
    lost = job(priority=0)
    await submit(first, [job() for _ in range(20)])
    await first.jobs.add([lost])
    await queue_of(first).look()
    claimed = [each.id for _ in range(3) for each in await queue_of(first).claim(2)]
    assert lost.id in claimed


async def test_what_is_cancelled_or_taken_meanwhile_is_dropped(machines: tuple[Store, Store]) -> None:
    first, second = machines
    cancelled, taken, left = jobs = [job() for _ in range(3)]
    await submit(first, jobs)
    await first.jobs.cancel(cancelled.id, "not wanted")
    await second.jobs.take(taken.id)
    await queue_of(first).look()
    assert [each.id for each in await queue_of(first).claim(10)] == [left.id]
    assert await entries(first) == 0


async def test_jobs_of_a_paused_task_wait_for_its_end_without_being_handed_round(machines: tuple[Store, Store]) -> None:
    first, second = machines
    paused = [job("paused") for _ in range(15)]
    await submit(first, paused)
    await first.jobs.control("paused", {"paused": True})
    other = job("other")
    await submit(first, [other])
    for _ in range(3):
        await queue_of(first).look()
        got = await queue_of(first).claim(2)
        if got:
            break
    assert [each.id for each in got] == [other.id]
    for _ in range(10):
        assert await queue_of(second).claim(5) == []
    await first.jobs.control("paused", {"paused": False})
    found: list[str] = []
    while len(found) < len(paused):
        assert (await queue_of(second).look()).queued
        found += [each.id for each in await queue_of(second).claim(4)]
    assert sorted(found) == sorted(each.id for each in paused)


async def test_a_limit_counts_for_all_machines(machines: tuple[Store, Store]) -> None:
    first, second = machines
    await first.jobs.control("narrow", {"concurrency": 2})
    await submit(first, [job("narrow") for _ in range(6)])
    running = await queue_of(first).claim(1) + await queue_of(second).claim(5) + await queue_of(first).claim(5)
    assert len(running) == 2
    ended = running[0]
    owner = first if ended.owner == first.owner else second
    assert await owner.jobs.settle(ended.id, ended.attempts, {"status": "completed"})
    await queue_of(second).look()
    assert len(await queue_of(second).claim(5)) == 1


async def test_a_job_that_is_due_is_queued_once_by_one_of_the_machines(machines: tuple[Store, Store]) -> None:
    first, second = machines
    due = job(status="scheduled", run_at=NOW - timedelta(seconds=1))
    later = job(status="scheduled", run_at=NOW + timedelta(hours=1))
    await first.jobs.add([due, later])
    waiting = await queue_of(second).look()
    assert waiting.next_due == due.run_at
    assert await queue_of(second).promote() + await queue_of(first).promote() == [due.id]
    assert [each.id for each in await queue_of(second).claim(5)] == [due.id]
    assert (await queue_of(first).look()).next_due == later.run_at


async def test_an_announcement_is_heard_on_every_machine_also_after_its_connection_was_lost(
    machines: tuple[Store, Store], postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_queue, "RECONNECT_SECONDS", 0.01)
    first, second = machines
    heard = anyio.Event()

    def hear() -> None:
        heard.set()

    async def heard_again() -> None:
        nonlocal heard
        await heard.wait()
        heard = anyio.Event()

    with anyio.fail_after(LIMIT_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(queue_of(second).listen, hear)
            await heard_again()  # it listens
            await submit(first, [job()])
            await heard_again()
            postgres_server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
            await heard_again()  # it listens again
            await submit(first, [job()])
            await heard_again()
            tasks.cancel_scope.cancel()


async def test_a_crash_of_the_server_loses_entries_and_no_jobs(machines: tuple[Store, Store], postgres_server: PostgresServer) -> None:
    first, second = machines
    jobs = [job() for _ in range(5)]
    await submit(first, jobs)
    await anyio.to_thread.run_sync(postgres_server.restart)
    await queue_of(second).look()
    found: list[str] = []
    while len(found) < len(jobs):
        found += [each.id for each in await queue_of(second).claim(2)]
        await queue_of(second).look()
    assert sorted(found) == sorted(each.id for each in jobs)


async def test_the_log_of_entries_is_emptied_now_and_then(machines: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_queue, "PRUNE_SECONDS", 0.0)
    first, second = machines
    await submit(first, [job() for _ in range(3)])
    await queue_of(first).claim(3)
    pruning = SharedQueue(second._database, second._writer, second.jobs, second.owner)
    await pruning.look()
    statement = text("SELECT count(*) FROM ratchet_pgqueuer_log")
    assert await first._database.read(lambda connection: connection.execute(statement).scalar_one()) == 0


async def test_the_database_counts_anew_when_a_crowd_has_come(machines: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_queue, "CROWD", 200)
    counted = text("SELECT relname, reltuples FROM pg_class WHERE relname IN ('jobs', 'ratchet_pgqueuer') AND relkind = 'r'")
    store = machines[0]
    await submit(store, [job() for _ in range(199)])
    before = await store._database.read(lambda connection: {row[0]: row[1] for row in connection.execute(counted)})
    await submit(store, [job()])
    after = await store._database.read(lambda connection: {row[0]: row[1] for row in connection.execute(counted)})
    assert max(before.values()) <= 0
    assert after == {"jobs": 200, "ratchet_pgqueuer": 200}
