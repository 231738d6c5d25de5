"""What `ratchet-mcp` does with bytes: good ones, bad ones, too many, and none."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from .conftest import RawServer, environment_in, starting_raw

LIST = {"jsonrpc": "2.0", "id": 9, "method": "tools/list", "params": {}}


async def test_initialize_is_answered_and_names_the_server(start_raw):
    server = await start_raw()
    result = await server.handshake()
    assert result["serverInfo"]["name"] == "ratchet"
    assert result["protocolVersion"] == "2025-11-25"
    assert "execute_task" in result["instructions"]
    assert result["capabilities"]["tools"] == {"listChanged": True}
    assert result["capabilities"]["resources"] == {"subscribe": True, "listChanged": True}
    assert {"prompts", "completions"} <= result["capabilities"].keys()


async def test_a_request_of_the_stateless_era_needs_no_handshake(start_raw):
    server = await start_raw()
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    answer = await server.request(1, "tools/list", {"_meta": meta})
    assert answer["result"]["resultType"] == "complete"
    assert "execute_task" in [tool["name"] for tool in answer["result"]["tools"]]


@pytest.fixture(scope="module")
async def talking(tmp_path_factory: pytest.TempPathFactory, tasks_folder: Path) -> AsyncIterator[RawServer]:
    """One connection, which takes messages of 64 KiB, for all bad lines."""
    folder = tmp_path_factory.mktemp("talking")
    async with starting_raw(folder, environment_in(folder, tasks_folder)) as start:
        server = await start(RATCHET_MCP__MAX_MESSAGE_BYTES=str(64 << 10))
        await server.handshake()
        yield server


@pytest.mark.parametrize(
    ("line", "code", "request_id"),
    [
        (b"this is not JSON", -32700, None),
        (b'{"jsonrpc":"2.0","id":7,"method":"tools/list"', -32700, 7),
        (b"\xff\xfe\x00garbage", -32700, None),
        (b'{"jsonrpc":"2.0","id":"x","method":"tools/\xff\xfe"}', -32700, "x"),
        (b"\x00\x00\x00", -32700, None),
        (b"[]", -32600, None),
        (b"42", -32600, None),
        (b'{"jsonrpc":"1.0","id":3,"method":"ping"}', -32600, 3),
        (b'{"hello":"world"}', -32600, None),
        (b'{"jsonrpc":"2.0","id":5,"method":"m","params":{"x":' + b"[" * 10_000 + b"]" * 10_000 + b"}}", -32700, 5),
        (b'{"method":"m","params":{"x":' + b"[" * 30_000 + b"]" * 30_000 + b'},"jsonrpc":"2.0","id":6}', -32700, 6),
        (b'{"jsonrpc":"2.0","id":8,"method":"m","params":{"x":"' + b"y" * 70_000 + b'"}}', -32600, 8),
        (b'{"method":"m","params":{"x":"' + b"y" * 300_000 + b'"},"jsonrpc":"2.0","id":10}', -32600, 10),
    ],
    ids=lambda value: repr(value[:40]) if isinstance(value, bytes) else None,
)
async def test_a_bad_line_is_answered_and_the_connection_goes_on(talking, line: bytes, code: int, request_id: object):
    server = talking
    await server.send_line(line)
    answer = await server.receive()
    assert answer["error"]["code"] == code
    assert answer["id"] == request_id
    assert answer["error"]["message"]
    await server.send(LIST)
    assert "result" in await server.answer(9)


async def test_blank_lines_and_carriage_returns_are_nothing(start_raw):
    server = await start_raw()
    await server.handshake()
    for line in (b"", b"   ", b"\r", b"\t\r"):
        await server.send_line(line)
    await server.send_line(json.dumps(LIST).encode() + b"\r")
    assert (await server.receive())["id"] == 9


async def test_a_storm_of_garbage_leaves_the_connection_usable(start_raw):
    server = await start_raw()
    await server.handshake()
    for _ in range(500):
        await server.send_line(b"{" * 100)
        assert (await server.receive())["error"]["code"] == -32700
    await server.send(LIST)
    assert "result" in await server.answer(9)


async def test_many_requests_sent_before_any_answer_is_read_are_all_answered(start_raw):
    server = await start_raw()
    await server.handshake()
    for number in range(1, 301):
        server.stdin.write(json.dumps({**LIST, "id": number}).encode() + b"\n")
    answers = {(await server.receive())["id"] for _ in range(300)}
    assert answers == set(range(1, 301))


async def test_stdin_at_its_end_ends_the_process_quietly(start_raw):
    server = await start_raw()
    await server.handshake()
    server.stdin.close()
    assert await server.rest() == b""
    assert await server.ended() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_an_idle_process(start_raw, number: signal.Signals):
    server = await start_raw()
    await server.handshake()
    server.process.send_signal(number)
    assert await server.rest() == b""
    assert await server.ended() == 0


async def test_a_client_that_stops_reading_ends_the_process(start_raw):
    server = await start_raw()
    await server.handshake()
    server.process._transport.get_pipe_transport(1).close()
    await server.send(LIST)
    assert await server.ended() == 0


def test_the_process_ends_when_its_parent_dies_though_stdin_and_stdout_stay_open(tmp_path, environment):
    to_server, our_in = os.pipe()
    our_out, from_server = os.pipe()
    parent = (
        "import subprocess, sys\n"
        "command = [sys.executable, '-m', 'ratchet_mcp.mcp.stdio_main']\n"
        f"print(subprocess.Popen(command, stdin={to_server}, stdout={from_server}).pid, flush=True)\n"
        "sys.stdin.readline()\n"
    )
    with open(tmp_path / "stderr.log", "wb") as stderr:
        launcher = subprocess.Popen(
            [sys.executable, "-c", parent],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=environment,
            pass_fds=(to_server, from_server),
            text=True,
        )
    assert launcher.stdout is not None
    server = os.pidfd_open(int(launcher.stdout.readline()))
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    os.write(our_in, json.dumps({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}).encode() + b"\n")
    assert b"serverInfo" in os.read(our_out, 65536)
    launcher.communicate("die\n", timeout=30)
    assert select.select([server], [], [], 30)[0], "the server still runs"
    for descriptor in (to_server, our_in, our_out, from_server, server):
        os.close(descriptor)


def test_version_and_help_answer_without_serving(environment):
    for argument, expected in (("--version", "ratchet-mcp "), ("--help", "--config")):
        run = subprocess.run(
            [sys.executable, "-m", "ratchet_mcp.mcp.stdio_main", argument], capture_output=True, text=True, env=environment, timeout=60
        )
        assert run.returncode == 0
        assert expected in run.stdout


def test_wrong_settings_are_told_on_stderr_and_end_the_process(environment):
    run = subprocess.run(
        [sys.executable, "-m", "ratchet_mcp.mcp.stdio_main"],
        capture_output=True,
        text=True,
        env={**environment, "RATCHET_ENGINE__MAX_WORKER": "3"},
        stdin=subprocess.DEVNULL,
        timeout=60,
    )
    assert run.returncode == 2
    assert run.stdout == ""
    assert "MAX_WORKERS" in run.stderr


def test_regular_files_as_stdin_and_stdout_work_too(environment, tmp_path):
    requests = tmp_path / "requests.jsonl"
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    requests.write_text(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}) + "\n")
    answers = tmp_path / "answers.jsonl"
    with requests.open("rb") as stdin, answers.open("wb") as stdout:
        run = subprocess.run([sys.executable, "-m", "ratchet_mcp.mcp.stdio_main"], stdin=stdin, stdout=stdout, env=environment, timeout=60)
    assert run.returncode == 0
    assert [json.loads(line)["id"] for line in answers.read_text().splitlines()] == [1]


@pytest.mark.parametrize(
    "command", [("-m", "ratchet_mcp.mcp.stdio_main"), *(("-m", "ratchet_mcp.cli.main", verb) for verb in ("mcp", "mcp-serve"))]
)
async def test_options_choose_the_tools(start_raw, command: tuple[str, ...]):
    server = await start_raw("--toolsets", "core,admin", "--read-only", command=command)
    await server.handshake()
    names = {tool["name"] for tool in (await server.request(1, "tools/list"))["result"]["tools"]}
    assert names == {"list_tasks", "get_task", "get_status", "list_executions", "server_status"}
    refused = await server.request(2, "tools/call", {"name": "execute_task", "arguments": {"task": "add"}})
    assert refused["error"]["code"] == -32602 and "--read-only" in refused["error"]["message"]
