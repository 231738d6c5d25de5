"""What the writer does when the database refuses: an answer in time, and it goes on afterwards."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import uuid_utils
from sqlalchemy import Connection

from ratchet_mcp.errors import Busy, StoreFailed
from ratchet_mcp.settings import StoreSettings
from ratchet_mcp.store.records import ExecutionFilter, ExecutionRecord, JsonText
from ratchet_mcp.store.store import Store


def execution(size: int = 10) -> ExecutionRecord:
    return ExecutionRecord(
        id=str(uuid_utils.uuid7()),
        task="t",
        version="1.0.0",
        status="queued",
        origin="mcp",
        principal="local",
        created_at=datetime.now(UTC),
        input=JsonText('"' + "x" * size + '"'),
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ratchet.db"


@pytest.fixture
async def quick(file: Path) -> AsyncIterator[Store]:
    async with Store.open(StoreSettings(url=f"sqlite:///{file}", busy_timeout_seconds=0.2, queue_size=100)) as store:
        yield store


async def reasons(store: Store, count: int) -> set[str]:
    results = await asyncio.gather(*(store.executions.begin(execution()) for _ in range(count)), return_exceptions=True)
    return {result.details["reason"] if isinstance(result, StoreFailed) else repr(result) for result in results}


async def test_a_full_disk_is_told_and_writing_goes_on_when_there_is_space(quick: Store) -> None:
    def fill(connection: Connection) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 1}")

    await quick._writer.call(fill)
    with pytest.raises(StoreFailed) as caught:
        await quick.executions.begin(execution(1 << 20))
    assert caught.value.details["reason"] == "disk_full"
    assert "space" in str(caught.value.hint)
    await quick.executions.begin(execution())
    assert len(await quick.executions.find(ExecutionFilter(), 10)) == 1


async def test_a_database_that_turned_read_only_is_told(quick: Store) -> None:
    await quick._writer.call(lambda connection: connection.exec_driver_sql("PRAGMA query_only=1").close())
    assert await reasons(quick, 2) == {"read_only"}
    await quick.executions.begin(execution())


async def test_a_database_that_another_process_holds_is_told_to_all_who_wait(quick: Store, file: Path) -> None:
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert await reasons(quick, 90) == {"locked"}
    other.execute("ROLLBACK")
    other.close()
    await quick.executions.begin(execution())
    assert len(await quick.executions.find(ExecutionFilter(), 100)) == 1


async def test_a_full_queue_refuses_what_begins_and_takes_what_ends(quick: Store) -> None:
    started, go_on = threading.Event(), threading.Event()

    def hold(_: Connection) -> None:
        started.set()
        go_on.wait(30)

    first = execution()
    await quick.executions.begin(first)
    holding = quick._writer.call(hold)
    await asyncio.to_thread(started.wait)
    waiting = [quick.executions.begin(execution()) for _ in range(100)]
    with pytest.raises(Busy):
        quick.executions.begin(execution())
    first.status = "completed"
    end = quick.executions.finish(first)
    go_on.set()
    await asyncio.gather(holding, end, *waiting)
    assert len(await quick.executions.find(ExecutionFilter(), 200)) == 101
    assert len(await quick.executions.find(ExecutionFilter(status="completed"), 200)) == 1


async def test_everything_that_waits_is_written_before_the_store_closes(file: Path) -> None:
    settings = StoreSettings(url=f"sqlite:///{file}")
    async with Store.open(settings) as store:
        waiting = [store.executions.begin(execution()) for _ in range(300)]
    await asyncio.gather(*waiting)
    with pytest.raises(StoreFailed):
        store.executions.begin(execution())
    async with Store.open(settings) as again:
        assert len(await again.executions.find(ExecutionFilter(), 500)) == 300


async def test_a_begin_and_its_finish_in_one_batch_keep_their_order(store: Store) -> None:
    records = [execution() for _ in range(50)]
    futures: list[asyncio.Future[None]] = []
    for record in records:
        futures.append(store.executions.begin(record))
        record.status = "running"
        futures.append(store.executions.started(record))
        record.status = "completed"
        futures.append(store.executions.finish(record))
    await asyncio.gather(*futures)
    assert {record.status for record in await store.executions.find(ExecutionFilter(), 100)} == {"completed"}


async def test_a_lost_connection_to_postgresql_is_opened_again(postgres_url: str, postgres_server: object) -> None:
    async with Store.open(StoreSettings(url=postgres_url)) as store:
        await store.executions.begin(execution())
        postgres_server.execute(  # type: ignore[attr-defined]
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{postgres_url.split('/')[3].split('?')[0]}'"
        )
        await store.executions.begin(execution())
        assert len(await store.executions.find(ExecutionFilter(), 10)) == 2
