"""JSON Pointers (RFC 6901): places in a JSON value, such as `/items/0/name`. The empty pointer is the whole value."""

from __future__ import annotations

import re
from typing import Any

from ratchet_mcp.tasks.json_values import is_array, is_object

MISSING: Any = object()
"""What stands where a value has nothing."""

_POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)*")
_INDEX = re.compile(r"0|[1-9][0-9]{0,15}")
_MAX = 1000


def read_pointer(text: Any) -> tuple[str, ...]:
    """Return the names and indexes that a pointer leads through. Raises `ValueError` that says what a pointer looks like."""
    if not isinstance(text, str) or len(text) > _MAX or not _POINTER.fullmatch(text):
        raise ValueError("a JSON Pointer such as /items/0/name is expected (~1 stands for /, ~0 for ~)")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:])


def at_pointer(value: Any, pointer: tuple[str, ...]) -> Any:
    """Return what a value has at a pointer, `MISSING` when it has nothing there."""
    for part in pointer:
        if is_object(value):
            value = value.get(part, MISSING)
        elif is_array(value) and _INDEX.fullmatch(part) and int(part) < len(value):
            value = value[int(part)]
        else:
            return MISSING
    return value
