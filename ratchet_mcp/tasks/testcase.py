"""Test cases of a task, and how a result is compared with what they expect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ratchet_mcp.errors import RatchetError, TaskInvalid
from ratchet_mcp.tasks.json_values import is_array, is_object
from ratchet_mcp.tasks.problems import Problems
from ratchet_mcp.tasks.reading import hidden_characters
from ratchet_mcp.tasks.violations import did_you_mean, json_path, shown, type_name

Match = Literal["subset", "exact", "schema"]
_KEYS = ("name", "description", "input", "expected_output", "match", "expected_error", "should_fail", "mock")
_MATCHES = ("subset", "exact", "schema")
_MAX_DIFFERENCES = 20
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
    the task's own output schema is enough). `mock` is kept as it was written.
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


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where the result is not what was expected."""

    path: str
    message: str

    def to_dict(self) -> dict[str, str]:
        """Return `{path, message}`."""
        return {"path": self.path, "message": self.message}


def read_tests(raw: Any, file: str, name: str, problems: Problems, path: str = "$") -> list[TestCase]:
    """Read one test case or a list of them; what is wrong is noted in `problems`."""
    if is_array(raw):
        return [
            case for index, each in enumerate(raw) for case in read_tests(each, file, f"{name}-{index + 1}", problems, f"{path}[{index}]")
        ]
    if not is_object(raw):
        problems.add(file, f"a test case is an object, got {shown(raw)}", path=path)
        return []
    case = _Case(raw, file, path, problems)
    return [case.read(name)]


class _Case:
    def __init__(self, raw: dict[str, Any], file: str, path: str, problems: Problems) -> None:
        self._raw, self._file, self._path, self._problems = raw, file, path, problems

    def read(self, default_name: str) -> TestCase:
        for key in self._raw:
            if key not in _KEYS and (near := did_you_mean(key, _KEYS)):
                self._wrong(key, f"unknown key {shown(key)}{near}")
        match = self._raw.get("match", "subset")
        if match not in _MATCHES:
            self._wrong("match", f"expected one of {', '.join(_MATCHES)}, got {shown(match)}{did_you_mean(str(match), _MATCHES)}")
            match = "subset"
        if "input" not in self._raw:
            self._wrong("input", "the test case has no input")
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
            expected_error=self._error(),
            should_fail=self._flag(),
            mock=self._raw.get("mock"),
            file=self._file,
        )
        if case.has_output and (case.should_fail or case.expected_error):
            self._wrong("expected_output", "a run that fails has no output; leave out either expected_output or the expected failure")
        return case

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


# ---------------------------------------------------------------- comparing
def compare(case: TestCase, *, output: Any = None, error: RatchetError | None = None) -> list[Difference]:
    """Compare how a run ended with what the test case expects; an empty list means that the test passes."""
    if case.should_fail or case.expected_error is not None:
        return _compare_error(case.expected_error or ExpectedError(), output, error)
    if error is not None:
        return [Difference("$", f"the run failed with {error.code}: {error.message}")]
    if not case.has_output:
        return []
    if case.match == "schema":
        from ratchet_mcp.tasks.schema import compile_schema

        return [Difference(each.path, each.message) for each in compile_schema(case.expected_output).violations(output)]
    return compare_values(case.expected_output, output, exact=case.match == "exact")


def _compare_error(expected: ExpectedError, output: Any, error: RatchetError | None) -> list[Difference]:
    if error is None:
        return [Difference("$", f"expected a failure, but the run returned {shown(output)}")]
    found: list[Difference] = []
    if expected.code is not None and error.code != expected.code:
        found.append(Difference("$.error.code", f"expected {shown(expected.code)}, got {shown(error.code)}"))
    if expected.message_contains is not None and expected.message_contains not in error.message:
        found.append(
            Difference("$.error.message", f"expected a message with {shown(expected.message_contains)}, got {shown(error.message)}")
        )
    return found


def compare_values(expected: Any, actual: Any, *, exact: bool) -> list[Difference]:
    """Compare two JSON values; without `exact`, objects of the actual value may have further members."""
    found: list[Difference] = []
    waiting: list[tuple[tuple[Any, ...], Any, Any]] = [((), expected, actual)]
    while waiting and len(found) < _MAX_DIFFERENCES:
        path, wanted, got = waiting.pop()
        if got is _MISSING:
            found.append(Difference(json_path(path), f"expected {shown(wanted)}, but it is missing"))
        elif is_object(wanted) and is_object(got):
            if exact:
                found.extend(Difference(json_path((*path, key)), f"unexpected: {shown(got[key])}") for key in _further(wanted, got))
            waiting.extend(((*path, key), value, got.get(key, _MISSING)) for key, value in reversed(wanted.items()))
        elif is_array(wanted) and is_array(got):
            if len(wanted) != len(got):
                found.append(Difference(json_path(path), f"expected {len(wanted)} items, got {len(got)}"))
            pairs = list(enumerate(zip(wanted, got, strict=False)))
            waiting.extend(((*path, index), one, other) for index, (one, other) in reversed(pairs))
        elif isinstance(wanted, bool) != isinstance(got, bool) or wanted != got:
            kind = "" if type_name(wanted) == type_name(got) else f"{type_name(got)} "
            found.append(Difference(json_path(path), f"expected {shown(wanted)}, got {kind}{shown(got)}"))
    return found[:_MAX_DIFFERENCES]


def _further(wanted: Mapping[str, Any], got: Mapping[str, Any]) -> list[str]:
    return [key for key in got if key not in wanted][:_MAX_DIFFERENCES]
