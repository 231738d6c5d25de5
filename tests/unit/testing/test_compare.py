"""Comparing a result with what a test case expects."""

from __future__ import annotations

from typing import Any

import pytest

from ratchet_mcp.errors import QueueFull, TaskFailed, TimedOut, WorkerStartFailed
from ratchet_mcp.tasks.problems import Problems
from ratchet_mcp.tasks.testcase import TestCase, read_tests
from ratchet_mcp.testing.compare import compare


def case(**raw: Any) -> TestCase:
    problems = Problems()
    [read] = read_tests({"input": None, **raw}, "tests/x.json", "x", problems)
    assert not problems
    return read


def differences(output: Any, **raw: Any) -> list[tuple[str, str]]:
    return [(each.path, each.message) for each in compare(case(**raw), output=output)]


@pytest.mark.parametrize(
    ("expected", "actual"),
    [({"a": 1}, {"a": 1, "b": 2}), ({"a": [{"b": 1}]}, {"a": [{"b": 1.0, "c": 0}]}), ([], []), (None, None), ("x", "x"), ({}, {"a": 1})],
)
def test_a_subset_passes_by_default(expected: Any, actual: Any) -> None:
    assert differences(actual, expected_output=expected) == []


@pytest.mark.parametrize(
    ("expected", "actual", "path", "message"),
    [
        ({"a": 1}, {"a": 2}, "$.a", "expected 1, got 2"),
        ({"a": {"b": 1}}, {"a": {}}, "$.a.b", "expected 1, but it is missing"),
        ({"a": 1}, {"b": 1, "c": 2}, "$.a", 'expected 1, but it is missing (there: "b", "c")'),
        ([1, 2], [1], "$", "expected 2 items, got 1"),
        ([1, {"a": "x"}], [1, {"a": "y"}], "$[1].a", 'expected "x", got "y"'),
        (1, True, "$", "expected 1, got boolean true"),
        (None, 0, "$", "expected null, got integer 0"),
        ({"a": 1}, [1], "$", 'expected {"a": 1}, got array [1]'),
    ],
)
def test_a_difference_is_named_with_its_path(expected: Any, actual: Any, path: str, message: str) -> None:
    assert (path, message) in differences(actual, expected_output=expected)


def test_exact_allows_nothing_more() -> None:
    assert differences({"a": 1, "b": 2}, expected_output={"a": 1}, match="exact") == [("$.b", "unexpected: 2")]
    assert differences({"a": 1}, expected_output={"a": 1}, match="exact") == []


def test_a_schema_describes_the_output() -> None:
    assert differences({"a": 1}, expected_output={"required": ["a"]}, match="schema") == []
    assert differences({}, expected_output={"required": ["a"]}, match="schema") == [("$.a", "is required but missing")]
    assert differences({}, match="schema") == []


def test_without_an_expectation_any_output_passes() -> None:
    assert differences({"anything": 1}) == []
    assert differences(1, expected_output=None) == [("$", "expected null, got integer 1")]


def test_an_error_fails_a_test_that_expects_none() -> None:
    [difference] = compare(case(expected_output=1), error=TaskFailed("boom"))
    assert difference.to_dict() == {"path": "$", "message": "the run failed with task_error: boom"}


def test_an_expected_failure_passes() -> None:
    failed = TaskFailed("the date is wrong")
    assert compare(case(should_fail=True), error=failed) == []
    assert compare(case(expected_error="date"), error=failed) == []
    assert compare(case(expected_error={"code": "task_error", "message_contains": "wrong"}), error=failed) == []


def test_another_failure_or_none_does_not_pass() -> None:
    wanted = case(expected_error={"code": "timeout", "message_contains": "late"})
    assert [each.path for each in compare(wanted, error=TaskFailed("boom"))] == ["$.error.code", "$.error.message"]
    assert [each.path for each in compare(wanted, output=1)] == ["$"]
    assert compare(case(should_fail=True), output=1)


def test_a_failure_of_ratchet_is_not_the_failure_that_a_test_expects() -> None:
    for error in (QueueFull("full"), WorkerStartFailed("no")):
        assert [each.path for each in compare(case(should_fail=True), error=error)] == ["$.error"]
        assert compare(case(expected_error={"code": error.code}), error=error) == []
    assert compare(case(should_fail=True), error=TimedOut("late")) == []


def test_differences_are_limited_and_depth_is_no_problem() -> None:
    assert len(differences(list(range(1000)), expected_output=list(range(1, 1001)))) == 20
    deep: Any = 1
    for _ in range(50_000):
        deep = [deep]
    assert compare(TestCase(name="deep", expected_output=deep, has_output=True), output=deep) == []
