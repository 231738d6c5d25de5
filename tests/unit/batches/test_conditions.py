"""`when` compares what an output has with a value."""

from __future__ import annotations

from typing import Any

import pytest

from ratchet_mcp.batches.conditions import read_condition

OUTPUT: dict[str, Any] = {"n": 1, "t": True, "s": "hello", "l": [1, {"a": 2}], "z": None}


def why_not(path: str, op: str, *value: Any) -> str | None:
    return read_condition({"from": "a", "path": path, "op": op, **({"value": value[0]} if value else {})}).why_not(OUTPUT)


@pytest.mark.parametrize(
    ("path", "op", "value"),
    [
        ("/n", "==", 1.0),
        ("/n", "!=", True),
        ("/n", "<", 2),
        ("/n", "<=", 1),
        ("/n", ">", 0.5),
        ("/n", ">=", 1),
        ("/s", ">", "apple"),
        ("/s", "in", ["hello", 1]),
        ("/s", "contains", "ell"),
        ("/l", "contains", {"a": 2.0}),
        ("", "contains", "n"),
        ("/l", "==", [1, {"a": 2}]),
        ("/z", "==", None),
        ("/z", "exists", True),
        ("/nope", "exists", False),
        ("/nope", "!=", 1),
    ],
)
def test_a_condition_that_holds(path: str, op: str, value: Any) -> None:
    assert why_not(path, op, value) is None


@pytest.mark.parametrize(
    ("path", "op", "value", "reason"),
    [
        ("/t", "==", 1, "a/t is true, not == 1"),
        ("/n", "in", [True, "1"], "a/n is 1, not in"),
        ("/n", "<", "2", "a/n is an integer, which has no order with a string"),
        ("/t", ">", 0, "which has no order"),
        ("/nope", "==", None, "a/nope does not exist"),
        ("/nope", "<", 1, "a/nope does not exist"),
        ("/n", "contains", "1", "not contains"),
        ("/s", "contains", 1, "not contains"),
        ("/n", "exists", False, "a/n exists"),
        ("", "==", 1, "a is {"),
    ],
)
def test_a_condition_that_does_not_hold_says_why(path: str, op: str, value: Any, reason: str) -> None:
    assert reason in str(why_not(path, op, value))


def test_exists_needs_no_value() -> None:
    assert why_not("/n", "exists") is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("x > 1", "when is an object"),
        ({"op": "==", "value": 1}, "when.from"),
        ({"from": "a", "op": "=", "value": 1}, "when.op is one of"),
        ({"from": "a", "op": "=="}, "when.value is missing"),
        ({"from": "a", "op": "in", "value": "abc"}, "an array"),
        ({"from": "a", "op": "<", "value": None}, "a number or a string"),
        ({"from": "a", "op": "exists", "value": "yes"}, "true or false"),
        ({"from": "a", "op": "==", "value": 1, "path": "x"}, "JSON Pointer"),
        ({"from": "a", "op": "==", "values": 1}, 'did you mean "value"'),
        ({"from": "a", "op": [], "value": 1}, "when.op"),
    ],
)
def test_a_wrong_condition_says_what_is_wrong(given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        read_condition(given)
    assert message in str(refused.value)
