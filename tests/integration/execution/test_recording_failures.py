"""What a caller hears when the database refuses, and what becomes of the record."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import anyio
import pytest

from ratchet_mcp.app import Ratchet
from ratchet_mcp.execution.models import Execution, Origin, Status
from ratchet_mcp.execution.service import Handle
from ratchet_mcp.settings import Settings


class Lock:
    """Another process that holds the database."""

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(file, isolation_level=None)

    def take(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def leave(self) -> None:
        self._connection.execute("ROLLBACK")

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
async def impatient(settings_for: Callable[..., Settings], tmp_path: Path) -> AsyncIterator[tuple[Ratchet, Lock]]:
    settings = settings_for(f"sqlite:///{tmp_path}/ratchet.db", busy_timeout_seconds=0.3, heartbeat_seconds=60)
    async with Ratchet.open(settings) as ratchet:
        lock = Lock(tmp_path / "ratchet.db")
        yield ratchet, lock
        lock.close()


async def started(ratchet: Ratchet, task: str) -> Handle:
    return await ratchet.execute(task, {}, origin=Origin.MCP)


async def test_a_run_whose_start_cannot_be_recorded_fails_and_is_killed(impatient: tuple[Ratchet, Lock]) -> None:
    ratchet, lock = impatient
    lock.take()
    execution = await (await started(ratchet, "forever")).wait(60)
    lock.leave()
    assert (execution.status, execution.output) == (Status.FAILED, None)
    assert execution.error is not None
    assert (execution.error["code"], execution.error["details"]["reason"]) == ("store_failed", "locked")
    assert (await (await started(ratchet, "echo")).wait(60)).status is Status.COMPLETED


async def test_a_result_whose_end_cannot_be_recorded_comes_with_a_warning_and_is_recorded_later(impatient: tuple[Ratchet, Lock]) -> None:
    ratchet, lock = impatient
    handle = await ratchet.run_javascript("() => new Promise(r => setTimeout(() => { console.log('late'); r(7) }, 300))", origin=Origin.MCP)
    await handle.wait(0)  # its start is recorded now
    lock.take()
    execution = await handle.wait(60)
    assert (execution.status, execution.output) == (Status.COMPLETED, 7)
    assert execution.warnings
    assert execution.warnings[0].startswith("not_recorded")
    assert (await ratchet.executions.get(execution.id)).output == 7
    assert [line.message for line in await ratchet.executions.logs(execution.id)] == ["late"]
    lock.leave()
    with anyio.fail_after(30):
        while ratchet.executions.status()["unrecorded"]:
            await anyio.sleep(0.02)
    stored = await ratchet.executions.get(execution.id)
    assert (stored.status, stored.output) == (Status.COMPLETED, 7)
    assert [line.message for line in await ratchet.executions.logs(execution.id)] == ["late"]


async def test_what_could_not_be_recorded_is_tried_again_when_the_server_stops(
    settings_for: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = settings_for(f"sqlite:///{tmp_path}/ratchet.db", busy_timeout_seconds=0.2, heartbeat_seconds=60)
    ended: list[Execution] = []
    async with Ratchet.open(settings) as ratchet:
        handle = await ratchet.run_javascript("() => new Promise(r => setTimeout(() => r(7), 300))", origin=Origin.MCP)
        await handle.wait(0)
        lock = Lock(tmp_path / "ratchet.db")
        lock.take()
        ended.append(await handle.wait(60))
        lock.leave()
        lock.close()
    async with Ratchet.open(settings) as again:
        assert (await again.executions.get(ended[0].id)).output == 7
