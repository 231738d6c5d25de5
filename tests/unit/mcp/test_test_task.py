"""How much of a report fits into a result of `test_task`."""

from __future__ import annotations

from typing import Any

from ratchet_mcp.engine.run import LogLine
from ratchet_mcp.mcp.results import to_json
from ratchet_mcp.mcp.tools import testing
from ratchet_mcp.tasks.testcase import TestCase
from ratchet_mcp.testing.compare import Difference
from ratchet_mcp.testing.report import TestReport, TestResult


def report(passing: int, failing: int, length: int) -> TestReport:
    long = "x" * length
    wrong = [Difference("$", long)] * 20
    lines = [LogLine(number, 0.0, "info", long) for number in range(20)]
    results = [TestResult(TestCase(f"good {number}"), "passed") for number in range(passing)]
    results += [TestResult(TestCase(f"bad {number}"), "failed", wrong, long, diff=long, lines=lines) for number in range(failing)]
    return TestReport("t@1.0.0", results, 1.0)


def view(passing: int, failing: int, length: int, characters: int) -> dict[str, Any]:
    return testing._view(report(passing, failing, length), characters)  # type: ignore[attr-defined]


def test_everything_is_told_when_it_fits() -> None:
    shown = view(50, 2, 50, 80_000)
    assert len(shown["tests"]) == 52 and "not listed" not in shown["hint"]


def test_passing_tests_go_first() -> None:
    shown = view(2000, 2, 50, 20_000)
    assert [test["passed"] for test in shown["tests"]] == [False, False]
    assert "2000 tests are not listed here" in shown["hint"] and shown["total"] == 2002


def test_a_report_never_is_longer_than_a_result_may_be() -> None:
    for characters in (2_000, 20_000, 80_000):
        shown = view(100, 200, 100_000, characters)
        assert len(to_json(shown)) <= max(characters, 8_000)
        assert shown["tests"] and not shown["tests"][0]["passed"] and shown["failed"] == 200
