"""What a value does not keep of its schema, said so that the sender can correct it."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ratchet_mcp.tasks.json_values import is_array, is_object

_SHOWN = 80
_PLAIN_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_TYPE_NAMES: tuple[tuple[type, str], ...] = (
    (bool, "boolean"),
    (str, "string"),
    (int, "integer"),
    (float, "number"),
    (list, "array"),
    (dict, "object"),
)


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong with a value: where (`$.items[0].name`), what was expected and got, and the keyword that says so."""

    path: str
    message: str
    keyword: str

    def to_dict(self) -> dict[str, str]:
        """Return `{path, message, keyword}`."""
        return {"path": self.path, "message": self.message, "keyword": self.keyword}


def json_path(parts: Iterable[Any]) -> str:
    """Write a path as `$.items[0]["odd name"]`."""
    pieces = ["$"]
    for part in parts:
        if isinstance(part, int):
            pieces.append(f"[{part}]")
        elif _PLAIN_NAME.fullmatch(str(part)):
            pieces.append(f".{part}")
        else:
            pieces.append(f"[{json.dumps(str(part)[:_SHOWN], ensure_ascii=False)}]")
    return "".join(pieces)


def shown(value: Any) -> str:
    """Write a value as JSON of at most 80 characters."""
    if isinstance(value, str) and len(value) > _SHOWN:
        value = value[:_SHOWN]
    elif (is_array(value) or is_object(value)) and len(value) > _SHOWN:
        return f"{type_name(value)} of {len(value)}"
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = type_name(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def type_name(value: Any) -> str:
    """Return the JSON Schema name of a value's type."""
    if value is None:
        return "null"
    return next((name for kind, name in _TYPE_NAMES if isinstance(value, kind)), type(value).__name__)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ` (did you mean "x"?)`, or nothing when no known word is near."""
    near = difflib.get_close_matches(word[:100], [name for name in known if len(name) <= 100][:500], 1, 0.6)
    return f" (did you mean {json.dumps(near[0], ensure_ascii=False)}?)" if near else ""


def describe(error: Any) -> Iterator[Violation]:
    """Turn one error of the library into violations; nested alternatives are reduced to the nearest one."""
    path: list[Any] = list(error.absolute_path)
    keyword, value, wanted = str(error.validator), error.instance, error.validator_value
    if keyword == "required":
        yield from _missing(error, path)
    elif keyword in ("anyOf", "oneOf") and error.context:
        yield _alternatives(error, path, keyword)
    elif keyword == "additionalProperties":
        known = error.schema.get("properties", {})
        yield Violation(json_path(path), f"is not a known property{did_you_mean(str(path[-1]), known)}", keyword)
    elif keyword in ("dependentRequired", "dependencies", "unevaluatedProperties", "unevaluatedItems"):
        yield Violation(json_path(path), str(error.message)[:300], keyword)
    else:
        yield Violation(json_path(path), _sentence(keyword, wanted, value, error), "false" if keyword == "None" else keyword)


def _missing(error: Any, path: list[Any]) -> Iterator[Violation]:
    name = next((name for name in error.validator_value if error.message.startswith(repr(name) + " ")), None)
    if name is None:
        yield Violation(json_path(path), str(error.message), "required")
        return
    properties = error.schema.get("properties", {})
    described = properties.get(name) if is_object(properties) else None
    kind = f" ({_types(described['type'])})" if is_object(described) and "type" in described else ""
    unknown = [key for key in error.instance if key not in properties]
    near = difflib.get_close_matches(name, unknown, 1, 0.6) if unknown else []
    hint = f"; {json.dumps(near[0], ensure_ascii=False)} is there instead" if near else ""
    yield Violation(json_path([*path, name]), f"is required but missing{kind}{hint}", "required")


def _types(wanted: Any) -> str:
    names: Sequence[Any] = wanted if is_array(wanted) else [wanted]
    return " or ".join(str(name) for name in names)


_COMPARISONS = {
    "minimum": "expected at least {wanted}",
    "maximum": "expected at most {wanted}",
    "exclusiveMinimum": "expected more than {wanted}",
    "exclusiveMaximum": "expected less than {wanted}",
    "multipleOf": "expected a multiple of {wanted}",
    "divisibleBy": "expected a multiple of {wanted}",
    "const": "expected {wanted}",
    "format": "expected a string in the format {wanted}",
}
_LENGTHS = {
    "minLength": ("at least", "character", "characters"),
    "maxLength": ("at most", "character", "characters"),
    "minItems": ("at least", "item", "items"),
    "maxItems": ("at most", "item", "items"),
    "minProperties": ("at least", "property", "properties"),
    "maxProperties": ("at most", "property", "properties"),
}


def _sentence(keyword: str, wanted: Any, value: Any, error: Any) -> str:
    if keyword == "type":
        return f"expected {_types(wanted)}, got {type_name(value)} {shown(value)}".removesuffix(" null")
    if keyword == "enum":
        return _not_in_enum(wanted, value)
    if keyword in _LENGTHS and (isinstance(value, str) or is_array(value) or is_object(value)):
        how, one, many = _LENGTHS[keyword]
        return f"expected {how} {wanted} {one if wanted == 1 else many}, got {len(value)}"
    if keyword in _COMPARISONS:
        return f"{_COMPARISONS[keyword].format(wanted=shown(wanted))}, got {shown(value)}"
    if keyword == "pattern":
        if error.message == "took too long":
            return f"matching the pattern {shown(wanted)} took too long; simplify the pattern or shorten the value"
        return f"expected a string that matches {shown(wanted)}, got {shown(value)}"
    return _other(keyword, value, error)


def _other(keyword: str, value: Any, error: Any) -> str:
    if keyword == "uniqueItems":
        return f"expected unique items, but {error.message}"
    if keyword in ("$ref", "$dynamicRef", "$recursiveRef"):
        return "the schema refers to itself too often to be checked in time"
    if keyword in ("contains", "minContains"):
        return "expected an array with an item that matches `contains`"
    if keyword == "oneOf":
        return f"matches more than one of the alternatives, got {shown(value)}"
    if keyword == "not":
        return f"must not match {shown(error.validator_value)}, got {shown(value)}"
    if keyword == "None":
        return f"is not allowed, got {shown(value)}"
    return str(error.message)[:300]


def _not_in_enum(wanted: Any, value: Any) -> str:
    options: list[Any] = list(wanted)
    listed = ", ".join(shown(option) for option in options[:20]) + (", …" if len(options) > 20 else "")
    near = ""
    if isinstance(value, str):
        words = [option for option in options if isinstance(option, str)]
        same = next((word for word in words if word.casefold() == value.casefold().strip()), None)
        near = f" (did you mean {json.dumps(same, ensure_ascii=False)}?)" if same else did_you_mean(value, words)
    return f"expected one of {listed}, got {shown(value)}{near}"


def _alternatives(error: Any, path: list[Any], keyword: str) -> Violation:
    """Choose the alternative that the value was probably meant for, and say what it lacks."""
    branches: dict[Any, list[Any]] = {}
    for nested in error.context:
        branches.setdefault(nested.schema_path[0], []).append(nested)
    wrong_type = [[each for each in nested if each.validator == "type" and not each.relative_path] for nested in branches.values()]
    if all(wrong_type):
        kinds = dict.fromkeys(_types(each.validator_value) for nested in wrong_type for each in nested)
        return Violation(json_path(path), _sentence("type", list(kinds), error.instance, error), keyword)

    def distance(nested: list[Any]) -> tuple[bool, int, int]:
        root_type = any(each.validator == "type" and not each.relative_path for each in nested)
        return root_type, sum(1 for each in nested if each.validator in ("const", "enum")), len(nested)

    best = min(branches.values(), key=distance)
    first = next(describe(best[0]))
    count = len(error.validator_value)
    return Violation(first.path, f"{first.message} (nearest of {count} alternatives)", keyword)
