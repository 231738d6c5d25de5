"""Rows that come alone to an SQLite file are committed on the event loop; whatever might wait goes to the writer's thread."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import uuid_utils

from ratchet_mcp.settings import StoreSettings
from ratchet_mcp.store import direct
from ratchet_mcp.store.database import Database
from ratchet_mcp.store.direct import Direct
from ratchet_mcp.store.records import ExecutionFilter, ExecutionRecord, JsonText
from ratchet_mcp.store.store import Store


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ratchet.db"


@pytest.fixture
async def store(file: Path) -> AsyncIterator[Store]:
    """A store whose heartbeat, which takes the next commit from us, comes once in a while."""
    async with Store.open(StoreSettings(url=f"sqlite:///{file}", heartbeat_seconds=3600)) as opened:
        await opened._writer.call(lambda _: None)  # the thread has begun, and opened our connection
        assert opened._writer._direct is not None
        opened._writer._direct.rest(0)
        yield opened


def whole(store: Store, size: int = 10) -> asyncio.Future[None]:
    """Record a short run; returns what its end waits for."""
    record = ExecutionRecord(str(uuid_utils.uuid7()), "t", "1.0.0", "queued", "mcp", "local", datetime.now(UTC))
    record.input = JsonText('"' + "x" * size + '"')
    begun = store.executions.begin(record)
    record.status = "completed"
    return store.executions.finish(record, begun=begun)


def rows_in(file: Path) -> int:
    other = sqlite3.connect(file)
    try:
        return other.execute("SELECT count(*) FROM executions WHERE status = 'completed'").fetchone()[0]
    finally:
        other.close()


async def test_the_rows_of_a_run_are_in_the_file_when_its_end_is_told(store: Store, file: Path) -> None:
    ended = whole(store)
    assert ended.done()
    assert rows_in(file) == 1
    assert (store._writer.commits, store._writer.rows_written) == (1, 3)


async def test_runs_that_go_on_together_share_a_commit_of_the_thread(store: Store, file: Path) -> None:
    record = ExecutionRecord(str(uuid_utils.uuid7()), "t", "1.0.0", "queued", "mcp", "local", datetime.now(UTC))
    begun = store.executions.begin(record)
    ended = whole(store)
    assert not ended.done()
    await asyncio.gather(begun, ended)
    assert rows_in(file) == 1
    assert store._writer.commits == 1


async def test_another_process_that_writes_is_waited_for_on_the_thread(store: Store, file: Path) -> None:
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    ended = whole(store)
    assert not ended.done()
    other.execute("ROLLBACK")
    other.close()
    await ended
    assert rows_in(file) == 1


async def test_large_values_go_to_the_thread(store: Store, file: Path) -> None:
    ended = whole(store, direct.LARGE)
    assert not ended.done()
    await ended
    assert rows_in(file) == 1


async def test_a_slow_disk_is_left_to_the_thread_for_a_while(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct, "SLOW_SECONDS", 0)
    assert whole(store).done()
    later = whole(store)
    assert not later.done()
    await later


async def test_the_thread_has_its_turn_so_that_the_log_is_moved_into_the_database(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct, "TURN", 3)
    at_once: list[bool] = []
    for _ in range(10):
        ended = whole(store)
        at_once.append(ended.done())
        await ended
    assert at_once == [True, True, True, False, False] * 2


async def test_what_cannot_be_committed_at_once_is_committed_by_the_thread(store: Store, file: Path) -> None:
    mine = store._writer._direct
    assert mine is not None
    assert mine._connection is not None
    mine._connection.exec_driver_sql("PRAGMA query_only=1").close()
    ended = whole(store)
    assert not ended.done()
    await ended
    assert len(await store.executions.find(ExecutionFilter(), 10)) == 1
    await store._writer.call(lambda _: None)  # by now it has another connection
    mine._not_before = 0
    assert whole(store).done()
    assert rows_in(file) == 2


async def test_a_connection_that_cannot_be_opened_is_not_tried_again_for_each_row(
    store: Store, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, tries = store._writer._direct, list[int]()
    assert mine is not None

    def refuse() -> None:
        tries.append(1)
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr(mine, "_open", refuse)
    mine.close()
    for _ in range(5):
        await whole(store)
    await store._writer.call(lambda _: None)
    assert rows_in(file) == 5
    assert tries == [1]


@pytest.mark.parametrize(
    ("url", "more"),
    [("sqlite://", {}), ("sqlite:///{}/a.db", {"durability": "full"}), ("sqlite:///{}/a.db", {"direct_commits": False})],
    ids=["memory", "full-durability", "switched-off"],
)
def test_only_files_whose_commits_do_not_wait_are_written_so(url: str, more: dict[str, Any], tmp_path: Path) -> None:
    database = Database.at(StoreSettings(url=url.format(tmp_path), **more))
    assert Direct.of(database) is None
    database.close()
