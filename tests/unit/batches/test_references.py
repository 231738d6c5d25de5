"""Inputs that refer to earlier outputs."""

from __future__ import annotations

from typing import Any

import pytest

from ratchet_mcp.batches.references import Mistake, Reference, ReferenceMissing, find_references, resolve

OUTPUTS: dict[str, Any] = {"a": {"list": [{"x": 1}, None], "a/b": {"m~n": "odd"}, "": "empty"}, "s": "text"}


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        ({"$from": "a", "path": "/list/0/x"}, 1),
        ({"$from": "a", "path": "/list/1"}, None),
        ({"$from": "a", "path": "/a~1b/m~0n"}, "odd"),
        ({"$from": "a", "path": "/"}, "empty"),
        ({"$from": "s"}, "text"),
        ({"$from": "s", "path": ""}, "text"),
        ({"deep": [1, {"er": {"$from": "s"}}]}, {"deep": [1, {"er": "text"}]}),
        ({"$literal": {"$from": "s"}}, {"$from": "s"}),
        ({"$literal": {"$literal": 1}}, {"$literal": 1}),
        ({"$literal": 1, "more": 2}, {"$literal": 1, "more": 2}),
        ([{"from": "s"}], [{"from": "s"}]),
        ("$from", "$from"),
    ],
)
def test_a_reference_becomes_what_it_means(value: Any, resolved: Any) -> None:
    assert resolve(value, OUTPUTS) == resolved


@pytest.mark.parametrize("path", ["/nope", "/list/2", "/list/01", "/list/-", "/list/0/x/y", "/list/x"])
def test_a_reference_to_nothing_is_told(path: str) -> None:
    with pytest.raises(ReferenceMissing, match="the output of a has nothing at"):
        resolve({"$from": "a", "path": path}, OUTPUTS)


def test_references_are_found_anywhere() -> None:
    found = [*find_references({"x": [{"$from": "a"}, {"y": {"$from": "b", "path": "/0"}}], "z": {"$literal": {"$from": "c"}}})]
    assert sorted(each.id for each in found if isinstance(each, Reference)) == ["a", "b"]
    assert {each.where for each in found} == {("x", 0), ("x", 1, "y")}


@pytest.mark.parametrize(
    "value",
    [{"$from": 5}, {"$from": ""}, {"$from": None}, {"$from": "a", "Path": "/x"}, {"$from": "a", "path": "x"}, {"$from": "a", "path": 1}],
    ids=str,
)
def test_what_is_no_proper_reference_is_a_mistake(value: Any) -> None:
    (found,) = find_references(value)
    assert isinstance(found, Mistake)
