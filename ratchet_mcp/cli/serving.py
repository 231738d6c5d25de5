"""`ratchet serve`, `ratchet mcp` and `ratchet mcp-serve`: the servers."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ratchet_mcp.cli import options


class Transport(StrEnum):
    """How an MCP client reaches the server."""

    STDIO = "stdio"
    HTTP = "http"
    SSE = "sse"


TransportOption = Annotated[
    Transport, typer.Option("--transport", help="stdio for a client that starts this; http or sse to listen.", metavar="stdio|http|sse")
]


def serve(
    host: options.Host = None,
    port: options.Port = None,
    toolsets: options.Toolsets = None,
    read_only: options.ReadOnly = False,
    no_worker: options.NoWorker = False,
    config: options.Config = None,
    profile: options.Profile = None,
) -> None:
    """Serve over HTTP: /mcp (Streamable HTTP), /sse and /messages/ (legacy SSE), /health."""
    from ratchet_mcp.api.serve import serve as serve_http
    from ratchet_mcp.settings.loader import load

    chosen = None if toolsets is None else [name.strip() for name in toolsets.split(",") if name.strip()]
    workers = {"workers_enabled": False if no_worker else None}
    tools = {"toolsets": chosen, "read_only": read_only or None}
    serve_http(load(config, profile, {"server": {"host": host, "port": port}, "mcp": tools, "jobs": workers}))


def mcp(
    transport: TransportOption = Transport.STDIO,
    host: options.Host = None,
    port: options.Port = None,
    toolsets: options.Toolsets = None,
    read_only: options.ReadOnly = False,
    no_worker: options.NoWorker = False,
    config: options.Config = None,
    profile: options.Profile = None,
) -> None:
    """Serve MCP over the given transport."""
    if transport is Transport.STDIO:
        if host is not None or port is not None:
            raise typer.BadParameter("--host and --port need --transport http or sse")
        _stdio(toolsets, read_only, no_worker, config, profile)
    else:
        serve(host, port, toolsets, read_only, no_worker, config, profile)


def mcp_serve(
    toolsets: options.Toolsets = None,
    read_only: options.ReadOnly = False,
    no_worker: options.NoWorker = False,
    config: options.Config = None,
    profile: options.Profile = None,
) -> None:
    """Serve MCP over stdin and stdout, as ratchet-mcp does."""
    _stdio(toolsets, read_only, no_worker, config, profile)


def _stdio(toolsets: str | None, read_only: bool, no_worker: bool, config: Path | None, profile: str | None) -> None:
    from ratchet_mcp.mcp.stdio_main import main

    arguments = [*(["--config", str(config)] if config else []), *(["--profile", profile] if profile else [])]
    arguments += [*(["--toolsets", toolsets] if toolsets is not None else []), *(["--read-only"] if read_only else [])]
    arguments += ["--no-worker"] if no_worker else []
    raise typer.Exit(main(arguments))
