"""Tasks as tools of their own, by the SDK's own client, which checks each result against the advertised output schema."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp.types import INVALID_PARAMS
from mcp_caller import Caller

PAIR = {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number"}}, "required": ["a", "b"]}
TASKS: dict[str, tuple[str, Any, Any]] = {
    "add": ("({ a, b }) => ({ sum: a + b })", PAIR, {"type": "object", "properties": {"sum": {"type": "number"}}}),
    "mean": (
        "(input) => { console.log('of', input.length); return input.reduce((a, b) => a + b, 0) / input.length; }",
        {"type": "array", "items": {"type": "number"}},
        {"type": "number"},
    ),
    "shape": (
        "(input) => input.radius ? { area: 3 * input.radius ** 2 } : [input.side ** 2]",
        {
            "oneOf": [
                {"type": "object", "properties": {"radius": {"type": "number"}}, "required": ["radius"]},
                {"type": "object", "properties": {"side": {"type": "number"}}, "required": ["side"]},
            ]
        },
        {"anyOf": [{"type": "object", "properties": {"area": {"type": "number"}}}, {"type": "array"}]},
    ),
    "breaks": ("function main(input) {\n  console.warn('careful');\n  return null.length;\n}\n", {}, {}),
    "long": ("(input) => ({ text: 'x'.repeat(input.length) })", {"type": "object"}, {"type": "object"}),
    "steps": (
        "async () => { for (const n of [0, 50, 100]) { reportProgress(n, 'work'); await new Promise((go) => setTimeout(go, 1)); } return {}; }",
        {},
        {"type": "object"},
    ),
    "pause": (
        "async (input) => { await new Promise((done) => setTimeout(done, input.ms)); return { rested: true }; }",
        {},
        {"type": "object"},
    ),
}


@pytest.fixture(scope="module")
def tasks_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exposed")
    for name, (code, given, told) in TASKS.items():
        (folder / name).mkdir()
        (folder / name / "metadata.json").write_text(json.dumps({"name": name, "version": "1.0.0", "expose": "tool"}))
        (folder / name / "main.js").write_text(code)
        (folder / name / "input.schema.json").write_text(json.dumps(given))
        (folder / name / "output.schema.json").write_text(json.dumps(told))
    return folder


async def test_tasks_are_called_as_tools(call: Caller):
    client = call.client
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert set(TASKS) <= set(tools)
    assert tools["add"].input_schema == PAIR

    added = await client.call_tool("add", {"a": 2, "b": 3})
    assert added.structured_content == {"sum": 5} and json.loads(added.content[0].text) == {"sum": 5}
    assert (await client.call_tool("mean", {"input": [1, 2, 6]})).structured_content == {"result": 3}
    assert (await client.call_tool("shape", {"radius": 1})).structured_content == {"result": {"area": 3}}
    assert (await client.call_tool("shape", {"side": 2})).structured_content == {"result": [4]}

    row = (await client.call_tool("list_executions", {"task": "add", "limit": 1})).structured_content["executions"][0]
    assert (row["execution_id"], row["origin"], row["status"]) == (added.meta["ratchet/execution"], "mcp", "completed")


async def test_a_failing_tool_tells_as_much_as_execute_task(call: Caller):
    client = call.client
    failed = await client.call_tool("breaks", {})
    assert failed.is_error
    assert "main.js:3" in failed.content[0].text and "[warn] careful" in failed.content[0].text
    assert failed.structured_content["error"]["code"] == "task_error"

    wrong = await client.call_tool("add", {"a": "two", "b": 1})
    assert wrong.is_error and "$.a" in wrong.content[0].text
    assert (await client.call_tool("list_executions", {"task": "add", "status": "failed"})).structured_content["executions"] == []


class TestOneWay:
    """What does not depend on the transport."""

    @pytest.fixture
    def server(self, environment: dict[str, str]) -> StdioServerParameters:
        command = ["-m", "ratchet_mcp.mcp.stdio_main"]
        return StdioServerParameters(command=sys.executable, args=command, env={**environment, "RATCHET_MCP__WAIT_SECONDS": "0.05"})

    @pytest.fixture(params=["legacy", "2026-07-28"])
    def era(self, request: pytest.FixtureRequest) -> Any:
        return request.param

    async def test_a_run_that_outlasts_the_wait_is_pointed_to(self, server: StdioServerParameters, era: Any):
        async with Client(server, mode=era) as client:
            running = await client.call_tool("pause", {"ms": 400})
            assert running.is_error and "still running" in running.content[0].text
            id = running.structured_content["execution_id"]
            ended = await client.call_tool("get_status", {"id": id, "wait_seconds": 20})
        assert ended.structured_content["output"] == {"rested": True}

    async def test_an_output_that_is_too_long_is_pointed_to(self, http_server: Any, era: Any):
        async with Client(f"{http_server.address}/mcp", mode=era) as client:
            cut = await client.call_tool("long", {"length": 200_000})
            assert cut.is_error and "this is no failure" in cut.content[0].text
            assert sum(len(block.text) for block in cut.content) < 10_000
            whole = await client.read_resource(f"execution://{cut.structured_content['execution_id']}/output")
        assert json.loads(whole.contents[0].text) == {"text": "x" * 200_000}

    @pytest.mark.parametrize("arguments", [{}, {"input": [1], "more": 2}, {"numbers": [1]}])
    async def test_wrong_arguments_around_a_wrapped_input_are_told(self, http_server: Any, era: Any, arguments: dict[str, Any]):
        async with Client(f"{http_server.address}/mcp", mode=era) as client:
            wrong = await client.call_tool("mean", arguments)
        assert wrong.is_error and wrong.structured_content["error"]["code"] == "invalid_argument"
        assert '{"input": …}' in wrong.content[0].text

    async def test_progress_of_the_task_is_progress_of_the_call(self, http_server: Any, era: Any):
        updates: list[float] = []

        async def take(progress: float, total: float | None, message: str | None) -> None:
            updates.append(progress)

        async with Client(f"{http_server.address}/mcp", mode=era) as client:
            await client.call_tool("steps", {}, progress_callback=take)
            await client.list_tools()
        assert updates[-1] == 100

    async def test_a_tool_is_called_without_having_been_listed(self, http_server: Any, era: Any):
        async with Client(f"{http_server.address}/mcp", mode=era) as client:
            assert (await client.session.call_tool("add", {"a": 1, "b": 1})).structured_content == {"sum": 2}
            with pytest.raises(MCPError) as caught:
                await client.session.call_tool("ad", {"a": 1, "b": 1})
        assert caught.value.code == INVALID_PARAMS and "did you mean add?" in caught.value.message

    async def test_a_read_only_server_has_no_task_tools(self, server: StdioServerParameters, era: Any):
        reading = server.model_copy(update={"args": [*server.args, "--read-only"]})
        async with Client(reading, mode=era) as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
            assert "list_tasks" in names and not names & {"add", "execute_task", "run_javascript"}
            for tool in ("add", "execute_task"):
                with pytest.raises(MCPError):
                    await client.session.call_tool(tool, {"task": "add"})

    async def test_the_server_says_which_tasks_are_tools(self, server: StdioServerParameters, http_server: Any, era: Any):
        capped = server.model_copy(update={"env": {**(server.env or {}), "RATCHET_MCP__TASK_TOOLS_CAP": "3"}})
        async with Client(f"{http_server.address}/mcp", mode=era) as client:
            await client.list_tools()
            told = (await client.call_tool("server_status", {})).structured_content["task_tools"]
        assert told == {"mode": "exposed", "count": len(TASKS)}
        async with Client(capped, mode=era) as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
            assert not names & set(TASKS) and {"list_tasks", "get_task", "execute_task"} <= names
            told = (await client.call_tool("server_status", {})).structured_content["task_tools"]
            assert f"{len(TASKS)} tasks want to be tools" in told["hint"]
            if era == "legacy":
                assert "if there are more than 3, none is: use list_tasks" in (client.instructions or "")


@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
async def test_later_clients_read_in_the_instructions_that_tools_are_too_many(start_http: Any, era: Any):
    address = start_http(RATCHET_MCP__TASK_TOOLS_CAP="3").address
    async with Client(f"{address}/mcp", mode=era) as client:
        await client.list_tools()
    async with Client(f"{address}/mcp", mode="auto" if era != "legacy" else era) as client:
        assert f"{len(TASKS)} tasks would be tools of their own" in (client.instructions or "")
