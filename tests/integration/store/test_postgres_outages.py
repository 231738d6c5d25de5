"""What becomes of work when the PostgreSQL server goes away and comes back."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import uuid_utils
from postgres import PostgresServer, refuse
from sqlalchemy import text

from ratchet_mcp.errors import StoreFailed
from ratchet_mcp.settings import StoreSettings
from ratchet_mcp.store.database import Database
from ratchet_mcp.store.outage import Fate
from ratchet_mcp.store.records import ExecutionFilter, ExecutionRecord, JsonText
from ratchet_mcp.store.store import Store

PATIENT = 20.0


def execution() -> ExecutionRecord:
    return ExecutionRecord(str(uuid_utils.uuid7()), "t", "1.0.0", "queued", "mcp", "local", datetime.now(UTC), input=JsonText("{}"))


@pytest.fixture
def stopped_at_the_end(postgres_server: PostgresServer) -> Iterator[PostgresServer]:
    """The session's server; it runs again afterwards, whatever the test did."""
    yield postgres_server
    postgres_server.ensure_running()


async def test_a_server_that_crashes_in_the_middle_loses_nothing_and_writes_nothing_twice(
    postgres_url: str, stopped_at_the_end: PostgresServer
) -> None:
    async with Store.open(StoreSettings(url=postgres_url, busy_timeout_seconds=PATIENT)) as store:
        acknowledged: list[str] = []
        back = asyncio.Event()

        async def caller() -> None:
            after = 0
            while after < 5:
                record = execution()
                begun = store.executions.begin(record)
                record.status, record.output = "completed", JsonText("[1]")
                await begun
                await store.executions.finish(record)
                acknowledged.append(record.id)
                assert (await store.executions.get(record.id)) is not None
                after += back.is_set()

        callers = [asyncio.ensure_future(caller()) for _ in range(4)]
        while len(acknowledged) < 20:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(stopped_at_the_end.restart)
        back.set()
        await asyncio.gather(*callers)
        kept = await store.executions.find(ExecutionFilter(status="completed"), 10_000)
        assert sorted(record.id for record in kept) == sorted(acknowledged)


async def test_a_server_that_stays_away_is_told_in_time_and_used_again_when_it_is_back(
    postgres_url: str, stopped_at_the_end: PostgresServer
) -> None:
    async with Store.open(StoreSettings(url=postgres_url, busy_timeout_seconds=0.2)) as store:
        first = execution()
        await store.executions.begin(first)
        await asyncio.to_thread(stopped_at_the_end.stop)
        for failing in (store.executions.begin(execution()), store.executions.find(ExecutionFilter(), 10)):
            with pytest.raises(StoreFailed) as caught:
                await failing
            assert caught.value.details["reason"] == "unreachable"
        await asyncio.to_thread(stopped_at_the_end.start)
        second = execution()
        await store.executions.begin(second)
        found = await store.executions.find(ExecutionFilter(), 10)
        assert {record.id for record in found} == {first.id, second.id}


@pytest.mark.parametrize("committed", [True, False])
def test_whether_a_transaction_counted_is_known_afterwards(postgres_url: str, committed: bool) -> None:
    database = Database.at(StoreSettings(url=postgres_url))
    fate = Fate()
    with database.connect() as first:
        first.execute(text("CREATE TABLE t (n int)"))
        fate.about_to_commit(first)
        if committed:
            first.commit()
        else:
            first.rollback()
    with database.connect() as second:
        assert fate.committed(second) is committed
        assert fate.committed(second) is False  # asked and answered
    database.close()


def test_missing_programs_skip_loudly_and_fail_where_ci_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="PostgreSQL IS NOT TESTED: not on PATH: initdb"):
        refuse(["initdb"])
    monkeypatch.delitem(os.environ, "CI")
    with pytest.raises(pytest.skip.Exception, match="PostgreSQL IS NOT TESTED"):
        refuse(["initdb"])
