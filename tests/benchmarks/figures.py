"""A row of the table of results, and the statistics behind it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Figure:
    """One row: what was measured, beside what, and the target that the ratio or value has."""

    what: str
    value: str
    beside: str
    ratio: str
    target: str
    met: bool | None

    def row(self, name: str) -> str:
        """Return the row as Markdown; `name` is that of its benchmark."""
        verdict = "" if self.met is None else ("yes" if self.met else "**no**")
        return f"| {name} | {self.what} | {self.value} | {self.beside} | {self.ratio} | {self.target} | {verdict} |"


def quantile(values: list[float], share: float) -> float:
    """Return the value below which `share` of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.floor(len(ordered) * share))]


def at_most(what: str, ours: list[float], theirs: list[float], limit: float, unit: str, beside: str) -> Figure:
    """Compare medians of times; ours may be `limit` times theirs."""
    mine, other = median(ours), median(theirs)
    return Figure(what, f"{mine:.3g} {unit}", f"{other:.3g} {unit} {beside}", f"{mine / other:.2f}", f"≤ {limit:g}", mine / other <= limit)


def at_least(what: str, ours: list[float], theirs: list[float], limit: float, unit: str, beside: str) -> Figure:
    """Compare medians of rates; ours should be `limit` of theirs."""
    mine, other = median(ours), median(theirs)
    return Figure(
        what, f"{mine:,.0f} {unit}", f"{other:,.0f} {unit} {beside}", f"{mine / other:.2f}", f"≥ {limit:g}", mine / other >= limit
    )
