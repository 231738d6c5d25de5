"""What one source has: its last scan, and what is served of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ratchet_mcp.registry.index import Entry
from ratchet_mcp.registry.source import Found, Source, TaskProblem


@dataclass(slots=True)
class Scan:
    """The state of one source. All is by location: `found` is what the last scan read, `entries` what is served.

    `broken` says what cannot be read there now, `warnings` what should be known of what is served. `failure` is that of the whole source.
    """

    source: Source
    found: dict[str, Found] = field(default_factory=dict[str, Found])
    entries: dict[str, Entry] = field(default_factory=dict[str, Entry])
    broken: dict[str, TaskProblem] = field(default_factory=dict[str, TaskProblem])
    warnings: dict[str, TaskProblem] = field(default_factory=dict[str, TaskProblem])
    failure: TaskProblem | None = None
    unreachable: TaskProblem | None = None

    def problems(self) -> Iterator[TaskProblem]:
        """Yield everything that is wrong."""
        yield from (problem for problem in (self.failure, self.unreachable) if problem is not None)
        yield from self.broken.values()
        yield from self.warnings.values()
