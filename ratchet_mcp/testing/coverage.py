"""Which lines of a task ran in its tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ratchet_mcp.engine.observe import Observed


@dataclass(frozen=True)
class Coverage:
    """How often each line that can run did, over all runs. `unseen` counts the runs of which nothing is known, because they were killed."""

    hits: dict[int, int]
    unseen: int = 0

    @property
    def lines(self) -> int:
        """Return how many lines can run."""
        return len(self.hits)

    @property
    def percent(self) -> float:
        """Return how many of them did, in percent; 100 when there are none."""
        return round(100 * (self.lines - len(self.missed)) / self.lines, 1) if self.hits else 100.0

    @cached_property
    def missed(self) -> list[int]:
        """Return the lines that never ran."""
        return sorted(line for line, hits in self.hits.items() if not hits)

    @cached_property
    def ranges(self) -> list[tuple[int, int]]:
        """Return `missed` as first and last lines; lines that cannot run do not interrupt a range."""
        found: list[tuple[int, int]] = []
        previous_missed = False
        for line, hits in sorted(self.hits.items()):
            if not hits:
                found.append((found.pop()[0] if previous_missed else line, line))
            previous_missed = not hits
        return found

    @property
    def missed_ranges(self) -> str:
        """Return `ranges` as text: `4-6, 12`."""
        return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in self.ranges)

    def to_dict(self) -> dict[str, Any]:
        """Return the coverage as JSON values."""
        body: dict[str, Any] = {"percent": self.percent, "lines": self.lines, "lines_missed": self.missed, "never_run": self.missed_ranges}
        return {**body, "unseen_runs": self.unseen} if self.unseen else body


def merge(observed: Iterable[Observed]) -> Coverage | None:
    """Add up what was seen in several runs of the same code; None when nothing was."""
    total: Counter[int] = Counter()
    seen = unseen = 0
    for each in observed:
        if each.coverage is None:
            unseen += 1
        else:
            seen += 1
            total.update(each.coverage)
    return Coverage(dict(total), unseen) if seen else None
