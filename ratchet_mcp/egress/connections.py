"""The pool of connections. Each serves one request at a time, also with HTTP/2: no task can stall or end the stream of another.

The pool of httpcore is not used: a request that is cancelled at the wrong moment occupies a place there for ever, and HTTP/2
streams share connections.
"""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Any, cast

import anyio
import httpcore

from ratchet_mcp.egress.places import Places
from ratchet_mcp.settings.network import NetworkSettings


class Connections:
    """Connections within one reach; `dialer` opens them. At most `network.connections`, idle ones included: they give way.

    `places` is the room that all reaches share.
    """

    def __init__(self, settings: NetworkSettings, dialer: httpcore.AsyncNetworkBackend, tls: ssl.SSLContext, places: Places) -> None:
        self._settings, self._dialer, self._tls, self._places = settings, dialer, tls, places
        self._busy: set[httpcore.AsyncHTTPConnection] = set()
        self._idle: dict[httpcore.AsyncHTTPConnection, tuple[httpcore.Origin, float]] = {}
        # Their debugging output shows headers.
        for name in ("httpcore", "hpack", "h2"):
            logging.getLogger(name).setLevel(logging.WARNING)

    @asynccontextmanager
    async def stream(self, request: httpcore.Request, run: Hashable) -> AsyncGenerator[Response]:
        """Send a request of a run; the block reads the response. A connection whose response was not read whole is closed afterwards."""
        async with self._places.place(run):
            connection, response = await self._send(request)
            whole = False
            try:
                yield response
                whole = response.whole and not _has_more(connection)
                await response.close()
            finally:
                await self._give_back(connection, request.url.origin, reusable=whole)

    async def _send(self, request: httpcore.Request) -> tuple[httpcore.AsyncHTTPConnection, Response]:
        for last in (False, False, True):
            connection = await self._take(request.url.origin)
            try:
                return connection, Response(await connection.handle_async_request(request))
            except httpcore.ConnectionNotAvailable:
                # The server has said goodbye without touching the request.
                await self._give_back(connection, request.url.origin, reusable=False)
                if last:
                    raise httpcore.RemoteProtocolError("Server disconnected") from None
            except BaseException:
                await self._give_back(connection, request.url.origin, reusable=False)
                raise
        raise AssertionError("the loop returns or raises")  # pragma: no cover

    async def _take(self, origin: httpcore.Origin) -> httpcore.AsyncHTTPConnection:
        """Return an idle connection to the origin, the latest used first, or a new one."""
        for connection, (known, since) in reversed(list(self._idle.items())):
            expired = time.monotonic() - since >= self._settings.keep_alive_seconds or connection.has_expired()
            if connection not in self._idle or (known != origin and not expired):
                continue
            del self._idle[connection]
            if not expired and connection.is_available():
                self._busy.add(connection)
                return connection
            with anyio.CancelScope(shield=True):
                await connection.aclose()
        connection = httpcore.AsyncHTTPConnection(
            origin, ssl_context=self._tls, http1=True, http2=self._settings.http2, network_backend=self._dialer
        )
        self._busy.add(connection)
        await self._trim(self._settings.connections - len(self._busy))
        return connection

    async def _give_back(self, connection: httpcore.AsyncHTTPConnection, origin: httpcore.Origin, *, reusable: bool) -> None:
        self._busy.discard(connection)
        if reusable and connection.is_available():
            self._idle[connection] = origin, time.monotonic()
            await self._trim(self._settings.idle_connections)
        else:
            with anyio.CancelScope(shield=True):
                await connection.aclose()

    async def _trim(self, most: int) -> None:
        """Close the idle connections that were used longest ago."""
        while len(self._idle) > max(0, most):
            connection = next(iter(self._idle))
            del self._idle[connection]
            with anyio.CancelScope(shield=True):
                await connection.aclose()

    @property
    def counts(self) -> tuple[int, int]:
        """Return how many connections are busy, and how many idle."""
        return len(self._busy), len(self._idle)

    async def close(self) -> None:
        """Close every connection, also those in use."""
        connections = [*self._busy, *self._idle]
        self._busy.clear()
        self._idle.clear()
        with anyio.CancelScope(shield=True):
            for connection in connections:
                await connection.aclose()


class Response:
    """A response whose body is read piece by piece."""

    def __init__(self, inner: httpcore.Response) -> None:
        self.status: int = inner.status
        self.headers: list[tuple[bytes, bytes]] = inner.headers
        self.extensions: dict[str, Any] = cast("Any", inner).extensions
        self._inner = inner
        self.whole = False

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes."""
        async for piece in self._inner.aiter_stream():
            yield piece
        self.whole = True

    async def close(self) -> None:
        """Let the connection know that the response is done with."""
        await self._inner.aclose()


def _has_more(connection: httpcore.AsyncHTTPConnection) -> bool:
    """Tell whether the server has sent more than one response (HTTP/1.1), which the next request would take for its own."""
    state: Any = getattr(getattr(connection, "_connection", None), "_h11_state", None)
    return state is not None and bool(state.trailing_data[0])
