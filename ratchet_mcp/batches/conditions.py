"""`when`: a request runs only if an earlier output compares so: `{"from": "id", "path": "/total", "op": ">", "value": 100}`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from ratchet_mcp.tasks.json_values import is_array, is_object
from ratchet_mcp.tasks.pointers import MISSING, at_pointer, read_pointer
from ratchet_mcp.tasks.violations import did_you_mean, shown, type_name

ORDERS = ("<", "<=", ">", ">=")
OPERATORS = ("==", "!=", *ORDERS, "in", "contains", "exists")
KEYS = ("from", "path", "op", "value")


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison of what an output has at a place with a value."""

    id: str
    pointer: tuple[str, ...]
    path: str
    op: str
    value: Any

    def why_not(self, output: Any) -> str | None:
        """Return why an output does not meet the condition, `None` when it does."""
        found = at_pointer(output, self.pointer)
        place = self.id + self.path
        if self.op == "exists":
            return None if (found is not MISSING) is self.value else f"{place} {'does not exist' if self.value else 'exists'}"
        if found is MISSING:
            return None if self.op == "!=" else f"{place} does not exist"
        if self.op in ORDERS and not _ordered(found, self.value):
            return f"{place} is {_a(found)}, which has no order with {_a(self.value)}"
        return None if _holds(self.op, found, self.value) else f"{place} is {shown(found)}, not {self.op} {shown(self.value)}"


def read_condition(given: Any) -> Condition:
    """Check a `when`. Raises `ValueError` that says what is wrong."""
    if not is_object(given):
        raise ValueError(f'when is an object such as {{"from": "a", "path": "/x", "op": ">", "value": 1}}, not {shown(given)}')
    for key in given:
        if key not in KEYS:
            raise ValueError(f"when has no {shown(key)}{did_you_mean(key, KEYS)}; its members are {', '.join(KEYS)}")
    id, op = given.get("from"), given.get("op")
    if not isinstance(id, str) or not id:
        raise ValueError("when.from is the id of an earlier request")
    if op not in OPERATORS:
        raise ValueError(f"when.op is one of {' '.join(OPERATORS)}, not {shown(op)}")
    pointer = read_pointer(given.get("path", ""))
    value = given.get("value", True if op == "exists" else MISSING)
    if value is MISSING:
        raise ValueError(f"when.value is missing: what {op} compares with")
    if op == "exists" and not isinstance(value, bool):
        raise ValueError(f"when.value of exists is true or false, not {shown(value)}")
    if op == "in" and not is_array(value):
        raise ValueError(f"when.value of in is an array, not {shown(value)}")
    if op in ORDERS and not _ordered(value, value):
        raise ValueError(f"when.value of {op} is a number or a string, not {shown(value)}")
    return Condition(id, pointer, given.get("path", ""), cast("str", op), value)


def same(one: Any, other: Any) -> bool:
    """Tell whether two JSON values are equal: 1 and 1.0 are, 1 and true are not."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if is_array(one) and is_array(other):
        return len(one) == len(other) and all(map(same, one, other))
    if is_object(one) and is_object(other):
        return one.keys() == other.keys() and all(same(child, other[name]) for name, child in one.items())
    return bool(one == other)


def _holds(op: str, found: Any, value: Any) -> bool:
    match op:
        case "==":
            return same(found, value)
        case "!=":
            return not same(found, value)
        case "in":
            return any(same(found, each) for each in value)
        case "contains":
            return _contains(found, value)
        case "<":
            return found < value
        case "<=":
            return found <= value
        case ">":
            return found > value
        case _:
            return found >= value


def _contains(found: Any, value: Any) -> bool:
    """Tell whether a text has a piece, an array an item, an object a name."""
    if is_array(found):
        return any(same(each, value) for each in found)
    return isinstance(value, str) and (isinstance(found, str) or is_object(found)) and value in found


def _ordered(one: Any, other: Any) -> bool:
    return (_is_number(one) and _is_number(other)) or (isinstance(one, str) and isinstance(other, str))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _a(value: Any) -> str:
    name = type_name(value)
    return name if name == "null" else f"{'an' if name[0] in 'aeio' else 'a'} {name}"
