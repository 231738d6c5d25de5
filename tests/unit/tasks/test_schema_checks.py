"""Schemas that cannot be used are refused with all reasons."""

from __future__ import annotations

from typing import Any

import pytest

from ratchet_mcp.errors import TaskInvalid
from ratchet_mcp.tasks.schema import compile_schema


def problems(schema: Any) -> list[tuple[str, str]]:
    with pytest.raises(TaskInvalid) as caught:
        compile_schema(schema, file="input.schema.json")
    assert all(each["file"] == "input.schema.json" for each in caught.value.details["problems"])
    return [(each["path"], each["message"]) for each in caught.value.details["problems"]]


def nested(levels: int) -> Any:
    schema: Any = {}
    for _ in range(levels):
        schema = {"items": schema}
    return schema


@pytest.mark.parametrize(
    ("schema", "path", "message"),
    [
        (5, "$", "a schema is an object"),
        (None, "$", "a schema is an object"),
        ({"type": "strin"}, "$.type", 'did you mean "string"?'),
        ({"properties": {"a": {"type": ["string", "nul"]}}}, "$.properties.a.type", "is not a type"),
        ({"properties": 5}, "$.properties", "expected object, got integer 5"),
        ({"required": "a"}, "$.required", "expected array"),
        ({"maxLength": -1}, "$.maxLength", "at least 0"),
        ({"$schema": "https://example.org/mine"}, "$.$schema", "unknown $schema"),
        ({"$schema": 5}, "$.$schema", "unknown $schema"),
        ({"$ref": "https://example.org/schema"}, "$.$ref", "not inside this schema"),
        ({"$ref": "other.json#/a"}, "$.$ref", "not inside this schema"),
        ({"items": {"$ref": "#/$defs/none"}}, "$.items.$ref", "does not exist"),
        ({"$ref": "#"}, "$", "only leads back to itself"),
        ({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}}}, "$.$defs", "only leads back to itself"),
        ({"allOf": [{"not": {"$ref": "#"}}]}, "$", "only leads back to itself"),
        ({"pattern": "("}, "$.pattern", "not a regular expression"),
        ({"patternProperties": {"[": {}}}, '$.patternProperties["["]', "not a regular expression"),
        ({"properties": {"a": {"$id": "https://example.org/a"}}}, "$.properties.a", "$id inside a schema"),
        ({"patternProperties": {"a": {}}, "unevaluatedProperties": False}, "$", "cannot be used together"),
        ({"description": "x" * 300_000}, "$", "larger than 256 KiB"),
        (nested(100), "$", "nested deeper than 64"),
        (nested(50_000), "$", "nested deeper than 64"),
    ],
)
def test_a_problem_is_named_with_its_path(schema: Any, path: str, message: str) -> None:
    found = problems(schema)
    assert any(where.startswith(path) and message in what for where, what in found), found


def test_all_problems_are_listed_at_once() -> None:
    found = problems({"type": "strin", "minimum": "5", "properties": {"a": {"maxLength": "x"}}})
    assert {path for path, _ in found} == {"$.type", "$.minimum", "$.properties.a.maxLength"}


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {},
        nested(60),
        {"properties": {"$ref": {"type": "string"}, "pattern": {"const": "("}}},
        {"const": {"$ref": "https://example.org"}, "default": {"pattern": "("}, "examples": [{"type": "strin"}]},
        {"properties": {"children": {"items": {"$ref": "#"}}}},
        {"$defs": {"a": {"$anchor": "here", "type": "string"}}, "$ref": "#here"},
        {"$id": "https://example.org/root", "$ref": "#/$defs/a", "$defs": {"a": {}}},
        {"$schema": "https://json-schema.org/draft/2020-12/schema#"},
        {"x-vendor": {"anything": 1}, "type": "object"},
    ],
)
def test_a_sound_schema_is_accepted(schema: Any) -> None:
    assert compile_schema(schema).schema is schema
