"""`ratchet worker`: a process that runs jobs and nothing else, on this machine or a further one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ratchet_mcp.cli import options

if TYPE_CHECKING:
    import anyio

    from ratchet_mcp.app import Ratchet
    from ratchet_mcp.settings import Settings

Concurrency = Annotated[
    int | None,
    typer.Option(
        "--concurrency",
        min=1,
        max=256,
        help="Jobs at the same time.",
        metavar="NUMBER",
        show_default="engine.max_workers, or jobs.concurrency",
    ),
]


def worker(concurrency: Concurrency = None, config: options.Config = None, profile: options.Profile = None) -> None:
    """Run jobs of the database that the settings name, until a signal comes.

    The first SIGINT or SIGTERM takes no more work, lets running jobs finish for server.shutdown_grace_seconds and puts the rest back; the
    second stops at once, and puts all back.
    """
    import anyio

    from ratchet_mcp.observability.log import configure
    from ratchet_mcp.settings.loader import load

    settings = load(config, profile, {"jobs": {"concurrency": concurrency}})
    _check(settings)
    configure(settings.logging)
    anyio.run(_work, settings)


def _check(settings: Settings) -> None:
    """Raise `SettingsInvalid` where a worker has nothing to do."""
    from ratchet_mcp.errors import SettingsInvalid
    from ratchet_mcp.store.location import locate

    problem = None
    if settings.mcp.read_only:
        problem = {"key": "mcp.read_only", "source": "the settings", "message": "a worker runs code, which read_only forbids"}
    elif locate(settings.store.url).memory:
        problem = {"key": "store.url", "source": "the settings", "message": "a worker needs a database that other processes reach"}
    if problem is not None:
        raise SettingsInvalid(f"{problem['key']}: {problem['message']}.", details={"problems": [problem]})


async def _work(settings: Settings) -> None:
    import anyio

    from ratchet_mcp.app import Ratchet
    from ratchet_mcp.hosting import sole_error

    try:
        async with anyio.create_task_group() as tasks:
            stopping = anyio.Event()
            tasks.start_soon(_obey_signals, tasks.cancel_scope, stopping)
            async with Ratchet.open(settings, work=True) as ratchet:
                _greet(ratchet)
                await stopping.wait()
                await ratchet.jobs.drain(settings.server.shutdown_grace_seconds)
            tasks.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        raise sole_error(group) from None


def _greet(ratchet: Ratchet) -> None:
    from ratchet_mcp.errors import StoreFailed

    if ratchet.store.read_only:
        raise StoreFailed(f"The database can only be read: {ratchet.store.url}", hint="A worker needs to write to it.")
    sys.stderr.write(f"Ratchet runs jobs of {ratchet.store.url}\n")
    sys.stderr.flush()


async def _obey_signals(scope: anyio.CancelScope, stopping: anyio.Event) -> None:
    """Drain at the first signal, stop at once at the second."""
    import signal

    import anyio

    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            if stopping.is_set():
                break
            stopping.set()
    scope.cancel()
