"""Takes in what a scan found: what is served from now on, what is kept of before, and what has to be said about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import anyio

from ratchet_mcp.errors import ContentChanged, RatchetError
from ratchet_mcp.registry.index import Entry
from ratchet_mcp.registry.loader import Kept, Loader
from ratchet_mcp.registry.scans import Scan
from ratchet_mcp.registry.source import Found, TaskProblem
from ratchet_mcp.tasks.definition import Task

PATIENCE = 3
"""After so many known contents of one source that cannot be had any more, the others are not asked for."""


class Intake:
    """The rules of replacing content.

    A task that is broken now stays as it was when it was last loaded. Other content under a version that is known replaces the old one
    only in local sources, and never against a pin; `digest_of` tells the known digest of `(source, name, version)`.
    """

    def __init__(
        self, loader: Loader, pins: Mapping[str, str], digest_of: Callable[[tuple[str, str, str]], str | None], *, concurrency: int
    ) -> None:
        self._loader, self._pins, self._digest_of = loader, pins, digest_of
        self._limiter = anyio.Semaphore(concurrency)

    async def take(
        self, old: Scan, results: Iterable[Found | TaskProblem], replaces: Callable[[str], bool], *, accept_changed: bool = False
    ) -> Scan:
        """Return the state after a scan of the locations for which `replaces` is true; the rest of `old` stays."""
        new = _rest(old, replaces)
        for result in results:
            if isinstance(result, TaskProblem):
                self._take_broken(old, new, result)
            else:
                self._take_found(old, new, result, accept_changed=accept_changed)
        if old.source.remote or self._pins:
            await self._hold_back(old, new, accept_changed=accept_changed)
        async with anyio.create_task_group() as group:
            for entry, before, task in self._in_use(old, new):
                group.start_soon(self._check, new, entry, before, task, accept_changed)
        return new

    def _take_broken(self, old: Scan, new: Scan, problem: TaskProblem) -> None:
        new.broken[problem.location] = problem
        before = old.entries.get(problem.location)
        task = self._loader.peek(before) if before is not None else None
        if before is not None and task is not None:
            new.entries[problem.location] = _keep(before, task)

    def _take_found(self, old: Scan, new: Scan, found: Found, *, accept_changed: bool) -> None:
        location = found.place.location
        before, known = old.entries.get(location), old.found.get(location)
        new.found[location] = found
        same = known is not None and (known is found or known == found)
        outdated = location in old.warnings and (accept_changed or (before is not None and self._is_outdated(before)))
        if before is not None and same and not outdated:
            new.entries[location] = before
            for kept, notes in ((new.broken, old.broken), (new.warnings, old.warnings)):
                if location in notes:
                    kept[location] = notes[location]
        else:
            new.entries[location] = Entry.of(new.source, found)

    def _is_outdated(self, entry: Entry) -> bool:
        """Tell whether other content than the one that is kept has been accepted since."""
        known = self._digest_of(entry.identity)
        return isinstance(entry.place, Kept) and known is not None and known != entry.place.task.digest

    def _in_use(self, old: Scan, new: Scan) -> list[tuple[Entry, Entry, Task | None]]:
        """Return the entries that replace a loaded task, with what they replace: at the same place, or under the same version.

        In remote sources also those whose content is of unknown digest: the old and the new one have to be compared.
        """
        by_identity = {entry.identity: entry for entry in old.entries.values()} if new.source.remote else {}
        in_use: list[tuple[Entry, Entry, Task | None]] = []
        for location, entry in new.entries.items():
            before = old.entries.get(location) or by_identity.get(entry.identity)
            if before is None or before is entry or isinstance(entry.place, Kept):
                continue
            task = self._loader.peek(before)
            unknown = new.source.remote and before.identity == entry.identity and None in (before.digest, entry.digest)
            if task is not None or unknown:
                in_use.append((entry, before, task))
        return in_use

    async def _hold_back(self, old: Scan, new: Scan, *, accept_changed: bool) -> None:
        """Put the old entry back where the new one has other content under the same version, as far as digests are known.

        Content that cannot be had any more is not put back; if it was ever used, the catalog does not let the new one run.
        """
        patience = PATIENCE
        before_by_identity = {entry.identity: entry for entry in old.entries.values()}
        for location, entry in list(new.entries.items()):
            before = before_by_identity.get(entry.identity)
            pin = self._pins.get(entry.summary.reference)
            if entry is before or entry.digest is None or (pin is None and (accept_changed or not new.source.remote)):
                continue
            known = self._known(before)
            wanted = pin or known
            if wanted is None or wanted == entry.digest:
                continue
            if before is not None and known == wanted and before.digest in (None, wanted):
                task = await self._still_here(before) if patience or self._loader.peek(before) is not None else None
                if task is None:
                    patience = max(0, patience - 1)
                    if pin is None and self._digest_of(entry.identity) is None:
                        new.warnings[location] = changed(entry, wanted, entry.digest, "the new content is served", warning=True)
                    continue
                del new.entries[location]
                new.entries[before.place.location] = _keep(before, task)
                new.warnings[location] = changed(entry, wanted, entry.digest, "the known content is kept", warning=True)
            elif pin is not None:
                new.warnings[location] = changed(entry, wanted, entry.digest, "it does not run, because its version is pinned")

    def _known(self, entry: Entry | None) -> str | None:
        if entry is None:
            return None
        known = self._digest_of(entry.identity) if entry.summary.remote else None
        if known is not None:
            return known
        task = self._loader.peek(entry)
        return entry.digest or (task.digest if task is not None else self._digest_of(entry.identity))

    async def _still_here(self, entry: Entry) -> Task | None:
        try:
            return await self._loader.load(entry)
        except RatchetError:
            self._loader.forget(entry)
            return None

    async def _check(self, new: Scan, entry: Entry, before: Entry, old_task: Task | None, accept_changed: bool) -> None:
        """Load a changed task that was in use, before anyone sees it; what is wrong with it leaves the old one in place."""
        location = entry.place.location
        async with self._limiter:
            if old_task is None:
                try:
                    old_task = await self._loader.load(before)
                except RatchetError:
                    self._loader.forget(before)
                    return  # there is nothing to compare with, and nothing to keep
            try:
                task = await self._loader.load(entry)
            except RatchetError as error:
                self._loader.failed.pop(location, None)
                self._put_back(new, entry, before, old_task)
                new.broken[location] = TaskProblem(entry.summary.origin, location, error)
                return
        if before.identity != entry.identity or task.digest == old_task.digest:
            return
        pin = self._pins.get(entry.summary.reference)
        accepted = accept_changed or self._digest_of(entry.identity) == task.digest
        if pin not in (None, task.digest) or (pin is None and new.source.remote and not accepted):
            self._loader.forget(entry)
            self._put_back(new, entry, before, old_task)
            new.warnings[location] = changed(entry, old_task.digest, task.digest, "the known content is kept", warning=True)
        elif not accepted:
            new.warnings[location] = changed(entry, old_task.digest, task.digest, "the new content is served", warning=True)

    def _put_back(self, new: Scan, entry: Entry, before: Entry, task: Task) -> None:
        del new.entries[entry.place.location]
        new.entries[before.place.location] = _keep(before, task)


def changed(entry: Entry, known: str, new: str, consequence: str, *, warning: bool = False) -> TaskProblem:
    """Return what to say of other content under a known version."""
    reference, source = entry.summary.reference, entry.summary.origin
    error = ContentChanged(
        f"{source} has other content than before under {reference}; {consequence}.",
        details={"task": reference, "source": source, "known_digest": known, "new_digest": new},
    )
    return TaskProblem(source, entry.place.location, error, warning)


def _keep(before: Entry, task: Task) -> Entry:
    if isinstance(before.place, Kept):
        return before
    return Entry(before.summary, Kept(task, before.place), task.digest)


def _rest(old: Scan, replaces: Callable[[str], bool]) -> Scan:
    return Scan(
        old.source,
        {place: each for place, each in old.found.items() if not replaces(place)},
        {place: each for place, each in old.entries.items() if not replaces(place)},
        {place: each for place, each in old.broken.items() if not replaces(place)},
        {place: each for place, each in old.warnings.items() if not replaces(place)},
        unreachable=old.unreachable,
    )
