"""Runs that become tasks (SEP-2663), by the SDK's real client over HTTP and stdio, and on the wire."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import anyio
import httpx
import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp.types import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    ElicitResult,
    InputRequiredResult,
)
from tasks_client import IDENTIFIER, Tasks, begin, cancel, follow, get, update

MOMENT = {"RATCHET_MCP__TASK_AFTER_SECONDS": "0.15", "RATCHET_MCP__TASK_POLL_SECONDS": "0.1"}
HTTP_SETTINGS = MOMENT
MODERN = "2026-07-28"
RUN = "run_javascript"
NAME = "{ type: 'object', properties: { name: { type: 'string', minLength: 2 } }, required: ['name'] }"
HELLO = f"async () => `Hello, ${{(await ask('Who are you?', {NAME})).content.name}}!`"
BOTH = f"async () => (await Promise.all([ask('One?', {NAME}), ask('Two?', {NAME})])).map((each) => each.content.name)"
NEVER = "async () => { reportProgress(25, 'work', 'begun'); await new Promise((go) => setTimeout(go, 1e9)) }"


@pytest.fixture(scope="module")
def tasks_folder(tasks_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tasks of the acceptance tests, and one that is a tool of its own."""
    folder = tmp_path_factory.mktemp("with-a-tool")
    shutil.copytree(tasks_folder, folder, dirs_exist_ok=True)
    shutil.copytree(folder / "pause", folder / "sleeper")
    metadata = json.loads((folder / "pause" / "metadata.json").read_text())
    metadata |= {"name": "sleeper", "uuid": str(uuid4()), "expose": "tool"}
    (folder / "sleeper" / "metadata.json").write_text(json.dumps(metadata))
    return folder


def rest(milliseconds: int, then: str = "return 'rested'") -> str:
    return f"async () => {{ await new Promise((go) => setTimeout(go, {milliseconds})); {then}; }}"


def accept(name: str) -> dict[str, Any]:
    return {"action": "accept", "content": {"name": name}}


async def unasked(context: Any, params: Any) -> Any:
    raise AssertionError("a question of a task is no request to the client")


def connected(address: str, extension: Tasks | None = None, *, asks: bool = True) -> Client:
    user = cast("Any", unasked) if asks else None
    return Client(f"{address}/mcp", mode=MODERN, extensions=[extension or Tasks()], elicitation_callback=user)


@pytest.fixture
async def client(http_server: Any) -> AsyncIterator[Client]:
    async with connected(http_server.address) as client:
        yield client


def told(result: dict[str, Any]) -> dict[str, Any]:
    """Return what a result tells, without what differs from run to run."""
    structured = {
        name: value for name, value in result["structuredContent"].items() if name not in ("execution_id", "duration_ms", "queue_ms")
    }
    return {**{name: value for name, value in result.items() if name not in ("content", "_meta")}, "structuredContent": structured}


# ---------------------------------------------------------------- from the call to the result
@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("execute_task", {"task": "pause", "input": {"ms": 300}}),
        ("execute_task", {"task": "pause", "input": '{"ms": 300}'}),
        (RUN, {"code": rest(300)}),
        (RUN, {"code": rest(300, "console.log('careful'); throw new Error('no')")}),
    ],
    ids=["task", "input-as-text", "javascript", "failure"],
)
async def test_a_task_ends_with_the_result_that_the_call_would_have_had(http_server: Any, tool: str, arguments: dict[str, Any]):
    extension = Tasks()
    async with connected(http_server.address, extension) as client:
        result = await client.call_tool(tool, arguments)
        assert len(extension.handles) == 1
    async with Client(f"{http_server.address}/mcp", mode=MODERN) as client:
        direct = await client.call_tool(tool, arguments)
    dumped = [each.model_dump(by_alias=True, mode="json", exclude_none=True) for each in (result, direct)]
    assert told(dumped[0]) == told(dumped[1])
    assert len(dumped[0]["content"]) == len(dumped[1]["content"])


async def test_a_handle_says_when_to_ask_and_how_long_it_lives(client: Client):
    handle = await begin(client, RUN, {"code": rest(300)})
    assert (handle.status, handle.ttl_ms, handle.poll_interval_ms) == ("working", 86_400_000, 100)
    assert handle.created_at.endswith("Z") and handle.last_updated_at >= handle.created_at
    at_once = await get(client.session, handle.task_id)
    assert at_once.task_id == handle.task_id and at_once.status == "working"
    done = await follow(client.session, handle.task_id)
    assert done.status == "completed" and done.last_updated_at > handle.last_updated_at


async def test_a_quick_run_is_answered_by_its_call(http_server: Any):
    extension = Tasks()
    async with connected(http_server.address, extension) as client:
        result = await client.call_tool(RUN, {"code": "() => 1"})
        refused = await client.call_tool("execute_task", {"task": "add", "input": {"a": 1}})
    assert cast("Any", result.structured_content)["output"] == 1 and extension.handles == []
    assert cast("Any", refused.structured_content)["error"]["code"] == "input_invalid"


async def test_progress_is_the_message_of_the_status(client: Client):
    handle = await begin(client, RUN, {"code": NEVER})
    detailed = await get(client.session, handle.task_id)
    assert detailed.status_message == "work: begun (25)"
    await cancel(client.session, handle.task_id)


async def test_cancelling_kills_the_run_and_can_be_repeated(client: Client):
    handle = await begin(client, RUN, {"code": NEVER})
    await cancel(client.session, handle.task_id)
    assert (await follow(client.session, handle.task_id)).status == "cancelled"
    await cancel(client.session, handle.task_id)
    listed = await client.call_tool("get_status", {"id": handle.task_id})
    assert cast("Any", listed.structured_content)["status"] == "cancelled"


async def test_another_connection_goes_on_with_a_task(http_server: Any):
    async with connected(http_server.address) as client:
        handle = await begin(client, RUN, {"code": HELLO})
    async with connected(http_server.address) as client:
        done = await follow(client.session, handle.task_id, lambda question: accept("Ada"))
    assert done.result is not None and done.result["structuredContent"]["output"] == "Hello, Ada!"


async def test_a_tool_made_of_a_task_becomes_a_task(http_server: Any):
    extension = Tasks()
    async with connected(http_server.address, extension) as client:
        result = await client.call_tool("sleeper", {"ms": 300})
        assert [handle.status for handle in extension.handles] == ["working"]
    assert result.structured_content == {"result": "rested"}
    assert cast("Any", result.meta)["ratchet/execution"]


async def test_a_batch_becomes_a_task_and_its_result_has_all_requests(http_server: Any):
    extension = Tasks()
    requests = [{"id": "one", "task": "pause", "input": {"ms": 1500}}, {"id": "two", "task": "add", "input": {"a": 1, "b": 2}}]
    async with connected(http_server.address, extension) as client:
        result = await client.call_tool("batch_execute", {"requests": requests})
        quick = await client.call_tool("batch_execute", {"requests": requests[1:]})
        assert len(extension.handles) == 1
    structured = cast("Any", result.structured_content)
    assert (structured["status"], [each["output"] for each in structured["results"]]) == ("completed", ["rested", 3])
    assert cast("Any", quick.structured_content)["results"][0]["output"] == 3


async def test_a_batch_is_cancelled_as_a_task(client: Client):
    handle = await begin(client, "batch_execute", {"requests": [{"id": "one", "task": "never", "input": {}}]})
    assert (await get(client.session, handle.task_id)).status_message == "0 of 1"
    await cancel(client.session, handle.task_id)
    assert (await follow(client.session, handle.task_id)).status == "cancelled"


# ---------------------------------------------------------------- questions
async def test_a_question_makes_a_task_wait_for_input_until_it_is_answered(client: Client):
    handle = await begin(client, RUN, {"code": HELLO})
    waiting = await follow(client.session, handle.task_id, until=["input_required"])
    assert waiting.input_requests is not None
    (key, request), *others = waiting.input_requests.items()
    assert others == [] and request["method"] == "elicitation/create"
    told = await client.call_tool("get_status", {"id": handle.task_id})
    assert cast("Any", told.structured_content)["questions"] == ["Who are you?"]
    assert request["params"]["message"] == "Who are you?" and request["params"]["requestedSchema"]["required"] == ["name"]
    await update(client.session, handle.task_id, {key: accept("Ada")})
    done = await follow(client.session, handle.task_id)
    assert done.result is not None and done.result["structuredContent"]["output"] == "Hello, Ada!"


async def test_several_questions_are_answered_one_after_the_other(client: Client):
    handle = await begin(client, RUN, {"code": BOTH})
    waiting = await follow(client.session, handle.task_id, until=["input_required"])
    with anyio.fail_after(30):
        while len(waiting.input_requests or {}) < 2:
            waiting = await get(client.session, handle.task_id)
    assert waiting.input_requests is not None
    first, second = waiting.input_requests
    await update(client.session, handle.task_id, {first: accept("Ada")})
    assert list((await get(client.session, handle.task_id)).input_requests or {}) == [second]
    await update(client.session, handle.task_id, {first: accept("Eve"), second: accept("Bob"), "unknown": {"ignored": True}})
    done = await follow(client.session, handle.task_id)
    assert done.result is not None and sorted(done.result["structuredContent"]["output"]) == ["Ada", "Bob"]


@pytest.mark.parametrize("answer", [accept("A"), {"action": "perhaps"}, "Ada", {"action": "accept", "content": ["Ada"]}])
async def test_an_answer_that_does_not_fit_is_refused_and_the_question_stays(client: Client, answer: Any):
    handle = await begin(client, RUN, {"code": HELLO})
    waiting = await follow(client.session, handle.task_id, until=["input_required"])
    (key,) = waiting.input_requests or {}
    with pytest.raises(MCPError) as caught:
        await update(client.session, handle.task_id, {key: answer})
    assert caught.value.code == INVALID_PARAMS
    assert list((await get(client.session, handle.task_id)).input_requests or {}) == [key]
    await update(client.session, handle.task_id, {key: {"action": "decline"}})
    done = await follow(client.session, handle.task_id)
    assert done.result is not None and done.result["isError"]
    assert done.result["structuredContent"]["error"]["details"]["code"] == "ask_declined"


async def test_a_client_that_knows_tasks_but_cannot_ask_gets_the_error(http_server: Any):
    async with connected(http_server.address, asks=False) as client:
        result = await client.call_tool(RUN, {"code": HELLO})
    assert cast("Any", result.structured_content)["error"]["details"]["code"] == "cannot_ask"


async def test_a_cancelled_task_has_no_questions_any_more(client: Client):
    handle = await begin(client, RUN, {"code": HELLO})
    waiting = await follow(client.session, handle.task_id, until=["input_required"])
    await cancel(client.session, handle.task_id)
    gone = await follow(client.session, handle.task_id)
    assert gone.status == "cancelled" and gone.input_requests is None
    await update(client.session, handle.task_id, {key: accept("Ada") for key in waiting.input_requests or {}})
    assert (await get(client.session, handle.task_id)).status == "cancelled"


# ---------------------------------------------------------------- what is none of the client's business
@pytest.mark.parametrize("id", ["none", "0198c1d2-0000-7000-8000-000000000000", "' OR 1=1 --", ""])
async def test_a_task_that_is_not_there_is_unknown(client: Client, id: str):
    for request in (get, cancel):
        with pytest.raises(MCPError) as caught:
            await request(client.session, id)
        assert caught.value.code == INVALID_PARAMS


async def test_ordinary_jobs_are_no_tasks(client: Client):
    job = await client.call_tool("execute_task", {"task": "add", "input": {"a": 1, "b": 2}, "background": True})
    with pytest.raises(MCPError) as caught:
        await get(client.session, cast("Any", job.structured_content)["job_id"])
    assert caught.value.code == INVALID_PARAMS


async def test_without_the_extension_a_task_cannot_be_asked_for(http_server: Any, client: Client):
    handle = await begin(client, RUN, {"code": rest(200)})
    async with Client(f"{http_server.address}/mcp", mode=MODERN) as other:
        for request in (get, cancel):
            with pytest.raises(MCPError) as caught:
                await request(other.session, handle.task_id)
            assert caught.value.code == MISSING_REQUIRED_CLIENT_CAPABILITY
            assert cast("Any", caught.value.error.data)["requiredCapabilities"] == {"extensions": {IDENTIFIER: {}}}


async def test_clients_of_the_handshake_never_see_tasks(http_server: Any, client: Client):
    handle = await begin(client, RUN, {"code": rest(200)})
    async with Client(f"{http_server.address}/mcp", mode="legacy", extensions=[Tasks()]) as old:
        assert not (old.server_capabilities and old.server_capabilities.extensions)
        with pytest.raises(MCPError) as caught:
            await get(old.session, handle.task_id)
        assert caught.value.code == METHOD_NOT_FOUND
        result = await old.call_tool("execute_task", {"task": "pause", "input": {"ms": 200}})
        assert cast("Any", result.structured_content)["output"] == "rested"


async def test_a_client_without_the_extension_is_asked_by_repetition_and_one_with_it_by_the_task(http_server: Any):
    async with Client(f"{http_server.address}/mcp", mode=MODERN, elicitation_callback=cast("Any", unasked)) as client:
        asked = await client.session.call_tool(RUN, {"code": HELLO}, allow_input_required=True)
        assert isinstance(asked, InputRequiredResult) and asked.input_requests
        answers = {key: ElicitResult(action="accept", content={"name": "Ada"}) for key in asked.input_requests}
        result = await client.call_tool(RUN, {"code": HELLO}, input_responses=cast("Any", answers), request_state=asked.request_state)
    assert cast("Any", result.structured_content)["output"] == "Hello, Ada!"


# ---------------------------------------------------------------- on the wire
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}, "extensions": {IDENTIFIER: {}}},
}


def posted(method: str, params: dict[str, Any], name: str | None, id: Any = 1) -> dict[str, Any]:
    """Return the arguments of a POST."""
    headers = {"accept": "application/json, text/event-stream", "mcp-protocol-version": MODERN, "mcp-method": method}
    body = {"jsonrpc": "2.0", "id": id, "method": method, "params": {**params, "_meta": META}}
    return {"headers": {**headers, **({"mcp-name": name} if name is not None else {})}, "json": body}


@pytest.mark.parametrize("name", ["another", None], ids=["another", "missing"])
@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
async def test_the_routing_header_has_to_name_the_task(http_server: Any, client: Client, method: str, name: str | None):
    handle = await begin(client, RUN, {"code": rest(200)})
    params = {"taskId": handle.task_id, **({"inputResponses": {}} if method == "tasks/update" else {})}
    async with httpx.AsyncClient(timeout=30) as http:
        answer = await http.post(f"{http_server.address}/mcp", **posted(method, params, name))
    assert answer.json()["error"]["code"] == HEADER_MISMATCH


@pytest.mark.parametrize("method", ["tasks/list", "tasks/result"])
async def test_methods_of_the_first_draft_are_not_there(http_server: Any, method: str):
    async with httpx.AsyncClient(timeout=30) as http:
        answer = await http.post(f"{http_server.address}/mcp", **posted(method, {}, None))
    assert answer.json()["error"]["code"] == METHOD_NOT_FOUND


@asynccontextmanager
async def listening(address: str, ids: list[str]) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    """Open a stream that follows tasks; gives its messages."""
    async with (
        httpx.AsyncClient(timeout=30) as http,
        http.stream(
            "POST", f"{address}/mcp", **posted("subscriptions/listen", {"notifications": {"taskIds": ids}}, None, "listen-1")
        ) as stream,
    ):

        async def messages() -> AsyncIterator[dict[str, Any]]:
            async for line in stream.aiter_lines():
                if line.startswith("data:") and line.removeprefix("data:").strip():
                    yield json.loads(line.removeprefix("data:"))

        yield messages()


async def test_a_stream_tells_each_change_of_the_tasks_it_follows_and_of_no_other(http_server: Any, client: Client):
    handle = await begin(client, RUN, {"code": HELLO})
    other = await begin(client, RUN, {"code": NEVER})
    with anyio.fail_after(60):
        async with listening(http_server.address, [handle.task_id, "nobody's"]) as messages:
            acknowledged = await anext(messages)
            assert acknowledged["params"]["notifications"]["taskIds"] == [handle.task_id]
            seen: list[dict[str, Any]] = []
            async for message in messages:
                assert message["method"] == "notifications/tasks"
                assert message["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == "listen-1"
                seen.append(message["params"])
                if seen[-1]["status"] == "input_required":
                    await update(client.session, handle.task_id, {key: accept("Ada") for key in seen[-1]["inputRequests"]})
                    await cancel(client.session, other.task_id)
                if seen[-1]["status"] == "completed":
                    break
    assert {each["taskId"] for each in seen} == {handle.task_id}
    statuses = [each["status"] for each in seen]
    assert statuses[0] == "input_required" and statuses[-1] == "completed"
    assert seen[-1]["result"]["structuredContent"]["output"] == "Hello, Ada!"


# ---------------------------------------------------------------- what a task survives
CRASHING = (
    f"async (input, context) => {{ const name = (await ask('Who are you?', {NAME})).content.name;"
    " await new Promise((go) => setTimeout(go, context.attempt === 1 ? 1e9 : 1)); return [name, context.attempt]; }"
)


async def test_a_task_survives_kill_9_of_its_server_and_nobody_is_asked_twice(start_http: Any):
    server = start_http(**MOMENT)
    async with connected(server.address) as client:
        handle = await begin(client, RUN, {"code": CRASHING})
        waiting = await follow(client.session, handle.task_id, until=["input_required"])
        await update(client.session, handle.task_id, {key: accept("Ada") for key in waiting.input_requests or {}})
        assert (await follow(client.session, handle.task_id, until=["working"])).status == "working"
        server.process.kill()
        await anyio.to_thread.run_sync(server.process.wait)
    server = start_http(**MOMENT)
    async with connected(server.address) as client:
        done = await follow(client.session, handle.task_id, lambda question: accept("asked again"))
    assert done.result is not None and done.result["structuredContent"]["output"] == ["Ada", 2]


async def test_tasks_work_over_stdio(environment: dict[str, str]):
    extension = Tasks(lambda question: accept("Ada"))
    server = StdioServerParameters(command=sys.executable, args=["-m", "ratchet_mcp.mcp.stdio_main"], env={**environment, **MOMENT})
    async with Client(server, mode=MODERN, extensions=[extension], elicitation_callback=cast("Any", unasked)) as client:
        result = await client.call_tool(RUN, {"code": HELLO})
    assert cast("Any", result.structured_content)["output"] == "Hello, Ada!" and len(extension.handles) == 1


async def test_a_batch_tells_its_progress_before_it_becomes_a_task(environment: dict[str, str]):
    told: list[tuple[float, float | None, str | None]] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total, message))

    patient = {**environment, "RATCHET_MCP__TASK_AFTER_SECONDS": "50", "RATCHET_MCP__WAIT_SECONDS": "50"}
    server = StdioServerParameters(command=sys.executable, args=["-m", "ratchet_mcp.mcp.stdio_main"], env=patient)
    requests = [{"id": "one", "task": "pause", "input": {"ms": 300}}, {"id": "two", "task": "add", "input": {"a": 1, "b": 2}}]
    async with Client(server, mode=MODERN, extensions=[Tasks()]) as client:
        await client.call_tool("batch_execute", {"requests": requests, "mode": "sequential"}, progress_callback=on_progress)
        await client.list_tools(cache_mode="refresh")  # a round trip later, every notification is here
    assert told == [(1, 2, "1 of 2: one"), (2, 2, "2 of 2: two")]
