"""Test cases as they stand in the files of a task, in today's layout and in those of the original system."""

from __future__ import annotations

from typing import Any

import pytest

from ratchet_mcp.tasks.problems import Problems
from ratchet_mcp.tasks.testcase import ExpectedError, TestCase, read_tests


def read(raw: Any) -> list[TestCase]:
    problems = Problems()
    cases = read_tests(raw, "tests/test-001.json", "test-001", problems)
    assert problems.found == []
    return cases


def complaints(raw: Any) -> list[tuple[str, str]]:
    problems = Problems()
    read_tests(raw, "tests/x.json", "x", problems)
    return [(each["path"], each["message"]) for each in problems.found]


def test_a_case_says_everything() -> None:
    [case] = read({"name": "n", "description": "d", "input": 1, "expected_output": 2, "match": "exact", "mock": {"http": {}}})
    assert (case.name, case.description, case.input, case.expected_output, case.match) == ("n", "d", 1, 2, "exact")
    assert case.mock == {"http": {}}
    [failing] = read({"input": 1, "expected_error": {"code": "task_error", "message_contains": "no"}})
    assert failing.expected_error == ExpectedError("task_error", "no")


def test_a_file_may_hold_several_cases() -> None:
    assert [each.name for each in read([{"input": 1}, {"input": 2, "name": "two"}])] == ["test-001-1", "two"]


# ---------------------------------------------------------------- layouts of the original system
def test_a_case_without_a_name_is_called_like_its_file() -> None:
    [case] = read({"input": {"city": "London"}, "expected_output": {"temperature": 15.2}})
    assert (case.name, case.expected_output, case.match) == ("test-001", {"temperature": 15.2}, "subset")


def test_a_mock_of_http_is_kept_as_it_was_written() -> None:
    mock = {"http": {"url": "api.example.com", "method": "GET", "response": {"ok": True, "status": 200, "body": {"name": "Paris"}}}}
    [case] = read({"input": {}, "expected_output": {"location": "Paris"}, "mock": mock})
    assert case.mock == mock


def test_expected_is_the_old_name_of_expected_output() -> None:
    [case] = read({"description": "zero", "expected": {"result": 0}, "input": {"number": 0}, "name": "zero", "should_fail": False})
    assert (case.name, case.expected_output, case.has_output, case.should_fail) == ("zero", {"result": 0}, True, False)


def test_an_old_expected_of_null_expects_nothing() -> None:
    [case] = read({"expected": None, "input": {}, "name": "any", "should_fail": False})
    assert not case.has_output
    [failing] = read({"expected": None, "input": {}, "name": "fails", "should_fail": True})
    assert failing.should_fail and not failing.has_output


def test_an_expected_output_of_null_beside_a_failure_expects_nothing() -> None:
    for failure in ({"should_fail": True}, {"expected_error": "no"}):
        [case] = read({"name": "fails", "input": {}, "expected_output": None, "description": None, **failure})
        assert not case.has_output
    [wanted] = read({"input": {}, "expected_output": None, "should_fail": False})
    assert wanted.has_output and wanted.expected_output is None


def test_camel_case_is_accepted() -> None:
    cases = read([{"input": 1, "expectedOutput": 2}, {"input": 1, "shouldFail": True}, {"input": 1, "expectedError": {"code": "timeout"}}])
    assert (cases[0].expected_output, cases[1].should_fail, cases[2].expected_error) == (2, True, ExpectedError("timeout"))


@pytest.mark.parametrize("key", ["tests", "test_cases"])
def test_a_file_may_hold_its_cases_under_a_key(key: str) -> None:
    assert [each.name for each in read({key: [{"input": 1, "name": "a"}, {"input": 2}]})] == ["a", "test-001-2"]
    assert complaints({key: [{}]}) == [(f"$.{key}[0].input", "the test case has no input")]


# ---------------------------------------------------------------- what is wrong
@pytest.mark.parametrize(
    ("raw", "path", "message"),
    [
        (1, "$", "a test case is an object, got 1"),
        ([[{"input": 1}]], "$[0]", 'a test case is an object, got [{"input": 1}]'),
        ({"inptu": 1}, "$.inptu", 'unknown key "inptu" (did you mean "input"?)'),
        ({"input": 1, "match": "exakt"}, "$.match", 'expected one of subset, exact, schema, got "exakt" (did you mean "exact"?)'),
        ({"input": 1, "should_fail": "yes"}, "$.should_fail", 'expected true or false, got "yes"'),
        ({"input": 1, "name": "a\u202eb"}, "$.name", "expected a plain string"),
        ({"input": 1, "expected_error": {"kode": "x"}}, "$.expected_error", "expected {code?, message_contains?} with strings"),
        ({"input": 1, "expected_output": 1, "should_fail": True}, "$.expected_output", "a run that fails has no output"),
        ({"input": 1, "expected": 1, "expected_output": 2}, "$.expected_output", "expected_output is there twice, under two names"),
        ({"input": 1, "match": "schema", "expected_output": {"type": "objekt"}}, "$.expected_output.type", ""),
    ],
)
def test_a_mistake_is_named_with_its_path(raw: Any, path: str, message: str) -> None:
    assert any(found == path and text.startswith(message) for found, text in complaints(raw)), complaints(raw)


def test_lists_within_lists_are_no_problem_for_the_reader() -> None:
    deep: Any = []
    for _ in range(50_000):
        deep = [deep]
    assert len(complaints(deep)) == 1
