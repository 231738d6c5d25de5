"""What the debugger in a worker shall do, and what it tells. The worker is untrusted: what does not fit is a violation."""

from __future__ import annotations

import re
from typing import Any, cast

import orjson

from ratchet_mcp.engine.depth import nested_deeper
from ratchet_mcp.engine.frames import Violation
from ratchet_mcp.engine.observe import Evaluated, Observation, Observed, Snapshot, StackFrame, as_function
from ratchet_mcp.engine.run import RunRequest
from ratchet_mcp.engine.script import GLOBALS, first_line_shift, in_source, module_head
from ratchet_mcp.tasks.frame import split_lines

MAX_CHARACTERS = 1 << 20
"""All snapshots of a run as JSON text. Workers stop at half of it."""

MAX_DEPTH = 40
MAX_STACK = 50
MAX_TEXT = 2_000
NO_LIMIT = 1 << 31
_ONLY_CLOSES = re.compile(r"[\s)\]};,]*")


def plan_of(request: RunRequest, observation: Observation) -> str:
    """Return the JSON text that `realm/debugger.js` takes: what to watch, and which of the script's text is the author's."""
    head = module_head(request.script)
    plan = {
        "breakpoints": observation.breakpoints,
        "expressions": [[expression, _names(expression)] for expression in observation.expressions],
        "snapshots": observation.max_snapshots,
        "coverage": observation.coverage,
        "throws": observation.throws,
        "lines": len(split_lines(request.source)) if request.source else NO_LIMIT,
        "shift": first_line_shift(request.script) + head,
        "hidden": ["module", "exports"] if head else [],
    }
    return orjson.dumps(plan).decode()


def _names(expression: str) -> list[str]:
    """Return the names that an expression takes from the code around it. A compartment has `undefined` for those that nothing declares."""
    from ratchet_mcp.tasks.code import prepare

    return sorted(prepare(as_function(expression)).undeclared - GLOBALS)


class Observing:
    """Takes the `observed` frames of one run and checks them."""

    def __init__(self, request: RunRequest, observation: Observation) -> None:
        self.observed = Observed()
        self._request = request
        self._observation = observation
        self._lines: list[str] = split_lines(request.source) if request.source else []
        self._coverage: dict[int, int] = {}
        self._characters = 0
        self._placed = self._covered = False

    def take(self, what: str, text: str) -> None:
        """Take one frame. Raises `Violation`."""
        self._characters += len(text)
        if self._characters > MAX_CHARACTERS + 40 * len(self._lines):
            raise Violation("more than any debugger sees")
        if nested_deeper(text, MAX_DEPTH):
            raise Violation("an observation that is nested too deeply")
        try:
            value = orjson.loads(text)
            self._take(what, value)
        except (orjson.JSONDecodeError, TypeError, ValueError, KeyError, AttributeError):
            raise Violation(f"an observation that is none ({what[:20]})") from None

    def ended(self) -> None:
        """Note that the run ended by itself: what was counted is complete."""
        if self._covered:
            self.observed.coverage = dict(sorted(self._coverage.items()))

    def _take(self, what: str, value: Any) -> None:
        observed = self.observed
        match what:
            case "placed" if not self._placed:
                self._placed = True
                observed.moved = {
                    _position(asked): self._line(line) for asked, line in _some(value["moved"], self._observation.breakpoints)
                }
                observed.unreachable = [_position(line) for line in _some(value["unreachable"], self._observation.breakpoints)]
                observed.nearest = [self._line(line) for line in _some(value["nearest"], range(3))]
            case "snapshot" if len(observed.snapshots) < self._observation.max_snapshots:
                observed.snapshots.append(self._snapshot(value, self._observation.expressions))
            case "throw" if self._observation.throws and observed.at_throw is None:
                observed.at_throw = self._snapshot(value, ())
            case "truncated":
                observed.truncated = True
            case "coverage" if self._observation.coverage:
                self._covered = True
                for line, hits in _some(value, self._lines or range(NO_LIMIT)):
                    self._count(line, hits)
            case _:
                raise ValueError(what)

    def _count(self, line: Any, hits: Any) -> None:
        number = self._line(line)
        if isinstance(hits, bool) or not isinstance(hits, int) or not 0 <= hits < 1 << 53 or number in self._coverage:
            raise ValueError("a count")
        if not self._lines or not _ONLY_CLOSES.fullmatch(self._lines[number - 1]):
            self._coverage[number] = hits

    def _snapshot(self, value: Any, expressions: tuple[str, ...]) -> Snapshot:
        place = self._place(value)
        if value.get("error") is not None and not isinstance(value["error"], str):
            raise ValueError("an error")
        evaluated = value.get("expressions", [])
        if len(evaluated) != len(expressions):
            raise ValueError("expressions")
        return Snapshot(
            line=place.line,
            column=place.column,
            hit=_position(value["hit"]),
            function=place.function,
            locals=_mapping(value["locals"]),
            outer=_mapping(value["outer"]),
            arguments=_list(value["arguments"]),
            stack=[self._place(frame) for frame in _some(value["stack"], range(MAX_STACK))],
            expressions=[_evaluated(expression, one) for expression, one in zip(expressions, evaluated, strict=True)],
            error=value.get("error"),
        )

    def _place(self, value: Any) -> StackFrame:
        line, column = in_source(self._line(value["line"]), _position(value["column"]), self._request.script, self._request.locate)
        return StackFrame(_text(value["function"]), line, column)

    def _line(self, value: Any) -> int:
        line = _position(value)
        if self._lines and line > len(self._lines):
            raise ValueError("a line")
        return line


def _evaluated(expression: str, value: Any) -> Evaluated:
    if "error" in value:
        return Evaluated(expression, error=_text(value["error"]))
    return Evaluated(expression, value=value["value"])


def _position(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < NO_LIMIT:
        raise ValueError("a position")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a text")
    return value[:MAX_TEXT]


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("a mapping")
    return cast("dict[str, Any]", value)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("a list")
    return cast("list[Any]", value)


def _some(value: Any, most: Any) -> list[Any]:
    """Return a list that has no more items than `most` has."""
    found = _list(value)
    if len(found) > len(most):
        raise ValueError("too many")
    return found
