"""Which tools a server offers, and what it says about the others."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from mcp import Client, MCPError
from mcp.types import INVALID_PARAMS

from ratchet_mcp.errors import SettingsInvalid
from ratchet_mcp.mcp.server import RatchetServer, build
from ratchet_mcp.mcp.tools import ALL
from ratchet_mcp.settings import McpSettings, Settings
from ratchet_mcp.settings.loader import load

RUN_OR_CHANGE = {
    "execute_task", "replay_execution", "run_javascript", "cancel_execution", "create_task", "edit_task", "delete_task", "test_task", "debug_task",
    "import_tasks", "sync_registry", "enable_task", "cancel_job", "retry_job", "pause_jobs", "resume_jobs", "limit_jobs",
    "batch_execute", "purge_cache", "create_schedule", "update_schedule", "delete_schedule", "redeliver",
}  # fmt: skip
READ_IF_ASKED = {"validate_task"}
"""Tools that a read-only server offers without the argument that makes them run code."""


class Nowhere:
    async def get(self) -> Any:
        raise AssertionError("a refused call reached the services")

    async def up(self) -> Any:
        await anyio.sleep_forever()


def server(**settings: Any) -> RatchetServer:
    return build(Nowhere(), Settings(mcp=McpSettings(**{"task_tools": "off", **settings})))


def names(of: RatchetServer) -> set[str]:
    return set(of.tools)


def test_core_and_author_are_there_by_default():
    assert names(server()) == {tool.name for tool in ALL if tool.toolset in ("core", "author")}
    assert names(server(toolsets=["core"])) == {tool.name for tool in ALL if tool.toolset == "core"}
    assert names(server(toolsets=[])) == set()


def test_a_read_only_server_offers_nothing_that_runs_or_changes():
    offered = names(server(read_only=True, toolsets=["core", "author", "admin", "jobs"]))
    assert not offered & RUN_OR_CHANGE
    assert {"list_tasks", "get_task", "get_status", "list_executions", "server_status"} <= offered
    assert offered == {tool.name for tool in ALL if tool.annotations.read_only_hint} | READ_IF_ASKED


@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
async def test_a_read_only_server_validates_but_runs_no_tests(era: str):
    async with Client(server(read_only=True), mode=era) as client:
        [validate] = [tool for tool in (await client.list_tools()).tools if tool.name == "validate_task"]
        assert "run_tests" not in validate.input_schema["properties"]
        assert validate.annotations.read_only_hint
        refused = await client.call_tool("validate_task", {"task": "add", "run_tests": True})
    assert refused.is_error and "read-only" in refused.content[0].text


def test_tools_say_truthfully_whether_they_run_or_change():
    assert {tool.name for tool in ALL if not tool.annotations.read_only_hint} == RUN_OR_CHANGE | READ_IF_ASKED


@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
@pytest.mark.parametrize(
    ("settings", "tool", "words"),
    [
        ({"read_only": True}, "execute_task", "--read-only"),
        ({"toolsets": ["author"]}, "execute_task", "the toolset core"),
        ({}, "execute_tusk", "did you mean execute_task?"),
    ],
)
async def test_a_tool_that_is_not_offered_is_hidden_and_refused(era: str, settings: dict[str, Any], tool: str, words: str):
    async with Client(server(**settings), mode=era) as client:
        assert tool not in {listed.name for listed in (await client.list_tools()).tools}
        with pytest.raises(MCPError) as caught:
            await client.call_tool(tool, {"task": "add"})
    assert caught.value.code == INVALID_PARAMS
    assert words in caught.value.message


def test_toolsets_come_from_the_environment_with_commas():
    assert load(env={"RATCHET_MCP__TOOLSETS": "core, admin", "RATCHET_MCP__READ_ONLY": "true"}).mcp.toolsets == ["core", "admin"]


def test_an_unknown_toolset_stops_the_start_and_is_named():
    with pytest.raises(SettingsInvalid) as caught:
        load(overrides={"mcp": {"toolsets": ["core", "autor"]}}, env={})
    assert "mcp.toolsets" in caught.value.message and "author" in caught.value.message
