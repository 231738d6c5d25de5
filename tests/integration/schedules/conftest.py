"""Schedules on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from schedule_machines import Machine, Tasks, Time
from sqlalchemy import delete

from ratchet_mcp.settings import StoreSettings
from ratchet_mcp.store.statements import JOBS, SCHEDULES
from ratchet_mcp.store.store import Store


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    if request.param == "postgres":
        return request.getfixturevalue("module_postgres_url")
    return f"sqlite:///{tmp_path_factory.mktemp('schedules')}/ratchet.db"


@pytest.fixture(scope="module")
async def database(url: str) -> AsyncIterator[Store]:
    async with Store.open(StoreSettings(url=url)) as opened:
        yield opened


@pytest.fixture
async def store(database: Store) -> Store:
    """The module's database, emptied."""
    writer = database._writer
    await writer.call(lambda connection: [connection.execute(delete(table)) for table in (JOBS, SCHEDULES)])
    return database


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def tasks(tmp_path: Path) -> Tasks:
    made = Tasks(tmp_path)
    await made.catalog.start()
    await made.write("report")
    return made


@pytest.fixture
async def machine(store: Store, tasks: Tasks, time: Time) -> Machine:
    return Machine(store, tasks, time)
