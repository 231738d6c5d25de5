"""Test cases of a task, as they stand in its files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ratchet_mcp.errors import TaskInvalid
from ratchet_mcp.tasks.json_values import is_array, is_object
from ratchet_mcp.tasks.problems import Problems
from ratchet_mcp.tasks.reading import hidden_characters
from ratchet_mcp.tasks.violations import did_you_mean, shown

Match = Literal["subset", "exact", "schema"]
KEYS = ("name", "description", "input", "expected_output", "match", "expected_error", "should_fail", "mock")
_ORIGINAL = {
    "expected": "expected_output",
    "expectedOutput": "expected_output",
    "expectedError": "expected_error",
    "shouldFail": "should_fail",
}
"""Other spellings in tests of the original system."""
_LISTS = ("tests", "test_cases")
_MATCHES = ("subset", "exact", "schema")
_MISSING: Any = object()


@dataclass(frozen=True, slots=True)
class ExpectedError:
    """The error that a run must end with; what is None may be anything."""

    code: str | None = None
    message_contains: str | None = None


@dataclass(frozen=True)
class TestCase:
    """One input and what must come of it.

    `has_output` tells a missing `expected_output` (any output will do) from an expected `null`. `match` says how the output is compared:
    `subset` (objects may have more members), `exact`, or `schema` (`expected_output` is a JSON Schema; without it
    the task's own output schema is enough). `mock` is kept as it was written. `path` is where the case stands in its file.
    """

    __test__ = False  # it is no test class of pytest

    name: str
    input: Any = None
    expected_output: Any = None
    has_output: bool = False
    match: Match = "subset"
    description: str = ""
    expected_error: ExpectedError | None = None
    should_fail: bool = False
    mock: Any = None
    file: str = ""
    path: str = "$"

    def to_dict(self) -> dict[str, Any]:
        """Return the case as it is written in a file: without what it does not say."""
        plain: dict[str, Any] = {"name": self.name}
        plain |= {"description": self.description} if self.description else {}
        plain["input"] = self.input
        if self.has_output:
            plain["expected_output"] = self.expected_output
        plain |= {"match": self.match} if self.match != "subset" else {}
        if self.expected_error is not None:
            error = {"code": self.expected_error.code, "message_contains": self.expected_error.message_contains}
            plain["expected_error"] = {key: value for key, value in error.items() if value is not None}
        plain |= {"should_fail": True} if self.should_fail else {}
        return plain if self.mock is None else {**plain, "mock": self.mock}


def read_tests(raw: Any, file: str, name: str, problems: Problems, path: str = "$") -> list[TestCase]:
    """Read one test case, a list of them, or an object that holds such a list; what is wrong is noted in `problems`.

    The layouts of the original system are accepted: a case without a name, `expected` for `expected_output`, camelCase, an
    `expected_output` of null beside an expected failure, and several cases under `tests` or `test_cases`.
    """
    if is_object(raw) and (inner := _list_in(raw)):
        raw, path = raw[inner], f"{path}.{inner}"
    cases: list[TestCase] = []
    several = is_array(raw)
    for index, each in enumerate(raw if several else [raw]):
        place = f"{path}[{index}]" if several else path
        if is_object(each):
            cases.append(_Case(each, file, place, problems).read(f"{name}-{index + 1}" if several else name))
        else:
            problems.add(file, f"a test case is an object, got {shown(each)}", path=place)
    return cases


def _list_in(raw: dict[str, Any]) -> str | None:
    """Return the key under which a file holds its list of cases; a case of its own has none."""
    if "input" in raw:
        return None
    return next((key for key in _LISTS if is_array(raw.get(key))), None)


class _Case:
    def __init__(self, raw: dict[str, Any], file: str, path: str, problems: Problems) -> None:
        self._file, self._path, self._problems = file, path, problems
        self._raw = self._renamed(raw)
        self._null_is_nothing = "expected_output" not in raw

    def read(self, default_name: str) -> TestCase:
        for key in self._raw:
            if key not in KEYS and (near := did_you_mean(key, KEYS)):
                self._wrong(key, f"unknown key {shown(key)}{near}")
        match = self._raw.get("match", "subset")
        if match not in _MATCHES:
            self._wrong("match", f"expected one of {', '.join(_MATCHES)}, got {shown(match)}{did_you_mean(str(match), _MATCHES)}")
            match = "subset"
        if "input" not in self._raw:
            self._wrong("input", "the test case has no input")
        expected_error, should_fail = self._error(), self._flag()
        if self._raw.get("expected_output", _MISSING) is None and (should_fail or expected_error or self._null_is_nothing):
            del self._raw["expected_output"]
        expected = self._raw.get("expected_output")
        if match == "schema" and "expected_output" in self._raw:
            self._check_schema(expected)
        case = TestCase(
            name=self._text("name", default_name),
            input=self._raw.get("input"),
            expected_output=expected,
            has_output="expected_output" in self._raw,
            match=match,
            description=self._text("description", ""),
            expected_error=expected_error,
            should_fail=should_fail,
            mock=self._raw.get("mock"),
            file=self._file,
            path=self._path,
        )
        if case.has_output and (case.should_fail or case.expected_error):
            self._wrong("expected_output", "a run that fails has no output; leave out either expected_output or the expected failure")
        return case

    def _renamed(self, raw: dict[str, Any]) -> dict[str, Any]:
        """Return the case with today's names of the keys."""
        renamed: dict[str, Any] = {}
        for key, value in raw.items():
            name = _ORIGINAL.get(key, key)
            if name in renamed:
                self._wrong(key, f"{name} is there twice, under two names; keep one of them")
            renamed[name] = value
        return renamed

    def _wrong(self, key: str, message: str) -> None:
        self._problems.add(self._file, message, path=f"{self._path}.{key}")

    def _text(self, key: str, default: str) -> str:
        value = self._raw.get(key)
        if value is None:
            return default
        if not isinstance(value, str) or hidden_characters(value) or len(value) > 2000:
            self._wrong(key, f"expected a plain string, got {shown(value)}")
            return default
        return value

    def _flag(self) -> bool:
        value = self._raw.get("should_fail", False)
        if not isinstance(value, bool):
            self._wrong("should_fail", f"expected true or false, got {shown(value)}")
        return value is True

    def _error(self) -> ExpectedError | None:
        value = self._raw.get("expected_error")
        if value is None:
            return None
        if isinstance(value, str):
            return ExpectedError(message_contains=value)
        if (
            not is_object(value)
            or not all(isinstance(part, str) for part in value.values())
            or not value.keys() <= {"code", "message_contains"}
        ):
            self._wrong("expected_error", f"expected {{code?, message_contains?}} with strings, got {shown(value)}")
            return None
        return ExpectedError(value.get("code"), value.get("message_contains"))

    def _check_schema(self, schema: Any) -> None:
        from ratchet_mcp.tasks.schema import compile_schema

        try:
            compile_schema(schema, file=self._file)
        except TaskInvalid as error:
            for problem in error.details["problems"]:
                self._wrong("expected_output" + str(problem.get("path", "$"))[1:], problem["message"])
