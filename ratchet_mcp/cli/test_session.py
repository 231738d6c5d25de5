"""Rounds of tests on the command line: which tasks, which of their tests, and what came of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import anyio.to_thread

from ratchet_mcp.errors import RatchetError
from ratchet_mcp.testing.junit import Unloadable
from ratchet_mcp.testing.report import State, TestReport, TestResult

if TYPE_CHECKING:
    from ratchet_mcp.egress.mocks import Mocks
    from ratchet_mcp.tasks.definition import Task
    from ratchet_mcp.tasks.testcase import TestCase
    from ratchet_mcp.testing.answers import MockedAnswers
    from ratchet_mcp.testing.runner import Testing


@dataclass(frozen=True, slots=True)
class Candidate:
    """A task to test: what it is called, and how it is loaded (in a thread; raises `RatchetError`)."""

    label: str
    load: Callable[[], Task]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user asked for."""

    pattern: str | None = None
    coverage: bool = True
    parallel: int | None = None
    mocks: Mocks | None = None
    answers: MockedAnswers | None = None

    def wants(self, task: Task, case: TestCase) -> bool:
        """Tell whether the pattern means this test: part of `task/test`, or all of it when the pattern has `*`, `?` or `[`."""
        if self.pattern is None:
            return True
        names, pattern = (case.name.casefold(), f"{task.name}/{case.name}".casefold()), self.pattern.casefold()
        if any(char in pattern for char in "*?["):
            return any(fnmatchcase(name, pattern) for name in names)
        return pattern in names[1]


@dataclass
class Round:
    """What came of one round."""

    reports: list[TestReport | Unloadable] = field(default_factory=list["TestReport | Unloadable"])
    without_tests: list[str] = field(default_factory=list[str])
    seconds: float = 0.0

    @property
    def tested(self) -> list[TestReport]:
        """Return the reports of the tasks that could be tested."""
        return [report for report in self.reports if isinstance(report, TestReport)]

    @property
    def broken(self) -> list[Unloadable]:
        """Return the tasks that could not be."""
        return [report for report in self.reports if isinstance(report, Unloadable)]

    def count(self, state: State) -> int:
        """Return how many tests ended in this state."""
        return sum(report.count(state) for report in self.tested)

    @property
    def status(self) -> int:
        """Return the exit status: 0 every test passed, 1 one did not or a task cannot be loaded, 2 there was nothing to run."""
        if not self.reports:
            return 2
        return 0 if not self.broken and all(report.ok for report in self.tested) else 1

    def to_dict(self) -> dict[str, Any]:
        """Return the round as JSON values."""
        return {
            "passed": self.status == 0,
            "totals": {
                "tasks": len(self.reports),
                "tests": sum(len(report.results) for report in self.tested),
                "passed": self.count("passed"),
                "failed": self.count("failed"),
                "not_loaded": len(self.broken),
            },
            "tasks": [
                {"task": report.task, "passed": False, "error": report.error.to_dict()}
                if isinstance(report, Unloadable)
                else report.to_dict()
                for report in self.reports
            ],
            "without_tests": self.without_tests,
            "seconds": round(self.seconds, 3),
        }


class Listener:
    """Hears how a round goes on. This one says nothing of it."""

    def begin(self, tasks: int, tests: int) -> None:
        """Hear that a round begins: so many tasks with so many tests."""

    def result(self, result: TestResult) -> None:
        """Hear of a test that has ended."""

    def report(self, report: TestReport | Unloadable, task: Task | None) -> None:
        """Hear that a task is done."""


async def play(testing: Testing, candidates: Iterable[Candidate], wishes: Wishes, listener: Listener) -> Round:
    """Test one task after the other."""
    began = time.perf_counter()
    played = Round()
    ready: list[tuple[Task, list[TestCase]]] = []
    for candidate in candidates:
        try:
            task = await anyio.to_thread.run_sync(candidate.load)
        except RatchetError as error:
            played.reports.append(Unloadable(candidate.label, error))
            continue
        cases = [case for case in task.tests if wishes.wants(task, case)]
        if cases:
            ready.append((task, cases))
        elif not task.tests:
            played.without_tests.append(task.reference)
    listener.begin(len(ready), sum(len(cases) for _, cases in ready))
    for broken in played.broken:
        listener.report(broken, None)
    for task, cases in ready:
        try:
            report: TestReport | Unloadable = await testing.run(
                task,
                tests=cases,
                coverage=wishes.coverage,
                parallel=wishes.parallel,
                on_result=listener.result,
                mocks=wishes.mocks,
                answers=wishes.answers,
            )
        except RatchetError as error:
            report = Unloadable(task.reference, error)
        played.reports.append(report)
        listener.report(report, task)
    played.seconds = time.perf_counter() - began
    return played
