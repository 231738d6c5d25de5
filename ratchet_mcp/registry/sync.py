"""Keeps the store's view of the catalog in step, and takes up what other servers changed in the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
from loguru import logger

from ratchet_mcp.errors import RatchetError, SourceFailed
from ratchet_mcp.registry.catalog import Catalog
from ratchet_mcp.registry.changes import Changes
from ratchet_mcp.registry.source import TaskProblem
from ratchet_mcp.settings.registry import WatchSettings

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from ratchet_mcp.store.store import Store

GATHER_SECONDS = 0.5
"""Changes that come within this time are written together."""
LOOK_SECONDS = 5.0
"""How often loaded tasks are looked for, whose validation is to be written down."""


class Sync:
    """Writes what differs, and reads what others wrote. A database that refuses is tried again; serving goes on."""

    def __init__(self, catalog: Catalog, store: Store, settings: WatchSettings) -> None:
        self._catalog, self._store, self._settings = catalog, store, settings
        self._wake = anyio.Event()
        self._pause = 0.0
        self._wrote = False

    async def write(self) -> None:
        """Bring the tables in step with the catalog, again after each change."""
        unsubscribe = self._catalog.subscribe(self._changed)
        try:
            while True:
                try:
                    await self.remember()
                    await self.flush()
                except RatchetError as error:
                    await self._failed(error)
                    continue
                self._pause = 0.0
                with anyio.move_on_after(LOOK_SECONDS):
                    await self._wake.wait()
                    await anyio.sleep(GATHER_SECONDS)
                self._wake = anyio.Event()
        finally:
            unsubscribe()

    async def remember(self) -> None:
        """Take over what the database holds, once. Raises `StoreFailed`."""
        if not self._catalog.ledger.remembers:
            self._catalog.ledger.remember(await self._store.registry.all())

    async def flush(self) -> None:
        """Write what differs now. Raises `StoreFailed` or `Busy`."""
        if await self._is_behind():
            return
        scans = self._catalog.scans
        records, entries = await anyio.to_thread.run_sync(self._catalog.ledger.due, scans)
        await self._store.registry.save(records)
        self._catalog.ledger.written(records, entries)
        self._wrote = True
        self._catalog.report("sync", None)

    async def listen(self) -> None:
        """Look again and again whether another server changed authored tasks, what may run, or what content is accepted."""
        async with anyio.create_task_group() as group:
            await self._listen(group)

    async def _listen(self, group: TaskGroup) -> None:
        while True:
            known = self._catalog.seen
            await anyio.sleep(self._settings.database_seconds)
            now = await self._revisions()
            if now is None or now == known:
                continue
            if known is None or now.get("authored") != known.get("authored"):
                await self._catalog.reload("database")
                if any(scan.source.name == "database" and scan.failure is not None for scan in self._catalog.scans):
                    continue
            if known is None or now.get("switches") != known.get("switches"):
                try:
                    self._catalog.heed(await self._store.registry.disabled())
                except RatchetError as error:
                    logger.debug("What may run could not be read: {}", error)
                    continue
            if known is None or now.get("accepted") != known.get("accepted"):
                try:
                    renewed = self._catalog.take_accepted(await self._store.registry.all())
                except RatchetError as error:
                    logger.debug("What was accepted could not be read: {}", error)
                    continue
                group.start_soon(self._catalog.renew, renewed)
                self._wake.set()
            self._catalog.seen = now

    async def finish(self) -> None:
        """Write down what was loaded last: everything, or, when this process was too short for that, what came from elsewhere.

        Raises `StoreFailed` or `Busy`.
        """
        catalog = self._catalog
        if self._wrote:
            await self.flush()
        elif catalog.ledger.has_loaded({source.name for source in catalog.sources if source.remote}):
            await self.remember()
            await self._store.registry.save(catalog.ledger.loaded_from(catalog.scans))

    async def _is_behind(self) -> bool:
        """Tell whether digests were accepted elsewhere that are not taken over yet: what is known here must not overwrite them."""
        seen = self._catalog.seen
        return seen is not None and (await self._store.registry.revisions()).get("accepted") != seen.get("accepted")

    async def _revisions(self) -> dict[str, int] | None:
        try:
            return await self._store.registry.revisions()
        except RatchetError as error:
            logger.debug("The revisions could not be read: {}", error)
            return None

    async def _failed(self, error: RatchetError) -> None:
        problem = SourceFailed(
            f"What the sources offer could not be written to the database: {error.message}",
            hint=error.hint,
            details={"source": "database", "uri": self._store.url},
        )
        if not self._pause:
            logger.warning("{}", problem.message)
        self._catalog.report("sync", TaskProblem("database", self._store.url, problem, warning=True))
        self._pause = min(max(self._settings.retry_seconds, self._pause * 2), self._settings.max_retry_seconds)
        await anyio.sleep(self._pause)

    def _changed(self, changes: Changes) -> None:
        self._wake.set()
