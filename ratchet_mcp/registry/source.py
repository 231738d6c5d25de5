"""What a source of tasks is: it lists versions of tasks, and each of them is loaded when it is first needed.

Folders, ZIPs, HTTP indexes, git repositories and the database all answer these three protocols; the catalog knows nothing else of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ratchet_mcp.errors import RatchetError
from ratchet_mcp.settings import Limits
from ratchet_mcp.tasks.definition import Task
from ratchet_mcp.tasks.metadata import Metadata


class Place(Protocol):
    """Where one version of a task can be read.

    Places are values: two are equal when they would load the same content (same file with the same times and sizes, same digest, same
    commit). The catalog keeps a loaded task as long as its place stays equal.
    """

    @property
    def location(self) -> str:
        """Return what users are shown, never with credentials: a path, `col.zip!/folder`, `https://…/x.zip`, `database:name@version`."""
        ...

    def load(self, limits: Limits, origin: str) -> Task:
        """Read and check the whole task; called in a thread. Raises `RatchetError`."""
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """One version of a task in a source. `digest` is that of `tasks.loading.digest_of` when it is known without reading the code.

    What a listing does not need is dropped from `metadata`: keys that Ratchet does not know, and schemas and tests of the one-file form.
    """

    metadata: Metadata
    place: Place
    digest: str | None = None

    def __post_init__(self) -> None:
        self.metadata.everything, self.metadata.inline = {}, {}


@dataclass(frozen=True, slots=True)
class TaskProblem:
    """A task, or a whole source, and what is wrong with it. With `warning` the task is served all the same."""

    source: str
    location: str
    error: RatchetError
    warning: bool = False

    def brief(self) -> dict[str, Any]:
        """Return `{source, location, code, message, warning?}`."""
        body = {"source": self.source, "location": self.location, "code": self.error.code, "message": self.error.message[:500]}
        return {**body, "warning": True} if self.warning else body

    def to_dict(self) -> dict[str, Any]:
        """Return `{source, location, error, warning?}`."""
        body: dict[str, Any] = {"source": self.source, "location": self.location, "error": self.error.to_dict()}
        return {**body, "warning": True} if self.warning else body


class Source(Protocol):
    """One place that tasks come from. Its methods block and are called in threads, never two of them at once for one source."""

    @property
    def name(self) -> str:
        """Return its name in the settings, which is the `origin` of its tasks."""
        ...

    @property
    def kind(self) -> str:
        """Return `bundled`, `folder`, `zip`, `http`, `git` or `database`."""
        ...

    @property
    def uri(self) -> str:
        """Return where it is, without credentials."""
        ...

    @property
    def remote(self) -> bool:
        """Tell whether it came over a network: its tasks never become tools unless the settings name them."""
        ...

    @property
    def fetched(self) -> bool:
        """Tell whether anything of it is here: False for a remote source until it was refreshed for the first time."""
        ...

    @property
    def refresh_seconds(self) -> float | None:
        """Return how often `refresh` is to be called in the background; None for never."""
        ...

    def refresh(self) -> bool:
        """Bring it up to date, over the network if need be; True if something may have changed. Raises `SourceFailed`."""
        ...

    def scan(self, limits: Limits) -> Iterator[Found | TaskProblem]:
        """Yield its tasks from what is here already: never over the network, never their code."""
        ...

    def watched(self) -> Path | None:
        """Return the folder or file whose changes are to be watched, None for sources without one."""
        ...
