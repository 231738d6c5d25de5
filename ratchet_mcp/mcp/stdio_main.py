"""The console script `ratchet-mcp`: MCP over stdin and stdout.

Answers `initialize` while workers, store and catalog still start. Imports are inside functions, after stdin and stdout are
claimed: nothing may print to them, and `--version` should not wait for the SDK.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from ratchet_mcp.mcp import standard_streams

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import anyio

    from ratchet_mcp.lazy import LazyRatchet
    from ratchet_mcp.mcp.standard_streams import StandardStreams
    from ratchet_mcp.mcp.stdio_transport import StdioTransport
    from ratchet_mcp.settings import Settings

PARENT_CHECK_SECONDS = 1.0
FIRST_ANSWER_SECONDS = 1.0
"""How long the start of the services may be put off for the first answer."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, then serve until stdin ends, the parent dies or a signal comes. Returns the exit status."""
    config, profile, overrides = _parse(sys.argv[1:] if arguments is None else arguments)
    streams = standard_streams.claim()

    from ratchet_mcp.errors import SettingsInvalid
    from ratchet_mcp.settings.loader import load

    try:
        settings = load(config, profile, overrides)
    except SettingsInvalid as error:
        sys.stderr.write(f"ratchet-mcp: {error.message}\n" + (f"{error.hint}\n" if error.hint else ""))
        return 2
    serve(settings, streams)
    return 0


def serve(settings: Settings, streams: StandardStreams | None) -> None:
    """Serve MCP on `streams` (from `standard_streams.claim`), or on plain stdin and stdout when they are `None`."""
    import anyio

    from ratchet_mcp.observability.log import configure

    configure(settings.logging)
    anyio.run(_serve, settings, streams)


def _parse(arguments: Sequence[str]) -> tuple[Path | None, str | None, dict[str, Any]]:
    import argparse
    from pathlib import Path

    from ratchet_mcp import __version__

    parser = argparse.ArgumentParser(
        prog="ratchet-mcp", description="Run JavaScript tasks for an MCP client, over stdin and stdout. Clients start this themselves."
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings file (YAML or JSON)")
    parser.add_argument("--profile", help="profile within the settings")
    parser.add_argument("--toolsets", metavar="NAMES", help="groups of tools to offer, with commas: core, author, admin, jobs")
    parser.add_argument("--read-only", action="store_true", default=None, help="offer only tools that run and change nothing")
    parser.add_argument("--no-worker", action="store_true", help="run no jobs of the queue here; ratchet worker runs them")
    parser.add_argument("--version", action="version", version=f"ratchet-mcp {__version__}")
    options = parser.parse_args(arguments)
    toolsets = None if options.toolsets is None else [name.strip() for name in options.toolsets.split(",") if name.strip()]
    overrides = {
        "mcp": {"toolsets": toolsets, "read_only": options.read_only},
        "jobs": {"workers_enabled": False if options.no_worker else None},
    }
    return options.config, options.profile, overrides


async def _serve(settings: Settings, streams: StandardStreams | None) -> None:
    import anyio

    from ratchet_mcp.lazy import LazyRatchet
    from ratchet_mcp.mcp.server import build

    async with LazyRatchet(settings, eager=False) as app, anyio.create_task_group() as tasks:
        server = build(app, settings)
        if streams is None:
            from mcp.server.stdio import stdio_server

            tasks.start_soon(_start, app, None)
            tasks.start_soon(_obey_signals, tasks.cancel_scope, None, settings.server.shutdown_grace_seconds)
            async with stdio_server() as (received, sent):
                await server.run(received, sent, server.create_initialization_options())
        else:
            from ratchet_mcp.mcp.stdio_transport import StdioTransport

            transport = StdioTransport(streams, settings.mcp.max_message_bytes)
            tasks.start_soon(_start, app, transport)
            tasks.start_soon(_obey_signals, tasks.cancel_scope, transport, settings.server.shutdown_grace_seconds)
            tasks.start_soon(_watch_parent, transport)
            async with transport.connect() as (received, sent):
                await server.run(received, sent, server.create_initialization_options())
            await _let_jobs_finish(app, transport)
        tasks.cancel_scope.cancel()


async def _start(app: LazyRatchet, transport: StdioTransport | None) -> None:
    """Start the services after the first answer, which should not share the processor with them."""
    from contextlib import suppress

    import anyio

    from ratchet_mcp.errors import RatchetError

    if transport is not None:
        with anyio.move_on_after(FIRST_ANSWER_SECONDS):
            await transport.answered.wait()
    with suppress(RatchetError):  # it is in the log, and each call is answered with it
        await app.get()


async def _obey_signals(scope: anyio.CancelScope, transport: StdioTransport | None, grace: float) -> None:
    """Drain at the first SIGINT or SIGTERM, stop at once at the second."""
    import signal

    import anyio
    from loguru import logger

    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for number in signals:
            if transport is None or grace == 0:
                break
            logger.info("{}: finishing what runs, for at most {:g} s; a second signal stops at once", number.name, grace)
            transport.drain(grace)
            transport = None
    scope.cancel()


async def _let_jobs_finish(app: LazyRatchet, transport: StdioTransport) -> None:
    """After a signal, use what is left of the time for running jobs; without one the client ended us, and they go back at once."""
    if app.current is not None and transport.seconds_left > 0:
        await app.current.jobs.drain(transport.seconds_left)


async def _watch_parent(transport: StdioTransport) -> None:
    """End when the process that started us is gone, even if something else keeps our stdin open."""
    import anyio
    from loguru import logger

    parent = os.getppid()
    while parent > 1 and os.getppid() == parent:  # noqa: ASYNC110  nothing portable tells when a parent dies
        await anyio.sleep(PARENT_CHECK_SECONDS)
    if parent > 1:
        logger.info("The parent process is gone")
        transport.drain(0)


if __name__ == "__main__":
    sys.exit(main())
