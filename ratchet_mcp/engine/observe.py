"""Looking into a run: what to watch, and what was seen. Plain data.

Lines and columns are those of the task's file, from 1. Values are JSON; what JSON cannot say is text in angle brackets: `<undefined>`,
`<NaN>`, `<12n>`, `<function add>`, `<getter>`, `<not yet initialised>`. An object that is more than a plain one has an entry `<class>`, a
Map `<Map>` with its pairs, a Set `<Set>` with its items; `<more>` counts what was left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ratchet_mcp.errors import InvalidArgument, TaskSyntaxError

MOST_BREAKPOINTS, MOST_EXPRESSIONS, MOST_SNAPSHOTS, LONGEST_EXPRESSION = 100, 20, 500, 1000


@dataclass(frozen=True, slots=True)
class Observation:
    """What to watch in a run.

    A snapshot is taken each time a line of `breakpoints` is about to run, with the values of `expressions` there, until there are
    `max_snapshots`. Expressions run in the task, within the limits of the run, and may change what it does. `coverage` counts how often
    each line runs, `throws` shows where the error that ends the run was thrown. Raises `InvalidArgument` when there is too much of
    anything, or an expression is none.
    """

    breakpoints: tuple[int, ...] = ()
    expressions: tuple[str, ...] = ()
    max_snapshots: int = 50
    coverage: bool = False
    throws: bool = False

    def __post_init__(self) -> None:
        _at_most("breakpoints", len(self.breakpoints), MOST_BREAKPOINTS)
        _at_most("expressions", len(self.expressions), MOST_EXPRESSIONS)
        _at_most("max_snapshots", self.max_snapshots, MOST_SNAPSHOTS)
        if self.max_snapshots < 1:
            raise InvalidArgument(f"max_snapshots must be at least 1, not {self.max_snapshots}.")
        for line in self.breakpoints:
            if not 1 <= line < 1 << 31:
                raise InvalidArgument(f"A breakpoint is a line number from 1 on, not {line}.")
        for expression in self.expressions:
            _check_expression(expression)


@dataclass(frozen=True, slots=True)
class StackFrame:
    """One function on the call stack."""

    function: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What an expression had for a value, or why it has none."""

    expression: str
    value: Any = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A function at one moment, before it runs `line`; or where it threw.

    `hit` counts the times this line was reached, from 1. `locals` are the variables of the function, `outer` those of the functions
    around it that are no functions themselves. `error` is what was thrown.
    """

    line: int
    column: int
    hit: int
    function: str
    locals: dict[str, Any]
    arguments: list[Any]
    stack: list[StackFrame]
    outer: dict[str, Any] = field(default_factory=dict[str, Any])
    expressions: list[Evaluated] = field(default_factory=list[Evaluated])
    error: Any = None


@dataclass(slots=True)
class Observed:
    """What was seen of a run, also of one that was killed.

    `coverage` maps each line that can run to how often it did; `None` when it was not asked for or the run was killed. Un-run branches
    within one line do not show. `truncated` tells that there was more to see than fits. `moved` maps the breakpoints that were moved
    to the lines where they are; `unreachable` are those after the last line that can hold one, `nearest` the lines that could.
    `at_throw` is where the error that ended the run was thrown.
    """

    snapshots: list[Snapshot] = field(default_factory=list[Snapshot])
    coverage: dict[int, int] | None = None
    truncated: bool = False
    unreachable: list[int] = field(default_factory=list[int])
    nearest: list[int] = field(default_factory=list[int])
    moved: dict[int, int] = field(default_factory=dict[int, int])
    at_throw: Snapshot | None = None


def _at_most(name: str, found: int, most: int) -> None:
    if found > most:
        raise InvalidArgument(f"{name}: {found} are too many; at most {most} are allowed.", details={"maximum": most})


def as_function(expression: str) -> str:
    """Return a function around an expression, which can be prepared as a task's code is."""
    return f"() => (\n{expression}\n)"


def _check_expression(expression: str) -> None:
    """Let only what a task may say come near a task: one expression, no dynamic import."""
    from ratchet_mcp.tasks.code import prepare

    if len(expression) > LONGEST_EXPRESSION:
        raise InvalidArgument(f"An expression has {len(expression)} characters; at most {LONGEST_EXPRESSION} are allowed.")
    try:
        prepare(as_function(expression))
    except TaskSyntaxError as error:
        raise InvalidArgument(
            f"{expression[:100]!r} is not an expression: {error.message}",
            hint="Give JavaScript expressions that the task's code could hold at that line, such as input.items.length.",
            details={"expression": expression},
        ) from None
