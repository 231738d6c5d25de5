"""What reaches a client when something goes wrong, in both protocol eras, by the SDK's own client."""

from __future__ import annotations

from typing import Any

import pytest
from mcp import Client, MCPError
from mcp.types import INTERNAL_ERROR, INVALID_PARAMS

from ratchet_mcp.errors import InvalidCursor, StoreFailed
from ratchet_mcp.mcp.server import RatchetServer, build
from ratchet_mcp.settings import Settings

ERAS = ["legacy", "2026-07-28"]


class Broken:
    """Services that cannot be reached, for the reason given."""

    def __init__(self, reason: Exception) -> None:
        self._reason = reason

    async def get(self) -> Any:
        raise self._reason

    async def up(self) -> Any:
        return await self.get()


def server_with(reason: Exception) -> RatchetServer:
    return build(Broken(reason), Settings())


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    return request.param


async def test_a_failed_start_is_the_answer_to_each_call(era: str):
    failed = StoreFailed("The database cannot be opened.", hint="Free some disk space.")
    async with Client(server_with(failed), mode=era) as client:
        result = await client.call_tool("server_status", {})
    assert result.is_error
    assert result.structured_content["error"]["code"] == "store_failed"
    assert "Free some disk space." in result.content[0].text


async def test_an_unexpected_exception_does_not_leak_its_text(era: str):
    async with Client(server_with(RuntimeError("secret path /root/x")), mode=era) as client:
        result = await client.call_tool("list_tasks", {})
        assert result.is_error
        assert result.structured_content["error"]["code"] == "internal_error"
        assert "secret" not in result.model_dump_json()
        with pytest.raises(MCPError) as caught:
            await client.read_resource("execution://e/output")
    assert caught.value.code == INTERNAL_ERROR
    assert "secret" not in str(caught.value.error)


async def test_wrong_arguments_are_a_tool_error_with_the_path(era: str):
    async with Client(server_with(RuntimeError()), mode=era) as client:
        result = await client.call_tool("execute_task", {"taks": "word-count"})
    assert result.is_error
    assert result.structured_content["error"]["code"] == "invalid_argument"
    assert "did you mean task?" in result.content[0].text


async def test_an_unknown_tool_is_a_protocol_error_with_a_near_name(era: str):
    async with Client(server_with(RuntimeError()), mode=era) as client:
        with pytest.raises(MCPError) as caught:
            await client.call_tool("execute_tasks", {})
    assert caught.value.code == INVALID_PARAMS
    assert "did you mean execute_task?" in caught.value.message


async def test_a_bad_cursor_is_a_protocol_error(era: str):
    async with Client(server_with(InvalidCursor("This cursor is not one of ours.")), mode=era) as client:
        for call in (client.call_tool("list_executions", {"cursor": "x"}), client.list_tools(cursor="x")):
            with pytest.raises(MCPError) as caught:
                await call
            assert caught.value.code == INVALID_PARAMS


async def test_an_unknown_resource_is_a_protocol_error(era: str):
    async with Client(server_with(RuntimeError()), mode=era) as client:
        for uri in ("file:///etc/passwd", "execution://e/input", "execution://e", "task://a/b", "task://", "guide://task"):
            with pytest.raises(MCPError) as caught:
                await client.read_resource(uri)
            assert caught.value.code == INVALID_PARAMS


async def test_a_server_that_stops_refuses_new_calls():
    server = server_with(RuntimeError())
    server.stopping = True
    async with Client(server, mode="legacy") as client:
        result = await client.call_tool("server_status", {})
    assert result.structured_content["error"]["code"] == "interrupted"
    assert server.calls == 0


async def test_the_templates_of_tasks_and_executions_are_listed(era: str):
    async with Client(server_with(RuntimeError()), mode=era) as client:
        templates = {template.uri_template for template in (await client.list_resource_templates()).resource_templates}
    parts = ("main.js", "input.schema.json", "output.schema.json", "tests")
    assert templates == {"task://{name}", *(f"task://{{name}}@{{version}}/{part}" for part in parts)} | {
        f"execution://{{id}}/{part}" for part in ("output", "logs", "error")
    }


@pytest.mark.parametrize("reason", [StoreFailed("The database cannot be opened."), RuntimeError("secret")])
async def test_our_own_tools_and_prompts_are_listed_when_the_services_are_down(era: str, reason: Exception):
    async with Client(server_with(reason), mode=era) as client:
        assert "execute_task" in {tool.name for tool in (await client.list_tools()).tools}
        assert "write_task" in {prompt.name for prompt in (await client.list_prompts()).prompts}


def test_no_middleware_of_the_sdk_is_left():
    assert [type(entry).__name__ for entry in server_with(RuntimeError()).middleware] == ["function"]
