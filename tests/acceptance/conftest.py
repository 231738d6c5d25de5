"""Real `ratchet-mcp` processes to talk to."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.sse import sse_client
from mcp_caller import Caller
from ready_store import ready_store

LIMIT_SECONDS = 30
"""Only to turn a hang into a failure."""


class RawServer:
    """A `ratchet-mcp` process, and the bytes that go in and out of it."""

    def __init__(self, process: asyncio.subprocess.Process, stderr: Path) -> None:
        assert process.stdin is not None and process.stdout is not None
        self.process, self.stdin, self.stdout = process, process.stdin, process.stdout
        self._stderr = stderr

    @property
    def stderr(self) -> str:
        return self._stderr.read_text()

    async def send(self, message: Any) -> None:
        await self.send_line(json.dumps(message).encode())

    async def send_line(self, line: bytes) -> None:
        self.stdin.write(line + b"\n")
        await asyncio.wait_for(self.stdin.drain(), LIMIT_SECONDS)

    async def receive(self) -> dict[str, Any]:
        line = await asyncio.wait_for(self.stdout.readline(), LIMIT_SECONDS)
        assert line.endswith(b"\n"), f"stdout ended; stderr: {self.stderr[-2000:]}"
        return json.loads(line)

    async def request(self, request_id: int | str, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a request and return its answer, skipping notifications."""
        await self.send({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params or {}})
        return await self.answer(request_id)

    async def answer(self, request_id: int | str) -> dict[str, Any]:
        while True:
            message = await self.receive()
            if message.get("id") == request_id:
                return message

    async def call(self, request_id: int | str, tool: str, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
        return (await self.request(request_id, "tools/call", {"name": tool, "arguments": arguments or {}}))["result"]

    async def handshake(self) -> dict[str, Any]:
        client = {"name": "test", "version": "1"}
        answer = await self.request(0, "initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client})
        await self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return answer["result"]

    async def rest(self) -> bytes:
        """Return what stdout still holds, once the process closed it."""
        return await asyncio.wait_for(self.stdout.read(), LIMIT_SECONDS)

    async def ended(self) -> int:
        return await asyncio.wait_for(self.process.wait(), LIMIT_SECONDS)


StartRaw = Callable[..., Awaitable[RawServer]]


@pytest.fixture(scope="session")
def tasks_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tasks of `mcp_tasks.py`."""
    specification = importlib.util.spec_from_file_location("mcp_tasks", Path(__file__).with_name("mcp_tasks.py"))
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module.write_tasks(tmp_path_factory.mktemp("tasks"))


def environment_in(folder: Path, tasks: Path) -> dict[str, str]:
    """Return an environment in which a server keeps its data in `folder` and serves `tasks` beside the bundled ones."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RATCHET_")}
    sources = json.dumps([{"name": "acceptance", "uri": str(tasks)}])
    return {
        **kept,
        "RATCHET_STORE__URL": ready_store(folder / "ratchet.db"),
        "RATCHET_LOGGING__LEVEL": "DEBUG",
        "RATCHET_ENGINE__SPARE_WORKERS": "0",
        "RATCHET_REGISTRY__SOURCES": sources,
    }


@pytest.fixture
def environment(tmp_path: Path, tasks_folder: Path) -> dict[str, str]:
    """An environment in which a server keeps its data to itself."""
    return environment_in(tmp_path, tasks_folder)


@pytest.fixture
async def start_raw(tmp_path: Path, environment: dict[str, str]) -> AsyncIterator[StartRaw]:
    """Start `ratchet-mcp` processes."""
    async with starting_raw(tmp_path, environment) as start:
        yield start


@asynccontextmanager
async def starting_raw(folder: Path, environment: dict[str, str]) -> AsyncIterator[StartRaw]:
    """Give what starts `ratchet-mcp` processes; what is left of them is killed at the end."""
    servers: list[RawServer] = []

    async def start(*arguments: str, command: tuple[str, ...] = ("-m", "ratchet_mcp.mcp.stdio_main"), **settings: str) -> RawServer:
        stderr = folder / f"stderr-{len(servers)}.log"
        with stderr.open("wb") as sink:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *command,
                *arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=sink,
                env={**environment, **settings},
                limit=64 << 20,
            )
        servers.append(RawServer(process, stderr))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.returncode is None:
            server.process.send_signal(signal.SIGKILL)
        server.stdin.close()
        await server.process.wait()
        transport = getattr(server.process, "_transport", None)
        if transport is not None:
            transport.close()


class HttpProcess:
    """A `ratchet serve` process on a free port of loopback."""

    def __init__(self, process: subprocess.Popen[str], address: str, stderr: list[str], environment: dict[str, str]) -> None:
        self.process, self.address, self._stderr, self.environment = process, address, stderr, environment

    @property
    def stderr(self) -> str:
        return "".join(self._stderr)


StartHttp = Callable[..., HttpProcess]


@pytest.fixture
def start_http(environment: dict[str, str]) -> Iterator[StartHttp]:
    """Start HTTP servers; what is left of them is killed at the end."""
    yield from _starting_http(environment)


@pytest.fixture(scope="module")
def http_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tasks_folder: Path) -> Iterator[HttpProcess]:
    """One HTTP server for all tests of a module, with the module's `HTTP_SETTINGS`."""
    settings = getattr(request.module, "HTTP_SETTINGS", {})
    starting = _starting_http({**environment_in(tmp_path_factory.mktemp("http"), tasks_folder), **settings})
    yield next(starting)()
    next(starting, None)


WAYS = ["stdio-legacy", "stdio-2026-07-28", "http-legacy", "http-2026-07-28", "sse-legacy", "sse-2026-07-28"]
Connect = Callable[[], Client]


@pytest.fixture(scope="module", params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    """A transport and a protocol era."""
    return request.param


@pytest.fixture
def connect(way: str, request: pytest.FixtureRequest, environment: dict[str, str]) -> Connect:
    """Return what makes a new client of the SDK, connected as `way` says: a process of its own, or the module's HTTP server."""
    return lambda: connected(way, request, environment)


@pytest.fixture(scope="module")
async def call(
    way: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tasks_folder: Path
) -> AsyncIterator[Caller]:
    """Call tools over one connection for all tests of a module."""
    async with connected(way, request, environment_in(tmp_path_factory.mktemp("stdio"), tasks_folder)) as client:
        yield await Caller.of(client)


def connected(way: str, request: pytest.FixtureRequest, environment: dict[str, str]) -> Client:
    """Make a client that is not connected yet. A process of stdio gets this environment."""
    transport, era = way.split("-", 1)
    mode = cast("Any", era)
    if transport == "stdio":
        server = StdioServerParameters(command=sys.executable, args=["-m", "ratchet_mcp.mcp.stdio_main"], env=environment)
        return Client(server, mode=mode)
    address = cast("HttpProcess", request.getfixturevalue("http_server")).address
    return Client(f"{address}/mcp" if transport == "http" else leaving_in_peace(f"{address}/sse"), mode=mode)


@asynccontextmanager
async def leaving_in_peace(url: str) -> AsyncIterator[Any]:
    """`sse_client`, whose end does not fail when a notification comes in that moment: mcp 2.3 writes it into a stream it has closed."""
    try:
        async with sse_client(url) as streams:
            yield streams
    except* anyio.BrokenResourceError:
        pass  # the stream has no reader any more: only a client that leaves closes it


def _starting_http(environment: dict[str, str]) -> Iterator[StartHttp]:
    started: list[tuple[subprocess.Popen[str], threading.Thread]] = []

    def start(*, command: tuple[str, ...] = ("-m", "ratchet_mcp.cli.main", "serve", "--port", "0"), **settings: str) -> HttpProcess:
        process = subprocess.Popen([sys.executable, *command], stderr=subprocess.PIPE, text=True, env={**environment, **settings})
        assert process.stderr is not None
        lines: list[str] = []
        for line in process.stderr:
            lines.append(line)
            if found := re.search(r"(http://\S+)/mcp", line):
                reader = threading.Thread(target=lines.extend, args=(process.stderr,))
                reader.start()
                started.append((process, reader))
                return HttpProcess(process, found.group(1), lines, environment)
        process.wait(LIMIT_SECONDS)
        process.stderr.close()
        raise AssertionError(f"the server ended with status {process.returncode}: {''.join(lines)[-2000:]}")

    yield start
    for process, reader in started:
        process.kill()
        process.wait()
        reader.join(LIMIT_SECONDS)
        if process.stderr is not None:
            process.stderr.close()
