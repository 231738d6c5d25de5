"""Changes that wait until their task has been quiet for a while, so that a burst is one reload."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ratchet_mcp.registry.folders import FolderSource, inside_of

PATIENCE = 3
"""A task that never becomes quiet is read after so many times the pause."""


@dataclass(slots=True)
class _Burst:
    first: float
    last: float


@dataclass(slots=True)
class Pending:
    """Changed tasks with the instants of their first and last change. `quiet` is how many seconds a task must be quiet."""

    quiet: float
    _bursts: dict[tuple[FolderSource, str], _Burst] = field(default_factory=dict[tuple[FolderSource, str], _Burst])

    def add(self, source: FolderSource, unit: str, now: float) -> None:
        """Note a change."""
        burst = self._bursts.setdefault((source, unit), _Burst(now, now))
        burst.last = now

    def drop(self, source: FolderSource) -> None:
        """Forget the changes of a source, which is scanned as a whole."""
        self._bursts = {key: burst for key, burst in self._bursts.items() if key[0] is not source}

    def wait_seconds(self, now: float) -> float:
        """Return how long it is until something is due; infinity when nothing waits."""
        return min((max(0.0, self._due_at(burst) - now) for burst in self._bursts.values()), default=math.inf)

    def due(self, now: float) -> dict[FolderSource, list[str]]:
        """Take out what is due, by source; a folder stands for all that is inside it."""
        ready: dict[FolderSource, list[str]] = {}
        for source, unit in [key for key, burst in self._bursts.items() if self._due_at(burst) <= now]:
            del self._bursts[source, unit]
            ready.setdefault(source, []).append(unit)
        return {source: _outermost(units) for source, units in ready.items()}

    def _due_at(self, burst: _Burst) -> float:
        return min(burst.last + self.quiet, burst.first + PATIENCE * self.quiet)


def _outermost(units: list[str]) -> list[str]:
    chosen: list[str] = []
    for unit in sorted(units):
        if not chosen or not inside_of(chosen)(unit):
            chosen.append(unit)
    return chosen
