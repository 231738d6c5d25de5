"""Databases for the tests of the store: an SQLite file, SQLite memory, and PostgreSQL (tests/support/postgres.py)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ratchet_mcp.settings import StoreSettings
from ratchet_mcp.store.store import Store


@pytest.fixture(params=["file", "memory", "postgres"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        return request.getfixturevalue("postgres_url")
    return f"sqlite:///{tmp_path}/ratchet.db" if request.param == "file" else "sqlite://"


@pytest.fixture(params=["file", "postgres"])
def shared_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that several processes can share."""
    return request.getfixturevalue("postgres_url") if request.param == "postgres" else f"sqlite:///{tmp_path}/ratchet.db"


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    async with Store.open(StoreSettings(url=store_url)) as opened:
        yield opened
