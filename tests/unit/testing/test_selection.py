"""Naming the tests that shall run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ratchet_mcp.errors import InvalidArgument
from ratchet_mcp.tasks.loading import make_unsaved
from ratchet_mcp.tasks.testcase import TestCase
from ratchet_mcp.testing.selection import choose

TASK = replace(make_unsaved("() => 1"), name="t", tests=tuple(map(TestCase, ("quotes", "empty", "empty-rows", "[odd]"))))


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["empty"], ["empty"]),
        (["empty", "quotes"], ["quotes", "empty"]),
        (["empty*"], ["empty", "empty-rows"]),
        (["[odd]"], ["[odd]"]),
        (["*", "empty"], ["quotes", "empty", "empty-rows", "[odd]"]),
    ],
)
def test_names_and_patterns_choose_in_the_order_of_the_task(names: list[str], found: list[str]) -> None:
    assert [case.name for case in choose(TASK, names)] == found


def test_an_unknown_name_is_told_with_the_nearest_one() -> None:
    with pytest.raises(InvalidArgument) as refused:
        choose(TASK, ["empty", "qoutes"])
    assert "no test 'qoutes' (did you mean \"quotes\"?)" in refused.value.message
    assert refused.value.hint == "Its tests: quotes, empty, empty-rows, [odd]."
