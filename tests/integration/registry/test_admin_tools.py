"""The admin tools, called by a client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from task_folders import add_task, registry

from ratchet_mcp.lazy import LazyRatchet
from ratchet_mcp.mcp.server import build
from ratchet_mcp.settings import McpSettings, Settings, StoreSettings


@pytest.fixture(params=["legacy", "2026-07-28"])
async def client(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Client]:
    add_task(tmp_path / "mine", "greet", name="greet", version="1.0.0")
    settings = Settings(
        store=StoreSettings(url="sqlite://"),
        registry=registry(tmp_path / "mine", watch=registry().watch.model_copy(update={"enabled": False})),
        mcp=McpSettings(toolsets=["core", "admin"]),
    )
    async with LazyRatchet(settings) as lazy, Client(build(lazy, settings), mode=request.param) as client:
        await lazy.get()
        yield client


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert result.structured_content is not None
    return result.structured_content


async def test_a_sync_tells_what_changed_and_what_is_wrong(client: Client, tmp_path: Path) -> None:
    add_task(tmp_path / "mine", "new", name="new")
    add_task(tmp_path / "mine", "greet", name="greet", version="1.0.1")
    add_task(tmp_path / "mine", "bad", name="bad", version="x")
    answer = await call(client, "sync_registry")
    assert answer["added"] == {"count": 1, "names": ["new"]}
    assert answer["changed"] == {"count": 1, "names": ["greet"]}
    assert answer["removed"] == {"count": 0, "names": []}
    assert answer["total"] == 2
    assert answer["problems"]["count"] == 1
    assert answer["problems"]["first"][0]["source"] == "mine"
    [told] = (await call(client, "server_status"))["tasks"]["first_problems"]
    assert (told["source"], told["code"]) == ("mine", "task_invalid")
    assert "bad" in told["message"]
    assert [(each["name"], each["versions"]) for each in answer["sources"]] == [("mine", 2), ("database", 0)]
    assert (await call(client, "sync_registry", source="database"))["problems"]["count"] == 0
    assert (await call(client, "sync_registry", source="other"))["error"]["code"] == "source_failed"


async def test_what_is_wrong_with_a_task_is_shown_with_it(client: Client, tmp_path: Path) -> None:
    await call(client, "execute_task", task="greet")
    (tmp_path / "mine" / "greet" / "main.js").write_text("const x = ;")
    await call(client, "sync_registry")
    [problem] = (await call(client, "get_task", task="greet"))["registry"]["problems"]
    assert (problem["source"], problem["code"]) == ("mine", "task_invalid")
    assert "main.js:1" in problem["message"]


async def test_a_disabled_task_is_shown_and_does_not_run(client: Client) -> None:
    assert await call(client, "enable_task", task="greet", enabled=False) == {"name": "greet", "enabled": False}
    [row] = (await call(client, "list_tasks"))["tasks"]
    assert row["enabled"] is False
    shown = await call(client, "get_task", task="greet@^1")
    assert (shown["registry"]["enabled"], shown["registry"]["source"]) == (False, "folder")
    assert (await call(client, "execute_task", task="greet"))["error"]["code"] == "task_disabled"
    assert await call(client, "enable_task", task="greet", enabled=True) == {"name": "greet", "enabled": True}
    assert (await call(client, "execute_task", task="greet@~1.0", input=5))["output"] == 5
    assert (await call(client, "enable_task", task="nothing", enabled=True))["error"]["code"] == "task_not_found"
