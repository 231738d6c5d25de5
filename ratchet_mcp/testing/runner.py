"""Runs the tests of a task, each as an execution of its own."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from ratchet_mcp.engine.observe import Observation, Observed
from ratchet_mcp.errors import RatchetError, from_dict
from ratchet_mcp.execution.models import Execution, Origin, Status
from ratchet_mcp.execution.values import is_small
from ratchet_mcp.security.principal import LOCAL, Principal
from ratchet_mcp.testing.answers import MockedAnswers
from ratchet_mcp.testing.compare import compare
from ratchet_mcp.testing.coverage import merge
from ratchet_mcp.testing.diff import unified
from ratchet_mcp.testing.report import TestReport, TestResult

if TYPE_CHECKING:
    from ratchet_mcp.egress.mocks import Mocks
    from ratchet_mcp.egress.service import RunNetwork
    from ratchet_mcp.execution.service import Executions, Handle
    from ratchet_mcp.registry.catalog import Catalog
    from ratchet_mcp.settings import Settings
    from ratchet_mcp.tasks.definition import Task
    from ratchet_mcp.tasks.testcase import TestCase

OnResult = Callable[[TestResult], None]
LINES_KEPT = 20
"""Console lines that the result of a failed test keeps: the last ones."""

MOST_LINES = 1_000_000
KEPT = 64 << 10
"""Characters of an output that its result keeps."""

TOO_LONG = "The output is too long to be shown here; the execution has it."
STOPPED = "The time for the tests was up."


class Testing:
    """Tests tasks. `catalog` serves the tasks that a task calls."""

    __test__ = False  # it is no test class of pytest

    def __init__(self, catalog: Catalog, executions: Executions, settings: Settings) -> None:
        self._catalog = catalog
        self._executions = executions
        self._settings = settings

    async def run(
        self,
        task: Task,
        *,
        tests: Sequence[TestCase] | None = None,
        coverage: bool = False,
        parallel: int | None = None,
        on_result: OnResult | None = None,
        principal: Principal = LOCAL,
        seconds: float | None = None,
        mocks: Mocks | None = None,
        answers: MockedAnswers | None = None,
    ) -> TestReport:
        """Run `tests`, or all of the task, at most `parallel` at the same time and never more than there are workers.

        A run that fails in any way, also by a limit, is a failed test. `on_result` gets each result when it is there; the report has them
        in the order of the tests. After `seconds` the runs under way are killed; their tests, and those that had not begun, are
        `not_run`. `mocks` answer the requests that a test's own mocks do not, `answers` the questions. Raises `TaskSyntaxError` and
        `TaskInvalid` when the task cannot run at all.
        """
        cases = list(task.tests if tests is None else tests)
        await anyio.to_thread.run_sync(_prepare, task)
        session = _Session(self._executions, task, coverage, on_result, principal, mocks, answers)
        began = time.perf_counter()
        numbered = iter(enumerate(cases))
        with anyio.move_on_after(seconds):
            async with anyio.create_task_group() as group:
                for _ in range(self._at_once(parallel, len(cases), coverage=coverage)):
                    group.start_soon(session.work, numbered)
        results = [session.results.get(number) or TestResult(case, "not_run", note=STOPPED) for number, case in enumerate(cases)]
        return TestReport(task.reference, results, round((time.perf_counter() - began) * 1000, 2), merge(session.observed))

    def _at_once(self, asked: int | None, tests: int, *, coverage: bool) -> int:
        most = self._settings.engine.max_workers
        return max(1, min(most if asked is None else asked, most, tests))


class _Session:
    """The tests of one task while they run."""

    def __init__(
        self,
        executions: Executions,
        task: Task,
        coverage: bool,
        on_result: OnResult | None,
        principal: Principal,
        mocks: Mocks | None,
        answers: MockedAnswers | None,
    ) -> None:
        self.results: dict[int, TestResult] = {}
        self._executions, self._task, self._principal = executions, task, principal
        self._observe = Observation(coverage=True) if coverage else None
        self.observed: list[Observed] = []
        self._on_result, self._mocks, self._answers = on_result, mocks, answers

    async def work(self, cases: Iterator[tuple[int, TestCase]]) -> None:
        """Take one test after the other until none is left."""
        for number, case in cases:
            result = await self._test(case)
            self.results[number] = result
            if self._on_result is not None:
                self._on_result(result)

    async def _test(self, case: TestCase) -> TestResult:
        began = time.perf_counter()
        try:
            answers = MockedAnswers.read(case.mock, case.file or "tests", f"{case.path}.mock").then(self._answers)
            network = await self._network(case)
            handle = await self._executions.start(
                self._task,
                case.input,
                origin=Origin.TEST,
                principal=self._principal,
                observe=self._observe,
                network=network,
                answers=answers,
            )
            execution = await self._end_of(handle)
        except RatchetError as error:
            result = await anyio.to_thread.run_sync(_judge, case, None, error)
            return replace(result, duration_ms=round((time.perf_counter() - began) * 1000, 2))
        error = None if execution.status is Status.COMPLETED else from_dict(execution.failure)
        result = await anyio.to_thread.run_sync(_judge, case, execution.output, error)
        if not result.passed:
            lines = await self._executions.logs(execution.id, 0, MOST_LINES)
            result = replace(result, lines=lines[-LINES_KEPT:])
        unused = network.mocks.unused if network.mocks is not None and case.mock is not None else []
        for what, places in (("request was answered by", unused), ("question was answered by", answers.unused)):
            if places:
                never = f"No {what} {', '.join(places[:5])}{', …' if len(places) > 5 else ''}."
                result = replace(result, note=f"{result.note} {never}" if result.note else never)
        duration = execution.run_ms if execution.run_ms is not None else execution.total_ms or 0.0
        return replace(result, duration_ms=round(duration, 2), execution_id=execution.id)

    async def _network(self, case: TestCase) -> RunNetwork:
        """Return the network of a test: its mocks, which answer nothing when it has none. Raises `TaskInvalid`."""
        from ratchet_mcp.egress.mocks import Mocks

        mocks = Mocks.read(case.mock, case.file or "tests", f"{case.path}.mock")
        return await self._executions.network_for(self._task, mocks=mocks if self._mocks is None else mocks.then(self._mocks))

    async def _end_of(self, handle: Handle) -> Execution:
        try:
            execution = await handle.wait(None)
        except anyio.get_cancelled_exc_class():
            handle.cancel(STOPPED)
            raise
        if handle.observed is not None:
            self.observed.append(handle.observed)
        return execution


def _prepare(task: Task) -> None:
    """Find out now whether the task can run; otherwise every test would say it."""
    _ = task.code, task.input_validator, task.output_validator


def _judge(case: TestCase, output: Any, error: RatchetError | None) -> TestResult:
    body = None if error is None else error.to_dict()
    kept, note = (output, None) if _is_short(output) else (None, TOO_LONG)
    try:
        differences = compare(case, output=output, error=error)
    except RatchetError as unusable:  # a schema that cannot be compiled
        return TestResult(case, "failed", actual=kept, error=unusable.to_dict(), note=note)
    if not differences:
        return TestResult(case, "passed", actual=kept, error=body)
    shows = error is None and case.has_output and case.match != "schema"
    diff = unified(case.expected_output, output, exact=case.match == "exact") if shows else ""
    return TestResult(case, "failed", differences, kept, body, diff, note=note)


def _is_short(output: Any) -> bool:
    """Tell whether an output is short enough to be kept in a report."""
    return is_small(output) and len(json.dumps(output)) <= KEPT
