"""Which Host and Origin headers are accepted: the guard against DNS rebinding and foreign web pages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from starlette.requests import Request

from ratchet_mcp.api.errors import error_response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from ratchet_mcp.settings import ServerSettings

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
WILDCARDS = ("", "0.0.0.0", "::")  # noqa: S104  compared with, not bound to
_PORT = re.compile(r":(\d+|\*)$")


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach `host`."""
    return host in ("localhost", "::1") or host.startswith("127.")


def transport_security(settings: ServerSettings) -> TransportSecuritySettings:
    """Return the checks for `settings`: loopback names, the bound address, and what the settings allow, with any port or none."""
    bound = () if settings.host in WILDCARDS else (f"[{settings.host}]" if ":" in settings.host else settings.host,)
    hosts: list[str] = []
    for name in (*LOOPBACK, *bound, *settings.allowed_hosts):
        hosts += [name] if _PORT.search(name) else [name, f"{name}:*"]
    origins = [f"{scheme}://{name}{port}" for scheme in ("http", "https") for name in LOOPBACK for port in ("", ":*")]
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=True, allowed_hosts=hosts, allowed_origins=[*origins, *settings.allowed_origins]
    )


class OriginGuard:
    """ASGI middleware: refuse requests whose Host (421) or Origin (403) is not accepted, on every route."""

    def __init__(self, app: ASGIApp, settings: TransportSecuritySettings) -> None:
        self._app = app
        self._checks = TransportSecurityMiddleware(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on when its headers are accepted."""
        if scope["type"] == "http":
            refused = await self._checks.validate_request(Request(scope), is_post=False)
            if refused is not None:
                response = error_response(
                    refused.status_code,
                    "forbidden_origin" if refused.status_code == 403 else "forbidden_host",
                    bytes(refused.body).decode() + ".",
                    "Use a loopback name, or add it to server.allowed_origins."
                    if refused.status_code == 403
                    else "Use a loopback name, or add it to server.allowed_hosts.",
                )
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)
