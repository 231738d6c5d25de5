"""A server with one tool that returns its argument: on our transport, or (argument `sdk`) on the SDK's own."""

from __future__ import annotations

import sys
from typing import Any

import anyio
import mcp.types as types
from mcp.server import Server
from mcp.server.stdio import stdio_server

SCHEMA = {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]}


def build() -> Server[Any]:
    """Return the smallest server."""

    async def list_tools(ctx: Any, params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[types.Tool(name="echo", description="Echo", input_schema=SCHEMA)])

    async def call_tool(ctx: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        return types.CallToolResult(content=[types.TextContent(type="text", text=(params.arguments or {})["message"])])

    server: Server[Any] = Server("echo", version="1", on_list_tools=list_tools, on_call_tool=call_tool)
    return server


async def serve(server: Server[Any]) -> None:
    """Serve on our transport until stdin ends."""
    from ratchet_mcp.mcp import standard_streams
    from ratchet_mcp.mcp.stdio_transport import StdioTransport

    streams = standard_streams.claim()
    assert streams is not None
    server.middleware.clear()
    async with StdioTransport(streams, 1 << 24).connect() as (received, sent):
        await server.run(received, sent, server.create_initialization_options())


async def main() -> None:
    """Serve until stdin ends."""
    if sys.argv[1:] == ["sdk"]:
        server = build()
        async with stdio_server() as (received, sent):
            await server.run(received, sent, server.create_initialization_options())
        return
    await serve(build())


if __name__ == "__main__":
    anyio.run(main)
