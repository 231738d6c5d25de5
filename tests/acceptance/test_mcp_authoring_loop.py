"""The life of a task, through one client: written, checked, tested, debugged, repaired, run, exposed, shared, removed and brought back."""

from __future__ import annotations

import sys
from typing import Any, cast

import pytest
from listening import Heard, listening
from mcp import Client, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.types import ElicitResult

BROKEN = """function main(input) {
  let sum = 0;
  for (const n of input.numbers) {
    sum += n;
  }
  return { mean: sum / input.numbers.lenght };
}
"""
NUMBERS = {
    "type": "object",
    "properties": {"numbers": {"type": "array", "items": {"type": "number"}, "minItems": 1, "maxItems": 1000}},
    "required": ["numbers"],
    "additionalProperties": False,
}
MEAN = {"type": "object", "properties": {"mean": {"type": "number"}}, "required": ["mean"]}
TESTS = [
    {"name": "two numbers", "input": {"numbers": [2, 4]}, "expected_output": {"mean": 3}},
    {"name": "no numbers", "input": {"numbers": []}, "expected_error": {"code": "input_invalid"}},
]


@pytest.fixture
def client(way: str, request: pytest.FixtureRequest, environment: dict[str, str]) -> Client:
    """A client that can ask its user, who always agrees."""
    transport, era = way.split("-", 1)

    async def agree(context: Any, params: Any) -> ElicitResult:
        request.node.asked = [*getattr(request.node, "asked", []), params.message]
        return ElicitResult(action="accept", content={"confirm": True})

    options: Any = {"mode": cast("Any", era), "elicitation_callback": agree}
    if transport == "stdio":
        server = StdioServerParameters(command=sys.executable, args=["-m", "ratchet_mcp.mcp.stdio_main"], env=environment)
        return Client(server, **options)
    address = request.getfixturevalue("start_http")().address
    return Client(f"{address}/mcp" if transport == "http" else sse_client(f"{address}/sse"), **options)


async def fine(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content[0].text
    return result.structured_content


async def told(heard: Heard, client: Client) -> set[str]:
    """Wait for word of another list of tools, and return their names."""
    await heard.once("tools")
    heard.forget()
    return {tool.name for tool in (await client.list_tools(cache_mode="refresh")).tools}


async def test_the_life_of_a_task(client: Client, way: str, request: pytest.FixtureRequest):
    async with listening(client) as heard:
        created = await fine(
            client, "create_task", name="mean", description="Computes the mean of numbers.", code=BROKEN,
            input_schema=NUMBERS, output_schema=MEAN, tests=TESTS,
        )  # fmt: skip
        assert (created["task"], created["version"], created["tests"]) == ("mean", "1.0.0", 2)
        assert (await fine(client, "validate_task", task="mean"))["valid"]

        failing = await fine(client, "test_task", task="mean")
        assert (failing["passed"], failing["failed"]) == (False, 1)

        seen = await fine(
            client, "debug_task", task="mean", input={"numbers": [2, 4]}, breakpoints=[6], expressions=["input.numbers.lenght"]
        )
        assert "sum" in str(seen["snapshots"]) and "undefined" in str(seen["snapshots"])

        edited = await fine(client, "edit_task", task="mean", code=BROKEN.replace("lenght", "length"), bump="patch")
        assert edited["version"] == "1.0.1"
        passing = await fine(client, "test_task", task="mean", coverage=True)
        assert (passing["passed"], passing["failed"]) == (True, 0)
        assert (await fine(client, "execute_task", task="mean", input={"numbers": [1, 2, 6]}))["output"] == {"mean": 3}
        assert (await client.call_tool("execute_task", {"task": "mean@1.0.0", "input": {"numbers": [1]}})).is_error

        await fine(client, "edit_task", task="mean", expose="tool", annotations={"read_only": True}, bump="minor")
        assert "mean" in await told(heard, client)
        assert (await client.call_tool("mean", {"numbers": [4, 8]})).structured_content == {"mean": 6}

        packed = await fine(client, "export_tasks", tasks=["mean@*"], format="json")
        assert len(packed["tasks"]) == 3

        gone = await fine(client, "delete_task", task="mean")
        assert sorted(gone["deleted"]) == ["mean@1.0.0", "mean@1.0.1", "mean@1.1.0"]
        assert "mean" in request.node.asked[0]
        assert "mean" not in await told(heard, client)
        assert (await fine(client, "list_executions", task="mean"))["executions"], "its history stays"

        await fine(client, "import_tasks", data=packed["data"])
        assert "mean" in await told(heard, client)
        assert (await client.call_tool("mean", {"numbers": [5]})).structured_content == {"mean": 5}
