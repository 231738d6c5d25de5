"""To which addresses a source may connect. The address that is checked is the one that is connected to, so DNS cannot rebind it.

Which addresses are public is decided where it is decided for tasks: in `egress.addresses`. Connections are those of `egress` too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpcore

from ratchet_mcp.egress.addresses import AddressRefused, is_metadata, is_public, resolve
from ratchet_mcp.egress.dialing import Dialer, Proxy
from ratchet_mcp.egress.resolver import Resolver, SystemResolver

__all__ = ["AddressRefused", "Connect", "Guard", "GuardedDialer", "Resolve", "is_public", "resolve"]

Resolve = Callable[[str, int], list[str]]
Connect = Callable[[str, int], Awaitable[httpcore.AsyncNetworkStream]]


class Guard:
    """Decides for one source: public addresses only, or, when its own host is private, that host only.

    `private` is None until the source's own host was first asked; what it was then stays so, and can be kept by the caller. `resolve` and
    `connect` take the place of the system's, for tests.
    """

    def __init__(self, host: str, port: int, *, private: bool | None, resolve: Resolve = resolve, connect: Connect | None = None) -> None:
        self.private = private
        self._home = (host.lower(), port)
        self._resolve, self._connect = resolve, connect

    def resolver(self) -> Resolver:
        """Return what finds addresses."""
        return SystemResolver(self._resolve)

    def dialer(self, proxy: Proxy | None, seconds: float) -> Dialer:
        """Return what connects where this guard allows it."""
        return GuardedDialer(self, self.resolver(), seconds, proxy, self._connect)

    def is_home(self, host: str, port: int) -> bool:
        """Tell whether this is the source's own host; moving up from port 80 to 443 stays there."""
        home_host, home_port = self._home
        return host.lower() == home_host and (port == home_port or (home_port == 80 and port == 443))

    def allowed(self, host: str, port: int, addresses: list[str]) -> list[str]:
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


class GuardedDialer(Dialer):
    """Connects where a guard allows it, and not through `egress.policy`: the address of a source comes from whoever runs the server."""

    def __init__(self, guard: Guard, resolver: Resolver, seconds: float, proxy: Proxy | None, connect: Connect | None) -> None:
        super().__init__(resolver, "public", seconds, proxy)
        self._guard, self._given = guard, connect

    def allowed(self, host: str, port: int, addresses: list[str]) -> list[str]:
        """Return the addresses that the guard lets through. Raises `AddressRefused`."""
        return self._guard.allowed(host, port, addresses)

    async def connect(self, host: str, address: str, port: int) -> httpcore.AsyncNetworkStream:
        """Connect to an address that was let through."""
        if self._given is not None:
            return await self._given(address, port)
        return await super().connect(host, address, port)

    @property
    def may_be_this_machine(self) -> bool:
        """Tell whether a connection may end where it began: a source in a private network may well be this machine."""
        return bool(self._guard.private)
