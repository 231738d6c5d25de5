"""A real pool for the tests of the engine."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from engine_runs import RecordingHost, open_pool, request

from ratchet_mcp.engine.pool import WorkerPool
from ratchet_mcp.engine.run import RunOutcome


@pytest.fixture(scope="module")
async def pool() -> AsyncIterator[WorkerPool]:
    """One pool for all tests of a module; it must survive each of them."""
    async with open_pool(breaker_failures=1000) as shared:
        yield shared


Run = Callable[..., Awaitable[RunOutcome]]


@pytest.fixture
def host() -> RecordingHost:
    return RecordingHost()


@pytest.fixture
def run(pool: WorkerPool, host: RecordingHost) -> Run:
    """Run JavaScript on the shared pool."""

    async def run_code(code: str, value: Any = None, **changes: Any) -> RunOutcome:
        return await pool.run(request(code, value, **changes), host)

    return run_code


@pytest.fixture
def output(run: Run) -> Callable[..., Awaitable[Any]]:
    """Run JavaScript that must succeed and return its output."""

    async def output_of(code: str, value: Any = None, **changes: Any) -> Any:
        outcome = await run(code, value, **changes)
        assert outcome.error is None, outcome.error.to_dict()
        assert outcome.output_json is not None
        return json.loads(outcome.output_json)

    return output_of
