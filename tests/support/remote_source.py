"""A remote source without a network, for the tests of the catalog."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from ratchet_mcp.registry.source import Found, TaskProblem
from ratchet_mcp.settings import Limits
from ratchet_mcp.tasks.definition import Task
from ratchet_mcp.tasks.files import TaskFiles
from ratchet_mcp.tasks.loading import digest_of, load_files
from ratchet_mcp.tasks.metadata import Metadata, uuid_of_name


def digest(code: str) -> str:
    return digest_of(code, {}, {})


@dataclass(frozen=True)
class Remote:
    """A place of `FakeRemote`: content by digest, as a cache would keep it. Its location is that of the content, or the same for all."""

    name: str
    version: str
    code: str
    fixed: bool

    @property
    def location(self) -> str:
        return f"remote:{self.name}@{self.version}" + ("" if self.fixed else f"#{digest(self.code)[:8]}")

    def load(self, limits: Limits, origin: str) -> Task:
        files = {"metadata.json": f'{{"name": "{self.name}", "version": "{self.version}"}}'.encode(), "main.js": self.code.encode()}
        return load_files(TaskFiles(self.name, files), origin=origin, location=self.location, limits=limits)


@dataclass(eq=False)
class FakeRemote:
    """A remote source that offers what it is told to; `digests` tells whether it knows them without reading code."""

    tasks: dict[str, str]
    digests: bool = True
    fixed: bool = False
    remote: bool = True
    fetched: bool = True
    failing: Exception | None = None
    broken: Exception | None = None
    name: str = "far"
    kind: str = "http"
    uri: str = "https://example.com/index.json"
    refresh_seconds: float | None = 60
    refreshed: list[int] = field(default_factory=list[int])
    slow: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.slow.set()

    def refresh(self) -> bool:
        """Fetch nothing; wait while `slow` is cleared."""
        self.refreshed.append(1)
        self.slow.wait(30)
        if self.failing:
            raise self.failing
        return True

    def scan(self, limits: Limits) -> Iterator[Found | TaskProblem]:
        if self.broken:
            raise self.broken
        for reference, code in self.tasks.items():
            name, _, version = reference.partition("@")
            metadata = Metadata(uuid_of_name(name), name, version)
            yield Found(metadata, Remote(name, version, code, self.fixed), digest(code) if self.digests else None)

    def watched(self) -> None:
        return None
