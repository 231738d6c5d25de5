"""The pool of connections. Each serves one request at a time, also with HTTP/2: no task can stall or end the stream of another."""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpcore

from ratchet_mcp.settings.network import NetworkSettings


class Connections(httpcore.AsyncConnectionPool):
    """Connections within one reach; `dialer` opens them."""

    def __init__(self, settings: NetworkSettings, dialer: httpcore.AsyncNetworkBackend, tls: ssl.SSLContext) -> None:
        super().__init__(
            ssl_context=tls,
            max_connections=settings.connections,
            max_keepalive_connections=settings.idle_connections,
            keepalive_expiry=settings.keep_alive_seconds,
            http2=settings.http2,
            network_backend=dialer,
        )
        self._arguments: dict[str, Any] = {
            "ssl_context": tls,
            "keepalive_expiry": settings.keep_alive_seconds,
            "http1": True,
            "http2": settings.http2,
            "network_backend": dialer,
        }
        # Their debugging output shows headers.
        for name in ("httpcore", "hpack", "h2"):
            logging.getLogger(name).setLevel(logging.WARNING)

    def create_connection(self, origin: httpcore.Origin) -> httpcore.AsyncConnectionInterface:
        """Return a connection that is opened when it is first used."""
        return _Exclusive(origin, **self._arguments)


class _Exclusive(httpcore.AsyncHTTPConnection):
    """A connection that is free or serves one request. One whose response was not read to its end is not used again."""

    def __init__(self, origin: httpcore.Origin, **arguments: Any) -> None:
        super().__init__(origin, **arguments)
        self._busy = False

    def is_available(self) -> bool:
        return not self._busy and self.is_idle() and super().is_available()

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        if self._busy:
            raise httpcore.ConnectionNotAvailable
        self._busy = True
        try:
            response = await super().handle_async_request(request)
        except BaseException as error:
            await self.release(whole=isinstance(error, httpcore.ConnectionNotAvailable))
            raise
        response.stream = _Body(response.stream, self)
        return response

    def _has_more(self) -> bool:
        """Tell whether the server has sent more than one response (HTTP/1.1), which the next request would take for its own."""
        state: Any = getattr(getattr(self, "_connection", None), "_h11_state", None)
        return state is not None and bool(state.trailing_data[0])

    async def release(self, *, whole: bool) -> None:
        """Let the next request have the connection, or close it when a response was left behind."""
        if not whole or self._has_more():
            with anyio.CancelScope(shield=True):
                await self.aclose()
        self._busy = False


class _Body:
    """The body of a response; frees or closes its connection at the end."""

    def __init__(self, stream: Any, connection: _Exclusive) -> None:
        self._stream, self._connection = stream, connection
        self._whole = self._closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield chunk
        self._whole = True

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            with anyio.CancelScope(shield=True):
                await self._stream.aclose()
        finally:
            await self._connection.release(whole=self._whole)
