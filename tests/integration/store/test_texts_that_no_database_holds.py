"""Texts with NUL: PostgreSQL refuses them; whoever sent one hears that, and not that the database is broken."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from ratchet_mcp.errors import InvalidArgument
from ratchet_mcp.settings import StoreSettings
from ratchet_mcp.store.job_records import JobFilter
from ratchet_mcp.store.records import ExecutionFilter
from ratchet_mcp.store.store import Store

NAME = "na\0me"
ASKS: dict[str, Callable[[Store], Awaitable[object]]] = {
    "finding jobs": lambda store: store.jobs.find(JobFilter(task=NAME), 10),
    "finding executions": lambda store: store.executions.find(ExecutionFilter(task=NAME), 10),
    "pausing a task": lambda store: store.jobs.control(NAME, {"paused": True}),
}


async def test_a_text_with_nul_is_told_and_the_store_goes_on(postgres_url: str) -> None:
    async with Store.open(StoreSettings(url=postgres_url)) as store:
        for name, ask in ASKS.items():
            with pytest.raises(InvalidArgument, match="NUL"):
                pytest.fail(f"{name}: {await ask(store)}")
        assert await store.jobs.find(JobFilter(task="name"), 10) == []
        await store.jobs.control("name", {"paused": True})
