"""The legacy HTTP+SSE transport: `GET /sse` opens a stream, `POST /messages/` answers on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp.server.runner import serve_dual_era_loop
from mcp.server.sse import SseServerTransport

from ratchet_mcp.api.errors import error_response

if TYPE_CHECKING:
    from mcp.server import Server
    from starlette.types import Receive, Scope, Send


class SseEndpoint:
    """ASGI endpoint for `GET /sse`; at most `max_connections` streams at once."""

    def __init__(self, server: Server[Any], transport: SseServerTransport, max_connections: int) -> None:
        self._server = server
        self._transport = transport
        self._free = max_connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve MCP on one stream until it closes."""
        if scope["method"] != "GET":
            message = "Open the stream with GET, and post messages to the address it announces."
            await error_response(405, "method_not_allowed", message, headers={"allow": "GET"})(scope, receive, send)
            return
        if self._free <= 0:
            response = error_response(503, "too_many_sessions", "Too many open streams.", "Try again later.")
            await response(scope, receive, send)
            return
        self._free -= 1
        try:
            # Not Server.run: it would enter the server's lifespan once for each connection.
            async with self._transport.connect_sse(scope, receive, send) as (received, sent):
                await serve_dual_era_loop(
                    self._server, received, sent, lifespan_state={}, init_options=self._server.create_initialization_options()
                )
        finally:
            self._free += 1
