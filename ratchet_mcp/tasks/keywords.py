"""Keywords of JSON Schema that the library decides differently or too slowly, as validators of our own.

Patterns are ECMA-262 and end in time, `uniqueItems` takes linear time, `multipleOf` counts in decimals (19.99 is a multiple of 0.01), and
references are followed for a limited time, so that no schema and no value can occupy the server.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterator
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from jsonschema import ValidationError, validators

from ratchet_mcp.tasks import patterns
from ratchet_mcp.tasks.json_values import is_array, is_object

Keyword = Callable[[Any, Any, Any, Any], Iterator[Any] | None]
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


@lru_cache(maxsize=16)
def extend(draft: Any) -> Any:
    """Return the library's class for a draft with the keywords of this module."""
    known: dict[str, Keyword] = draft.VALIDATORS
    own: dict[str, Keyword] = {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
        "uniqueItems": _unique_items,
        "multipleOf" if "multipleOf" in known else "divisibleBy": _multiple_of,
    }
    own |= {name: _in_time(known[name]) for name in _REFERENCES if name in known}
    library: Any = validators
    return library.extend(draft, own)


def _pattern(checker: Any, expression: str, instance: Any, schema: Any) -> Iterator[Any]:
    if isinstance(instance, str):
        try:
            if not patterns.search(expression, instance):
                yield ValidationError("does not match")
        except patterns.PatternTimeout:
            yield ValidationError("took too long")


def _pattern_properties(checker: Any, subschemas: dict[str, Any], instance: Any, schema: Any) -> Iterator[Any]:
    if not is_object(instance):
        return
    for expression, subschema in subschemas.items():
        for name, value in instance.items():
            try:
                found = patterns.search(expression, name)
            except patterns.PatternTimeout:
                yield ValidationError("took too long", path=(name,), validator="pattern", validator_value=expression, instance=name)
                continue
            if found:
                yield from checker.descend(value, subschema, path=name, schema_path=expression)


def _additional_properties(checker: Any, allowed: Any, instance: Any, schema: Any) -> Iterator[Any]:
    if not is_object(instance) or allowed is True:
        return
    known: Any = schema.get("properties") or ()
    extra = [name for name in instance if name not in known]
    if extra and (expressions := schema.get("patternProperties")):
        extra = [name for name in extra if not _matches_any(expressions, name)]
    for name in extra:
        if allowed is False:
            yield ValidationError("not allowed", path=(name,))
        else:
            yield from checker.descend(instance[name], allowed, path=name)


def _matches_any(expressions: dict[str, Any], name: str) -> bool:
    try:
        return any(patterns.search(expression, name) for expression in expressions)
    except patterns.PatternTimeout:
        return True


def _unique_items(checker: Any, wanted: Any, instance: Any, schema: Any) -> Iterator[Any]:
    if not wanted or not is_array(instance):
        return
    seen: dict[Hashable, int] = {}
    for index, item in enumerate(instance):
        first = seen.setdefault(_frozen(item), index)
        if first != index:
            yield ValidationError(f"items {first} and {index} are equal")
            return


def _frozen(value: Any) -> Hashable:
    """Return something hashable that is equal for JSON values that are equal: 1 is 1.0, true is not 1."""
    if is_array(value):
        return ("array", tuple(_frozen(item) for item in value))
    if is_object(value):
        return ("object", frozenset((key, _frozen(item)) for key, item in value.items()))
    return (value, isinstance(value, bool))


def _multiple_of(checker: Any, divisor: Any, instance: Any, schema: Any) -> Iterator[Any]:
    if isinstance(instance, int | float) and not isinstance(instance, bool) and not _is_multiple(instance, divisor):
        yield ValidationError("not a multiple")


def _is_multiple(value: float, divisor: float) -> bool:
    try:
        return Decimal(json.dumps(value)) % Decimal(json.dumps(divisor)) == 0
    except (InvalidOperation, ValueError):
        return float(value).is_integer() and float(divisor).is_integer() and value % divisor == 0


def _in_time(follow: Keyword) -> Keyword:
    def reference(checker: Any, target: Any, instance: Any, schema: Any) -> Iterator[Any]:
        if patterns.time_is_up():
            yield ValidationError("took too long")
        else:
            yield from follow(checker, target, instance, schema) or ()

    return reference
