"""What came of testing a task."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ratchet_mcp.testing.compare import Difference

if TYPE_CHECKING:
    from ratchet_mcp.engine.run import LogLine
    from ratchet_mcp.tasks.testcase import TestCase
    from ratchet_mcp.testing.coverage import Coverage

State = Literal["passed", "failed", "not_run"]


@dataclass(frozen=True)
class TestResult:
    """How one test ended.

    `differences` says where the result is not what was expected, `diff` shows both as a unified diff (empty when a diff would say
    nothing). `actual` is the output unless it is very long, `error` the error of the run (`RatchetError.to_dict()`); at most one of
    them is set. `lines` are the last console lines of a failed test. `note` says what else its reader should know. Times in milliseconds.
    """

    __test__ = False  # it is no test class of pytest

    case: TestCase
    state: State
    differences: list[Difference] = field(default_factory=list[Difference])
    actual: Any = None
    error: dict[str, Any] | None = None
    diff: str = ""
    duration_ms: float = 0.0
    execution_id: str | None = None
    lines: list[LogLine] = field(default_factory=list["LogLine"])
    note: str | None = None

    @property
    def name(self) -> str:
        """Return the name of the test."""
        return self.case.name

    @property
    def passed(self) -> bool:
        """Tell whether the test ran and passed."""
        return self.state == "passed"

    @property
    def expected(self) -> Any:
        """Return what the test expects: a value, or a description of the failure; None when any output will do."""
        case = self.case
        if case.expected_error is not None:
            named = {"code": case.expected_error.code, "message_contains": case.expected_error.message_contains}
            return {"error": {key: value for key, value in named.items() if value is not None}}
        if case.should_fail:
            return {"error": {}}
        return case.expected_output if case.has_output else None

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON values; what a passing test has nothing to say about is left out."""
        body: dict[str, Any] = {"name": self.name, "state": self.state, "passed": self.passed, "duration_ms": self.duration_ms}
        if self.case.description:
            body["description"] = self.case.description
        if self.execution_id:
            body["execution_id"] = self.execution_id
        if self.state == "failed":
            body |= {"differences": [each.to_dict() for each in self.differences], "expected": self.expected, "match": self.case.match}
            body |= {"error": self.error} if self.error else {"actual": self.actual}
            body |= {"diff": self.diff} if self.diff else {}
            body["console"] = [{"level": line.level, "message": line.message} for line in self.lines]
        if self.note:
            body["note"] = self.note
        return body


@dataclass(frozen=True)
class TestReport:
    """The results of a task's tests, in the order of the tests."""

    __test__ = False  # it is no test class of pytest

    task: str
    results: list[TestResult]
    duration_ms: float
    coverage: Coverage | None = None

    def count(self, state: State) -> int:
        """Return how many tests ended in this state."""
        return sum(1 for result in self.results if result.state == state)

    @property
    def passed(self) -> int:
        """Return how many tests passed."""
        return self.count("passed")

    @property
    def failed(self) -> int:
        """Return how many tests failed."""
        return self.count("failed")

    @property
    def ok(self) -> bool:
        """Tell whether every test ran and passed."""
        return self.passed == len(self.results)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "task": self.task,
            "passed": self.ok,
            "totals": {
                "tests": len(self.results),
                "passed": self.passed,
                "failed": self.failed,
                "not_run": self.count("not_run"),
            },
            "duration_ms": self.duration_ms,
            "tests": [result.to_dict() for result in self.results],
            "coverage": self.coverage.to_dict() if self.coverage else None,
        }
