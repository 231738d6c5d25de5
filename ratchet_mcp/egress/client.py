"""Sends requests over pooled connections to checked addresses, and follows redirects, each checked anew."""

from __future__ import annotations

import time
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import httpcore

from ratchet_mcp.egress.connections import Connections, Response
from ratchet_mcp.egress.decoding import Decoder, too_large
from ratchet_mcp.egress.dialing import EXCHANGE, Dialer, Exchange, Proxy, Stream
from ratchet_mcp.egress.failures import Unreachable, translate
from ratchet_mcp.egress.messages import REDIRECTS, Headers
from ratchet_mcp.egress.places import Places
from ratchet_mcp.egress.tls import make_context
from ratchet_mcp.errors import FetchLimit, SettingsInvalid
from ratchet_mcp.settings.network import NetworkSettings

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    from ratchet_mcp.egress.budget import Budget
    from ratchet_mcp.egress.calls import HttpCall
    from ratchet_mcp.egress.policy import Reach
    from ratchet_mcp.egress.preparing import Outgoing
    from ratchet_mcp.egress.resolver import Resolver

_REDIRECT_BODY = 64 << 10
_PIECES_AT_ONCE = 128
"""After so many pieces, which may be tiny and come together, others get their turn."""
_NO_BODY = (101, 204, 205, 304)


@dataclass(frozen=True, slots=True)
class Incoming:
    """One response of one server, before redirects are followed; the body is decoded."""

    status: int
    reason: str
    headers: Headers
    body: bytes
    http_version: str

    def header(self, name: str) -> str | None:
        """Return the first value of a header, or None."""
        return next((value for key, value in self.headers if key.lower() == name), None)

    @property
    def leads_to(self) -> str | None:
        """Return where a redirect leads, or None when this is none."""
        return self.header("location") if self.status in REDIRECTS else None


class Client:
    """The connections of all runs, in one pool for each reach: one that a task may not use is never handed to it.

    `dialer` makes what connects for those who decide about addresses in another way, `tls` is whom they trust.
    """

    def __init__(
        self,
        settings: NetworkSettings,
        resolver: Resolver,
        env: Mapping[str, str],
        *,
        dialer: Callable[[Proxy | None], Dialer] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._settings, self._resolver, self._env = settings, resolver, env
        self._make_dialer, self._given_tls = dialer, tls
        self._pools: dict[Reach, Connections] = {}
        self._places = Places(settings.connections)
        self._closed = False

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return self._given_tls or make_context(self._settings)

    @cached_property
    def _proxy(self) -> Proxy | None:
        if self._settings.proxy is None:
            return None
        variable = self._settings.proxy_credentials_env
        credentials = self._env.get(variable) if variable else None
        if variable and not credentials:
            problem = {"key": "network.proxy_credentials_env", "source": "environment", "message": f"{variable} is not set"}
            raise SettingsInvalid(f"The variable {variable} (network.proxy_credentials_env) is not set.", details={"problems": [problem]})
        return Proxy(self._settings.proxy, credentials, resolves=self._settings.proxy_resolves, tls=lambda: make_context(self._settings))

    def _pool(self, reach: Reach) -> Connections:
        if self._closed:
            raise Unreachable("closed", "Ratchet is shutting down")
        if reach not in self._pools:
            self._pools[reach] = Connections(self._settings, self._dialer(reach), self._tls, self._places)
        return self._pools[reach]

    def _dialer(self, reach: Reach) -> Dialer:
        if self._make_dialer is not None:
            return self._make_dialer(self._proxy)
        return Dialer(self._resolver, reach, self._settings.connect_timeout_seconds, self._proxy)

    async def exchange(self, outgoing: Outgoing, reach: Reach, call: HttpCall, budget: Budget, *, follows: bool) -> Incoming:
        """Send one request and read its response. Raises `NetworkFailed`, `NetworkDenied` or `FetchLimit`.

        With `follows`, the body of a redirect is only read as far as it is small.
        """
        host, started = outgoing.target.host, time.monotonic()
        exchange = Exchange(call)
        token = EXCHANGE.set(exchange)
        call.timing.dns = call.timing.connect = call.timing.tls = call.timing.first_byte = call.timing.body = None
        try:
            async with self._stream(outgoing, reach, budget) as response:
                answered = time.monotonic()
                exchange.phase = "body"
                call.address = _address(response) or call.address
                setup = sum(phase or 0.0 for phase in (call.timing.dns, call.timing.connect, call.timing.tls))
                call.timing.first_byte = max(0.0, (answered - started) * 1000 - setup)
                call.status, call.http_version = response.status, _extension(response, "http_version")
                incoming = self._head(response, host, call)
                body = await self._body(response, incoming, outgoing, exchange, budget, follows=follows)
                call.timing.body = (time.monotonic() - answered) * 1000
            return Incoming(incoming.status, incoming.reason, incoming.headers, body, incoming.http_version)
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, Unreachable, OSError) as error:
            raise translate(error, host, header_bytes=self._settings.header_bytes) from None
        finally:
            call.phase = exchange.phase
            EXCHANGE.reset(token)

    def _stream(self, outgoing: Outgoing, reach: Reach, run: Budget) -> AbstractAsyncContextManager[Response]:
        target = outgoing.target
        request = httpcore.Request(
            outgoing.method.encode(),
            httpcore.URL(scheme=target.scheme.encode(), host=target.address.encode(), port=target.port, target=target.path.encode()),
            headers=outgoing.complete(self._settings.user_agent),
            content=outgoing.body,
        )
        return self._pool(reach).stream(request, run)

    def _head(self, response: Response, host: str, call: HttpCall) -> Incoming:
        size = sum(len(name) + len(value) + 4 for name, value in response.headers)
        maximum = self._settings.header_bytes
        if size > maximum:
            message = f"The headers of the response of {host} have {size} bytes; at most {maximum} are taken (network.header_bytes)."
            raise FetchLimit(message, details={"host": host, "limit": "header_bytes", "maximum": maximum})
        headers = tuple((_text(name), _text(value)) for name, value in response.headers)
        return Incoming(response.status, _extension(response, "reason_phrase"), headers, b"", call.http_version or "")

    async def _body(
        self, response: Response, incoming: Incoming, outgoing: Outgoing, exchange: Exchange, budget: Budget, *, follows: bool
    ) -> bytes:
        host, maximum = outgoing.target.host, budget.response_bytes
        if outgoing.method == "HEAD" or incoming.status in _NO_BODY:
            async for _ in response.pieces():
                pass
            return b""
        if follows and incoming.leads_to is not None:
            return await _drain(response, exchange)
        claimed = incoming.header("content-length") or ""
        if claimed.isdecimal() and int(claimed[:20]) > maximum:
            raise too_large(host, maximum, int(claimed[:20]))
        decoder = Decoder(host, _joined(incoming, "content-encoding"), max_bytes=maximum, max_ratio=self._settings.decompression_ratio)
        pieces = 0
        async for chunk in response.pieces():
            pieces += 1
            if pieces % _PIECES_AT_ONCE == 0:
                await anyio.lowlevel.checkpoint()
            before = decoder.total
            decoder.feed(chunk)
            exchange.body += len(chunk)
            exchange.call.received += len(chunk)
            budget.receive(host, max(decoder.total - before, len(chunk)))
        return decoder.finish()

    async def close(self) -> None:
        """Close every connection."""
        self._closed = True
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            await pool.close()


async def _drain(response: Response, exchange: Exchange) -> bytes:
    """Read the body of a redirect away, unless it is large: then the connection is given up instead."""
    size = 0
    async for chunk in response.pieces():
        size += len(chunk)
        exchange.body += len(chunk)
        if size > _REDIRECT_BODY:
            break
    return b""


def _joined(incoming: Incoming, name: str) -> str:
    return ", ".join(value for key, value in incoming.headers if key.lower() == name)


def _address(response: Response) -> str | None:
    stream: Any = response.extensions.get("network_stream")
    return stream.address if isinstance(stream, Stream) else None


def _extension(response: Response, name: str) -> str:
    return _text(response.extensions.get(name, b""))


def _text(value: bytes) -> str:
    return value.decode("latin-1")
