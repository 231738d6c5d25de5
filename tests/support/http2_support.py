"""A small HTTP/2 server, directly on h2: it answers and misbehaves as the path says."""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import h2.config
import h2.connection
import h2.events

if TYPE_CHECKING:
    from http_server import HttpServer


async def serve_http2(state: HttpServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    from http_server import Asked

    ssl_object: Any = writer.get_extra_info("ssl_object")
    if ssl_object is None or ssl_object.selected_alpn_protocol() != "h2":
        await state.serve(reader, writer)
        return
    state.connections += 1
    state.open_connections += 1
    number = state.connections
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    connection.initiate_connection()
    writer.write(connection.data_to_send())
    waiting: dict[int, tuple[dict[str, str], bytearray]] = {}
    window: asyncio.Event = asyncio.Event()
    streams: set[asyncio.Task[None]] = set()

    async def send(stream: int, body: bytes) -> None:
        for start in range(0, len(body), 16384):
            piece = body[start : start + 16384]
            while connection.local_flow_control_window(stream) < len(piece):
                window.clear()
                await window.wait()
            connection.send_data(stream, piece)
            writer.write(connection.data_to_send())
            await writer.drain()
        connection.end_stream(stream)
        writer.write(connection.data_to_send())

    async def answer(stream: int, asked: Asked) -> None:
        kind, body, encoding = "application/json", b'{"name":"Paris","n":1}', None
        if asked.path == "/slow":
            await asyncio.sleep(3600)
        elif asked.path == "/reset":
            connection.reset_stream(stream)
            writer.write(connection.data_to_send())
            return
        elif asked.path == "/goaway":
            writer.transport.abort()
            return
        elif asked.path == "/pings":
            while not writer.is_closing():
                for _ in range(500):
                    connection.ping(b"12345678")
                writer.write(connection.data_to_send())
                await writer.drain()
                await asyncio.sleep(0)
            return
        elif asked.path == "/large":
            body = b"x" * int(asked.query.get("size", str(1 << 20)))
        elif asked.path == "/bomb":
            body, encoding = gzip.compress(b"\0" * (64 << 20), 9), "gzip"
        elif asked.path == "/echo":
            body = json.dumps(
                {"method": asked.method, "target": asked.target, "headers": asked.headers, "body": asked.body.decode()}
            ).encode()
        headers = [(":status", "200"), ("content-type", kind), ("content-length", str(len(body)))]
        connection.send_headers(stream, headers + ([("content-encoding", encoding)] if encoding else []))
        await send(stream, body)

    async def start(stream: int) -> None:
        headers, body = waiting.pop(stream)
        asked = Asked(headers[":method"], headers[":path"], headers, bytes(body), number)
        state.asked.append(asked)
        with suppress(OSError, ssl.SSLError):
            await answer(stream, asked)

    try:
        while data := await reader.read(65536):
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    waiting[event.stream_id] = (
                        {name.decode(): value.decode("latin-1") for name, value in event.headers or []},
                        bytearray(),
                    )
                elif isinstance(event, h2.events.DataReceived):
                    waiting[event.stream_id][1].extend(event.data or b"")
                    connection.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded):
                    task = asyncio.create_task(start(event.stream_id))
                    streams.add(task)
                    task.add_done_callback(streams.discard)
                elif isinstance(event, h2.events.WindowUpdated):
                    window.set()
            writer.write(connection.data_to_send())
            await writer.drain()
    except (OSError, ssl.SSLError, asyncio.CancelledError):
        pass
    finally:
        state.open_connections -= 1
        for task in streams:
            task.cancel()
        writer.close()
        with suppress(OSError, ssl.SSLError, asyncio.CancelledError):
            await writer.wait_closed()
