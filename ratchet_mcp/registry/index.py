"""Which tasks there are: an immutable picture of all sources, made of what their scans found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING
from uuid import UUID

from ratchet_mcp.errors import RatchetError, TaskInvalid
from ratchet_mcp.registry.changes import Changes
from ratchet_mcp.registry.source import Found, Place, Source, TaskProblem
from ratchet_mcp.tasks.annotations import SILENT, Annotations, Expose
from ratchet_mcp.tasks.metadata import name_of_folder
from ratchet_mcp.tasks.versions import sort_newest_first

if TYPE_CHECKING:
    from ratchet_mcp.registry.scans import Scan


@dataclass(frozen=True, slots=True)
class TaskSummary:
    """What a listing shows of a task, without its code.

    `origin` is the name of its source, `remote` tells that this came over a network. The instants and `in_sync` say what the store
    remembers of this version; they are None and False until it has been written there.
    """

    name: str
    version: str
    uuid: UUID
    title: str
    description: str
    tags: tuple[str, ...]
    origin: str
    source_kind: str = "folder"
    remote: bool = False
    expose: Expose | None = None
    annotations: Annotations = SILENT
    enabled: bool = True
    in_sync: bool = False
    created_at: datetime | None = None
    updated_at: datetime | None = None
    validated_at: datetime | None = None

    @property
    def reference(self) -> str:
        """Return `name@version`."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True)
class Entry:
    """One version of one task, and where to load it from."""

    summary: TaskSummary
    place: Place
    digest: str | None = None

    @classmethod
    def of(cls, source: Source, found: Found) -> Entry:
        """Make the entry of what a scan found."""
        its = found.metadata
        summary = TaskSummary(
            its.name, its.version, its.uuid, its.title, its.description, its.tags, source.name, source.kind, source.remote, its.expose,
            its.annotations,
        )  # fmt: skip
        return cls(summary, found.place, found.digest)

    @cached_property
    def folded(self) -> tuple[str, str, frozenset[str], str]:
        """Return name, title, tags and description for a search that does not look at case."""
        summary = self.summary
        tags = frozenset(tag.casefold() for tag in summary.tags)
        return summary.name, summary.title.casefold(), tags, summary.description.casefold()

    @property
    def key(self) -> tuple[str, str]:
        """Return the place in a listing: by name, then by UUID."""
        return self.summary.name, str(self.summary.uuid)

    @property
    def identity(self) -> tuple[str, str, str]:
        """Return `(source, name, version)`, which is what the store knows it by."""
        return self.summary.origin, self.summary.name, self.summary.version


@dataclass
class Index:
    """All tasks of one moment. Versions of a task stand newest first; `rows` lists the best version of each task.

    `unfetched` names the sources of which nothing is here yet, so that what they offer is not known.
    """

    by_name: dict[str, list[Entry]] = field(default_factory=dict[str, list[Entry]])
    by_uuid: dict[UUID, list[Entry]] = field(default_factory=dict[UUID, list[Entry]])
    rows: list[Entry] = field(default_factory=list[Entry])
    keys: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    broken: dict[str, RatchetError] = field(default_factory=dict[str, RatchetError])
    problems: list[TaskProblem] = field(default_factory=list[TaskProblem])
    unfetched: list[str] = field(default_factory=list[str])

    @classmethod
    def build(cls, scans: Iterable[Scan], problems: Iterable[TaskProblem] = ()) -> Index:
        """Put together what the sources have; earlier sources win, and what loses is a problem that warns."""
        index = cls(problems=list(problems))
        for scan in scans:
            if not scan.source.fetched:
                index.unfetched.append(scan.source.name)
            for problem in scan.problems():
                index._note(problem)
            for location in sorted(scan.entries):
                index._add(scan.entries[location])
        index._finish()
        return index

    def _note(self, problem: TaskProblem) -> None:
        self.problems.append(problem)
        if not problem.warning:
            place = problem.location.replace("!/", "/").rstrip("/").rpartition("/")[2]
            self.broken.setdefault(name_of_folder(place.removesuffix(".zip")), problem.error)

    def _add(self, entry: Entry) -> None:
        refused = self._refused(entry)
        if refused is not None:
            self.problems.append(refused)
            if not refused.warning:
                self.broken.setdefault(entry.summary.name, refused.error)
            return
        self.by_name.setdefault(entry.summary.name, []).append(entry)
        self.by_uuid.setdefault(entry.summary.uuid, []).append(entry)

    def _refused(self, entry: Entry) -> TaskProblem | None:
        summary = entry.summary
        for other in self.by_name.get(summary.name, ()):
            if other.summary.version == summary.version:
                where = f"{other.summary.origin} ({other.place.location})"
                return _conflict(entry, f"{summary.reference} is already there, from {where}; this one is not served", warning=True)
        for other in self.by_uuid.get(summary.uuid, ()):
            if other.summary.name != summary.name:
                holder = f"{other.summary.name} ({other.place.location})"
                return _conflict(entry, f"{summary.reference} has the UUID of {holder}; this one is not served")
        return None

    def _finish(self) -> None:
        """Sort, and make what searches need now, in the thread that builds."""
        for entries in (*self.by_name.values(), *self.by_uuid.values()):
            if len(entries) > 1:
                sort_newest_first(entries, lambda entry: entry.summary.version)
        self.rows = sorted((entries[0] for entries in self.by_uuid.values()), key=lambda entry: entry.key)
        self.keys = [entry.key for entry in self.rows]
        for entry in self.rows:
            _ = entry.folded

    def changes_from(self, old: Index) -> Changes:
        """Return what differs from an older picture."""
        return compare(old.by_name, self.by_name)


def _conflict(entry: Entry, message: str, *, warning: bool = False) -> TaskProblem:
    location = entry.place.location
    error = TaskInvalid(message, details={"problems": [{"file": location, "message": message}]})
    return TaskProblem(entry.summary.origin, location, error, warning)


def compare(old: Mapping[str, list[Entry]], new: Mapping[str, list[Entry]]) -> Changes:
    """Compare two sets of tasks by name."""
    changed = (name for name in new.keys() & old.keys() if new[name] is not old[name] and _differ(old[name], new[name]))
    return Changes(frozenset(new.keys() - old.keys()), frozenset(changed), frozenset(old.keys() - new.keys()))


def _differ(old: list[Entry], new: list[Entry]) -> bool:
    return len(old) != len(new) or any(one is not other and one != other for one, other in zip(old, new, strict=True))
