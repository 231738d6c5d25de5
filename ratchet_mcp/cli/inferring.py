"""Infers a JSON Schema from example values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ratchet_mcp.tasks.json_values import is_array, is_object
from ratchet_mcp.tasks.violations import type_name

MAX_DEPTH = 20
_ORDER = ("object", "array", "string", "integer", "number", "boolean", "null")


def infer(values: Sequence[Any], depth: int = 0) -> dict[str, Any]:
    """Return a schema that all values match; without values it accepts anything."""
    kinds = {type_name(value) for value in values}
    if "number" in kinds:
        kinds.discard("integer")
    if not kinds or depth > MAX_DEPTH:
        return {}
    named = [kind for kind in _ORDER if kind in kinds]
    schema: dict[str, Any] = {"type": named[0] if len(named) == 1 else named}
    objects = [value for value in values if is_object(value)]
    if objects:
        keys = list(dict.fromkeys(key for value in objects for key in value))
        schema["properties"] = {key: infer([value[key] for value in objects if key in value], depth + 1) for key in keys}
        required = [key for key in keys if all(key in value for value in objects)]
        schema |= {"required": required} if required else {}
    items = [item for value in values if is_array(value) for item in value]
    if items:
        schema["items"] = infer(items, depth + 1)
    return schema
