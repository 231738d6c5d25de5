"""What happens to runs when the client or the server goes away, and what never reaches stdout."""

from __future__ import annotations

import signal

import anyio
import httpx
import pytest
from mcp import Client
from mcp.client.sse import sse_client

MODERN = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


def call(request_id: int, task: str, arguments: dict | None = None, **meta: object) -> dict:
    params = {"name": "execute_task", "arguments": {"task": task, "input": arguments or {}}, "_meta": meta}
    return {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": params}


async def newest(server, task: str, request_id: int) -> dict:
    """Return the newest execution of `task`, waiting until it has ended."""
    listed = await server.call(request_id, "list_executions", {"task": task, "limit": 1})
    execution = listed["structuredContent"]["executions"][0]["execution_id"]
    return (await server.call(request_id + 1, "get_status", {"id": execution, "wait_seconds": 20}))["structuredContent"]


async def test_nothing_but_json_rpc_reaches_stdout_whatever_prints(start_raw, tmp_path):
    noisy = tmp_path / "noisy.py"
    noisy.write_text(
        "import os, sys\n"
        "from ratchet_mcp.mcp import stdio_main, standard_streams\n"
        "claim = standard_streams.claim\n"
        "def claim_and_shout():\n"
        "    streams = claim()\n"
        "    print('a library prints'); sys.stdout.flush()\n"
        "    os.write(1, b'C code writes\\n')\n"
        "    os.system('echo a child process writes')\n"
        "    return streams\n"
        "standard_streams.claim = claim_and_shout\n"
        "sys.exit(stdio_main.main([]))\n"
    )
    server = await start_raw(command=(str(noisy),))
    await server.handshake()
    result = await server.call(
        1, "run_javascript", {"code": "() => { console.log('{\"jsonrpc\":\"2.0\"}'); console.error('x'); return 1; }"}
    )
    assert result["structuredContent"]["output"] == 1
    server.stdin.close()
    assert await server.rest() == b""
    for text in ("a library prints", "C code writes", "a child process writes"):
        assert text in server.stderr


async def test_a_client_that_goes_away_takes_its_run_with_it(start_raw):
    server = await start_raw()
    await server.handshake()
    await server.send(call(1, "never", progressToken=1))
    assert (await server.receive())["method"] == "notifications/progress"
    server.stdin.close()
    assert await server.ended() == 0
    after = await start_raw()
    await after.handshake()
    assert (await newest(after, "never", 1))["status"] in ("cancelled", "interrupted")


async def test_a_signal_lets_a_run_finish_and_answer(start_raw):
    server = await start_raw()
    await server.handshake()
    await server.send(call(1, "pause", {"ms": 500}, progressToken=1))
    assert (await server.receive())["method"] == "notifications/progress"
    server.process.send_signal(signal.SIGTERM)
    assert (await server.answer(1))["result"]["structuredContent"]["output"] == "rested"
    assert await server.ended() == 0


async def test_a_second_signal_ends_at_once_and_the_run_is_recorded(start_raw):
    server = await start_raw(RATCHET_SERVER__SHUTDOWN_GRACE_SECONDS="1000")
    await server.handshake()
    await server.send(call(1, "never", progressToken=1))
    assert (await server.receive())["method"] == "notifications/progress"
    server.process.send_signal(signal.SIGINT)
    server.process.send_signal(signal.SIGTERM)
    await server.ended()
    after = await start_raw()
    await after.handshake()
    assert (await newest(after, "never", 1))["status"] in ("cancelled", "interrupted")


async def test_a_start_that_fails_is_told_by_each_call_and_on_stderr(start_raw, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    server = await start_raw(RATCHET_STORE__URL=f"sqlite:///{blocked}/ratchet.db")
    assert (await server.handshake())["serverInfo"]["name"] == "ratchet"
    for request_id in (1, 2):
        result = await server.call(request_id, "list_tasks")
        assert result["isError"] is True
        assert result["structuredContent"]["error"]["code"] == "store_failed"
    assert "could not start" in server.stderr


async def test_a_start_that_fails_is_told_by_an_http_server_too(start_http, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    server = start_http(RATCHET_STORE__URL=f"sqlite:///{blocked}/ratchet.db")
    with anyio.fail_after(30):
        while "could not start" not in server.stderr:
            await anyio.sleep(0.05)
    assert str(blocked) in server.stderr


async def test_the_first_answer_does_not_wait_for_workers_and_store(start_raw):
    server = await start_raw()
    await server.handshake()
    assert "execute_task" in {tool["name"] for tool in (await server.request(1, "tools/list"))["result"]["tools"]}
    result = await server.call(2, "execute_task", {"task": "add", "input": {"a": 1, "b": 1}})
    assert result["structuredContent"]["output"] == 2


@pytest.mark.parametrize("transport", ["sse", "modern"])
async def test_an_http_client_that_disconnects_takes_its_run_with_it(http_server, transport: str):
    begun = anyio.Event()

    async def take(progress: float, total: float | None, message: str | None) -> None:
        begun.set()

    async def run_and_vanish() -> None:
        if transport == "sse":
            async with Client(sse_client(f"{http_server.address}/sse"), mode="legacy") as client:
                await client.call_tool("execute_task", {"task": "never", "input": {}}, progress_callback=take)
            return
        headers = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "execute_task"}
        headers["accept"] = "application/json, text/event-stream"
        async with httpx.AsyncClient(timeout=60) as client:
            body = call(1, "never", **{**MODERN, "progressToken": 1})
            async with client.stream("POST", f"{http_server.address}/mcp", headers=headers, json=body) as stream:
                assert stream.status_code == 200
                async for line in stream.aiter_lines():
                    if "notifications/progress" in line:
                        begun.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run_and_vanish)
        with anyio.fail_after(60):
            await begun.wait()
        tasks.cancel_scope.cancel()
    async with Client(f"{http_server.address}/mcp") as client:
        listed = await client.call_tool("list_executions", {"task": "never", "limit": 1})
        execution = listed.structured_content["executions"][0]["execution_id"]
        ended = await client.call_tool("get_status", {"id": execution, "wait_seconds": 20})
    assert ended.structured_content["status"] == "cancelled"


async def test_a_signal_lets_http_calls_finish_and_refuses_new_ones(start_http):
    server = start_http()
    begun = anyio.Event()
    outputs: list[object] = []

    async def take(progress: float, total: float | None, message: str | None) -> None:
        begun.set()

    try:
        async with Client(f"{server.address}/mcp", mode="legacy") as client:

            async def run() -> None:
                arguments = {"task": "pause", "input": {"ms": 800}}
                outputs.append((await client.call_tool("execute_task", arguments, progress_callback=take)).structured_content["output"])

            with anyio.fail_after(60):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(run)
                    await begun.wait()
                    server.process.send_signal(signal.SIGTERM)
    except* Exception as gone:  # the client says goodbye to a server that may have ended by then
        leaves: list[BaseException] = [gone]
        while any(isinstance(leaf, BaseExceptionGroup) for leaf in leaves):
            leaves = [one for leaf in leaves for one in (leaf.exceptions if isinstance(leaf, BaseExceptionGroup) else (leaf,))]
        assert {type(leaf).__name__ for leaf in leaves} <= {"ConnectError", "ReadError", "WriteError", "RemoteProtocolError"}
    assert outputs == ["rested"]
    assert await anyio.to_thread.run_sync(server.process.wait, 30) == 0


def test_health_tells_isolation_workers_and_store_once_all_is_up(http_server):
    answer = httpx.get(f"{http_server.address}/health")
    while answer.status_code == 503 and answer.json()["status"] == "starting":
        answer = httpx.get(f"{http_server.address}/health")
    body = answer.json()
    assert answer.status_code == 200, body
    assert body["status"] == "ok"
    assert body["isolation"]["level"] and body["workers"]["count"] >= 1 and body["store"]


def test_health_tells_why_a_start_failed(start_http, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    server = start_http(RATCHET_STORE__URL=f"sqlite:///{blocked}/ratchet.db")
    answer = httpx.get(f"{server.address}/health")
    while answer.json()["status"] == "starting":
        answer = httpx.get(f"{server.address}/health")
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "store_failed"
