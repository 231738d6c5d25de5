"""What becomes of work when the PostgreSQL server goes away and comes back."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import uuid_utils
from loguru import logger
from postgres import PostgresServer, refuse
from sqlalchemy import Connection, text

from ratchet_mcp.errors import StoreFailed
from ratchet_mcp.settings import StoreSettings
from ratchet_mcp.store.database import Database
from ratchet_mcp.store.migrate import migrate
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


class Heard:
    """What is said in the log."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._more = asyncio.Event()

    def __call__(self, line: str) -> None:
        self._lines.append(line)
        self._more.set()

    async def soon(self, words: str) -> None:
        """Wait until a line has these words; on the event loop only."""
        async with asyncio.timeout(PATIENT):
            while not any(words in line for line in self._lines):
                self._more.clear()
                await self._more.wait()


@pytest.fixture
def heard() -> Iterator[Heard]:
    heard = Heard()
    sink = logger.add(heard)
    yield heard
    logger.remove(sink)


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


async def test_a_store_that_is_opened_while_the_server_is_gone_waits_for_it(
    postgres_url: str, stopped_at_the_end: PostgresServer, heard: Heard
) -> None:
    await asyncio.to_thread(stopped_at_the_end.stop)

    async def start_when_missed() -> None:
        await heard.soon("does not answer")
        await asyncio.to_thread(stopped_at_the_end.start)

    starting = asyncio.ensure_future(start_when_missed())
    async with Store.open(StoreSettings(url=postgres_url, busy_timeout_seconds=PATIENT)) as store:
        await starting
        await store.executions.begin(execution())


async def test_waiting_for_a_server_that_is_gone_can_be_given_up(
    postgres_url: str, stopped_at_the_end: PostgresServer, heard: Heard
) -> None:
    await asyncio.to_thread(stopped_at_the_end.stop)
    opening = asyncio.ensure_future(Store.open(StoreSettings(url=postgres_url, busy_timeout_seconds=600)).__aenter__())
    await heard.soon("does not answer")
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    opened = Database.at(StoreSettings(url=postgres_url))
    migrate(opened)
    with opened.connect() as connection, connection.begin():
        connection.execute(text("CREATE TABLE t (n int)"))
    yield opened
    opened.close()


def insert(connection: Connection, number: int) -> int:
    """Write a row; returns what PostgreSQL calls the transaction."""
    connection.execute(text("INSERT INTO t VALUES (:number)"), {"number": number})
    return int(connection.execute(text("SELECT CAST(pg_current_xact_id() AS text)")).scalar_one())


@pytest.mark.parametrize("committed", [True, False])
def test_whether_a_transaction_counted_is_known_afterwards(database: Database, committed: bool) -> None:
    fate = Fate()
    with database.connect() as first:
        for number in range(2):
            insert(first, number)
            fate.about_to_commit(first)
            if committed or number == 0:
                first.commit()
            else:
                first.rollback()
    with database.connect() as second:
        assert fate.committed(second) is committed
        assert fate.committed(second) is False  # asked and answered


def test_a_transaction_that_only_read_leaves_no_doubt(database: Database) -> None:
    fate = Fate()
    with database.connect() as first, first.begin():
        first.execute(text("SELECT * FROM t"))
        fate.about_to_commit(first)
    with database.connect() as second:
        assert fate.committed(second) is False
        assert second.execute(text("SELECT count(*) FROM last_commits")).scalar_one() == 0


@pytest.mark.parametrize("earlier", [0, 1])
@pytest.mark.parametrize("committed", [True, False])
async def test_the_end_of_a_transaction_that_the_server_still_carries_out_is_waited_for(
    database: Database, committed: bool, earlier: int
) -> None:
    fate = Fate()
    with database.connect() as first, database.connect() as second, database.connect() as third:
        for _ in range(earlier):
            insert(first, 0)
            Fate().about_to_commit(first)
            first.commit()
        insert(first, 1)
        fate.about_to_commit(first)
        asked = asyncio.ensure_future(asyncio.to_thread(fate.committed, second))
        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()")
        async with asyncio.timeout(PATIENT):
            while third.execute(waiting).scalar_one() == 0:
                await asyncio.sleep(0.01)
        assert not asked.done()
        if committed:
            first.commit()
        else:
            first.rollback()
        assert await asked is committed


@pytest.mark.parametrize("later", [0, 5])
def test_a_transaction_that_a_crash_undid_is_not_taken_for_one_that_got_its_number(
    database: Database, stopped_at_the_end: PostgresServer, later: int
) -> None:
    fate = Fate()
    first = database.connect()
    ours = insert(first, 1)
    fate.about_to_commit(first)
    stopped_at_the_end.restart()
    first.invalidate()
    first.close()
    with database.connect() as second:
        theirs = []
        for _ in range(later):
            theirs.append(insert(second, 2))
            second.commit()
        assert later == 0 or ours in theirs  # the number was given out again
        assert fate.committed(second) is False
        assert second.execute(text("SELECT count(*) FROM t WHERE n = 1")).scalar_one() == 0


def test_missing_programs_skip_loudly_and_fail_where_ci_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="PostgreSQL IS NOT TESTED: not on PATH: initdb"):
        refuse(["initdb"])
    monkeypatch.delitem(os.environ, "CI")
    with pytest.raises(pytest.skip.Exception, match="PostgreSQL IS NOT TESTED"):
        refuse(["initdb"])
