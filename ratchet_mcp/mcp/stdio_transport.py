"""MCP over stdin and stdout on asyncio pipes.

The SDK's transport hops through threads three times for each message; this one never does, keeps the connection through any
garbage on stdin, and can drain: stop reading, finish what was asked, then end.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import anyio
from loguru import logger
from mcp.shared._context_streams import ContextReceiveStream, ContextSendStream, create_context_streams
from mcp.shared.message import SessionMessage
from mcp.types import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    PARSE_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    jsonrpc_message_adapter,
)
from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from ratchet_mcp.mcp.stdio_lines import LineSplitter, Overlong, find_request_id

if TYPE_CHECKING:
    from mcp.types import JSONRPCMessage

    from ratchet_mcp.mcp.standard_streams import StandardStreams

ToServer = ContextSendStream[SessionMessage | Exception]
Answers = ContextReceiveStream[SessionMessage]
Streams = tuple[ContextReceiveStream[SessionMessage | Exception], ContextSendStream[SessionMessage]]

CHUNK_BYTES = 1 << 16
MAX_UNREAD_ANSWERS = 256
"""Answers that may wait for a client that does not read; beyond it we do not read either."""
FLUSH_SECONDS = 2.0


class _Output(asyncio.BaseProtocol):
    """The write side: bytes out, and waiting while the peer is slow."""

    def __init__(self) -> None:
        self._writable = asyncio.Event()
        self._writable.set()
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()
        self._writable.set()

    @property
    def blocked(self) -> bool:
        """Tell whether the peer reads too slowly."""
        return not self._writable.is_set()

    def write(self, message: JSONRPCMessage) -> None:
        """Queue one message as a line."""
        self._transport.write(_encode(message))

    async def drain(self) -> None:
        """Wait until the peer has read enough."""
        if not self._writable.is_set():
            await self._writable.wait()

    async def close(self) -> None:
        """Give the last lines a moment to leave, then close."""
        self._transport.set_write_buffer_limits(0)
        with anyio.move_on_after(FLUSH_SECONDS, shield=True) as waiting:
            await self.drain()
        if waiting.cancelled_caught:
            self._transport.abort()
        else:
            self._transport.close()


def _encode(message: JSONRPCMessage) -> bytes:
    try:
        return message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n"
    except (PydanticSerializationError, ValueError):
        logger.exception("A message cannot be written as JSON")
        request_id = message.id if isinstance(message, JSONRPCResponse | JSONRPCError) else None
        return _encode(_error(request_id, INTERNAL_ERROR, "The answer cannot be written as JSON."))


def _error(request_id: int | str | None, code: int, message: str) -> JSONRPCError:
    return JSONRPCError(jsonrpc="2.0", id=request_id, error=ErrorData(code=code, message=message))


class StdioTransport:
    """One connection over claimed standard streams. `answered` is set once the first message went out.

    `max_message_bytes` bounds one incoming line: a longer one is skipped and answered with an error, and the connection goes on.
    """

    def __init__(self, streams: StandardStreams, max_message_bytes: int) -> None:
        self._streams = streams
        self._limit = max_message_bytes
        self._output = _Output()
        self._reading = anyio.CancelScope()
        self._grace = 0.0
        self._deadline = 0.0
        self._unanswered: set[int | str] = set()
        self._all_answered: anyio.Event | None = None
        self._sent_all = anyio.Event()
        self.answered = anyio.Event()

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[Streams]:
        """Yield the streams that the SDK's server loop reads and writes; they end when the client goes away."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=CHUNK_BYTES)
        source, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(self._streams.read_fd, "rb", buffering=0)
        )
        await loop.connect_write_pipe(lambda: self._output, os.fdopen(self._streams.write_fd, "wb", buffering=0))
        to_server, from_client = create_context_streams[SessionMessage | Exception](0)
        to_client, from_server = create_context_streams[SessionMessage](0)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._receive, reader, to_server, from_server)
                tasks.start_soon(self._send, from_server)
                tasks.start_soon(self._stop_when_lost)
                yield from_client, to_client
                await to_client.aclose()
                with anyio.move_on_after(FLUSH_SECONDS):
                    await self._sent_all.wait()
                tasks.cancel_scope.cancel()
        finally:
            from_client.close()
            to_client.close()
            source.close()
            await self._output.close()

    def drain(self, seconds: float) -> None:
        """Read nothing more, let what was asked be answered for at most `seconds`, then end the connection."""
        self._grace, self._deadline = seconds, anyio.current_time() + seconds
        self._reading.cancel()

    @property
    def seconds_left(self) -> float:
        """Return how much is left of the time that `drain` gave; 0 without one."""
        return max(0.0, self._deadline - anyio.current_time())

    async def _receive(self, reader: asyncio.StreamReader, to_server: ToServer, answers: Answers) -> None:
        async with to_server:
            with self._reading:
                splitter = LineSplitter(self._limit)
                while chunk := await reader.read(CHUNK_BYTES):
                    for line in splitter.feed(chunk):
                        await self._take(line, to_server, answers)
                for line in splitter.flush():
                    await self._take(line, to_server, answers)
            if self._grace and self._unanswered:
                self._all_answered = anyio.Event()
                with anyio.move_on_after(self._grace):
                    await self._all_answered.wait()

    async def _take(self, line: bytes | Overlong, to_server: ToServer, answers: Answers) -> None:
        if isinstance(line, Overlong):
            await self._refuse(
                find_request_id(line.head, line.tail),
                INVALID_REQUEST,
                f"The message has {line.size:,} bytes; the limit is {self._limit:,} (setting mcp.max_message_bytes).",
            )
            return
        if not line or line.isspace():
            return
        try:
            message = jsonrpc_message_adapter.validate_json(line, by_name=False)
        except ValidationError as problem:
            await self._refuse(find_request_id(line), *_explain(problem))
            return
        if isinstance(message, JSONRPCRequest):
            self._unanswered.add(message.id)
        elif isinstance(message, JSONRPCNotification) and message.method == "notifications/cancelled":
            self._settle((message.params or {}).get("requestId"))
        if self._output.blocked and answers._inner.statistics().tasks_waiting_send > MAX_UNREAD_ANSWERS:  # pyright: ignore[reportPrivateUsage]  # covered by a test
            await self._output.drain()
        try:
            await to_server.send(SessionMessage(message))
        except anyio.BrokenResourceError:
            self._reading.cancel()

    async def _refuse(self, request_id: int | str | None, code: int, message: str) -> None:
        logger.warning("Refused a message: {}", message)
        self._output.write(_error(request_id, code, message))
        await self._output.drain()

    async def _send(self, answers: Answers) -> None:
        async with answers:
            async for item in answers:
                message = item.message
                self._output.write(message)
                self.answered.set()
                if isinstance(message, JSONRPCResponse | JSONRPCError):
                    self._settle(message.id)
                await self._output.drain()
        self._sent_all.set()

    def _settle(self, request_id: object) -> None:
        if isinstance(request_id, int | str):
            self._unanswered.discard(request_id)
        if self._all_answered is not None and not self._unanswered:
            self._all_answered.set()

    async def _stop_when_lost(self) -> None:
        await self._output.lost.wait()
        self._reading.cancel()


def _explain(problem: ValidationError) -> tuple[int, str]:
    first = problem.errors(include_url=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return PARSE_ERROR, f"The line is not JSON that can be read: {first.get('ctx', {}).get('error', 'syntax error')}."
    return INVALID_REQUEST, "The line is JSON, but not one JSON-RPC 2.0 message of MCP (batches are not part of it)."
