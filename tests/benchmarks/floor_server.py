"""The least that a recorded run can be over MCP: our transport, a pipe to the bare engine, two rows that a thread commits; nothing is checked."""

from __future__ import annotations

import asyncio
import json
import queue
import sqlite3
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import anyio
import mcp.types as types
from echo_server import serve
from mcp.server import Server
from uuid_utils import uuid7

WORKER = str(Path(__file__).parent / "floor_worker.py")
SOURCE = "(function (input) { const { a, b } = input; return { sum: a + b }; })"


class Rows:
    """Commits two rows for each run, in a thread."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._queue: queue.SimpleQueue[tuple[asyncio.Future[None], str]] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._write, daemon=True).start()

    async def keep(self, output: str) -> None:
        """Return when the rows are written."""
        done: asyncio.Future[None] = self._loop.create_future()
        self._queue.put((done, output))
        await done

    def _write(self) -> None:
        connection = sqlite3.connect(self._file, isolation_level=None)
        for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL", "CREATE TABLE rows (id TEXT PRIMARY KEY, value TEXT)"):
            connection.execute(statement)
        while True:
            done, output = self._queue.get()
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO rows VALUES (?, ?)", [(str(uuid7()), "begun"), (str(uuid7()), output)])
            connection.execute("COMMIT")
            self._loop.call_soon_threadsafe(done.set_result, None)


async def main() -> None:
    """Serve until stdin ends."""
    pipe = asyncio.subprocess.PIPE
    worker = await asyncio.create_subprocess_exec(sys.executable, WORKER, stdin=pipe, stdout=pipe)
    received, sent = worker.stdout, worker.stdin
    assert received and sent
    turn = asyncio.Lock()

    async def call_tool(ctx: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        async with turn:
            sent.write(json.dumps({"id": 1, "source": SOURCE, "input": (params.arguments or {})["input"]}).encode() + b"\n")
            line = await received.readline()
        output = json.dumps(json.loads(line)["output"])
        await rows.keep(output)
        return types.CallToolResult(content=[types.TextContent(type="text", text=output)])

    with tempfile.TemporaryDirectory() as folder:
        rows = Rows(f"{folder}/floor.db")
        await serve(Server("floor", version="1", on_call_tool=call_tool))
    sent.close()
    await worker.wait()


if __name__ == "__main__":
    anyio.run(main)
