"""The input of a task as models give it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import orjson

if TYPE_CHECKING:
    from ratchet_mcp.tasks.definition import Task

TAKEN_AS_OBJECT = "input was a string that holds JSON; it was taken as the object. Pass the object itself."


def read_input(given: Any, task: Task) -> tuple[Any, str | None]:
    """Return an input, and what to tell its giver: JSON text of an object counts as the object where the task wants one."""
    if isinstance(given, str) and task.input_schema.get("type") == "object":
        try:
            value = orjson.loads(given)
        except orjson.JSONDecodeError:
            return given, None
        if isinstance(value, dict):
            return cast("dict[str, Any]", value), TAKEN_AS_OBJECT
    return given, None
