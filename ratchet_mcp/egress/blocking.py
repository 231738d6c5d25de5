"""The transport for code that runs in threads and asks for one thing at a time: the same connections, checks and limits."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable

import anyio

from ratchet_mcp.egress.budget import Budget
from ratchet_mcp.egress.calls import HttpCall
from ratchet_mcp.egress.client import Client, Incoming
from ratchet_mcp.egress.dialing import Dialer, Proxy
from ratchet_mcp.egress.preparing import Outgoing
from ratchet_mcp.egress.resolver import Resolver
from ratchet_mcp.settings.network import NetworkSettings


def exchange(
    outgoing: Outgoing,
    call: HttpCall,
    settings: NetworkSettings,
    *,
    resolver: Resolver,
    dialer: Callable[[Proxy | None], Dialer],
    tls: ssl.SSLContext,
    seconds: float,
) -> Incoming:
    """Send one request over a connection of its own and return the response; redirects are not followed, and `call` notes what happened.

    Blocking, in a thread without an event loop. Raises subclasses of `NetworkError`, `TimeoutError` after `seconds`, and what the
    dialer raises.
    """

    async def ask() -> Incoming:
        client = Client(settings, resolver, os.environ, dialer=dialer, tls=tls)
        try:
            with anyio.fail_after(seconds):
                return await client.exchange(outgoing, "public", call, Budget(settings), follows=True)
        finally:
            await client.close()
            resolver.close()

    return anyio.run(ask)
