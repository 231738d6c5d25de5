"""The source of the tasks that were made through Ratchet: the database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ratchet_mcp.errors import RatchetError, TaskNotFound
from ratchet_mcp.registry.source import Found, TaskProblem
from ratchet_mcp.registry.sources import DATABASE
from ratchet_mcp.settings import Limits
from ratchet_mcp.tasks.definition import Task
from ratchet_mcp.tasks.files import TaskFiles
from ratchet_mcp.tasks.loading import load_files, load_metadata_of

if TYPE_CHECKING:
    from datetime import datetime

    from ratchet_mcp.store.store import Store


@dataclass(frozen=True, slots=True)
class DatabasePlace:
    """One version of a task in the database."""

    name: str
    version: str
    digest: str
    updated_at: datetime
    store: Store = field(compare=False, repr=False)

    @property
    def location(self) -> str:
        """Return `database:name@version`."""
        return f"database:{self.name}@{self.version}"

    def load(self, limits: Limits, origin: str) -> Task:
        """Read and check the task. Raises `TaskInvalid`, `StoreFailed`, or `TaskNotFound` when it has just been removed."""
        task = self.store.authored.get_now(self.name, self.version)
        if task is None:
            raise TaskNotFound(f"{self.name}@{self.version} has been removed.")
        return load_files(task_files(self.name, task.files), origin=origin, location=self.location, limits=limits)


class DatabaseSource:
    """The tasks of `store.authored`. Reading them is not the network: the database is there, or nothing runs at all."""

    name = DATABASE
    kind = "database"
    remote = False
    fetched = True
    refresh_seconds = None

    def __init__(self, store: Store) -> None:
        self.uri = store.url
        self._store = store

    def refresh(self) -> bool:
        """Tell that a scan may find something new; there is nothing to fetch."""
        return True

    def watched(self) -> Path | None:
        """Return None: other servers are noticed by their revision."""
        return None

    def scan(self, limits: Limits) -> Iterator[Found | TaskProblem]:
        """Yield every version of every task. Raises `StoreFailed`."""
        for head in self._store.authored.heads_now():
            place = DatabasePlace(head.name, head.version, head.digest, head.updated_at, self._store)
            try:
                metadata = load_metadata_of(task_files(head.name, head.files), place.location, limits)
            except RatchetError as error:
                yield TaskProblem(self.name, place.location, error)
            else:
                yield Found(metadata, place, head.digest)


def task_files(name: str, files: Mapping[str, str]) -> TaskFiles:
    """Return the files of an authored task as those of a folder."""
    return TaskFiles(name, {path: text.encode("utf-8", "surrogatepass") for path, text in files.items()})
