"""What may be watched, and what a debugger may tell."""

from __future__ import annotations

import json
from typing import Any

import pytest
from engine_runs import request

from ratchet_mcp.engine.frames import Violation
from ratchet_mcp.engine.observe import Observation
from ratchet_mcp.engine.observing import MAX_CHARACTERS, Observing, plan_of
from ratchet_mcp.errors import InvalidArgument

CODE = "function main(input) {\n  const a = input;\n  return a;\n}\n"
WATCH = Observation((2, 3), ("a",), max_snapshots=2, coverage=True, throws=True)


def snapshot(**changes: Any) -> dict[str, Any]:
    place = {"function": "main", "line": 3, "column": 3}
    return {
        **place,
        "hit": 1,
        "locals": {"a": 1},
        "outer": {},
        "arguments": [1],
        "stack": [place],
        "expressions": [{"value": 1}],
        **changes,
    }


@pytest.fixture
def observing() -> Observing:
    return Observing(request(CODE, observe=WATCH), WATCH)


def take(observing: Observing, what: str, value: Any) -> None:
    observing.take(what, json.dumps(value))


# ---------------------------------------------------------------- what may be asked for
@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"breakpoints": (0,)}, "line number"),
        ({"breakpoints": (-3,)}, "line number"),
        ({"breakpoints": tuple(range(1, 200))}, "breakpoints"),
        ({"max_snapshots": 0}, "max_snapshots"),
        ({"max_snapshots": 10**6}, "max_snapshots"),
        ({"expressions": ("a",) * 50}, "expressions"),
        ({"expressions": ("a" * 2000,)}, "characters"),
        ({"expressions": ("",)}, "not an expression"),
        ({"expressions": ("a +",)}, "not an expression"),
        ({"expressions": ("const b = 1",)}, "not an expression"),
        ({"expressions": ("a; b",)}, "not an expression"),
        ({"expressions": ("import('fs')",)}, "not an expression"),
        ({"expressions": ("a) && (import('fs')",)}, "not an expression"),
    ],
)
def test_what_cannot_be_watched_is_refused_with_a_reason(changes: dict[str, Any], names: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        Observation(**changes)
    assert names in raised.value.message


@pytest.mark.parametrize("expression", ["a", "a.b?.c ?? 1", "[...a].length", "(() => 1)()", "`${a}`", "{}", "x => x", "a // note", "a, b"])
def test_any_expression_can_be_watched(expression: str) -> None:
    assert Observation(expressions=(expression,)).expressions == (expression,)


def test_the_plan_says_which_names_an_expression_needs_and_where_the_authors_text_begins() -> None:
    watch = Observation((1,), ("Math.max(a, (b) => b + c)",))
    asked = request("exports.main = (input) => input", observe=watch)
    plan = json.loads(plan_of(asked, watch))
    assert plan["expressions"] == [["Math.max(a, (b) => b + c)", ["a", "c"]]]
    assert plan["lines"] == 1
    assert asked.script[plan["shift"] :].startswith("exports.main = ")
    assert plan["hidden"] == ["module", "exports"]


# ---------------------------------------------------------------- what a debugger may tell
def test_what_an_honest_debugger_tells_is_taken(observing: Observing) -> None:
    take(observing, "placed", {"moved": [[2, 3]], "unreachable": [3], "nearest": [2, 3]})
    take(observing, "snapshot", snapshot())
    take(observing, "throw", {**snapshot(error="Error: x"), "expressions": []})
    take(observing, "truncated", {})
    take(observing, "coverage", [[2, 5], [4, 1]])
    take(observing, "coverage", [[3, 0]])
    observing.ended()
    seen = observing.observed
    assert (seen.moved, seen.unreachable, seen.nearest, seen.truncated) == ({2: 3}, [3], [2, 3], True)
    assert seen.snapshots[0].locals == {"a": 1}
    assert seen.snapshots[0].expressions[0].value == 1
    assert seen.at_throw is not None and seen.at_throw.error == "Error: x"
    assert seen.coverage == {2: 5, 3: 0}  # a brace alone is no line that runs


def test_the_coverage_of_a_run_that_was_killed_is_none(observing: Observing) -> None:
    take(observing, "coverage", [[2, 5]])
    assert observing.observed.coverage is None


LIES: list[tuple[str, Any]] = [
    ("nonsense", {}),
    ("placed", []),
    ("placed", {"moved": [[1, 2, 3]], "unreachable": [], "nearest": []}),
    ("placed", {"moved": [[2, 99]], "unreachable": [], "nearest": []}),
    ("placed", {"moved": [], "unreachable": [1, 2, 3], "nearest": []}),
    ("placed", {"moved": [], "unreachable": ["2"], "nearest": []}),
    ("placed", {"moved": [], "unreachable": [], "nearest": [1, 2, 3, 4]}),
    ("snapshot", None),
    ("snapshot", []),
    ("snapshot", {}),
    ("snapshot", snapshot(line=0)),
    ("snapshot", snapshot(line=99)),
    ("snapshot", snapshot(line=True)),
    ("snapshot", snapshot(line=2.5)),
    ("snapshot", snapshot(column=10**12)),
    ("snapshot", snapshot(hit=-1)),
    ("snapshot", snapshot(function=None)),
    ("snapshot", snapshot(locals=[])),
    ("snapshot", snapshot(outer="x")),
    ("snapshot", snapshot(arguments={})),
    ("snapshot", snapshot(stack="main")),
    ("snapshot", snapshot(stack=[{"function": "main", "line": 3, "column": 3}] * 51)),
    ("snapshot", snapshot(expressions=[])),
    ("snapshot", snapshot(expressions=[{}])),
    ("snapshot", snapshot(expressions=[{"error": {}}])),
    ("snapshot", snapshot(expressions=5)),
    ("snapshot", snapshot(error=5)),
    ("snapshot", snapshot(locals=json.loads("[" * 60 + "]" * 60))),
    ("throw", {}),
    ("coverage", {}),
    ("coverage", [[2]]),
    ("coverage", [[2, -1]]),
    ("coverage", [[2, 1.5]]),
    ("coverage", [[2, True]]),
    ("coverage", [[2, 1], [2, 1]]),
    ("coverage", [[99, 1]]),
    ("coverage", [[2, 1]] * 10_000),
]


@pytest.mark.parametrize(("what", "value"), LIES, ids=[f"{what}-{number}" for number, (what, _) in enumerate(LIES)])
def test_what_no_honest_debugger_tells_is_a_violation(what: str, value: Any, observing: Observing) -> None:
    with pytest.raises(Violation):
        take(observing, what, value)


@pytest.mark.parametrize("text", ["", "{", "NaN", '"\\ud800"', '{"line": 1e999}'])
def test_text_that_is_no_json_is_a_violation(text: str, observing: Observing) -> None:
    with pytest.raises(Violation):
        observing.take("snapshot", text)


def test_more_snapshots_than_asked_for_are_a_violation(observing: Observing) -> None:
    take(observing, "snapshot", snapshot())
    take(observing, "snapshot", snapshot())
    with pytest.raises(Violation):
        take(observing, "snapshot", snapshot())


def test_a_second_plan_or_throw_is_a_violation(observing: Observing) -> None:
    take(observing, "placed", {"moved": [], "unreachable": [], "nearest": []})
    take(observing, "throw", {**snapshot(), "expressions": []})
    for what, value in (("placed", {"moved": [], "unreachable": [], "nearest": []}), ("throw", {**snapshot(), "expressions": []})):
        with pytest.raises(Violation):
            take(observing, what, value)


def test_what_was_not_asked_for_is_a_violation() -> None:
    watch = Observation((2,))
    observing = Observing(request(CODE, observe=watch), watch)
    for what, value in (("coverage", [[2, 1]]), ("throw", {**snapshot(), "expressions": []})):
        with pytest.raises(Violation):
            take(observing, what, value)


def test_a_flood_of_observations_is_a_violation(observing: Observing) -> None:
    text = json.dumps({"x": "y" * 1000})
    with pytest.raises(Violation):
        for _ in range(MAX_CHARACTERS // len(text) + 2):
            observing.take("truncated", text)
