"""A task's schemas in the plain JSON Schema that every MCP client takes: an object at the root, no references, no combinators there.

What a client cannot take is left out, which makes the advertised schema weaker than the task's own, never stronger: a value that the
task accepts always fits (but see `_root` for unions). The task's own schema is what a call is checked against.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ratchet_mcp.tasks.json_values import is_object
from ratchet_mcp.tasks.plain_schema import PROPERTY, Schema, TooLarge, Unportable, texts, types, write_out
from ratchet_mcp.tasks.visible import visible

__all__ = ["MAX_CHARACTERS", "Portable", "Unportable", "portable_input", "portable_output"]

MAX_CHARACTERS = 4_000
"""Size of one advertised schema as JSON; of a larger one only the names and types of its properties are told."""


@dataclass(frozen=True, slots=True)
class Portable:
    """An advertised schema. With `wrapped`, the value stands in the property of that name."""

    schema: Schema
    wrapped: str | None = None


def portable_input(schema: Any) -> Portable:
    """Return the schema of a tool's arguments: the input itself where it may be an object, else `{"input": …}`. Raises `Unportable`."""
    if schema is False or (is_object(schema) and schema.get("not") in ({}, True)):
        raise Unportable("its input schema accepts nothing")
    node = _written_out(schema, output=False)
    if _may_be_object(node):
        return Portable(_fit(_root(node, output=False)))
    return Portable(_fit({"type": "object", "properties": {"input": node}, "required": ["input"]}), "input")


def portable_output(schema: Any) -> Portable:
    """Return the schema of a tool's structured content: the output itself where it is an object, else `{"result": …}`."""
    node = _written_out(schema, output=True)
    if _is_object(node):
        return Portable(_fit(_root(node, output=True), output=True))
    return Portable(_fit({"type": "object", "properties": {"result": node}, "required": ["result"]}, output=True), "result")


def _written_out(schema: Any, *, output: bool) -> Schema:
    try:
        return write_out(schema, output=output)
    except TooLarge:
        return _outline(schema, output=output)


def _outline(schema: Any, *, output: bool) -> Schema:
    """Return the first level of a schema that is too large: its type and, for arguments, names, types and texts of its properties."""
    members: Any = schema.get("properties") if is_object(schema) else None
    kind = types(schema).get("type") if is_object(schema) else None
    if kind is None and not output:
        raise Unportable("its input schema is too large, and does not say at its root which type it takes")
    if kind != "object" or output or not is_object(members):
        return {} if kind is None else {"type": kind}
    told = {name: _teller(member) for name, member in list(members.items())[:100] if PROPERTY.fullmatch(name)}
    return {"type": "object", "properties": told}


def _teller(member: Any) -> Schema:
    if not is_object(member):
        return {}
    said = texts(member).get("description")
    return types(member) | ({} if said is None else {"description": visible(said, 100)})


# ---------------------------------------------------------------- the root
def _kinds(node: Schema) -> set[str] | None:
    kinds = node.get("type")
    return None if kinds is None else {kinds} if isinstance(kinds, str) else set(kinds)


def _may_be_object(node: Schema) -> bool:
    """Tell whether some objects fit, as far as types say."""
    kinds = _kinds(node)
    if kinds is not None and "object" not in kinds:
        return False
    if "enum" in node and not any(is_object(value) for value in node["enum"]):
        return False
    if "const" in node and not is_object(node["const"]):
        return False
    return all(map(_may_be_object, node.get("allOf", ()))) and ("anyOf" not in node or any(map(_may_be_object, node["anyOf"])))


def _is_object(node: Schema) -> bool:
    """Tell whether everything that fits is an object."""
    if _kinds(node) == {"object"} or is_object(node.get("const")):
        return True
    return any(map(_is_object, node.get("allOf", ()))) or ("anyOf" in node and all(map(_is_object, node["anyOf"])))


def _root(node: Schema, *, output: bool) -> Schema:
    """Return an object schema without combinators: the properties of all branches, required only where every way demands it.

    A property that some branches of an `anyOf` leave open is open in an output; in an input it keeps what the other branches say, which
    helps the one who writes it.
    """
    objects = [branch for branch in node.get("anyOf", ()) if _may_be_object(branch)]
    every = [_root(branch, output=output) for branch in node.get("allOf", ())]
    some = [_root(branch, output=output) for branch in objects]
    properties: dict[str, list[Schema]] = {}
    for part in (node, *every, *some):
        for name, member in part.get("properties", {}).items():
            is_open = output and part in some and any(name not in other.get("properties", {}) for other in some)
            told: Schema = {} if is_open else member
            seen = properties.setdefault(name, [])
            if told not in seen:
                seen.append(told)
    needed = dict.fromkeys([*node.get("required", ()), *(name for part in every for name in part.get("required", ()))])
    if some:
        needed |= dict.fromkeys(name for name in some[0].get("required", ()) if all(name in part.get("required", ()) for part in some))
    root: Schema = {**texts(node), "type": "object"}
    if properties:
        root["properties"] = {name: found[0] if len(found) == 1 else {"anyOf": found} for name, found in properties.items()}
    if needed:
        root["required"] = list(needed)
    if "additionalProperties" in node and set(properties) <= set(node.get("properties", {})):
        root["additionalProperties"] = node["additionalProperties"]
    return root


def _fit(schema: Schema, *, output: bool = False) -> Schema:
    if len(json.dumps(schema, ensure_ascii=False)) <= MAX_CHARACTERS:
        return schema
    if output:
        return {"type": "object"}
    told = {name: _teller(member) for name, member in schema.get("properties", {}).items()}
    outline: Schema = {"type": "object", "properties": told, **({"required": schema["required"]} if "required" in schema else {})}
    if len(json.dumps(outline, ensure_ascii=False)) > MAX_CHARACTERS:
        raise Unportable(f"its input schema has more than {MAX_CHARACTERS:,} characters, even without the details of its properties")
    return outline
