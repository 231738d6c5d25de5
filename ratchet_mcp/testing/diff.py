"""The text of a failed comparison: expected and actual as a unified diff."""

from __future__ import annotations

import difflib
import json
from itertools import islice
from typing import Any

from ratchet_mcp.tasks.json_values import is_array, is_object

MAX_ITEMS = 40
"""Items of two lists that are compared, from the first that differs on."""

MAX_COMPARED = 1_000
"""Lines of each side that are compared, from the first that differs on."""
MAX_LINES = 120
MAX_WIDTH = 300
CONTEXT = 3


def unified(expected: Any, actual: Any, *, exact: bool) -> str:
    """Return a unified diff of two JSON values, written with sorted keys, one member a line; empty when nothing differs.

    Without `exact`, members of objects that nobody expects are left out. Long diffs are cut.
    """
    try:
        wanted, got = map(_lines, _shortened(expected, actual if exact else _reduced(actual, expected)))
    except RecursionError:
        return ""
    first = next((index for index, (one, other) in enumerate(zip(wanted, got, strict=False)) if one != other), min(len(wanted), len(got)))
    start = max(0, first - CONTEXT)
    window = slice(start, start + MAX_COMPARED)
    lines = list(islice(difflib.unified_diff(wanted[window], got[window], "expected", "actual", n=CONTEXT, lineterm=""), MAX_LINES + 1))
    shown = [_cut("@@" if line.startswith("@@") else line) for line in lines[:MAX_LINES]]
    if len(lines) > MAX_LINES or (shown and max(len(wanted), len(got)) > start + MAX_COMPARED):
        shown.append("… (the rest is left out)")
    return "\n".join(shown)


def _reduced(actual: Any, expected: Any) -> Any:
    """Return `actual` without the members that `expected` does not name."""
    if is_object(actual) and is_object(expected):
        return {key: _reduced(actual[key], value) for key, value in expected.items() if key in actual}
    if is_array(actual) and is_array(expected):
        return [_reduced(item, expected[index]) if index < len(expected) else item for index, item in enumerate(actual)]
    return actual


def _shortened(expected: Any, actual: Any) -> tuple[Any, Any]:
    """Return both without what is far from the first difference within each list."""
    if is_object(expected) and is_object(actual):
        pairs = {key: _shortened(value, actual[key]) for key, value in expected.items() if key in actual}
        ours = {key: pairs[key][0] if key in pairs else value for key, value in expected.items()}
        return ours, {key: pairs[key][1] if key in pairs else value for key, value in actual.items()}
    if is_array(expected) and is_array(actual) and max(len(expected), len(actual)) > MAX_ITEMS:
        differing = (index for index, (one, other) in enumerate(zip(expected, actual, strict=False)) if one != other)
        start = max(0, next(differing, min(len(expected), len(actual))) - CONTEXT)
        end = start + MAX_ITEMS
        before = [f"… {start} items"] if start else []
        pairs = [_shortened(one, other) for one, other in zip(expected[start:end], actual[start:end], strict=False)]
        both = len(pairs)
        return (
            [*before, *(one for one, _ in pairs), *expected[start + both : end], *_rest(expected, end)],
            [*before, *(other for _, other in pairs), *actual[start + both : end], *_rest(actual, end)],
        )
    if is_array(expected) and is_array(actual):
        pairs = [_shortened(one, other) for one, other in zip(expected, actual, strict=False)]
        return [one for one, _ in pairs] + expected[len(pairs) :], [other for _, other in pairs] + actual[len(pairs) :]
    return expected, actual


def _rest(items: list[Any], end: int) -> list[str]:
    return [f"… {len(items) - end} more items"] if len(items) > end else []


def _lines(value: Any) -> list[str]:
    return json.dumps(_plain(value), indent=2, sort_keys=True, ensure_ascii=False).splitlines()


def _plain(value: Any) -> Any:
    """Write 5.0 as 5: JSON knows one kind of number."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return int(value)
    if is_object(value):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if is_array(value) else value


def _cut(line: str) -> str:
    return line if len(line) <= MAX_WIDTH else f"{line[:MAX_WIDTH]}…"
