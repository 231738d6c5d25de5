"""Canonical JSON: equal inputs have one text, after RFC 8785 but for what JavaScript can tell apart.

Numbers are what JavaScript reads: 1, 1.0 and 1e0 are one number, integers beyond 2^53 the nearest one. -0.0 is not 0, because a task can
see the difference. The order of the members of an object does not count.
"""

from __future__ import annotations

from typing import Any, cast

import orjson

EXACT = 1 << 53
"""Below this, every integer is a number of JavaScript."""


def canonical(value: Any) -> bytes:
    """Return the canonical text of a JSON value that is nested less than 250 levels deep."""
    return orjson.dumps(_unified(value), option=orjson.OPT_SORT_KEYS)


def _unified(value: Any) -> Any:
    kind = cast("type[Any]", type(value))
    if kind is dict:
        return {name: _unified(child) for name, child in cast("dict[str, Any]", value).items()}
    if kind is list or kind is tuple:
        return [_unified(child) for child in cast("list[Any]", value)]
    if kind is float or (kind is int and not -EXACT < value < EXACT):
        return _number(value)
    return value


def _number(value: float) -> Any:
    try:
        number = float(value)
    except OverflowError:  # an integer that JavaScript reads as Infinity
        return orjson.Fragment(b"1e999" if value > 0 else b"-1e999")
    if number.is_integer() and -EXACT < number < EXACT and str(number) != "-0.0":
        return int(number)
    return number
