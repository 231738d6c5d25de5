"""Copies of JSON Schemas without references and without keywords that only some clients understand.

A copy is never stronger than its original: a value that fits the original fits the copy.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from ratchet_mcp.tasks.json_values import is_array, is_object
from ratchet_mcp.tasks.visible import has_unseen, visible

Schema = dict[str, Any]

PROPERTY = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
"""Keys that the APIs of large models take; others break the whole list of tools."""
MAX_TEXT = 500
_MAX_NODES = 2_000
_MAX_DEPTH = 24
_MAX_DEFAULT = 200

_TYPES = frozenset({"string", "number", "integer", "boolean", "array", "object", "null"})
_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
_FORMATS = frozenset({"date-time", "date", "time", "email", "uri", "uuid", "ipv4", "ipv6", "hostname"})
_WORDS = ("title", "description")
_NOT_ASSERTIONS = frozenset(
    {*_WORDS, "default", "examples", "$comment", "deprecated", "readOnly", "writeOnly", "$ref", "$schema", "$id", "id"}
)


class Unportable(Exception):
    """A schema cannot be advertised at all; the message says why."""


class TooLarge(Exception):
    """Written out without references, the schema is too large."""


def write_out(schema: Any, *, output: bool) -> Schema:
    """Return the copy of a schema; of an output's, without what clients check differently. Raises `TooLarge` and `Unportable`."""
    return _Writer(schema, output=output).write(schema, ())


class _Writer:
    """Copies a schema without references and without what clients cannot take."""

    def __init__(self, root: Any, *, output: bool) -> None:
        self._root = root
        self._output = output
        self._dialect = _year(root)
        self._left = _MAX_NODES

    def write(self, node: Any, trail: tuple[str, ...], depth: int = 0) -> Schema:
        """Return a copy; `trail` holds the references that led here: one that comes back accepts anything."""
        self._left -= 1
        if self._left < 0:
            raise TooLarge
        if not is_object(node) or depth > _MAX_DEPTH:
            return {}
        target = node.get("$ref")
        if isinstance(target, str):
            return self._referred(node, target, trail, depth)
        return self._plain(node, trail, depth)

    def _referred(self, node: Schema, target: str, trail: tuple[str, ...], depth: int) -> Schema:
        found = None if target in trail else _follow(self._root, target)
        written = {} if found is None else self.write(found, (*trail, target), depth + 1)
        said = texts(node)
        others = {} if self._dialect < 2019 else {name: value for name, value in node.items() if name not in _NOT_ASSERTIONS}
        if not others:
            return {**written, **said}
        beside = self._plain({**others, **said}, trail, depth)
        return {**beside, "allOf": [*beside.get("allOf", []), written]}

    def _plain(self, node: Schema, trail: tuple[str, ...], depth: int) -> Schema:
        copy: Schema = {**texts(node), **types(node), **_values(node, self._dialect), **_bounds(node)}
        self._describe_pattern(node, copy)
        if not self._output and node.get("format") in _FORMATS:
            copy["format"] = node["format"]
        self._members(node, copy, trail, depth)
        self._items(node, copy, trail, depth)
        for keyword, as_written in (("allOf", "allOf"), ("anyOf", "anyOf"), ("oneOf", "anyOf")):
            branches = node.get(keyword)
            if is_array(branches) and branches:
                written = [self.write(branch, trail, depth + 1) for branch in branches]
                if as_written in copy:  # anyOf beside oneOf: both hold
                    copy.setdefault("allOf", []).append({as_written: written})
                else:
                    copy[as_written] = written
        return copy

    def _describe_pattern(self, node: Schema, copy: Schema) -> None:
        """Tell a pattern in words: dialects of regular expressions differ, and some never end."""
        pattern = node.get("pattern")
        if not self._output and isinstance(pattern, str) and len(pattern) <= _MAX_DEFAULT and not has_unseen(pattern):
            said = copy.get("description")
            copy["description"] = f"{said} (matches {pattern})" if said else f"matches {pattern}"

    def _members(self, node: Schema, copy: Schema, trail: tuple[str, ...], depth: int) -> None:
        members = node.get("properties")
        left_out = False
        if is_object(members):
            kept = {name: member for name, member in members.items() if PROPERTY.fullmatch(name)}
            left_out = len(kept) < len(members)
            copy["properties"] = {name: self.write(member, trail, depth + 1) for name, member in kept.items()}
        required = node.get("required")
        if is_array(required):
            names = [name for name in required if isinstance(name, str) and PROPERTY.fullmatch(name)]
            if names:
                copy["required"] = names
        more = node.get("additionalProperties")
        if more is not None and not left_out and "patternProperties" not in node:
            copy["additionalProperties"] = more if isinstance(more, bool) else self.write(more, trail, depth + 1)

    def _items(self, node: Schema, copy: Schema, trail: tuple[str, ...], depth: int) -> None:
        items, first = node.get("items"), node.get("prefixItems")
        if is_array(first) and first and self._dialect == 2020:
            copy["prefixItems"] = [self.write(item, trail, depth + 1) for item in first]
        if is_object(items) or isinstance(items, bool):
            copy["items"] = self.write(items, trail, depth + 1)


def _follow(root: Any, target: str) -> Any:
    if target == "#":
        return root
    if not target.startswith("#/"):
        return None
    node = root
    for part in target[2:].split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        if is_object(node) and key in node:
            node = node[key]
        elif is_array(node) and key.isdecimal() and int(key) < len(node):
            node = node[int(key)]
        else:
            return None
    return node


def _year(root: Any) -> int:
    """Return the dialect: the number of the draft before 2019, then the year."""
    named = re.search(r"draft-0(\d)|2019-09", str(root.get("$schema", ""))) if is_object(root) else None
    return 2020 if named is None else int(named.group(1) or 2019)


def texts(node: Schema) -> Schema:
    """Return title and description, safe to show."""
    return {word: text for word in _WORDS if isinstance(node.get(word), str) and (text := visible(node[word], MAX_TEXT))}


def types(node: Schema) -> Schema:
    """Return the type if it is one."""
    kinds = node.get("type")
    if isinstance(kinds, str):
        return {"type": kinds} if kinds in _TYPES else {}
    if is_array(kinds) and kinds and all(isinstance(kind, str) and kind in _TYPES for kind in kinds):
        return {"type": list(dict.fromkeys(kinds))}
    return {}


def _values(node: Schema, dialect: int) -> Schema:
    copy: Schema = {}
    if is_array(node.get("enum")) and node["enum"]:
        copy["enum"] = _checked(node["enum"])
    if "const" in node and dialect >= 6:
        copy["const"] = _checked(node["const"])
    default = node.get("default")
    if default is not None and len(json.dumps(default)) <= _MAX_DEFAULT and not any(map(has_unseen, _strings(default))):
        copy["default"] = default
    return copy


def _checked(value: Any) -> Any:
    if any(map(has_unseen, _strings(value))):
        raise Unportable("a value in its schema holds characters that cannot be seen")
    return value


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif is_array(value):
        for item in value:
            yield from _strings(item)
    elif is_object(value):
        for name, item in value.items():
            yield name
            yield from _strings(item)


def _bounds(node: Schema) -> Schema:
    copy: Schema = {}
    for keyword in (*_NUMBERS, *_COUNTS):
        bound = node.get(keyword)
        if isinstance(bound, int | float) and not isinstance(bound, bool) and math.isfinite(bound):
            copy[keyword] = bound
    if isinstance(node.get("uniqueItems"), bool):
        copy["uniqueItems"] = node["uniqueItems"]
    return copy
