"""Notices changes of local sources: one watcher for all of them, on exactly the folders that their scans went through.

Folders are watched one by one, not as a tree: the library would follow links out of a source, and into folders that are never looked at.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import stamina
from loguru import logger

from ratchet_mcp.errors import SourceFailed
from ratchet_mcp.registry.catalog import Catalog
from ratchet_mcp.registry.folders import FolderSource
from ratchet_mcp.registry.pending import Pending
from ratchet_mcp.registry.source import TaskProblem
from ratchet_mcp.settings.registry import WatchSettings

if TYPE_CHECKING:
    from watchfiles._rust_notify import RustNotify

LOOK_SECONDS = 1.0
"""How often roots are looked at: one that was removed, moved or replaced does not always say so."""
STEP_MS = 50
MODIFIED = 2
MANY = 500
"""So many changed tasks of one source are read by scanning all of it."""
Identity = tuple[int, int] | None


class Watcher:
    """Watches the local sources of a catalog until it is cancelled. `ready` is set when it watches."""

    def __init__(self, catalog: Catalog, settings: WatchSettings) -> None:
        self.ready = anyio.Event()
        self._catalog, self._settings = catalog, settings
        self._sources = [each for each in catalog.sources if isinstance(each, FolderSource) and each.kind != "bundled"]
        self._pending = Pending(settings.debounce_ms / 1000)
        self._roots: dict[str, Identity] = {}
        self._watched: frozenset[str] = frozenset()
        self._notify: RustNotify | None = None
        self._polling, self._pause = settings.polling, LOOK_SECONDS
        self._stop = threading.Event()

    async def run(self) -> None:
        """Watch; returns at once when there is nothing to watch."""
        if not self._sources:
            self.ready.set()
            return
        try:
            await self._establish()
            for source in self._sources:  # what changed between the first scan and now
                self._roots[source.name] = await self._identity(source)
                await self._catalog.reload(source.name)
            await self._establish()
            self.ready.set()
            while True:
                if self._polling:
                    await self._poll()
                    continue
                await self._wait()
                await self._look_at_roots()
                await self._take_up()
        finally:
            self._stop.set()  # ends the thread that waits; it closes what it watched

    async def _poll(self) -> None:
        """Scan all sources after a pause that keeps the scans a small part of the time; what has not changed is not read again."""
        await anyio.sleep(self._pause)
        started = anyio.current_time()
        for source in self._sources:
            await self._catalog.reload(source.name)
        self._pause = max(LOOK_SECONDS, 10 * (anyio.current_time() - started))

    async def _wait(self) -> None:
        """Wait for changes, for pending ones to become due, or for the next look at the roots."""
        seconds = min(LOOK_SECONDS, self._pending.wait_seconds(anyio.current_time()))
        if self._notify is None:
            await anyio.sleep(max(seconds, STEP_MS / 1000))
            return
        watch = partial(self._notify.watch, 2 * STEP_MS, STEP_MS, max(int(seconds * 1000), STEP_MS), self._stop)
        raw = await anyio.to_thread.run_sync(watch, abandon_on_cancel=True)
        if isinstance(raw, set):
            self._note(raw)

    def _note(self, changes: Iterable[tuple[int, str]]) -> None:
        now = anyio.current_time()
        for kind, path in changes:
            if kind != MODIFIED:
                self._watched -= {path}  # a folder that has gone, or come again, has to be watched anew
            if any(fnmatchcase(os.path.basename(path), pattern) for pattern in self._settings.ignore):
                continue
            for source in self._sources:
                unit = source.unit_of(path)
                if unit is not None:
                    self._pending.add(source, unit, now)

    async def _look_at_roots(self) -> None:
        """Scan a source whose root has appeared, vanished or become another one; once more when it is watched."""
        for source in self._sources:
            identity = await self._identity(source)
            if identity != self._roots[source.name]:
                self._roots[source.name] = identity
                self._pending.drop(source)
                self._watched = frozenset()
                for _ in range(3):
                    await self._catalog.reload(source.name)
                    if not await self._establish():
                        break

    async def _take_up(self) -> None:
        """Read what has been quiet for long enough. New folders are watched, and then looked at again for what came before that."""
        for source, units in self._pending.due(anyio.current_time()).items():
            for _ in range(3):
                if str(source.path) in units or len(units) > MANY:
                    changes = await self._catalog.reload(source.name)
                else:
                    changes = await self._catalog.look(source, units)
                if changes:
                    logger.info(
                        "Tasks of {} changed: {}", source.name, ", ".join(sorted(changes.added | changes.changed | changes.removed)[:10])
                    )
                if not await self._establish():
                    break

    async def _identity(self, source: FolderSource) -> Identity:
        try:
            status = await anyio.to_thread.run_sync(os.stat, source.path)
        except OSError:
            return None
        return status.st_dev, status.st_ino if source.kind != "zip" else 0

    # ---------------------------------------------------------------- the library
    async def _establish(self) -> bool:
        """Watch the folders that there are now; tells whether they differ from before. What cannot be watched is looked at instead."""
        if self._polling:
            return False
        wanted = frozenset(folder for source in self._sources for folder in source.folders)
        if wanted == self._watched:
            return False
        open_with_retries = stamina.retry(
            on=OSError,
            attempts=self._settings.attempts,
            timeout=None,
            wait_initial=self._settings.retry_seconds,
            wait_max=self._settings.max_retry_seconds,
        )(_open)
        try:
            new = await open_with_retries(wanted)
        except OSError as error:
            self._polling = True
            for source in self._sources:
                self._catalog.report(f"watch:{source.name}", _unwatchable(source, error))
            return False
        old, self._notify, self._watched = self._notify, new, wanted
        if old is not None:
            old.close()
        return True


async def _open(folders: Iterable[str]) -> RustNotify | None:
    return await anyio.to_thread.run_sync(_open_now, folders)


def _open_now(folders: Iterable[str]) -> RustNotify | None:
    from watchfiles._rust_notify import RustNotify

    there = [folder for folder in folders if os.path.isdir(folder)]
    return RustNotify(there, False, False, 300, False, True) if there else None


def _unwatchable(source: FolderSource, error: OSError) -> TaskProblem:
    failed = SourceFailed(
        f"The source {source.name} cannot be watched, so it is looked at every few seconds: {error}",
        hint="Allow more watches (fs.inotify.max_user_watches), or set registry.watch.polling to be spared this message.",
        details={"source": source.name, "uri": source.uri},
    )
    return TaskProblem(source.name, source.uri, failed, warning=True)
