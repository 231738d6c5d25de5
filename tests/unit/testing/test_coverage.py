"""Lines that ran and lines that never did, over several runs."""

from __future__ import annotations

from ratchet_mcp.engine.observe import Observed
from ratchet_mcp.testing.coverage import Coverage, merge


def test_the_hits_of_all_runs_are_added() -> None:
    merged = merge([Observed(coverage={1: 1, 2: 0, 3: 0}), Observed(coverage={1: 2, 2: 5, 3: 0})])
    assert merged is not None
    assert (merged.hits, merged.missed, merged.lines, merged.percent) == ({1: 3, 2: 5, 3: 0}, [3], 3, 66.7)


def test_lines_that_cannot_run_do_not_interrupt_a_range() -> None:
    coverage = Coverage({1: 1, 2: 0, 5: 0, 6: 0, 9: 1, 12: 0})
    assert coverage.ranges == [(2, 6), (12, 12)]
    assert coverage.missed_ranges == "2-6, 12"


def test_a_run_that_was_killed_is_counted_as_unseen() -> None:
    merged = merge([Observed(coverage={1: 1}), Observed()])
    assert merged is not None
    assert merged.to_dict() == {"percent": 100.0, "lines": 1, "lines_missed": [], "never_run": "", "unseen_runs": 1}
    assert merge([Observed()]) is None
    assert merge([]) is None


def test_a_task_without_lines_is_covered() -> None:
    assert Coverage({}).percent == 100
