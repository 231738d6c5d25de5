"""The catalog: finds tasks by name, version, UUID or search, and loads them when they are first needed."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
from loguru import logger

from ratchet_mcp.errors import RatchetError, SourceFailed, TaskDisabled, TaskInvalid
from ratchet_mcp.registry.changes import Changes, Subscribers
from ratchet_mcp.registry.folders import FolderSource, inside_of
from ratchet_mcp.registry.history import from_history, known_digest
from ratchet_mcp.registry.index import Entry, Index, TaskSummary
from ratchet_mcp.registry.intake import Intake, changed
from ratchet_mcp.registry.ledger import Identity, Ledger
from ratchet_mcp.registry.listing import TaskPage, list_page
from ratchet_mcp.registry.loader import LOADED_TASKS, Kept, Loader
from ratchet_mcp.registry.scans import Scan
from ratchet_mcp.registry.selection import choose
from ratchet_mcp.registry.source import Found, Source, TaskProblem
from ratchet_mcp.registry.sources import BUNDLED, open_sources
from ratchet_mcp.settings import Limits, NetworkSettings, RegistrySettings
from ratchet_mcp.tasks.definition import Task

if TYPE_CHECKING:
    from ratchet_mcp.store.records import CatalogRecord
    from ratchet_mcp.store.store import Store

__all__ = ["Catalog", "Changes", "TaskPage", "TaskProblem", "TaskSummary"]


class Catalog:
    """All tasks of all sources. Listings come from memory; a task is loaded and checked when it is first resolved."""

    def __init__(self, settings: RegistrySettings, limits: Limits, network: NetworkSettings | None = None) -> None:
        self.settings, self._network = settings, network
        self.ledger = Ledger()
        self.seen: dict[str, int] | None = None
        """The store's revisions that the catalog has taken up."""
        self._limits = limits
        self._store: Store | None = None
        self._scans: list[Scan] = []
        self._unopened: list[TaskProblem] = []
        self._index = Index()
        self._loader = Loader(limits)
        self._intake = Intake(self._loader, settings.pins, self.ledger.digest_of, concurrency=settings.watch.concurrency)
        self._subscribers = Subscribers()
        self._references: dict[str, Entry] = {}
        self._notes: dict[str, TaskProblem] = {}
        self._troubles: dict[str, TaskProblem] = {}
        self._busy: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        """Held by the thread that refreshes or scans a source, also when nobody waits for that thread any more."""
        self._reloading = anyio.Lock()

    async def start(self) -> None:
        """Scan what is here of all sources, in a thread. What cannot be read becomes one of `problems`; nothing is raised for it."""
        sources, self._unopened = await anyio.to_thread.run_sync(open_sources, self.settings, self._limits, self._network)
        self._scans = [Scan(source) for source in sources]
        await self.reload()

    async def attach(self, store: Store) -> None:
        """Serve the tasks of the database too, and heed what it says may not run. A database that refuses becomes a problem."""
        from ratchet_mcp.registry.database import DatabaseSource

        self._store = store
        last = len(self._scans) - 1 if self._scans and self._scans[-1].source.name == BUNDLED else len(self._scans)
        self._scans.insert(last, Scan(DatabaseSource(store)))
        try:
            self.seen = await store.registry.revisions()
            self.ledger.disabled = await store.registry.disabled()
        except RatchetError as error:
            logger.warning("What changed in the database could not be read: {}", error)
        await self.reload("database")

    # ---------------------------------------------------------------- asking
    @property
    def sources(self) -> list[Source]:
        """Return the sources in order of precedence."""
        return [scan.source for scan in self._scans]

    @property
    def scans(self) -> list[Scan]:
        """Return what each source has, in order of precedence."""
        return list(self._scans)

    @property
    def problems(self) -> list[TaskProblem]:
        """Return what cannot be served, found by a scan or when a task was loaded, and what should be known of what is served."""
        return [*self._index.problems, *self._loader.failed.values(), *self._notes.values(), *self._troubles.values()]

    def problems_of(self, name: str) -> list[TaskProblem]:
        """Return what is wrong at the places of the versions of a task: a broken edit, content that is held back, and the like."""
        places = {entry.place.location for entry in self._index.by_name.get(name, ())}
        return [problem for problem in self.problems if problem.location in places]

    def find(self, *, query: str | None = None, tags: Sequence[str] = (), limit: int = 50, cursor: str | None = None) -> TaskPage:
        """Return a page of tasks, the best version of each. Tasks must have all `tags`. Raises `InvalidCursor`."""
        return list_page(self._index, query, tags, limit, cursor, self.ledger.dress)

    def versions(self, name: str) -> list[str]:
        """Return the versions of a task, newest first, releases before pre-releases; empty when there is no such task."""
        return [entry.summary.version for entry in self._index.by_name.get(name, ())]

    def summary(self, reference: str) -> TaskSummary:
        """Return what is known of a task without loading it. Raises what `resolve` raises for the reference."""
        return self.ledger.dress(choose(self._index, reference.strip()))

    async def resolve(self, reference: str, *, disabled: bool = False) -> Task:
        """Return the task that a name or UUID means, with `@` and a version, a range as in npm, or `latest`.

        A bare name means the highest release, or the highest pre-release when there is no release. Raises `TaskNotFound` (with
        suggestions), `AmbiguousTask`, `TaskInvalid` (listing all problems), `InvalidArgument` (neither version nor range),
        `TaskDisabled` (unless `disabled`) or `ContentChanged` (not what is pinned).
        """
        known = self._references.get(reference)
        task = self._loader.peek(known) if known is not None else None
        if task is not None:
            return task
        for _ in range(3):
            index = self._index
            entry = choose(index, reference.strip())
            if entry.summary.name in self.ledger.disabled and not disabled:
                raise TaskDisabled(f"The task {entry.summary.name} is disabled.")
            task = await self._loader.load(entry)
            if (task.name, task.version, task.uuid) == (entry.summary.name, entry.summary.version, entry.summary.uuid):
                task = await self._accepted(entry, task)
                if index is self._index and len(reference) <= 200 and entry.summary.name not in self.ledger.disabled:
                    self._remember(reference, entry)
                return task
            self._loader.forget(entry)
            await self.reload(entry.summary.origin)
        raise TaskInvalid(f"The task {reference[:200]!r} changes while it is read.", hint="Try again when its files are complete.")

    async def _accepted(self, entry: Entry, task: Task) -> Task:
        """Compare what was loaded with what is pinned and with what was known, and return what may be served. Raises `ContentChanged`."""
        pin = self.settings.pins.get(entry.summary.reference)
        if pin is not None and pin != task.digest:
            self._loader.forget(entry)
            raise changed(entry, pin, task.digest, "it does not run, because its version is pinned").error
        known = await known_digest(self._store, self.ledger, entry)
        if known in (None, task.digest):
            if entry.place.location not in self._loader.adopted:
                self._notes.pop(entry.place.location, None)
        elif entry.summary.remote and pin is None and not isinstance(entry.place, Kept):
            task = await self._held_back(entry, task, known)
        else:
            self._notes[entry.place.location] = changed(entry, known, task.digest, "the new content is served", warning=True)
        self.ledger.note_loaded(entry, task)
        return task

    async def _held_back(self, entry: Entry, task: Task, known: str) -> Task:
        """Return the known content if it has run here. Raises `ContentChanged` when it cannot be had any more."""
        old = await from_history(self._store, entry, known, task)
        if old is None:
            self._loader.forget(entry)
            problem = changed(entry, known, task.digest, "it does not run until that is accepted")
            self._notes[entry.place.location] = problem
            raise problem.error
        self._notes[entry.place.location] = changed(entry, known, task.digest, "the known content is kept", warning=True)
        self._loader.adopt(entry, old)
        return old

    def _remember(self, reference: str, entry: Entry) -> None:
        if len(self._references) > 4 * LOADED_TASKS:
            self._references.clear()
        self._references[reference] = entry

    # ---------------------------------------------------------------- changing
    def subscribe(self, callback: Callable[[Changes], None]) -> Callable[[], None]:
        """Call `callback` on the event loop after each change, until what is returned is called."""
        return self._subscribers.add(callback)

    async def set_enabled(self, name: str, enabled: bool) -> None:
        """Let a task run or not, on all servers of the store. Raises `TaskNotFound`, `StoreFailed`, `Busy`."""
        name = self.summary(name).name
        if self._store is not None:
            await self._store.registry.set_enabled(name, enabled)
        self.heed(self.ledger.disabled - {name} if enabled else self.ledger.disabled | {name})

    def heed(self, disabled: frozenset[str]) -> None:
        """Take over which tasks may not run."""
        differing = (disabled ^ self.ledger.disabled) & self._index.by_name.keys()
        self.ledger.disabled = disabled
        self._references.clear()
        self._subscribers.tell(Changes(changed=frozenset(differing)))

    async def reload(self, source: str | None = None, *, refresh: bool = False, accept_changed: bool = False) -> Changes:
        """Scan one source or all again; callers see the old tasks until the new ones are complete.

        With `refresh` remote sources are brought up to date first. `accept_changed` takes other content under known versions.
        Raises `SourceFailed` for a name that is no source.
        """
        if source is not None and source not in (scan.source.name for scan in self._scans):
            names = [scan.source.name for scan in self._scans]
            message = f"There is no source {source[:80]!r}." if names else "There are no sources."
            raise SourceFailed(message, hint=f"The sources are {', '.join(names)}.", details={"source": source[:80]})
        chosen = [scan.source for scan in self._scans if source in (None, scan.source.name)]
        if accept_changed:
            self._accept({each.name for each in chosen if each.remote})
        unreachable: dict[str, TaskProblem | None] = {}
        if refresh:
            async with anyio.create_task_group() as group:
                for each in chosen:
                    group.start_soon(self._refresh, each, unreachable)
        async with self._reloading:
            scans = [
                await self._rescan(scan, unreachable, accept_changed=accept_changed) if scan.source in chosen else scan
                for scan in self._scans
            ]
            return await self._swap(scans)

    async def look(self, source: FolderSource, units: Collection[str]) -> Changes:
        """Scan only some task folders, collection folders or ZIPs of a source again."""
        async with self._reloading:
            scans: list[Scan] = []
            for scan in self._scans:
                if scan.source is source:
                    results = await anyio.to_thread.run_sync(source.look, units, self._limits)
                    scan = await self._intake.take(scan, results, inside_of(units))
                scans.append(scan)
            return await self._swap(scans)

    def take_accepted(self, records: Iterable[CatalogRecord]) -> frozenset[Identity]:
        """Take over from the database's records which content was accepted elsewhere; returns the versions that need it, for `renew`."""
        return self.ledger.take_accepted(records, {scan.source.name for scan in self._scans if scan.source.remote})

    async def renew(self, accepted: frozenset[Identity]) -> None:
        """Bring versions up to date whose content was accepted elsewhere, and tell of it."""
        if not accepted:
            return
        self._forget(lambda entry: entry.identity in accepted)
        for name in sorted({identity[0] for identity in accepted}):
            await self.reload(name, refresh=True)
        self._references.clear()
        self._subscribers.tell(Changes(changed=frozenset(identity[1] for identity in accepted) & self._index.by_name.keys()))

    def _accept(self, sources: Collection[str]) -> None:
        self.ledger.forget_content(sources)
        self._forget(lambda entry: entry.summary.origin in sources and entry.place.location in self._notes)

    def _forget(self, which: Callable[[Entry], bool]) -> None:
        for entry in [each for scan in self._scans for each in scan.entries.values() if which(each)]:
            self._loader.forget(entry)
            self._notes.pop(entry.place.location, None)

    def report(self, key: str, problem: TaskProblem | None) -> None:
        """Note what is wrong with keeping the catalog current, or that it is well again."""
        if problem is None:
            self._troubles.pop(key, None)
        else:
            self._troubles[key] = problem

    async def _refresh(self, source: Source, unreachable: dict[str, TaskProblem | None]) -> None:
        """Bring a source up to date, and note what went wrong."""

        def refresh() -> None:
            with self._busy[source.name]:
                source.refresh()

        unreachable[source.name] = None
        try:
            await anyio.to_thread.run_sync(refresh, abandon_on_cancel=True)
        except RatchetError as error:
            unreachable[source.name] = TaskProblem(source.name, source.uri, error)
        except Exception as error:
            logger.opt(exception=error).error("Refreshing the source {} failed on a defect", source.name)
            unreachable[source.name] = TaskProblem(source.name, source.uri, _defect(source, error))

    def _scan(self, source: Source) -> list[Found | TaskProblem] | None:
        """Scan a source, on a thread; None while it is being refreshed: it is scanned after that."""
        busy = self._busy[source.name]
        if not busy.acquire(blocking=False):
            return None
        try:
            return list(source.scan(self._limits))
        finally:
            busy.release()

    async def _rescan(self, scan: Scan, unreachable: dict[str, TaskProblem | None], *, accept_changed: bool) -> Scan:
        source = scan.source
        lasting = unreachable.get(source.name, scan.unreachable)
        try:
            results = await anyio.to_thread.run_sync(self._scan, source)
        except Exception as error:
            if not isinstance(error, RatchetError):
                logger.opt(exception=error).error("Scanning the source {} failed on a defect", source.name)
            problem = TaskProblem(source.name, source.uri, error if isinstance(error, RatchetError) else _defect(source, error))
            kept = scan if source.remote or source.kind == "database" else Scan(source)
            return replace(kept, failure=problem, unreachable=lasting)
        if results is None:
            return scan
        new = await self._intake.take(scan, results, lambda _: True, accept_changed=accept_changed)
        return replace(new, unreachable=lasting)

    async def _swap(self, scans: list[Scan]) -> Changes:
        old = self._index
        new = await anyio.to_thread.run_sync(partial(Index.build, scans, self._unopened))
        changes = await anyio.to_thread.run_sync(new.changes_from, old)
        self._scans, self._index = scans, new
        self._references.clear()
        served = {entry.place.location for scan in scans for entry in scan.entries.values()} if self._notes or self._loader.failed else ()
        for notes in (self._notes, self._loader.failed):
            for location in [place for place in notes if place not in served]:
                del notes[location]
        self._subscribers.tell(changes)
        return changes


def _defect(source: Source, error: Exception) -> SourceFailed:
    return SourceFailed(
        f"The source {source.name} cannot be read: {error}", hint="The log has the traceback.", details={"source": source.name}
    )
