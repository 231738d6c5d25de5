"""Run the HTTP application with uvicorn until a signal comes."""

from __future__ import annotations

import socket
import sys
import time
from typing import TYPE_CHECKING, Any

import uvicorn
from loguru import logger

from ratchet_mcp.api.app import create_app
from ratchet_mcp.api.security import is_loopback
from ratchet_mcp.errors import SettingsInvalid
from ratchet_mcp.observability.log import configure

if TYPE_CHECKING:
    from types import FrameType

    from ratchet_mcp.api.app import HostedRatchet
    from ratchet_mcp.mcp.server import RatchetServer
    from ratchet_mcp.settings import ServerSettings, Settings

BACKLOG = 2048
CLOSE_SECONDS = 2
"""How long streams may take to close once no call is under way."""
QUIET_TICKS = 3
"""How many ticks of uvicorn (ten a second) must pass without a call before the server stops.

A call has ended when its handler has returned; the loop still has to carry the answer to the socket, which it does
between two ticks. Streams end as soon as `should_exit` is set (sse-starlette looks at it), answers in them included.
"""


class HttpServer(uvicorn.Server):
    """uvicorn that drains: the first signal lets running calls and jobs finish for `grace` seconds, the second ends at once.

    uvicorn alone would cut every SSE stream at the first signal, and with it the answers of calls under way.
    """

    def __init__(self, config: uvicorn.Config, server: RatchetServer, ratchet: HostedRatchet, grace: float) -> None:
        super().__init__(config)
        self._server = server
        self._ratchet = ratchet
        self._grace = grace
        self._deadline: float | None = None
        self._quiet = 0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take SIGINT or SIGTERM."""
        if self._deadline is not None or not self.started:
            self.should_exit = self.force_exit = True
            return
        self._server.stopping = True
        self._deadline = time.monotonic() + self._grace

    async def on_tick(self, counter: int) -> bool:
        """Tell, ten times a second, whether it is time to stop."""
        if self._deadline is not None:
            jobs = self._ratchet.jobs
            if jobs is not None:
                jobs.stop()
            self._quiet = 0 if self._server.calls or (jobs is not None and jobs.busy) else self._quiet + 1
            if self._quiet >= QUIET_TICKS or time.monotonic() >= self._deadline:
                self.should_exit = True
        return await super().on_tick(counter)

    async def startup(self, sockets: Any = None) -> None:
        """Listen, and say where: with port 0 the system chose it."""
        await super().startup(sockets)
        for listener in self.servers:
            for bound in listener.sockets:
                host, port = bound.getsockname()[:2]
                address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
                sys.stderr.write(f"Ratchet listens on {address}/mcp (legacy SSE: {address}/sse)\n")
        sys.stderr.flush()


def serve(settings: Settings) -> None:
    """Serve until a signal comes. Raises `SettingsInvalid` when the address cannot be bound; nothing has started then."""
    configure(settings.logging)
    listener = _listen(settings.server)
    host = settings.server.host
    if not is_loopback(host):
        logger.warning(
            "Listening on {}: anyone who reaches this address can run tasks, because there is no authentication. "
            "Use 127.0.0.1, or put a proxy that authenticates in front.",
            host or "all addresses",
        )
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        http="h11",  # httptools accepts a request that MCP's conformance suite wants refused
        loop="asyncio",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=CLOSE_SECONDS,
    )
    HttpServer(config, app.state.server, app.state.ratchet, settings.server.shutdown_grace_seconds).run([listener])


def _listen(settings: ServerSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise SettingsInvalid(
            f"Cannot listen on {settings.host} port {settings.port}: {error.strerror}.",
            hint="Choose another with server.host and server.port (--host, --port); port 0 takes a free one.",
            details={"problems": [{"key": "server.port", "source": "the system", "message": str(error.strerror)}]},
        ) from None
