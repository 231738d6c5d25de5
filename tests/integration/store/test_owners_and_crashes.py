"""Processes that share a database: who is alive, who is dead, and what becomes of the runs of the dead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import anyio
import pytest
import uuid_utils
from sqlalchemy import insert, select

from ratchet_mcp.settings import StoreSettings
from ratchet_mcp.store.database import Database
from ratchet_mcp.store.migrate import migrate
from ratchet_mcp.store.owners import Owner, host_identity, is_alive, process_start
from ratchet_mcp.store.records import ExecutionFilter, ExecutionRecord
from ratchet_mcp.store.statements import EXECUTIONS, OWNERS
from ratchet_mcp.store.store import Store

UNDER_LOAD = """
import asyncio, sys
from datetime import UTC, datetime
import uuid_utils
from ratchet_mcp.settings import StoreSettings
from ratchet_mcp.store.records import ExecutionRecord, JsonText
from ratchet_mcp.store.store import Store

async def caller(store):
    while True:
        record = ExecutionRecord(str(uuid_utils.uuid7()), "t", "1.0.0", "queued", "mcp", "local", datetime.now(UTC), input=JsonText("{}"))
        begun = store.executions.begin(record)
        record.status, record.output = "completed", JsonText("[1]")
        await begun
        await store.executions.finish(record)
        print(record.id, flush=True)

async def left_running(store):
    while True:
        record = ExecutionRecord(str(uuid_utils.uuid7()), "t", "1.0.0", "running", "mcp", "local", datetime.now(UTC))
        await store.executions.begin(record)
        await asyncio.sleep(0.001)

async def main():
    async with Store.open(StoreSettings(url=sys.argv[1])) as store:
        await asyncio.gather(left_running(store), *(caller(store) for _ in range(16)))

asyncio.run(main())
"""
ACKNOWLEDGED = 2000


def execution(status: str = "running") -> ExecutionRecord:
    return ExecutionRecord(str(uuid_utils.uuid7()), "t", "1.0.0", status, "mcp", "local", datetime.now(UTC))


async def statuses(store: Store) -> list[str]:
    return [record.status for record in await store.executions.find(ExecutionFilter(), 100)]


async def test_after_kill_9_under_load_every_acknowledged_execution_is_there_and_none_runs(shared_url: str) -> None:
    process = subprocess.Popen([sys.executable, "-c", UNDER_LOAD, shared_url], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    acknowledged = [process.stdout.readline().strip() for _ in range(ACKNOWLEDGED)]
    process.send_signal(signal.SIGKILL)
    acknowledged += [line.strip() for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    process.wait()
    process.stdout.close()
    async with Store.open(StoreSettings(url=shared_url)) as store:
        for status in ("queued", "running"):
            assert await store.executions.find(ExecutionFilter(status=status), 10) == []
        left = await store.executions.find(ExecutionFilter(status="interrupted"), 10)
        assert left
        assert left[0].error is not None
        assert left[0].error["code"] == "interrupted"
        assert left[0].finished_at is not None
        rows = await store._database.read(
            lambda connection: {row.id for row in connection.execute(select(EXECUTIONS.c.id).where(EXECUTIONS.c.status == "completed"))}
        )
        assert set(acknowledged) <= rows
        last = await store.executions.get(acknowledged[-1])
        assert last is not None
        assert last.output == [1]


async def test_the_runs_of_a_living_process_are_left_alone(shared_url: str) -> None:
    settings = StoreSettings(url=shared_url)
    async with Store.open(settings) as first:
        await first.executions.begin(execution())
        async with Store.open(settings) as second:
            assert await statuses(second) == ["running"]


async def test_a_store_that_closes_leaves_nothing_running(shared_url: str) -> None:
    settings = StoreSettings(url=shared_url)
    async with Store.open(settings) as store:
        await store.executions.begin(execution())
    async with Store.open(settings) as again:
        assert await statuses(again) == ["interrupted"]


def a_database(url: str, **owner: object) -> Database:
    """Return a database with one running execution of another owner."""
    database = Database.at(StoreSettings(url=url))
    migrate(database)
    now = datetime.now(UTC)
    facts = {"id": str(uuid_utils.uuid7()), "host": host_identity(), "pid": os.getpid(), "process_started": process_start(os.getpid())}
    facts |= {"started_at": now, "heartbeat_at": now, **owner}
    row = {"id": str(uuid_utils.uuid7()), "task": "t", "version": "1", "status": "running", "origin": "mcp", "principal": "p", "attempt": 1}
    with database.connect() as connection, connection.begin():
        connection.execute(insert(OWNERS).values(facts))
        connection.execute(insert(EXECUTIONS).values(created_at=now, owner=facts["id"], **row))
    return database


def state(database: Database) -> tuple[str, int]:
    with database.engine.connect() as connection:
        return connection.execute(select(EXECUTIONS.c.status)).scalar_one(), len(connection.execute(select(OWNERS)).all())


LONG_AGO = datetime.now(UTC) - timedelta(hours=1)
YET_TO_COME = datetime.now(UTC) + timedelta(hours=1)


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ({"process_started": 1}, "interrupted"),  # the process id is in use again, by another process
        ({"host": "elsewhere", "heartbeat_at": LONG_AGO}, "running"),  # the database may have been away for it as well
        ({"host": "elsewhere"}, "running"),
        ({"heartbeat_at": LONG_AGO}, "running"),  # both processes may just have been asleep
    ],
)
def test_at_the_start_the_dead_are_told_from_the_living(shared_url: str, facts: dict[str, object], status: str) -> None:
    database = a_database(shared_url, **facts)
    owner = Owner(str(uuid_utils.uuid7()), 15)
    with database.connect() as connection, connection.begin():
        owner.register(connection)
    assert state(database) == (status, 1 if status == "interrupted" else 2)
    database.close()


@pytest.mark.parametrize("host", [host_identity(), "elsewhere"], ids=["here", "elsewhere"])
@pytest.mark.parametrize("last", [LONG_AGO, YET_TO_COME], ids=["long-ago", "before-the-clock-was-set-back"])
def test_an_owner_that_stays_silent_is_given_up_when_the_living_had_time_to_speak(shared_url: str, last: datetime, host: str) -> None:
    database = a_database(shared_url, heartbeat_at=last, host=host)
    owner = Owner(str(uuid_utils.uuid7()), 15)
    with database.connect() as connection:
        for beat in (owner.register, owner.beat):
            with connection.begin():
                beat(connection)
        assert state(database) == ("running", 2)
        owner._judging_from = 0.0
        with connection.begin():
            owner.beat(connection)
    assert state(database) == ("interrupted", 1)
    database.close()


def test_a_process_whose_heartbeats_the_database_refused_gives_nobody_up(shared_url: str) -> None:
    """A full disk refuses a heartbeat when it is committed, and those of the others too."""
    database = a_database(shared_url, heartbeat_at=LONG_AGO)
    owner = Owner(str(uuid_utils.uuid7()), 15)
    with database.connect() as connection:
        with connection.begin():
            owner.register(connection)
        owner._judging_from = 0.0
        refused = connection.begin()
        owner.beat(connection)
        refused.rollback()
        with connection.begin():
            owner.beat(connection)
    assert state(database) == ("running", 2)
    database.close()


def test_a_process_that_was_asleep_itself_gives_nobody_up(shared_url: str) -> None:
    database = a_database(shared_url, heartbeat_at=LONG_AGO)
    owner = Owner(str(uuid_utils.uuid7()), 15)
    with database.connect() as connection, connection.begin():
        owner.register(connection)
        assert owner._last_beat is not None
        owner._last_beat, owner._judging_from = owner._last_beat - 3600, 0.0
        owner.beat(connection)
    assert state(database) == ("running", 2)
    database.close()


async def test_an_owner_that_was_given_up_comes_back_with_its_next_heartbeat(shared_url: str) -> None:
    settings = StoreSettings(url=shared_url, heartbeat_seconds=0.05)
    async with Store.open(settings) as store:
        await store._writer.call(lambda connection: connection.execute(OWNERS.delete()).close())

        def owners() -> int:
            with store._database.engine.connect() as connection:
                return len(connection.execute(select(OWNERS)).all())

        with anyio.fail_after(30):
            while owners() == 0:
                await anyio.lowlevel.checkpoint()


def test_a_process_is_known_by_its_id_and_its_start() -> None:
    pid = os.getpid()
    assert is_alive(pid, process_start(pid)) is True
    assert is_alive(pid, 1) is False
    assert is_alive(pid, None) is None
    ended = subprocess.Popen(["true"])
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    assert is_alive(ended.pid, process_start(ended.pid)) is False  # nobody has asked about it yet
    ended.wait()
    assert is_alive(ended.pid, 1) is False
