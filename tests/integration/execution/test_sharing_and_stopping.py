"""Two servers on one file, and servers that stop."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from ratchet_mcp import lazy
from ratchet_mcp.app import Ratchet
from ratchet_mcp.errors import InternalError, Interrupted, StoreFailed
from ratchet_mcp.execution.models import Execution, Origin, Status
from ratchet_mcp.execution.service import Handle
from ratchet_mcp.lazy import LazyRatchet
from ratchet_mcp.security.principal import LOCAL
from ratchet_mcp.settings import Settings

SettingsFor = Callable[..., Settings]
UNDER_LOAD = """
import asyncio, sys
from ratchet_mcp.app import Ratchet
from ratchet_mcp.execution.models import Origin
from ratchet_mcp.settings import Settings

async def caller(ratchet):
    for number in range(100000):
        execution = await (await ratchet.execute("add", {"a": number, "b": 1}, origin=Origin.MCP)).wait(60)
        print(execution.id, execution.output, flush=True)

async def main():
    async with Ratchet.open(Settings.model_validate_json(sys.argv[1])) as ratchet:
        await ratchet.execute("forever", {}, origin=Origin.MCP)
        await asyncio.gather(*(caller(ratchet) for _ in range(8)))

asyncio.run(main())
"""


async def running(ratchet: Ratchet) -> Handle:
    """Start a run that does not end, and wait until it is under way and recorded so."""
    handle = await ratchet.execute("forever", {}, origin=Origin.MCP)
    await handle.wait(0)
    with anyio.fail_after(30):
        while handle.execution.progress is None:
            await anyio.sleep(0.005)
    return handle


async def test_a_server_cancels_a_run_of_another_server_that_shares_the_file(settings_for: SettingsFor, tmp_path: Path) -> None:
    settings = settings_for(f"sqlite:///{tmp_path}/ratchet.db")
    async with Ratchet.open(settings) as first, Ratchet.open(settings) as second:
        handle = await running(first)
        seen = await second.executions.get(handle.id)
        assert not seen.status.final
        cancelled = await second.executions.cancel(handle.id, "from elsewhere")
        assert cancelled.status is Status.CANCELLED
        assert cancelled.error is not None
        assert cancelled.error["details"]["reason"] == "from elsewhere"
        assert handle.execution.status is Status.CANCELLED


async def test_a_server_that_stops_interrupts_its_runs_and_records_that(settings_for: SettingsFor, tmp_path: Path) -> None:
    settings = settings_for(f"sqlite:///{tmp_path}/ratchet.db")
    async with Ratchet.open(settings) as ratchet:
        handle = await running(ratchet)
    assert handle.execution.status is Status.INTERRUPTED
    async with Ratchet.open(settings) as again:
        stored = await again.executions.get(handle.id)
        lines = await again.executions.logs(handle.id)
    assert stored.status is Status.INTERRUPTED
    assert stored.error is not None
    assert stored.error["code"] == "interrupted"
    assert [line.message for line in lines] == ["started"]


async def test_a_server_whose_surroundings_are_cancelled_records_its_runs_as_interrupted(settings_for: SettingsFor, tmp_path: Path) -> None:
    settings = settings_for(f"sqlite:///{tmp_path}/ratchet.db")
    handles: list[Handle] = []
    with anyio.CancelScope() as scope:
        async with Ratchet.open(settings) as ratchet:
            handles.append(await running(ratchet))
            scope.cancel()
            await anyio.sleep_forever()
    async with Ratchet.open(settings) as again:
        assert (await again.executions.get(handles[0].id)).status is Status.INTERRUPTED


async def test_a_server_that_has_stopped_starts_nothing(settings_for: SettingsFor) -> None:
    async with Ratchet.open(settings_for("sqlite://")) as ratchet:
        task = await ratchet.catalog.resolve("echo")
    with pytest.raises(Interrupted):
        await ratchet.executions.start(task, {}, origin=Origin.MCP, principal=LOCAL)


async def test_after_kill_9_of_a_busy_server_every_answer_is_recorded_and_nothing_runs(settings_for: SettingsFor, tmp_path: Path) -> None:
    settings = settings_for(f"sqlite:///{tmp_path}/ratchet.db")
    command = [sys.executable, "-c", UNDER_LOAD, settings.model_dump_json()]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    answers = [process.stdout.readline() for _ in range(300)]
    process.send_signal(signal.SIGKILL)
    answers += process.stdout.read().splitlines(keepends=True)
    process.wait()
    process.stdout.close()
    async with Ratchet.open(settings) as ratchet:
        for line in answers:
            if line.endswith("\n"):
                id, output = line.split()
                stored = await ratchet.executions.get(id)
                assert (stored.status, stored.output) == (Status.COMPLETED, int(output))
        for status in (Status.QUEUED, Status.RUNNING):
            assert (await ratchet.executions.find(status=status)).executions == []
        left = (await ratchet.executions.find(task="forever")).executions
        assert [execution.status for execution in left] == [Status.INTERRUPTED]


async def test_memory_serves_a_whole_server(settings_for: SettingsFor) -> None:
    async with Ratchet.open(settings_for("sqlite://")) as ratchet:
        done: list[Execution] = []

        async def one(number: int) -> None:
            done.append(await (await ratchet.execute("add", {"a": number, "b": 1}, origin=Origin.MCP)).wait(60))
            await ratchet.executions.get(done[-1].id)

        async with anyio.create_task_group() as tasks:
            for number in range(50):
                tasks.start_soon(one, number)
        assert len((await ratchet.executions.find(limit=100)).executions) == 50
        status = ratchet.status()
    assert status["store"]["url"] == "sqlite://"
    assert status["tasks"] == {"count": 12, "problems": 0}
    assert status["executions"] == {"running": 0, "total": 50, "unrecorded": 0}
    assert status["isolation"]["level"] in ("full", "partial", "none")


async def test_a_lazy_server_answers_when_it_is_up(settings_for: SettingsFor) -> None:
    async with LazyRatchet(settings_for("sqlite://")) as server:
        assert not server.ready
        ratchet = await server.get()
        assert server.ready
        assert (await (await ratchet.execute("add", {"a": 1, "b": 1}, origin=Origin.MCP)).wait(60)).output == 2
    with pytest.raises(InternalError):
        await server.get()


async def test_a_failed_start_is_told_to_each_caller(settings_for: SettingsFor, tmp_path: Path) -> None:
    settings = settings_for(f"sqlite:///{tmp_path}")
    async with LazyRatchet(settings) as server:
        for _ in range(2):
            with pytest.raises(StoreFailed, match=str(tmp_path)):
                await server.get()
    with pytest.raises(StoreFailed):
        async with Ratchet.open(settings):
            pass


async def test_a_start_that_failed_is_tried_again(settings_for: SettingsFor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lazy, "FIRST_PAUSE_SECONDS", 0.01)
    blocked = tmp_path / "folder"
    blocked.touch()
    async with LazyRatchet(settings_for(f"sqlite:///{blocked}/ratchet.db")) as server:
        with pytest.raises(StoreFailed):
            await server.get()
        blocked.unlink()
        with anyio.fail_after(60):
            while server.current is None:
                await anyio.sleep(0.01)
        assert await server.get() is server.current


async def test_a_lazy_server_that_nobody_waited_for_closes_at_once(settings_for: SettingsFor, tmp_path: Path) -> None:
    async with LazyRatchet(settings_for(f"sqlite:///{tmp_path}/ratchet.db")):
        pass


async def test_an_error_of_the_one_who_uses_it_comes_out_as_it_is(settings_for: SettingsFor) -> None:
    with pytest.raises(ZeroDivisionError):
        async with Ratchet.open(settings_for("sqlite://")):
            raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError):
        async with LazyRatchet(settings_for("sqlite://")) as server:
            await server.get()
            raise ZeroDivisionError
