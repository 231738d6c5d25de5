"""A client that is as cheap as possible: MCP lines on the pipes of a server process."""

from __future__ import annotations

import asyncio
import itertools
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson

SOURCES = orjson.dumps([{"name": "bench", "uri": str(Path(__file__).parent / "tasks")}]).decode()


class Wire:
    """Sends requests and matches answers by id."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin and process.stdout
        self.process = process
        self._in, self._out = process.stdin, process.stdout
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reader = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        while line := await self._out.readline():
            message = orjson.loads(line)
            waiting = self._waiting.pop(message.get("id"), None)
            if waiting and not waiting.done():
                waiting.set_result(message)

    async def request(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return the result of a request."""
        number = next(self._ids)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._in.write(orjson.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}) + b"\n")
        message = await asyncio.wait_for(answer, 60)
        if "error" in message:
            raise RuntimeError(str(message["error"]))
        return message["result"]

    async def initialize(self) -> None:
        """Do the handshake."""
        client = {"name": "bench", "version": "1"}
        await self.request("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client})
        self._in.write(orjson.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}) + b"\n")

    async def call(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Call a tool that must succeed."""
        result = await self.request("tools/call", {"name": name, "arguments": arguments})
        if result.get("isError"):
            raise RuntimeError(result["content"][0]["text"])
        return result

    async def close(self) -> None:
        """End the server."""
        self._in.close()
        await asyncio.wait_for(self.process.wait(), 30)
        self._reader.cancel()


@asynccontextmanager
async def server(*command: str, **settings: str) -> AsyncIterator[Wire]:
    """Start a server process with a store of its own, and `RATCHET_…` settings; the handshake is the caller's."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "RATCHET_STORE__URL": f"sqlite:///{Path(folder) / 'bench.db'}",
            "RATCHET_LOGGING__LEVEL": "ERROR",
            "RATCHET_REGISTRY__SOURCES": SOURCES,
            **settings,
        }
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=environment, limit=1 << 26
        )
        wire = Wire(process)
        try:
            yield wire
        finally:
            await wire.close()
