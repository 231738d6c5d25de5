"""What is known of a value before anything runs, and whether it can match a schema.

A shape says less than a value: of an object that is written out we know its keys, of `a > b` only that it is a boolean. `mismatch` answers
only what is certain for every value of the shape.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ratchet_mcp.tasks.json_values import is_array, is_object
from ratchet_mcp.tasks.statements import unwrap
from ratchet_mcp.tasks.violations import json_path, shown, type_name

if TYPE_CHECKING:
    from tree_sitter import Node

    from ratchet_mcp.tasks.syntax import Script

_UNSET: Any = object()
_INTEGER = re.compile(r"[0-9]{1,15}")
_BOOLEAN_OPERATORS = frozenset({"==", "===", "!=", "!==", "<", "<=", ">", ">=", "in", "instanceof"})
_MAX_DEPTH = 12


@dataclass(slots=True)
class Shape:
    """What is known: a JSON type (None: nothing), the value itself, members, items. An `open` object may have further members."""

    type: str | None = None
    value: Any = _UNSET
    members: dict[str, Shape] = field(default_factory=dict[str, "Shape"])
    items: list[Shape] = field(default_factory=list["Shape"])
    open: bool = False


UNKNOWN = Shape()
NOTHING = Shape("null", None)


def shape_of_value(value: Any, *, open: bool, depth: int = 0) -> Shape:
    """Return the shape of a JSON value; with `open`, its objects may have further members."""
    kind = type_name(value)
    if depth > _MAX_DEPTH:
        return UNKNOWN
    if is_object(value):
        return Shape(kind, members={key: shape_of_value(member, open=open, depth=depth + 1) for key, member in value.items()}, open=open)
    if is_array(value):
        return Shape(kind, items=[shape_of_value(item, open=open, depth=depth + 1) for item in value])
    return Shape(kind, value)


def shapes_of(script: Script, node: Node, depth: int = 0) -> list[Shape]:
    """Return the shapes that an expression may have: several for `a ? b : c`."""
    node = unwrap(node)
    if depth > _MAX_DEPTH:
        return [UNKNOWN]
    if node.type == "ternary_expression":
        parts = (node.child_by_field_name("consequence"), node.child_by_field_name("alternative"))
        return [shape for part in parts if part is not None for shape in shapes_of(script, part, depth + 1)]
    return [_shape_of(script, node, depth)]


def _shape_of(script: Script, node: Node, depth: int) -> Shape:
    if node.type == "object":
        return _object(script, node, depth)
    if node.type == "array":
        spread = any(item.type == "spread_element" for item in node.named_children)
        return Shape(
            "array", items=[] if spread else [_single(script, item, depth) for item in node.named_children if item.type != "comment"]
        )
    if node.type in ("string", "template_string"):
        text = script.text(node)[1:-1]
        plain = "\\" not in text and "${" not in text
        return Shape("string", text if plain else _UNSET)
    if node.type == "number":
        text = script.text(node)
        return Shape("integer", int(text)) if _INTEGER.fullmatch(text) else UNKNOWN if text.endswith("n") else Shape("number")
    if node.type in ("true", "false"):
        return Shape("boolean", node.type == "true")
    if node.type == "null":
        return NOTHING
    return Shape(_operator_type(node))


def _single(script: Script, node: Node, depth: int) -> Shape:
    shapes = shapes_of(script, node, depth + 1)
    return shapes[0] if len(shapes) == 1 else UNKNOWN


def _operator_type(node: Node) -> str | None:
    operator = node.child_by_field_name("operator")
    kind = operator.type if operator is not None else ""
    if node.type == "binary_expression":
        return "boolean" if kind in _BOOLEAN_OPERATORS else None
    if node.type == "unary_expression":
        return {"!": "boolean", "typeof": "string"}.get(kind)
    return None


def _object(script: Script, node: Node, depth: int) -> Shape:
    shape = Shape("object")
    for member in node.named_children:
        if member.type == "comment":
            continue
        key = member.child_by_field_name("key")
        if member.type == "shorthand_property_identifier":
            shape.members[script.text(member)] = UNKNOWN
        elif member.type == "pair" and key is not None and key.type in ("property_identifier", "string", "number"):
            name = script.text(key)
            value = member.child_by_field_name("value")
            shape.open = shape.open or "\\" in name
            shape.members[name[1:-1] if key.type == "string" else name] = _single(script, value, depth) if value is not None else UNKNOWN
        else:
            shape.open = True
    if "toJSON" in shape.members:
        return UNKNOWN
    return shape


def mismatch(shape: Shape, schema: Any, path: tuple[Any, ...] = ()) -> tuple[str, str] | None:
    """Return JSON path and reason when no value of the shape can match the schema, otherwise None."""
    if schema is False:
        return json_path(path), "the schema allows nothing here"
    if not is_object(schema) or "$ref" in schema or shape.type is None:
        return None
    kinds = schema.get("type")
    allowed = kinds if is_array(kinds) else [kinds] if isinstance(kinds, str) else []
    if allowed and not _may_be(shape.type, allowed):
        return json_path(path), f"the schema wants {' or '.join(map(str, allowed))}, this is {_article(shape.type)}"
    if shape.value is not _UNSET:
        options: Any = schema.get("enum") if is_array(schema.get("enum")) else [schema["const"]] if "const" in schema else None
        if options is not None and not any(_same(each, shape.value) for each in options):
            return json_path(path), f"{shown(shape.value)} is not one of {shown(options)}"
    if shape.type == "object":
        return _object_mismatch(shape, schema, path)
    items = schema.get("items")
    if shape.type == "array" and "prefixItems" not in schema and (is_object(items) or items is False):
        found = (mismatch(item, items, (*path, index)) for index, item in enumerate(shape.items))
        return next((each for each in found if each is not None), None)
    return None


def _object_mismatch(shape: Shape, schema: Mapping[str, Any], path: tuple[Any, ...]) -> tuple[str, str] | None:
    required: Any = schema.get("required")
    if is_array(required) and not shape.open:
        missing = next((name for name in required if isinstance(name, str) and name not in shape.members), None)
        if missing is not None:
            return json_path((*path, missing)), "the schema requires this property, and it is never there"
    declared = schema.get("properties")
    properties: dict[str, Any] = declared if is_object(declared) else {}
    closed = schema.get("additionalProperties") is False and "patternProperties" not in schema
    for name, member in shape.members.items():
        if name in properties:
            found = mismatch(member, properties[name], (*path, name))
            if found is not None:
                return found
        elif closed and member.type is not None:
            return json_path((*path, name)), "the schema does not allow this property"
    return None


def _may_be(kind: str, allowed: list[Any]) -> bool:
    if "any" in allowed or not all(isinstance(each, str) for each in allowed):  # draft 3
        return True
    return kind in allowed or (kind in ("integer", "number") and ("number" in allowed or "integer" in allowed))


def _same(one: Any, other: Any) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _article(kind: str) -> str:
    return kind if kind == "null" else f"an {kind}" if kind[0] in "aio" else f"a {kind}"
