"""Remote sources, brought up to date in the background."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from mcp import Client
from remote_source import FakeRemote
from task_folders import QUICK, names, until

from ratchet_mcp.app import Ratchet
from ratchet_mcp.errors import SourceFailed
from ratchet_mcp.lazy import LazyRatchet
from ratchet_mcp.mcp.server import build
from ratchet_mcp.registry import catalog as catalogs
from ratchet_mcp.settings import McpSettings, RegistrySettings, Settings, StoreSettings


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> FakeRemote:
    source = FakeRemote({"greet@1.0.0": "() => 1"})
    monkeypatch.setattr(catalogs, "open_sources", lambda *_: ([source], []))
    return source


def settings(**mcp: Any) -> Settings:
    return Settings(store=StoreSettings(url="sqlite://"), registry=RegistrySettings(watch=QUICK), mcp=McpSettings(**mcp))


async def test_a_start_serves_what_is_here_and_does_not_wait_for_the_network(far: FakeRemote) -> None:
    far.slow.clear()
    async with Ratchet.open(settings()) as ratchet:
        assert names(ratchet.catalog) == ["greet"]
        await until(lambda: far.refreshed)
        assert (await ratchet.catalog.resolve("greet")).source == "() => 1"
        await ratchet.catalog.reload()  # does not wait for it either
        far.tasks["more@1.0.0"] = "() => 2"
        far.slow.set()
        await until(lambda: names(ratchet.catalog) == ["greet", "more"])


async def test_a_source_that_fails_is_tried_again_and_then_at_its_interval(far: FakeRemote) -> None:
    far.failing, far.refresh_seconds = SourceFailed("The network is gone."), 0.05
    async with Ratchet.open(settings()) as ratchet:
        await until(lambda: ratchet.catalog.problems)
        await until(lambda: len(far.refreshed) >= 3)
        assert [each.error.message for each in ratchet.catalog.problems] == ["The network is gone."]
        assert names(ratchet.catalog) == ["greet"]
        far.failing = None
        far.tasks["more@1.0.0"] = "() => 2"
        await until(lambda: names(ratchet.catalog) == ["greet", "more"] and ratchet.catalog.problems == [])
        seen = len(far.refreshed)
        await until(lambda: len(far.refreshed) >= seen + 3)


async def test_a_sync_that_takes_too_long_answers_all_the_same(far: FakeRemote) -> None:
    ours = settings(toolsets=["admin"], wait_seconds=0.2)
    async with LazyRatchet(ours) as lazy, Client(build(lazy, ours)) as client:
        ratchet = await lazy.get()
        far.slow.clear()
        with anyio.fail_after(20):
            answer = (await client.call_tool("sync_registry", {})).structured_content
        assert answer is not None
        assert "goes on" in answer["hint"]
        far.tasks["more@1.0.0"] = "() => 2"
        far.slow.set()
        await until(lambda: far.refreshed)
        with anyio.fail_after(20):
            while names(ratchet.catalog) != ["greet", "more"]:
                await client.call_tool("sync_registry", {})
