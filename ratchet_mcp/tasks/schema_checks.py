"""Whether a schema can be used: size, dialect, meta-schema, references and patterns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ratchet_mcp.tasks.json_values import is_array, is_object
from ratchet_mcp.tasks.patterns import PatternError, compile_pattern
from ratchet_mcp.tasks.violations import describe, did_you_mean, json_path, shown

MAX_BYTES = 256 << 10
MAX_DEPTH = 64
_MAX_PROBLEMS = 20
_DEFAULT = "https://json-schema.org/draft/2020-12/schema"
_TYPES = ("string", "number", "integer", "boolean", "array", "object", "null")
_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_SINGLE = (
    *("items", "additionalItems", "unevaluatedItems", "contains", "additionalProperties", "unevaluatedProperties", "propertyNames"),
    *("not", "if", "then", "else", "contentSchema"),
)
_SAME_VALUE = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas")
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")

Problem = dict[str, Any]


def draft_of(schema: Any) -> Any:
    """Return the library's validator class for the schema's `$schema`, or None when that is unknown."""
    from jsonschema import validators

    named = schema.get("$schema", _DEFAULT) if is_object(schema) else _DEFAULT
    if not isinstance(named, str):
        return None
    if named.rstrip("#") == _DEFAULT:
        return validators.Draft202012Validator
    lookup: Any = validators.validator_for  # the library's type does not know that None may be the default
    plain = named.rstrip("#")
    candidates = (named, plain + "#", plain.replace("https://json-schema.org/draft-", "http://json-schema.org/draft-") + "#")
    return next((found for candidate in candidates if (found := lookup({"$schema": candidate}, default=None)) is not None), None)


def check_schema(schema: Any, file: str) -> list[Problem]:
    """Return all problems of a schema, each `{file, path, message}`; an empty list means that it can be compiled."""
    if not is_object(schema) and not isinstance(schema, bool):
        return [{"file": file, "path": "$", "message": f"a schema is an object, got {shown(schema)}"}]
    too_big = _size_problem(schema)
    if too_big:
        return [{"file": file, "path": "$", "message": too_big}]
    draft = draft_of(schema)
    if draft is None:
        named = shown(schema.get("$schema")) if is_object(schema) else ""
        message = f"unknown $schema {named}; leave it out for draft 2020-12, or name draft-03 to 2020-12"
        return [{"file": file, "path": "$.$schema", "message": message}]
    problems = _meta_problems(draft, schema)
    if not problems and is_object(schema):
        problems = [*_reference_problems(draft, schema), *_pattern_problems(schema)]
    return [{"file": file, "path": path, "message": message} for path, message in problems[:_MAX_PROBLEMS]]


def _size_problem(schema: Any) -> str | None:
    level: list[Any] = [schema]
    for depth in range(MAX_DEPTH + 2):
        level = [child for node in level for child in _children(node)]
        if not level:
            break
        if depth > MAX_DEPTH:
            return f"the schema is nested deeper than {MAX_DEPTH} levels"
    try:
        size = len(json.dumps(schema, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    except (TypeError, ValueError) as error:
        return f"the schema is not JSON: {error}"
    return f"the schema is larger than {MAX_BYTES >> 10} KiB" if size > MAX_BYTES else None


def _children(node: Any) -> list[Any]:
    if is_object(node):
        return list(node.values())
    return node if is_array(node) else []


def _meta_problems(draft: Any, schema: Any) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for error in draft(draft.META_SCHEMA).iter_errors(schema):
        path = list(error.absolute_path)
        if path and path[-1] == "type" and error.validator in ("anyOf", "enum", "type"):
            hint = did_you_mean(error.instance, _TYPES) if isinstance(error.instance, str) else ""
            found.append((json_path(path), f"{shown(error.instance)} is not a type{hint}; types are {', '.join(_TYPES)}"))
        else:
            found.extend((violation.path, violation.message) for violation in describe(error))
        if len(found) >= _MAX_PROBLEMS:
            break
    return list(dict.fromkeys(found))


def subschemas(schema: Any) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Yield each schema object inside a schema with its path, itself first; values of `enum`, `default` and the like are no schemas."""
    waiting: list[tuple[tuple[Any, ...], Any]] = [((), schema)]
    while waiting:
        path, node = waiting.pop()
        if is_object(node):
            yield path, node
            waiting.extend(_parts(path, node))


def _parts(path: tuple[Any, ...], node: dict[str, Any]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    for keyword in _MAPS:
        members: Any = node.get(keyword)
        if is_object(members):
            yield from (((*path, keyword, name), member) for name, member in members.items())
    for keyword in _LISTS:
        members = node.get(keyword)
        if is_array(members):
            yield from (((*path, keyword, index), member) for index, member in enumerate(members))
    for keyword in _SINGLE:
        member: Any = node.get(keyword)
        if is_array(member):
            yield from (((*path, keyword, index), part) for index, part in enumerate(member))
        elif member is not None:
            yield (*path, keyword), member
    dependencies: Any = node.get("dependencies")
    if is_object(dependencies):
        yield from (((*path, "dependencies", name), member) for name, member in dependencies.items())


def _pattern_problems(schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    uses = {keyword for _, node in subschemas(schema) for keyword in node}
    if {"patternProperties", "unevaluatedProperties"} <= uses:
        yield "$", "patternProperties and unevaluatedProperties cannot be used together here; use additionalProperties"
    for path, node in subschemas(schema):
        expressions = [((*path, "pattern"), node["pattern"])] if isinstance(node.get("pattern"), str) else []
        members: Any = node.get("patternProperties")
        if is_object(members):
            expressions += [((*path, "patternProperties", name), name) for name in members]
        for place, expression in expressions:
            try:
                compile_pattern(expression)
            except PatternError as error:
                yield json_path(place), f"{shown(expression)} is not a regular expression: {error}"


def _reference_problems(draft: Any, schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Check that references stay inside the schema, lead somewhere, and do not only lead to themselves."""
    resolver = draft(schema)._resolver
    edges: dict[int, list[Any]] = {}
    places: dict[int, str] = {}
    broken = False
    for path, node in subschemas(schema):
        places.setdefault(id(node), json_path(path))
        edges[id(node)] = _same_value(node)
        if path and ("$id" in node or "id" in node) and isinstance(node.get("$id", node.get("id")), str):
            yield json_path(path), "$id inside a schema is not supported; refer to it by #/…"
            broken = True
        for keyword in _REFERENCES:
            target = node.get(keyword)
            if not isinstance(target, str):
                continue
            try:
                edges[id(node)].append(_resolve(resolver, target))
            except ValueError as error:
                yield json_path((*path, keyword)), str(error)
                broken = True
    if not broken and (place := _circle(schema, edges, places)):
        yield place, "this reference only leads back to itself"


def _same_value(node: dict[str, Any]) -> list[Any]:
    found: list[Any] = []
    for keyword in _SAME_VALUE:
        member: Any = node.get(keyword)
        if is_array(member):
            found.extend(member)
        elif keyword == "dependentSchemas" and is_object(member):
            found.extend(member.values())
        elif member is not None:
            found.append(member)
    return found


def _resolve(resolver: Any, target: str) -> Any:
    from referencing.exceptions import Unresolvable

    if not target.startswith("#"):
        raise ValueError(f"{shown(target)} is not inside this schema; only references that start with # are supported")
    try:
        return resolver.lookup(target).contents
    except (Unresolvable, LookupError, TypeError, ValueError):
        raise ValueError(f"{shown(target)} does not exist in this schema") from None


def _circle(schema: dict[str, Any], edges: dict[int, list[Any]], places: dict[int, str]) -> str | None:
    """Return where a chain of references comes back to itself without going into the value."""
    done: set[int] = set()
    for start in [schema, *(node for _, node in subschemas(schema))]:
        if id(start) in done:
            continue
        trail = [(start, iter(edges.get(id(start), ())))]
        active = {id(start)}
        while trail:
            node, following = trail[-1]
            target = next(following, None)
            if target is None:
                active.discard(id(node))
                done.add(id(node))
                trail.pop()
            elif id(target) in active:
                return places.get(id(target), "$")
            elif is_object(target) and id(target) not in done:
                active.add(id(target))
                trail.append((target, iter(edges.get(id(target), ()))))
    return None
