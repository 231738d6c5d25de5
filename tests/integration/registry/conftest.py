"""A store for the registry's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import stamina

from ratchet_mcp.settings import StoreSettings
from ratchet_mcp.store.store import Store


@pytest.fixture
def no_pauses() -> Iterator[None]:
    """Retry at once."""
    with stamina.set_testing(True, attempts=10, cap=True):
        yield


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store.open(StoreSettings(url=f"sqlite:///{tmp_path}/ratchet.db")) as opened:
        yield opened
