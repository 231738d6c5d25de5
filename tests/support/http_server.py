"""Real web servers on 127.0.0.1 for tests of the network: well-behaved and not, plain, TLS with a CA of its own, HTTP/2.

They run on a thread of their own, so synchronous and asynchronous tests can use them.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import ssl
import struct
import threading
import zlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import trustme


@dataclass
class Asked:
    """One request that came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))


Handler = Callable[[Asked, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Authority:
    """A certificate authority that nobody trusts, unless `file` is added to what is trusted."""

    file: Path
    ca: trustme.CA

    def server_context(self, *names: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(*names).configure_cert(context)
        return context


def authority(folder: Path) -> Authority:
    ca = trustme.CA()
    file = folder / "ca.pem"
    ca.cert_pem.write_to_path(file)
    return Authority(file, ca)


def response(body: bytes = b"", status: str = "200 OK", **headers: str) -> bytes:
    """Return a whole response; names of headers are written with _ for -."""
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Length: {len(body)}",
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


@dataclass
class HttpServer:
    """Answers by path; `handlers` come before the built-in ones (the `_on_` functions of this module). `asked` is what came."""

    url: str = ""
    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    handlers: dict[str, Handler] = field(default_factory=dict)
    connections: int = 0
    open_connections: int = 0
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def answers(self, path: str, *answers: bytes) -> None:
        """Answer a path with these bytes in turn; the last one repeats."""
        left = list(answers)

        async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
            writer.write(left.pop(0) if len(left) > 1 else left[0])

        self.handlers[path] = answer

    def paths(self) -> list[str]:
        return [each.path for each in self.asked]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open_connections += 1
        number = self.connections
        try:
            while (asked := await _read(reader, number)) is not None:
                self.asked.append(asked)
                handler = self.handlers.get(asked.path) or BUILT_IN.get("/" + asked.path.split("/")[1])
                if handler is None:
                    writer.write(response(b"not here", "404 Not Found"))
                else:
                    await handler(asked, writer)
                if writer.is_closing():
                    break
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
            pass
        finally:
            self.open_connections -= 1
            writer.close()
            with suppress(OSError, ssl.SSLError, asyncio.CancelledError):
                await writer.wait_closed()


async def _read(reader: asyncio.StreamReader, connection: int) -> Asked | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
        return None
    first, *lines = head.rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Asked(method, target, headers, body, connection)


# ---------------------------------------------------------------- well-behaved
async def _on_json(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(response(b'{"name":"Paris","n":1}', Content_Type="application/json"))


async def _on_echo(asked: Asked, writer: asyncio.StreamWriter) -> None:
    told = {"method": asked.method, "target": asked.target, "headers": asked.headers, "body": asked.body.decode("utf-8", "replace")}
    writer.write(response(b"" if asked.method == "HEAD" else json.dumps(told).encode(), Content_Type="application/json"))


async def _on_status(asked: Asked, writer: asyncio.StreamWriter) -> None:
    status = asked.path.split("/")[2]
    writer.write(response(b"" if status in ("204", "304") else b"x", f"{status} Told"))


async def _on_redirect(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(response(b"elsewhere", f"{asked.query.get('status', '302')} Found", Location=unquote(asked.query["to"])))


async def _on_loop(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(response(b"", "302 Found", Location=asked.target))


async def _on_chunked(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for piece in (b"one ", b"two ", b"three"):
        writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        await writer.drain()
    writer.write(b"0\r\n\r\n")


async def _on_gzip(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(response(gzip.compress(b"plain text " * 100), Content_Encoding="gzip"))


async def _on_deflate(asked: Asked, writer: asyncio.StreamWriter) -> None:
    data = zlib.compress(b"deflated")
    writer.write(response(data[2:-4] if "raw" in asked.path else data, Content_Encoding="deflate"))


# ---------------------------------------------------------------- not so
async def _on_bomb(asked: Asked, writer: asyncio.StreamWriter) -> None:
    layers = int(asked.query.get("layers", "1"))
    data = b"\0" * int(asked.query.get("size", str(64 << 20)))
    for _ in range(layers):
        data = gzip.compress(data, 9)
    writer.write(response(data, Content_Encoding=", ".join(["gzip"] * layers)))


async def _on_slow(asked: Asked, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(float(asked.query.get("seconds", "3600")))
    writer.write(response(b"at last"))


async def _on_trickle(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"1\r\nx\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)


async def _on_endless(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    while True:
        writer.write(piece)
        await writer.drain()


async def _on_huge(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5368709120\r\n\r\n" + b"x" * 1000)
    await writer.drain()
    await asyncio.sleep(3600)


async def _on_reset(asked: Asked, writer: asyncio.StreamWriter) -> None:
    if "mid" in asked.path:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nsome")
        await writer.drain()
        await asyncio.sleep(0.05)
    raw: Any = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _on_short(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nnot a thousand")
    await writer.drain()
    writer.close()


async def _on_long(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfour and more HTTP/1.1 200 OK\r\n\r\n")


async def _on_garbage(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")


async def _on_headers(asked: Asked, writer: asyncio.StreamWriter) -> None:
    count = int(asked.query.get("count", "1000"))
    writer.write(response(b"", **{f"X_{i}": "x" * 80 for i in range(count)}))


async def _on_truncated(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(response(gzip.compress(b"plain text " * 100)[:-12], Content_Encoding="gzip"))


async def _on_brotli(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(response(b"\x0b\x02\x80hello\x03", Content_Encoding="br"))


BUILT_IN: dict[str, Handler] = {
    f"/{name.removeprefix('_on_')}": handler for name, handler in list(globals().items()) if name.startswith("_on_")
}


@contextmanager
def _running(start: Callable[[asyncio.Event, Callable[[int], None]], Awaitable[None]]) -> Iterator[int]:
    """Run a server on a thread until the block ends; gives its port."""
    ready, ports = threading.Event(), []
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def main() -> None:
        stop = asyncio.Event()
        loops.append((asyncio.get_running_loop(), stop))

        def up(port: int) -> None:
            ports.append(port)
            ready.set()

        await start(stop, up)
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield ports[0]
    finally:
        loop, stop = loops[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        assert not thread.is_alive()


@contextmanager
def http_server(tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[HttpServer]:
    """Run an HTTP/1.1 server on a free port."""
    state = HttpServer()

    async def start(stop: asyncio.Event, up: Callable[[int], None]) -> None:
        async with await asyncio.start_server(state.serve, host, 0, ssl=tls) as server:
            up(server.sockets[0].getsockname()[1])
            await stop.wait()
            server.close()
            for task in [each for each in asyncio.all_tasks() if each is not asyncio.current_task()]:
                task.cancel()

    with _running(start) as port:
        state.port = port
        state.url = f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
        yield state


@contextmanager
def http2_server(tls: ssl.SSLContext) -> Iterator[HttpServer]:
    """Run a server that speaks HTTP/2 (and 1.1) over TLS, by h2: /json, /echo, /large, /slow, /reset, /bomb."""
    from http2_support import serve_http2

    tls.set_alpn_protocols(["h2", "http/1.1"])
    state = HttpServer()

    async def start(stop: asyncio.Event, up: Callable[[int], None]) -> None:
        async with await asyncio.start_server(lambda r, w: serve_http2(state, r, w), "127.0.0.1", 0, ssl=tls) as server:
            up(server.sockets[0].getsockname()[1])
            await stop.wait()
            server.close()
            for task in [each for each in asyncio.all_tasks() if each is not asyncio.current_task()]:
                task.cancel()

    with _running(start) as port:
        state.port, state.url = port, f"https://127.0.0.1:{port}"
        yield state


@dataclass
class ProxyServer:
    """A proxy that tunnels with CONNECT. `asked` are the heads of the requests, `refuses` is a status line to answer with instead."""

    url: str = ""
    port: int = 0
    asked: list[str] = field(default_factory=list)
    refuses: bytes | None = None
    target: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            self.asked.append(head)
            if self.refuses is not None:
                writer.write(self.refuses)
                await writer.drain()
                return
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            try:
                await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
            finally:
                far_writer.close()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            pass
        finally:
            writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


@contextmanager
def proxy_server(target: int, tls: ssl.SSLContext | None = None) -> Iterator[ProxyServer]:
    """Run a proxy whose every tunnel ends at a port of this machine, whatever address was asked for."""
    state = ProxyServer(target=target)

    async def start(stop: asyncio.Event, up: Callable[[int], None]) -> None:
        async with await asyncio.start_server(state.serve, "127.0.0.1", 0, ssl=tls) as server:
            up(server.sockets[0].getsockname()[1])
            await stop.wait()
            server.close()
            for task in [each for each in asyncio.all_tasks() if each is not asyncio.current_task()]:
                task.cancel()

    with _running(start) as port:
        state.port, state.url = port, f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        yield state
