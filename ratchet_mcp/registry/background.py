"""What keeps the catalog current while a server runs: watching, fetching, and the store."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
from loguru import logger

from ratchet_mcp.errors import RatchetError
from ratchet_mcp.registry.catalog import Catalog
from ratchet_mcp.registry.source import Source
from ratchet_mcp.registry.sync import Sync

if TYPE_CHECKING:
    from ratchet_mcp.store.store import Store

DELAY_SECONDS = 0.3
"""The first calls of a client go first."""
LAST_SECONDS = 2.0
"""How long a server that stops may write down what it has loaded."""


@asynccontextmanager
async def keep_current(catalog: Catalog, store: Store) -> AsyncGenerator[None]:
    """Keep a catalog current inside the context. Nothing that fails here reaches the server: it is logged and tried again."""
    sync = Sync(catalog, store, catalog.settings.watch)
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_run, catalog, store, sync)
            try:
                yield
            finally:
                group.cancel_scope.cancel("the server stops")
    finally:
        with anyio.move_on_after(LAST_SECONDS, shield=True), suppress(RatchetError):
            await sync.finish()


async def _run(catalog: Catalog, store: Store, sync: Sync) -> None:
    await anyio.sleep(DELAY_SECONDS)
    if any(source.remote for source in catalog.sources):
        with suppress(RatchetError):  # `sync.write` tries again, and says so
            await sync.remember()  # what is known, before anything new comes
    settings = catalog.settings.watch
    async with anyio.create_task_group() as group:
        group.start_soon(_again, "writing down what sources offer", sync.write, settings.max_retry_seconds)
        if not store.private:
            group.start_soon(_again, "listening to other servers", sync.listen, settings.max_retry_seconds)
        if settings.enabled:
            group.start_soon(_again, "watching", lambda: _watch(catalog), settings.max_retry_seconds)
        for source in catalog.sources:
            if source.remote:
                group.start_soon(_again, f"refreshing {source.name}", _refresher(catalog, source), settings.max_retry_seconds)


async def _again(what: str, work: Callable[[], Awaitable[None]], pause: float) -> None:
    """Do some work without end; after a defect it begins again."""
    while True:
        try:
            await work()
            return
        except Exception as error:
            logger.opt(exception=error).error("{} failed on a defect; it begins again", what.capitalize())
            await anyio.sleep(pause)


async def _watch(catalog: Catalog) -> None:
    await anyio.to_thread.run_sync(import_module, "ratchet_mcp.registry.watcher")
    from ratchet_mcp.registry.watcher import Watcher

    await Watcher(catalog, catalog.settings.watch).run()


def _refresher(catalog: Catalog, source: Source) -> Callable[[], Awaitable[None]]:
    async def refresh() -> None:
        """Fetch now, and then at the source's interval; a failure is tried again sooner, with growing pauses."""
        settings = catalog.settings.watch
        pause = 0.0
        while True:
            await catalog.reload(source.name, refresh=True)
            if any(scan.source is source and scan.unreachable is not None for scan in catalog.scans):
                pause = min(max(settings.retry_seconds, pause * 2), settings.max_retry_seconds, source.refresh_seconds or 3600)
                await anyio.sleep(pause)
            elif source.refresh_seconds is None:
                return
            else:
                pause = 0.0
                await anyio.sleep(source.refresh_seconds)

    return refresh
