"""A quick yes: compiled checks that tell in microseconds that a value is valid, which most values are.

Whatever is not accepted here is looked at by `ratchet_mcp.tasks.schema` in full, which also says what is wrong. Schemas with keywords
that the two libraries might read differently never come here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

DIFFERENT = frozenset(
    "pattern patternProperties format multipleOf $ref $dynamicRef $recursiveRef contentEncoding contentMediaType contentSchema "
    "unevaluatedItems unevaluatedProperties dependencies".split()
)
"""Names that keep a schema out, wherever they stand in it: read differently by the libraries, or (`$ref`) able to multiply the work."""

Accepts = Callable[[Any], bool]


def quick_check(schema: Any) -> Accepts | None:
    """Return a function that tells whether a value is certainly valid, `None` where there is none for this schema."""
    if not isinstance(schema, dict):
        return None
    mapping = cast("dict[str, Any]", schema)
    if _mentions_different(mapping):
        return None
    import jsonschema_rs

    try:
        is_valid = jsonschema_rs.validator_for(mapping, validate_formats=False, retriever=_refuse).is_valid
    except (ValueError, TypeError, jsonschema_rs.ReferencingError):
        return None

    def accepts(value: Any) -> bool:
        try:
            return is_valid(value)
        except (ValueError, TypeError, OverflowError, RecursionError):
            return False

    return accepts


def _mentions_different(schema: dict[str, Any]) -> bool:
    waiting: list[Any] = [schema]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            mapping = cast("dict[str, Any]", value)
            if not DIFFERENT.isdisjoint(mapping):
                return True
            waiting.extend(mapping.values())
        elif isinstance(value, list):
            waiting.extend(cast("list[Any]", value))
    return False


def _refuse(uri: str) -> Any:
    raise ValueError(f"{uri} is not part of the schema")
