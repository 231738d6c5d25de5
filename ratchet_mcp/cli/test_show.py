"""How tests look on a terminal: a bar while they run, then each failure with its diff, and the coverage."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ratchet_mcp.cli.output import console, print_error, printable
from ratchet_mcp.cli.test_session import Listener, Round
from ratchet_mcp.errors import from_dict
from ratchet_mcp.testing.junit import Unloadable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from ratchet_mcp.tasks.definition import Task
    from ratchet_mcp.testing.report import TestReport, TestResult

SIGNS = {"passed": ("✓", "green"), "failed": ("✗", "bold red"), "not_run": ("-", "yellow")}
DIFF_STYLES = {"-": "red", "+": "green", "@": "cyan"}
INDENT = " " * 6


class Show(Listener):
    """Shows a round: the bar on stderr, the results on stdout."""

    def __init__(self) -> None:
        self._out = console()
        self._progress: Progress | None = None
        self._bar: TaskID | None = None
        self._alone = False

    @contextmanager
    def running(self) -> Generator[Show]:
        """Show the bar while the tests run, if stderr is a terminal."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        err = console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("tests"), TimeElapsedColumn())
        with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as self._progress:
            yield self
        self._progress = None

    def begin(self, tasks: int, tests: int) -> None:
        """Set up the bar."""
        self._alone = tasks == 1
        if self._progress is not None:
            self._bar = self._progress.add_task("testing", total=tests)

    def result(self, result: TestResult) -> None:
        """Move the bar."""
        if self._progress is not None and self._bar is not None:
            self._progress.advance(self._bar)

    def report(self, report: TestReport | Unloadable, task: Task | None) -> None:
        """Show one task: a line when all is well, otherwise what is not."""
        if isinstance(report, Unloadable):
            self._out.print("✗ ", style="bold red", end="")
            self._out.print(f"{printable(report.task)} cannot be tested", style="bold")
            print_error(report.error)
            return
        self._sign("passed" if report.ok else "failed")
        self._out.print(report.task, style="bold", end="")
        self._out.print(f"  {report.passed} of {len(report.results)} passed  {_time(report.duration_ms)}")
        for result in report.results:
            if self._alone or not result.passed:
                self._out.print("  ", end="")
                self._sign(result.state)
                self._out.print(f"{printable(result.name)}  {_time(result.duration_ms)}")
            if not result.passed:
                self._explain(result)

    def summary(self, played: Round) -> None:
        """Show the coverage of each task, and the sum of it all."""
        self._coverage(played)
        for name in played.without_tests:
            self._out.print(f"{name} has no tests", style="yellow")
        if not played.reports:
            return
        parts = [f"{played.count('passed')} passed", f"{played.count('failed')} failed"]
        parts += [f"{len(played.broken)} cannot be loaded"] if played.broken else []
        good = played.status == 0
        self._out.print(f"\n{', '.join(parts)} in {played.seconds:.2f} s", style="bold green" if good else "bold red")

    def _explain(self, result: TestResult) -> None:
        for each in result.differences:
            self._out.print(f"{INDENT}{printable(each.path)}: {printable(each.message)}")
        for line in result.diff.splitlines():
            self._out.print(f"{INDENT}{printable(line)}", style=DIFF_STYLES.get(line[:1]))
        if result.error is not None:
            error = from_dict(result.error)
            if not result.differences:
                self._out.print(f"{INDENT}{error.code}: {printable(error.message)}")
            for line in str(error.details.get("frame") or "").splitlines():
                self._out.print(f"{INDENT}{printable(line)}", style="cyan")
        for line in result.lines:
            self._out.print(f"{INDENT}[{line.level}] {printable(line.message)}", style="dim")
        if result.note:
            self._out.print(f"{INDENT}{result.note}", style="yellow")

    def _coverage(self, played: Round) -> None:
        covered = [(report.task, report.coverage) for report in played.tested if report.coverage is not None]
        if not covered:
            return
        width = max(4, *(len(task) for task, _ in covered))
        self._out.print(f"\n{'task':<{width}}   lines  coverage  never run", style="bold")
        for task, coverage in covered:
            style = "green" if coverage.percent == 100 else "yellow"
            self._out.print(f"{task:<{width}}  {coverage.lines:>6}  {coverage.percent:>7.1f}%  {coverage.missed_ranges}", style=style)

    def _sign(self, state: str) -> None:
        sign, style = SIGNS[state]
        self._out.print(f"{sign} ", style=style, end="")


def _time(milliseconds: float) -> str:
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.2f} s"
