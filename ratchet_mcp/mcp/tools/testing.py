"""Tools that test tasks.

A failing test is what a caller wants to know, and no failure of the call: the result then says `passed: false`, what differs and
what to do, and is no error. Only a call that could not test (no such task or test, code that cannot be parsed, wrong arguments) is one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from ratchet_mcp.engine.run import ProgressUpdate
from ratchet_mcp.errors import InvalidArgument, from_dict
from ratchet_mcp.mcp.progress import ProgressRelay, wanted
from ratchet_mcp.mcp.results import ToolResult, clipped, success, to_json
from ratchet_mcp.mcp.tools import schemas
from ratchet_mcp.mcp.tools.arguments import Arguments
from ratchet_mcp.mcp.tools.spec import RUNS_CODE, Call, ToolSpec

if TYPE_CHECKING:
    from ratchet_mcp.tasks.definition import Task
    from ratchet_mcp.tasks.testcase import TestCase
    from ratchet_mcp.testing.report import TestReport, TestResult

SECONDS = 25.0
"""How long tests may take when `mcp.wait_seconds` is 0."""

LONGEST, SHORTEST = 2_000, 300
"""Characters of one text within a result, and within a result that would be too long."""

TOLD = ("name", "line", "column", "frame", "violations", "path")
"""Details of an error that its reader needs here; get_status shows all of them."""


class TestTask(Arguments):
    """Arguments of test_task."""

    task: Annotated[str, Field(description="name, name@version or UUID", min_length=1, max_length=200)]
    tests: Annotated[
        list[str | dict[str, Any]] | None,
        Field(min_length=1, max_length=200, description="names (* for any text), or test cases to run instead; default all"),
    ] = None
    coverage: Annotated[bool, Field(description="tell the lines that never ran")] = True


async def test_task(call: Call, arguments: TestTask) -> ToolResult:
    """Run tests of a task, and tell what failed; tests that do not fit into the time of a call are not run."""
    ratchet = await call.app.get()
    task = await ratchet.catalog.resolve(arguments.task, disabled=True)
    cases = _chosen(task, arguments.tests)
    relay = ProgressRelay(call.context) if wanted(call.context) else None
    running = ratchet.testing.run(
        task,
        tests=cases,
        coverage=arguments.coverage,
        on_result=_telling(relay, len(cases)) if relay else None,
        principal=call.principal,
        seconds=call.settings.mcp.wait_seconds or SECONDS,
    )
    report = await (relay.during(running) if relay else running)
    return success(_view(report, call.characters))


def _chosen(task: Task, wanted: list[str | dict[str, Any]] | None) -> list[TestCase]:
    """Return the tests that are meant, in order. Raises `InvalidArgument`."""
    from ratchet_mcp.testing.selection import choose

    if wanted is None:
        cases = list(task.tests)
    else:
        cases = choose(task, [name for name in wanted if isinstance(name, str)])
        cases += _given([case for case in wanted if isinstance(case, dict)])
    if not cases:
        raise InvalidArgument(
            f"{task.reference} has no tests.",
            hint='Give some to edit_task, or here: tests: [{"name": "…", "input": {…}, "expected_output": {…}}].',
        )
    return cases


def _given(raw: list[dict[str, Any]]) -> list[TestCase]:
    """Read test cases that came with the call. Raises `InvalidArgument`."""
    from ratchet_mcp.tasks.problems import Problems
    from ratchet_mcp.tasks.testcase import read_tests

    problems = Problems()
    cases = read_tests(raw, "tests", "test", problems, "$.tests") if raw else []
    if problems:
        violations = [{"path": str(each.get("path", "$.tests")), "message": str(each["message"])} for each in problems.found]
        raise InvalidArgument(
            f"A test case cannot be used: {violations[0]['path']}: {violations[0]['message']}",
            hint="Correct the test cases and call again.",
            details={"violations": violations},
        )
    return cases


def _telling(relay: ProgressRelay, total: int) -> Callable[[TestResult], None]:
    done = 0

    def tell(result: TestResult) -> None:
        nonlocal done
        done += 1
        relay.take(ProgressUpdate(time.time(), done / total, message=f"{done} of {total} tests"))

    return tell


# ---------------------------------------------------------------- the answer
def _view(report: TestReport, characters: int) -> dict[str, Any]:
    """Return the report as far as it fits: first passing tests go, then details, then the last of the failing ones."""
    view = _head(report)
    others = sorted((result for result in report.results if not result.passed), key=lambda result: result.state != "failed")
    for results, longest in ((report.results, LONGEST), (others, LONGEST), (others, SHORTEST)):
        view["tests"] = [_test(result, longest) for result in results]
        if len(to_json(view)) <= characters - 200:
            break
    while len(view["tests"]) > 1 and len(to_json(view)) > characters - 200:
        view["tests"] = view["tests"][: len(view["tests"]) // 2]
    left_out = len(report.results) - len(view["tests"])
    if left_out:
        view["hint"] = f"{view.get('hint', '')} {left_out} tests are not listed here: the result would be too long.".strip()
    return view


def _head(report: TestReport) -> dict[str, Any]:
    view: dict[str, Any] = {
        "task": report.task,
        "passed": report.ok,
        "total": len(report.results),
        "failed": report.failed,
        "duration_ms": report.duration_ms,
        "tests": [],
    }
    hints: list[str] = []
    not_run = report.count("not_run")
    if not_run:
        view["not_run"] = not_run
        hints.append(f"{not_run} tests did not run within the time of a call: name some of them in tests.")
    if report.failed:
        hints.append("Correct the code or the tests with edit_task (debug_task shows the variables at a line), then test again.")
    if report.coverage is not None:
        missed = report.coverage.missed_ranges
        view["coverage"] = {"percent": report.coverage.percent, "lines": report.coverage.lines, "never_run": clipped(missed)}
        if missed and report.ok:
            hints.append("All tests pass, but none runs the lines in coverage.never_run.")
    if hints:
        view["hint"] = " ".join(hints)
    return view


def _test(result: TestResult, longest: int) -> dict[str, Any]:
    body: dict[str, Any] = {"name": result.name, "passed": result.passed, "duration_ms": result.duration_ms}
    if result.state == "not_run":
        body["not_run"] = True
    if result.state != "failed":
        return body
    if result.execution_id:
        body["execution_id"] = result.execution_id
    if result.differences and not _ended_in_error(result):
        body["differences"] = clipped([each.to_dict() for each in result.differences[: 20 if longest == LONGEST else 3]], longest)
    if result.diff:
        body["diff"] = clipped(result.diff, longest)
    elif result.error is None:
        body["actual"] = clipped(to_json(result.actual), longest)
    if result.error is not None:
        details = {key: value for key, value in from_dict(result.error).details.items() if key in TOLD}
        body["error"] = clipped({**result.error, "details": details}, longest)
    if result.lines:
        body["console"] = clipped([f"[{line.level}] {line.message}" for line in result.lines][-20 if longest == LONGEST else -3 :], longest)
    return body | ({"note": result.note} if result.note else {})


def _ended_in_error(result: TestResult) -> bool:
    """Tell whether the only difference is that there was an error, which the error itself says."""
    return result.error is not None and result.case.expected_error is None and not result.case.should_fail


TOOLS: list[ToolSpec[Any]] = [
    ToolSpec(
        name="test_task",
        title="Test a task",
        description=(
            "Run a task's tests: differences from what was expected, errors, console lines, and which lines never ran. "
            'A failing test is no error: look at passed. Example: {"task": "csv-to-json", "tests": ["quotes"]}'
        ),
        arguments=TestTask,
        output=schemas.result(
            {
                "task": schemas.STRING,
                "passed": schemas.BOOLEAN,
                "total": schemas.INTEGER,
                "failed": schemas.INTEGER,
                "not_run": schemas.INTEGER,
                "duration_ms": schemas.NUMBER,
                "tests": schemas.array_of(
                    {
                        "name": schemas.STRING,
                        "passed": schemas.BOOLEAN,
                        "not_run": schemas.BOOLEAN,
                        "duration_ms": schemas.NUMBER,
                        "execution_id": schemas.STRING,
                        "differences": schemas.array_of({"path": schemas.STRING, "message": schemas.STRING}, "path", "message"),
                        "diff": schemas.STRING,
                        "actual": schemas.STRING,
                        "error": schemas.ERROR,
                        "console": {"type": "array", "items": schemas.STRING},
                        "note": schemas.STRING,
                    },
                    "name",
                    "passed",
                ),
                "coverage": {
                    "type": "object",
                    "properties": {"percent": schemas.NUMBER, "lines": schemas.INTEGER, "never_run": schemas.STRING},
                },
                "hint": schemas.STRING,
            }
        ),
        annotations=RUNS_CODE,
        handler=test_task,
        toolset="author",
    ),
]
