"""Which tasks there are: an immutable picture of all sources, made by one scan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from uuid import UUID

from ratchet_mcp.errors import RatchetError, TaskInvalid
from ratchet_mcp.registry.sources import Source, TaskProblem, find_tasks
from ratchet_mcp.settings import Limits
from ratchet_mcp.tasks.loading import load_metadata
from ratchet_mcp.tasks.metadata import Metadata, name_of_folder
from ratchet_mcp.tasks.versions import sort_newest_first


@dataclass(frozen=True, slots=True)
class TaskSummary:
    """What a listing shows of a task, without its code."""

    name: str
    version: str
    uuid: UUID
    title: str
    description: str
    tags: tuple[str, ...]
    origin: str

    @property
    def reference(self) -> str:
        """Return `name@version`."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True)
class Entry:
    """One version of one task, and where to load it from."""

    summary: TaskSummary
    path: Path

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


@dataclass
class Index:
    """All tasks of one scan. Versions of a task stand newest first; `rows` lists the best version of each task."""

    by_name: dict[str, list[Entry]] = field(default_factory=dict[str, list[Entry]])
    by_uuid: dict[UUID, list[Entry]] = field(default_factory=dict[UUID, list[Entry]])
    rows: list[Entry] = field(default_factory=list[Entry])
    keys: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    broken: dict[str, RatchetError] = field(default_factory=dict[str, RatchetError])
    problems: list[TaskProblem] = field(default_factory=list[TaskProblem])

    @classmethod
    def scan(cls, sources: Sequence[Source], problems: Sequence[TaskProblem], limits: Limits) -> Index:
        """Read the metadata of every task of the sources; earlier sources win."""
        index = cls(problems=list(problems))
        for source in sources:
            for found in find_tasks(source):
                if isinstance(found, TaskProblem):
                    index._note_broken(found, Path(found.location))
                else:
                    index._read(source, found, limits)
        index._finish()
        return index

    def _note_broken(self, problem: TaskProblem, path: Path) -> None:
        self.problems.append(problem)
        self.broken.setdefault(name_of_folder(path.stem if path.suffix == ".zip" else path.name), problem.error)

    def _read(self, source: Source, path: Path, limits: Limits) -> None:
        try:
            metadata = load_metadata(path, limits)
        except RatchetError as error:
            self._note_broken(TaskProblem(source.name, str(path), error), path)
            return
        entry = Entry(_summary(metadata, source.name), path)
        conflict = self._conflict(entry)
        if conflict:
            error = TaskInvalid(conflict, details={"problems": [{"file": str(path), "message": conflict}]})
            self.problems.append(TaskProblem(source.name, str(path), error))
            return
        self.by_name.setdefault(metadata.name, []).append(entry)
        self.by_uuid.setdefault(metadata.uuid, []).append(entry)

    def _conflict(self, entry: Entry) -> str | None:
        summary = entry.summary
        for other in self.by_name.get(summary.name, ()):
            if other.summary.version == summary.version:
                return f"{summary.reference} is already there, from {other.summary.origin} ({other.path}); this one is not served"
        for other in self.by_uuid.get(summary.uuid, ()):
            if other.summary.name != summary.name:
                return f"{summary.reference} has the UUID of {other.summary.name} ({other.path}); this one is not served"
        return None

    def _finish(self) -> None:
        """Sort, and make what searches need now, in the scanning thread."""
        for entries in (*self.by_name.values(), *self.by_uuid.values()):
            if len(entries) > 1:
                sort_newest_first(entries, lambda entry: entry.summary.version)
        self.rows = sorted((entries[0] for entries in self.by_uuid.values()), key=lambda entry: entry.key)
        self.keys = [entry.key for entry in self.rows]
        for entry in self.rows:
            _ = entry.folded


def _summary(metadata: Metadata, origin: str) -> TaskSummary:
    return TaskSummary(metadata.name, metadata.version, metadata.uuid, metadata.title, metadata.description, metadata.tags, origin)
