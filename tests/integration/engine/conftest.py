"""A real pool for the tests of the engine."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from engine_runs import host, open_pool, output, run

from ratchet_mcp.engine.pool import WorkerPool

__all__ = ["host", "output", "pool", "run"]


@pytest.fixture(scope="module")
async def pool() -> AsyncIterator[WorkerPool]:
    """One pool for all tests of a module; it must survive each of them."""
    async with open_pool(breaker_failures=1000) as shared:
        yield shared
