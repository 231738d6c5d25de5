"""To which addresses a source may connect. The address that is checked is the one that is connected to, so DNS cannot rebind it.

Which addresses are public is decided where it is decided for tasks: in `egress.addresses`.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable
from typing import Any

import httpcore

from ratchet_mcp.egress.addresses import AddressRefused, is_metadata, is_public, resolve

__all__ = ["AddressRefused", "Guard", "Resolve", "TimedStream", "is_public", "resolve"]

Resolve = Callable[[str, int], list[str]]


class Guard(httpcore.NetworkBackend):
    """Connects for one source: to public addresses, or, when its own host is private, to that host only.

    `private` is None until the source's own host was first asked; what it was then stays so, and can be kept by the caller. `connect`
    opens a stream to an IP address.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        private: bool | None,
        resolve: Resolve = resolve,
        connect: Callable[..., httpcore.NetworkStream] | None = None,
    ) -> None:
        self.private = private
        self._home = (host.lower(), port)
        self._resolve = resolve
        self._connect = connect or httpcore.SyncBackend().connect_tcp

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first allowed address that answers. Raises `AddressRefused`, `httpcore.ConnectError` or `ConnectTimeout`."""
        try:
            addresses = self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"the host {host} has no address ({getattr(error, 'strerror', None) or error})") from None
        deadline = time.monotonic() + (timeout if timeout is not None else 60.0)
        failure: Exception = httpcore.ConnectError(f"the host {host} has no address")
        for address in self._allowed(host, port, addresses):
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise httpcore.ConnectTimeout(f"{host} did not answer in time")
            try:
                return TimedStream(self._connect(address, port, timeout=remaining, socket_options=socket_options), deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    def is_home(self, host: str, port: int) -> bool:
        """Tell whether this is the source's own host; moving up from port 80 to 443 stays there."""
        home_host, home_port = self._home
        return host.lower() == home_host and (port == home_port or (home_port == 80 and port == 443))

    def _allowed(self, host: str, port: int, addresses: list[str]) -> list[str]:
        """Return the addresses if the source may connect to them; one that it may not keeps it away from all. Raises `AddressRefused`."""
        inner = [address for address in addresses if not is_public(address)]
        shown = ", ".join(inner[:4])
        if self.is_home(host, port):
            if self.private is None and addresses:
                self.private = bool(inner)
            if self.private:
                return [address for address in addresses if self._may_be_home(address)]
            if inner:
                raise AddressRefused(
                    f"the host {host} has private addresses ({shown}), and this source may not use those; "
                    "when that is right, set config.private to true"
                )
            return addresses
        if self.private:
            raise AddressRefused(f"a source in a private network stays on its own host; {host}:{port} is another")
        if inner:
            raise AddressRefused(f"{host} is a private address ({shown}), and a source on the internet may not lead there")
        return addresses

    def _may_be_home(self, address: str) -> bool:
        """Tell whether the source's own host may have this address: a name never leads to the credentials of a cloud's machine."""
        if is_metadata(address) and address != self._home[0].strip("[]"):
            raise AddressRefused(f"the host {self._home[0]} has an address of cloud metadata ({address})", "cloud metadata")
        return True


class TimedStream(httpcore.NetworkStream):
    """A connection whose every wait ends at one deadline, so that a server that trickles bytes gains nothing."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: float) -> None:
        self._inner, self._deadline = inner, deadline

    def _left(self, timeout: float | None) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the answer took too long")
        return left if timeout is None else min(left, timeout)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read, at the longest until the deadline."""
        return self._inner.read(max_bytes, self._left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write, at the longest until the deadline."""
        self._inner.write(buffer, self._left(timeout))

    def close(self) -> None:
        """Close the connection."""
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Start TLS on the connection; the certificate is checked against the name of the host, not its address."""
        return TimedStream(self._inner.start_tls(ssl_context, server_hostname, self._left(timeout)), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        """Return what the connection knows of itself."""
        return self._inner.get_extra_info(info)
