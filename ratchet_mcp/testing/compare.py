"""Whether a run ended as its test case expects, and where it did not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ratchet_mcp import errors
from ratchet_mcp.errors import RatchetError
from ratchet_mcp.tasks.json_values import is_array, is_object
from ratchet_mcp.tasks.testcase import ExpectedError, TestCase
from ratchet_mcp.tasks.violations import json_path, shown, type_name

MAX_DIFFERENCES = 20
MAX_NAMES = 10
_NOT_OF_THE_TASK = frozenset(
    kind.code
    for kind in (
        errors.Busy,
        errors.Cancelled,
        errors.CircuitOpen,
        errors.InternalError,
        errors.Interrupted,
        errors.QueueFull,
        errors.QueueTimeout,
        errors.StoreFailed,
        errors.WorkerStartFailed,
    )
)
"""Failures that say nothing about the task: a test that only wants any failure does not pass by them."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where the result is not what was expected."""

    path: str
    message: str

    def to_dict(self) -> dict[str, str]:
        """Return `{path, message}`."""
        return {"path": self.path, "message": self.message}


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
    if expected.code is None and error.code in _NOT_OF_THE_TASK:
        return [Difference("$.error", f"expected the task to fail, but it did not run to an end: {error.code}: {error.message}")]
    if expected.code is not None and error.code != expected.code:
        found.append(Difference("$.error.code", f"expected {shown(expected.code)}, got {shown(error.code)}"))
    if expected.message_contains is not None and expected.message_contains not in error.message:
        found.append(
            Difference("$.error.message", f"expected a message with {shown(expected.message_contains)}, got {shown(error.message)}")
        )
    return found


@dataclass(frozen=True, slots=True)
class _Missing:
    """A member that is not there, with the object it is not in."""

    beside: dict[str, Any]


def _there(members: dict[str, Any]) -> str:
    """Return the names of the members that are there: often one of them was meant."""
    names = ", ".join(shown(name) for name in list(members)[:MAX_NAMES])
    return f" (there: {names}{', …' if len(members) > MAX_NAMES else ''})" if members else ""


def compare_values(expected: Any, actual: Any, *, exact: bool) -> list[Difference]:
    """Compare two JSON values; without `exact`, objects of the actual value may have further members."""
    found: list[Difference] = []
    waiting: list[tuple[tuple[Any, ...], Any, Any]] = [((), expected, actual)]
    while waiting and len(found) < MAX_DIFFERENCES:
        path, wanted, got = waiting.pop()
        if isinstance(got, _Missing):
            found.append(Difference(json_path(path), f"expected {shown(wanted)}, but it is missing{_there(got.beside)}"))
        elif is_object(wanted) and is_object(got):
            if exact:
                found.extend(Difference(json_path((*path, key)), f"unexpected: {shown(got[key])}") for key in _further(wanted, got))
            missing = _Missing(got)
            waiting.extend(((*path, key), value, got.get(key, missing)) for key, value in reversed(wanted.items()))
        elif is_array(wanted) and is_array(got):
            if len(wanted) != len(got):
                found.append(Difference(json_path(path), f"expected {len(wanted)} items, got {len(got)}"))
            pairs = list(enumerate(zip(wanted, got, strict=False)))
            waiting.extend(((*path, index), one, other) for index, (one, other) in reversed(pairs))
        elif isinstance(wanted, bool) != isinstance(got, bool) or wanted != got:
            kind = "" if type_name(wanted) == type_name(got) else f"{type_name(got)} "
            found.append(Difference(json_path(path), f"expected {shown(wanted)}, got {kind}{shown(got)}"))
    return found[:MAX_DIFFERENCES]


def _further(wanted: Mapping[str, Any], got: Mapping[str, Any]) -> list[str]:
    return [key for key in got if key not in wanted][:MAX_DIFFERENCES]
