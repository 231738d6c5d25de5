"""`ratchet cache`: the results that are given again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from ratchet_mcp.cli import options

if TYPE_CHECKING:
    from ratchet_mcp.settings import Settings
    from ratchet_mcp.store.cached import CachedRepository

T = TypeVar("T")

app = typer.Typer(help="The cache: results of tasks that say how long they may be given again.", no_args_is_help=True)

Task = Annotated[str | None, typer.Argument(help="Name or name@version of a task; all by default.", metavar="[TASK]", show_default=False)]


@app.command("status")
def status(as_json: options.AsJson = False, config: options.Config = None, profile: options.Profile = None) -> None:
    """Show which tasks have results that may be given again, and how much room they take."""
    from datetime import UTC, datetime

    from ratchet_mcp.cli.output import print_json, print_table

    settings, totals = _with_cache(config, profile, lambda cache: cache.totals(datetime.now(UTC)))
    size = sum(bytes for _, _, bytes in totals)
    if as_json:
        tasks = [{"task": task, "results": count, "bytes": bytes} for task, count, bytes in totals]
        print_json({"enabled": settings.cache.enabled, "bytes": size, "max_bytes": settings.cache.max_bytes, "tasks": tasks})
        return
    print_table(
        ("task", "results", "bytes"), [*totals, ("all", sum(count for _, count, _ in totals), f"{size} of {settings.cache.max_bytes}")]
    )


@app.command("purge")
def purge(task: Task = None, config: options.Config = None, profile: options.Profile = None) -> None:
    """Forget all results, or those of one task; its next run runs it."""
    from datetime import UTC, datetime

    from ratchet_mcp.cli.output import print_text

    name, _, version = (task or "").partition("@")
    _, count = _with_cache(config, profile, lambda cache: cache.purge(datetime.now(UTC), name or None, version or None))
    print_text(f"{count} {'result is' if count == 1 else 'results are'} forgotten.")


def _with_cache(config: Path | None, profile: str | None, work: Callable[[CachedRepository], Awaitable[T]]) -> tuple[Settings, T]:
    """Open only the database of the settings, do some work, and close it."""
    import anyio

    from ratchet_mcp.cli.settings import for_one_run

    settings = for_one_run(config, profile)

    async def run() -> T:
        from ratchet_mcp.observability.log import configure
        from ratchet_mcp.store.store import Store

        configure(settings.logging)
        async with Store.open(settings.store) as store:
            return await work(store.cached)

    return settings, anyio.run(run)
