"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[Path | None, typer.Option("--config", help="Settings file (YAML or JSON).", metavar="FILE", show_default=False)]
Profile = Annotated[str | None, typer.Option("--profile", help="Profile within the settings.", metavar="NAME", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Host = Annotated[
    str | None, typer.Option("--host", help="Address to listen on.", metavar="ADDRESS", show_default="127.0.0.1, or server.host")
]
Port = Annotated[
    int | None,
    typer.Option(
        "--port", min=0, max=65535, help="Port to listen on; 0 takes a free one.", metavar="PORT", show_default="8000, or server.port"
    ),
]
Toolsets = Annotated[
    str | None,
    typer.Option(
        "--toolsets",
        help="Groups of tools to offer, with commas: core, author, admin, jobs.",
        metavar="NAMES",
        show_default="core,author, or mcp.toolsets",
    ),
]
NoWorker = Annotated[bool, typer.Option("--no-worker", help="Run no jobs of the queue here; ratchet worker runs them.")]
ReadOnly = Annotated[bool, typer.Option("--read-only", help="Offer only tools that run and change nothing.")]
