"""Opens connections: resolve once, check every address, connect to an address that was checked."""

from __future__ import annotations

import base64
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import chain, zip_longest
from typing import Any, cast
from urllib.parse import urlsplit

import anyio
import h11
import httpcore

from ratchet_mcp.egress.addresses import is_address, is_metadata, why_not_public
from ratchet_mcp.egress.calls import HttpCall
from ratchet_mcp.egress.failures import Unreachable
from ratchet_mcp.egress.policy import Reach, refused_address
from ratchet_mcp.egress.resolver import Resolver
from ratchet_mcp.errors import NetworkDenied

_FREE_FRAMING = 256 << 10
_FRAMING = 4


@dataclass(slots=True)
class Exchange:
    """One request on one connection. `read` counts all bytes that came, `body` those of the body, `phase` is what is waited for."""

    call: HttpCall
    read: int = 0
    body: int = 0
    phase: str = "response"


EXCHANGE: ContextVar[Exchange | None] = ContextVar("ratchet_egress_exchange", default=None)
"""The exchange that the current task is busy with; connections note there what they cost."""
_STAGGER_SECONDS = 0.25
_TCP = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())
Connect = Callable[[str], Awaitable[httpcore.AsyncNetworkStream]]


class Proxy:
    """A proxy that connections are tunnelled through with CONNECT (RFC 9110, section 9.3.6)."""

    def __init__(self, url: str, credentials: str | None, *, resolves: bool, tls: Callable[[], ssl.SSLContext]) -> None:
        parts = urlsplit(url)
        self.host, self.resolves, self._tls = parts.hostname or "", resolves, tls if parts.scheme == "https" else None
        self.port = parts.port or (443 if parts.scheme == "https" else 80)
        self._authorization = "Basic " + base64.b64encode(credentials.encode()).decode() if credentials else None

    async def tunnel(self, address: str, port: int) -> httpcore.AsyncNetworkStream:
        """Return a stream to an address beyond the proxy. Raises `Unreachable` or errors of `httpcore`."""
        stream = await _TCP.connect_tcp(self.host, self.port)
        try:
            if self._tls is not None:
                stream = await stream.start_tls(self._tls(), self.host)
            authority = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
            headers = [("Host", authority)]
            if self._authorization:
                headers.append(("Proxy-Authorization", self._authorization))
            protocol = h11.Connection(h11.CLIENT)
            await stream.write(protocol.send(h11.Request(method="CONNECT", target=authority, headers=headers)) or b"")
            await self._answer(protocol, stream)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await stream.aclose()
            raise
        return stream

    @staticmethod
    async def _answer(protocol: h11.Connection, stream: httpcore.AsyncNetworkStream) -> None:
        while True:
            try:
                event = protocol.next_event()
            except h11.RemoteProtocolError:
                raise Unreachable("proxy", "The proxy does not speak HTTP") from None
            if event is h11.NEED_DATA:
                data = await stream.read(4096)
                if not data:
                    raise Unreachable("proxy", "The proxy closed the connection")
                protocol.receive_data(data)
            elif isinstance(event, h11.Response):
                if not 200 <= event.status_code < 300:
                    raise Unreachable("proxy", f"The proxy refused with status {event.status_code}")
                if protocol.trailing_data[0]:
                    raise Unreachable("proxy", "The proxy sent more than it was asked for")
                return
            elif not isinstance(event, h11.InformationalResponse):
                raise Unreachable("proxy", "The proxy closed the connection")


class Dialer(httpcore.AsyncNetworkBackend):
    """Connects to hosts within one reach. Every connection of a pool is opened here, and nowhere else."""

    def __init__(self, resolver: Resolver, reach: Reach, timeout_seconds: float, proxy: Proxy | None = None) -> None:
        self._resolver, self._reach, self._seconds, self._proxy = resolver, reach, timeout_seconds, proxy

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  the interface of httpcore
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first allowed address that answers. Raises `NetworkDenied`, `Unreachable` or errors of `httpcore`."""
        exchange, started = EXCHANGE.get(), time.monotonic()
        if exchange is not None:
            exchange.phase = "connect"
        deadline = started + self._seconds
        try:
            with anyio.fail_after(self._seconds):
                addresses = await self._addresses(host, port)
                resolved = time.monotonic()
                stream = await race(addresses, lambda address: self._connect(host, address, port))
        except TimeoutError:
            raise httpcore.ConnectTimeout(f"{host} did not answer") from None
        if exchange is not None:
            exchange.phase = "response"
            exchange.call.timing.dns = (resolved - started) * 1000
            exchange.call.timing.connect = (time.monotonic() - resolved) * 1000
        stream.deadline = deadline
        return stream

    async def sleep(self, seconds: float) -> None:
        """Wait; `httpcore` asks for it between its own tries, of which there are none."""
        await anyio.sleep(seconds)

    async def _addresses(self, host: str, port: int) -> list[str]:
        if is_address(host):
            addresses = [host]
        elif self._proxy is not None and self._proxy.resolves:
            return [host]
        else:
            addresses = await self._resolver.resolve(host, port)
        return self.allowed(host, port, addresses)

    def allowed(self, host: str, port: int, addresses: list[str]) -> list[str]:
        """Return the addresses that may be connected to. The host is refused when any is out of reach: an honest one does not mix."""
        for address in addresses if self._reach != "any" else ():
            kind = "cloud metadata" if is_metadata(address) else why_not_public(address) if self._reach == "public" else None
            if kind is not None:
                raise self._refused(host, address, kind)
        return addresses

    async def _connect(self, host: str, address: str, port: int) -> Stream:
        if self._proxy is not None:
            return Stream(await self._proxy.tunnel(address, port), address)
        return Stream(await self.connect(host, address, port), address)

    @property
    def may_be_this_machine(self) -> bool:
        """Tell whether a connection may end where it began."""
        return self._reach != "public"

    async def connect(self, host: str, address: str, port: int) -> httpcore.AsyncNetworkStream:
        """Connect to one address of a host that was checked. Raises `NetworkDenied` or errors of `httpcore`."""
        stream = await _TCP.connect_tcp(address, port)
        if not self.may_be_this_machine and _same_machine(stream):
            with anyio.CancelScope(shield=True):
                await stream.aclose()
            raise self._refused(host, address, "this machine itself")
        return stream

    @staticmethod
    def _refused(host: str, address: str, kind: str) -> NetworkDenied:
        """Return the refusal. The address is for the call log: the task, which may be probing, learns only what kind it is."""
        exchange = EXCHANGE.get()
        if exchange is not None:
            exchange.call.address = address
        return refused_address(host, kind)


def _same_machine(stream: httpcore.AsyncNetworkStream) -> bool:
    """Tell whether a connection ends on the machine where it began, which a public address of this machine would do."""
    ours, theirs = stream.get_extra_info("client_addr"), stream.get_extra_info("server_addr")
    return bool(ours and theirs) and ip_address(ours[0]) == ip_address(theirs[0])


async def race(addresses: list[str], connect: Callable[[str], Awaitable[Stream]]) -> Stream:
    """Try addresses one after the other, the next one after a quarter of a second; the first that answers wins (RFC 8305, simplified)."""
    ordered = _alternating(addresses)
    if len(ordered) == 1:
        return await connect(ordered[0])
    won: list[Stream] = []
    lost: list[Exception] = []

    async def attempt(address: str, ended: anyio.Event) -> None:
        try:
            stream = await connect(address)
        except (httpcore.NetworkError, httpcore.TimeoutException, Unreachable, NetworkDenied) as error:
            lost.append(error)
            ended.set()
            return
        won.append(stream)
        tasks.cancel_scope.cancel()

    try:
        async with anyio.create_task_group() as tasks:
            for address in ordered:
                ended = anyio.Event()
                tasks.start_soon(attempt, address, ended)
                with anyio.move_on_after(_STAGGER_SECONDS):
                    await ended.wait()
    except BaseException:
        await _close_all(won)
        raise
    await _close_all(won[1:])
    if not won:
        raise next((error for error in lost if isinstance(error, NetworkDenied)), lost[0])
    return won[0]


async def _close_all(streams: list[Stream]) -> None:
    with anyio.CancelScope(shield=True):
        for stream in streams:
            await stream.aclose()


def _alternating(addresses: list[str]) -> list[str]:
    """Put IPv6 and IPv4 in turns, starting with the family of the first, at most 6 of them."""
    first = [each for each in addresses if (":" in each) == (":" in addresses[0])]
    other = [each for each in addresses if (":" in each) != (":" in addresses[0])]
    return [each for each in chain.from_iterable(zip_longest(first, other)) if each is not None][:6]


class Stream(httpcore.AsyncNetworkStream):
    """A connection to one checked address. TLS counts into the time for connecting."""

    def __init__(self, inner: httpcore.AsyncNetworkStream, address: str) -> None:
        self._inner, self.address, self.deadline = inner, address, 0.0

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        """Read what has come. Raises `httpcore.RemoteProtocolError` when far more comes than what is asked for: framing costs time."""
        data = await self._inner.read(max_bytes, timeout)
        exchange = EXCHANGE.get()
        if exchange is not None:
            exchange.read += len(data)
            if exchange.read > _FREE_FRAMING + _FRAMING * exchange.body:
                raise httpcore.RemoteProtocolError("much more framing than content")
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Write everything."""
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  the interface of httpcore
    ) -> httpcore.AsyncNetworkStream:
        """Start TLS; the certificate must be for the name of the host, not for its address."""
        started = time.monotonic()
        name = server_hostname.rstrip(".") if server_hostname else None
        try:
            self._inner = await self._inner.start_tls(ssl_context, name, max(0.001, self.deadline - started))
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self.aclose()
            raise
        exchange = EXCHANGE.get()
        if exchange is not None:
            exchange.call.timing.tls = (time.monotonic() - started) * 1000
        return self

    def get_extra_info(self, info: str) -> Any:
        """Return what the connection knows of itself."""
        return self._inner.get_extra_info(info)
