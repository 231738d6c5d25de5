"""The quick check never accepts what the full one refuses."""

from __future__ import annotations

import itertools
from typing import Any

import jsonschema
import pytest

from ratchet_mcp.tasks.quick import quick_check
from ratchet_mcp.tasks.schema import compile_schema

SCHEMAS: list[dict[str, Any]] = [
    {"type": "integer"},
    {"type": "number", "minimum": 0, "exclusiveMaximum": 2},
    {"type": ["string", "null"], "maxLength": 2},
    {"enum": [1, "a", None, [1], {"a": 1}]},
    {"const": 1.0},
    {"type": "array", "items": {"type": "integer"}, "uniqueItems": True, "maxItems": 2},
    {"type": "array", "prefixItems": [{"type": "string"}], "contains": {"const": 1}},
    {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False},
    {"anyOf": [{"type": "string"}, {"type": "object", "minProperties": 1}]},
    {"oneOf": [{"type": "integer"}, {"type": "number"}]},
    {"not": {"type": "boolean"}},
    {"if": {"type": "object"}, "then": {"required": ["a"]}, "else": {"type": "number"}},
    {"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "integer"}], "additionalItems": False},
    {"$schema": "http://json-schema.org/draft-04/schema#", "maximum": 2, "exclusiveMaximum": True},
]
VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 1.0, 1.5, 2, 10**30, "", "a", "abc", "€€€", [], [1], [1, 1], [1.0, 1], ["x", 1], [True], [[1]],
    {}, {"a": 1}, {"a": 1.0}, {"a": "1"}, {"a": True}, {"a": 1, "b": 2}, {"a": 1, "next": {"a": 1}}, {"a": 1, "next": {}},
]  # fmt: skip


@pytest.mark.parametrize(("schema", "value"), list(itertools.product(SCHEMAS, VALUES)))
def test_a_quick_yes_is_a_yes_of_the_full_check(schema: dict[str, Any], value: Any) -> None:
    accepts = quick_check(schema)
    assert accepts is not None
    draft = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    assert accepts(value) == draft(schema).is_valid(value)
    assert bool(compile_schema(schema).violations(value)) != accepts(value)


@pytest.mark.parametrize("keyword", ["pattern", "format"])
def test_keywords_that_libraries_read_differently_have_no_quick_check(keyword: str) -> None:
    assert quick_check({"properties": {"a": {keyword: "date"}}}) is None
