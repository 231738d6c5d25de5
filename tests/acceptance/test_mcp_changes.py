"""A client hears of every change, over every transport and in both protocol eras: files are edited under a real server."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from listening import LIMIT_SECONDS, listening, subscribe, unsubscribe
from mcp import Client, StdioServerParameters
from mcp.client.sse import sse_client

NUMBER = {"type": "object", "properties": {"n": {"type": "number"}}, "required": ["n"]}
Write = Callable[..., None]
Connect = Callable[[], Client]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of tasks that a test may change."""
    made = tmp_path / "mine"
    made.mkdir()
    return made


@pytest.fixture
def write(folder: Path) -> Write:
    def write(name: str, code: str = "(input) => ({ n: input.n * 2 })", **metadata: Any) -> None:
        task = folder / name
        task.mkdir(exist_ok=True)
        (task / "main.js").write_text(code)
        (task / "input.schema.json").write_text(json.dumps(NUMBER))
        (task / "output.schema.json").write_text(json.dumps(NUMBER))
        (task / "metadata.json").write_text(json.dumps({"name": name, "version": "1.0.0", **metadata}))

    return write


@pytest.fixture
def environment(environment: dict[str, str], folder: Path) -> dict[str, str]:
    sources = json.dumps([{"name": "mine", "uri": str(folder)}])
    return {**environment, "RATCHET_REGISTRY__SOURCES": sources, "RATCHET_REGISTRY__BUNDLED": "false"}


@pytest.fixture
def connect(way: str, request: pytest.FixtureRequest, environment: dict[str, str]) -> Iterator[Connect]:
    """Return what makes a new client, connected as `way` says to a server of its own."""
    transport, era = way.split("-", 1)
    mode = cast("Any", era)
    if transport == "stdio":
        server = StdioServerParameters(command=sys.executable, args=["-m", "ratchet_mcp.mcp.stdio_main"], env=environment)
        yield lambda: Client(server, mode=mode)
    else:
        address = request.getfixturevalue("start_http")().address
        yield lambda: Client(f"{address}/mcp" if transport == "http" else sse_client(f"{address}/sse"), mode=mode)


async def tools_of(client: Client) -> dict[str, Any]:
    return {tool.name: tool for tool in (await client.list_tools(cache_mode="refresh")).tools}


async def test_a_task_becomes_a_tool_changes_and_goes_while_a_client_listens(connect: Connect, write: Write, folder: Path, way: str):
    write("double", expose="tool", description="Doubles n.")
    client = connect()
    async with listening(client, ["task://double", "task://double@1.0.0/main.js", "task://other"]) as heard:
        assert (await tools_of(client))["double"].description == "Doubles n."
        assert (await client.call_tool("double", {"n": 2})).structured_content == {"n": 4}
        heard.forget()

        write("double", "(input) => ({ n: input.n * 3 })", expose="tool", description="Triples n.")
        await heard.once("tools", "resources", "task://double", "task://double@1.0.0/main.js")
        assert (await tools_of(client))["double"].description == "Triples n."
        assert (await client.call_tool("double", {"n": 2})).structured_content == {"n": 6}
        assert "task://other" not in heard.all

        heard.forget()
        shutil.rmtree(folder / "double")
        await heard.once("tools", "resources", "prompts")
        assert "double" not in await tools_of(client)
        assert "double" not in {resource.name for resource in (await client.list_resources(cache_mode="refresh")).resources}
        assert {prompt.name for prompt in (await client.list_prompts(cache_mode="refresh")).prompts} == {"write_task"}


async def test_a_task_that_is_no_tool_changes_resources_only(connect: Connect, write: Write, way: str):
    write("plain")
    client = connect()
    async with listening(client) as heard:
        assert "plain" not in await tools_of(client)
        write("second")
        await heard.once("resources")
        names = {resource.name for resource in (await client.list_resources(cache_mode="refresh")).resources}
        assert {"plain", "second"} <= names
        assert set(heard.all) == {"resources"}


async def test_a_client_that_does_not_listen_keeps_no_list_for_long(connect: Connect, write: Write, way: str):
    write("double", expose="tool", description="Doubles n.")
    async with connect() as client:
        answers = [await client.list_tools(), await client.list_resources(), await client.list_prompts()]
        assert all((answer.ttl_ms or 0) <= 1000 for answer in answers)
        write("triple", expose="tool", description="Triples n.")
        with anyio.fail_after(LIMIT_SECONDS):
            while "triple" not in {tool.name for tool in (await client.list_tools()).tools}:
                await anyio.sleep(0.1)


async def test_the_end_of_an_execution_is_told_to_those_who_subscribed(connect: Connect, write: Write, way: str):
    write("wait", "async (input) => { await new Promise((done) => setTimeout(done, input.n)); return { n: 1 }; }")
    client = connect()
    async with listening(client) as heard:
        running = await client.call_tool("execute_task", {"task": "wait", "input": {"n": 1000}, "wait_seconds": 0})
        output, logs = (f"execution://{running.structured_content['execution_id']}/{part}" for part in ("output", "logs"))
        if client.protocol_version >= "2026":
            async with client.listen(resource_subscriptions=[output]) as events:
                with anyio.fail_after(LIMIT_SECONDS):
                    assert (await anext(aiter(events))).uri == output
        else:
            await subscribe(client, logs)
            await subscribe(client, output)
            await unsubscribe(client, logs)
            await heard.once(output)
            assert logs not in heard.all
        assert (await client.read_resource(output)).contents[0].text == '{"n":1}'
