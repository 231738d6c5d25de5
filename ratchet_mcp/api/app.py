"""One Starlette application: Streamable HTTP at `/mcp`, legacy SSE at `/sse` and `/messages/`, and `/health`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
from mcp.server.sse import SseServerTransport
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Mount, Route

from ratchet_mcp.api.body_limit import BodyLimit
from ratchet_mcp.api.errors import HANDLERS
from ratchet_mcp.api.health import health
from ratchet_mcp.api.security import OriginGuard, transport_security
from ratchet_mcp.api.sessions import SessionEvents, SessionManager
from ratchet_mcp.api.sse import SseEndpoint
from ratchet_mcp.app import Ratchet
from ratchet_mcp.lazy import LazyRatchet
from ratchet_mcp.mcp.server import RatchetServer, build
from ratchet_mcp.mcp.tools.spec import RatchetSource

if TYPE_CHECKING:
    from ratchet_mcp.jobs.service import Jobs
    from ratchet_mcp.settings import Settings

LOOPBACK_ORIGIN = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?"
RETRY_MILLISECONDS = 1000
"""When a client should come back after a broken stream."""


class HostedRatchet:
    """Where the handlers find the services: set while the application runs."""

    def __init__(self) -> None:
        self.lazy: LazyRatchet | None = None
        self._set = anyio.Event()

    async def get(self) -> Ratchet:
        """Return the services once they are up."""
        await self._set.wait()
        if self.lazy is None:
            raise RuntimeError("the application is not running")
        return await self.lazy.get()

    @property
    def jobs(self) -> Jobs | None:
        """Return the jobs, None while the services are not up."""
        current = None if self.lazy is None else self.lazy.current
        return None if current is None else current.jobs

    async def up(self) -> Ratchet:
        """Return the same; the services start with the application."""
        return await self.get()

    @asynccontextmanager
    async def running(self, settings: Settings) -> AsyncGenerator[None]:
        """Start the services in the background, and stop them at the end."""
        async with LazyRatchet(settings) as self.lazy:
            self._set.set()
            yield


def create_app(settings: Settings, make_server: Callable[[RatchetSource, Settings], RatchetServer] = build) -> Starlette:
    """Return the application; everything it needs starts with its lifespan.

    `app.state.server` is the MCP server, `app.state.ratchet` the services.
    """
    ratchet = HostedRatchet()
    server = make_server(ratchet, settings)
    security = transport_security(settings.server)
    limit = settings.mcp.max_message_bytes
    manager = SessionManager(
        server,
        event_store=SessionEvents(),
        security_settings=security,
        retry_interval=RETRY_MILLISECONDS,
        session_idle_timeout=settings.server.session_idle_seconds,
        max_request_body_size=limit,
        max_sessions=settings.server.max_sessions,
    )
    sse = SseServerTransport("/messages/", security_settings=security, max_request_body_size=limit)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        async with ratchet.running(settings), manager.run():
            yield

    app = Starlette(
        routes=[
            Route("/mcp", endpoint=StreamableHTTPASGIApp(manager)),
            Route("/sse", endpoint=SseEndpoint(server, sse, settings.server.max_sessions)),
            Mount("/messages", app=sse.handle_post_message),
            Route("/health", endpoint=health(lambda: ratchet.lazy), methods=["GET"]),
        ],
        middleware=[
            Middleware(OriginGuard, settings=security),
            Middleware(
                CORSMiddleware,
                allow_origins=settings.server.allowed_origins,
                allow_origin_regex=LOOPBACK_ORIGIN,
                allow_methods=["GET", "POST", "DELETE"],
                allow_headers=["*"],
                expose_headers=["Mcp-Session-Id"],
            ),
            Middleware(BodyLimit, limit=limit),
        ],
        exception_handlers=HANDLERS,
        lifespan=lifespan,
    )
    app.state.server = server
    app.state.ratchet = ratchet
    return app
