"""Schemas of tasks as tools advertise them: plain for every client, and never stronger than the task's own."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from ratchet_mcp.errors import TaskInvalid
from ratchet_mcp.tasks.portable import MAX_CHARACTERS, Portable, Unportable, portable_input, portable_output
from ratchet_mcp.tasks.schema import compile_schema
from ratchet_mcp.tasks.visible import visible

NAME = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


def keywords(schema: Any) -> set[str]:
    """Return every keyword of a schema and of what is inside it; names of properties are no keywords."""
    if not isinstance(schema, dict):
        return {keyword for item in schema for keyword in keywords(item)} if isinstance(schema, list) else set()
    inside: list[Any] = [value for key, value in schema.items() if key not in ("properties", "enum", "const", "default")]
    inside += schema.get("properties", {}).values()
    return set(schema) | {keyword for value in inside for keyword in keywords(value)}


def test_a_plain_object_schema_stays_as_it_is():
    assert portable_input(NAME) == Portable(NAME)
    assert portable_output(NAME) == Portable(NAME)


def test_arguments_are_the_input_where_it_may_be_an_object():
    for schema in ({}, True, {"properties": {"a": {}}}, {"type": ["object", "null"]}, {"anyOf": [{"type": "string"}, NAME]}):
        assert portable_input(schema).wrapped is None
        assert portable_input(schema).schema["type"] == "object"


@pytest.mark.parametrize("schema", [{"type": "array", "items": {"type": "number"}}, {"type": "string"}, {"enum": [1, 2]}, {"const": None}])
def test_another_input_is_an_argument(schema: dict[str, Any]):
    portable = portable_input(schema)
    assert portable == Portable({"type": "object", "properties": {"input": schema}, "required": ["input"]}, "input")


@pytest.mark.parametrize("schema", [{}, True, {"type": "number"}, {"properties": {"a": {}}}, {"type": ["object", "null"]}])
def test_an_output_that_may_be_no_object_is_wrapped(schema: Any):
    portable = portable_output(schema)
    assert portable.wrapped == "result"
    assert list(portable.schema["properties"]) == ["result"]


def test_combinators_at_the_root_become_properties():
    branches = [NAME, {"type": "object", "properties": {"name": {"type": "integer"}, "id": {"type": "string"}}, "required": ["id", "name"]}]
    for combinator in ("anyOf", "oneOf"):
        schema = portable_input({"title": "Who", combinator: branches}).schema
        assert schema == {
            "title": "Who",
            "type": "object",
            "properties": {"name": {"anyOf": [{"type": "string"}, {"type": "integer"}]}, "id": {"type": "string"}},
            "required": ["name"],
        }
    assert portable_input({"allOf": branches}).schema["required"] == ["name", "id"]
    assert portable_output({"oneOf": branches}).schema["properties"]["id"] == {}


def test_references_are_written_out_and_circles_end():
    tree = {"type": "object", "properties": {"value": {"$ref": "#/$defs/value"}, "children": {"type": "array", "items": {"$ref": "#"}}}}
    schema = portable_output({**tree, "$defs": {"value": {"type": "integer"}}}).schema
    assert not keywords(schema) & {"$ref", "$defs"}
    assert schema["properties"]["value"] == {"type": "integer"}
    assert schema["properties"]["children"]["items"]["properties"]["children"]["items"] == {}
    assert portable_input({"$ref": "#/$defs/name", "$defs": {"name": NAME}}).schema == NAME


def test_what_only_some_clients_understand_is_left_out():
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": "https://example.com/x.json",
        "$comment": "secret",
        "type": "object",
        "properties": {
            "day": {"type": "string", "format": "date", "pattern": "^\\d{4}", "x-mcp-header": "Day", "examples": ["2026"]},
            "tag": {"type": "string", "format": "x-tag", "not": {"const": ""}},
        },
        "if": {"required": ["day"]},
        "then": {"required": ["tag"]},
        "dependencies": {"day": ["tag"]},
        "not": {"required": ["both"]},
    }
    assert portable_input(schema).schema == {
        "type": "object",
        "properties": {
            "day": {"type": "string", "format": "date", "description": "matches ^\\d{4}"},
            "tag": {"type": "string"},
        },
    }
    assert portable_output(schema).schema["properties"]["day"] == {"type": "string"}


def test_names_that_models_cannot_take_are_left_out_with_what_counts_them():
    schema = {
        "type": "object",
        "properties": {"straße": {}, "a b": {}, "ok": {}},
        "required": ["straße", "ok"],
        "additionalProperties": False,
    }
    assert portable_input(schema).schema == {"type": "object", "properties": {"ok": {}}, "required": ["ok"]}


def test_texts_lose_what_cannot_be_seen_and_are_cut():
    schema = {"type": "object", "properties": {"a": {"description": "plain\u202e\u0007 text\U000e0041 " + "x" * 1000}}}
    said = portable_input(schema).schema["properties"]["a"]["description"]
    assert said.startswith("plain text x") and len(said) == 500 and said.endswith("…")
    assert visible("a\r\nb\u200bc\ud800", 10) == "a\nbc"


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (False, "accepts nothing"),
        ({"not": {}}, "accepts nothing"),
        ({"type": "object", "properties": {"a": {"enum": ["x\u202ey"]}}}, "cannot be seen"),
        ({"type": "object", "properties": {"a": {"const": {"k\u0000": 1}}}}, "cannot be seen"),
        ({"type": "object", "properties": {f"property_{n:03}_{'x' * 40}": {"type": "string"} for n in range(200)}}, "characters"),
        ({"allOf": [{"properties": {"a": {"anyOf": [{"enum": [n, m]} for m in range(60)]}}} for n in range(60)]}, "too large"),
    ],
)
def test_an_input_schema_that_cannot_be_advertised_is_refused(schema: Any, words: str):
    with pytest.raises(Unportable, match=words):
        portable_input(schema)


def test_a_large_schema_is_outlined():
    large = {
        "type": "object",
        "properties": {"a": {"type": "string", "description": "First.", "enum": [f"value {n}" for n in range(1000)]}},
    }
    assert portable_input(large).schema["properties"] == {"a": {"type": "string", "description": "First."}}
    assert portable_output(large).schema == {"type": "object"}


def test_references_that_multiply_end_soon():
    defs = {f"d{n}": {"type": "object", "properties": {f"p{m}": {"$ref": f"#/$defs/d{n + 1}"} for m in range(10)}} for n in range(20)}
    bomb = {"type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": {**defs, "d20": {"type": "string"}}}
    assert portable_input(bomb).schema == {"type": "object", "properties": {"a": {}}}
    assert portable_output(bomb).wrapped is None


KEYWORDS = (
    "type properties required additionalProperties patternProperties items prefixItems anyOf oneOf allOf "
    "not if enum const minimum maxLength minProperties $ref dependentRequired pattern contains"
).split()


class Random:
    """Schemas and values, made of the same few names and numbers so that they often fit."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def value(self, depth: int = 0) -> Any:
        kind = self.random.choice(["null", "number", "text", "object", "object", "array"] if depth < 3 else ["number", "text"])
        if kind == "object":
            return {name: self.value(depth + 1) for name in self.random.sample(["a", "b", "ü"], self.random.randint(0, 3))}
        if kind == "array":
            return [self.value(depth + 1) for _ in range(self.random.randint(0, 3))]
        return {"null": None, "number": self.random.randint(0, 3), "text": self.random.choice(["", "x", "xyz"])}[kind]

    def schema(self, depth: int = 0) -> Any:
        if self.random.random() < 0.1:
            return self.random.choice([True, {}])
        made: dict[str, Any] = {}
        for keyword in self.random.sample(
            KEYWORDS,
            self.random.randint(1, 4),
        ):
            made[keyword] = self.keyword(keyword, depth)
        if "if" in made:
            made["then"] = self.inner(depth)
        return made

    def inner(self, depth: int) -> Any:
        return self.schema(depth + 1) if depth < 3 else {}

    def keyword(self, keyword: str, depth: int) -> Any:
        names = self.random.sample(["a", "b", "ü"], self.random.randint(1, 2))
        kinds = ["object", "array", "string", "integer", "null"]
        match keyword:
            case "type":
                return self.random.choice([*kinds, "object", self.random.sample(kinds, 2)])
            case "properties":
                return {name: self.inner(depth) for name in names}
            case "patternProperties":
                return {"^a|ü": self.inner(depth)}
            case "required":
                return names
            case "additionalProperties":
                return self.random.choice([False, self.inner(depth)])
            case "prefixItems" | "anyOf" | "oneOf" | "allOf":
                return [self.inner(depth) for _ in range(self.random.randint(1, 3))]
            case "enum":
                return [self.value() for _ in range(4)]
            case "const":
                return self.value()
            case "$ref":
                return self.random.choice(["#/$defs/one", "#/$defs/two"])
            case "dependentRequired":
                return {"a": ["b"]}
            case "pattern":
                return "^x"
            case "minimum" | "maxLength" | "minProperties":
                return self.random.randint(0, 2)
            case _:
                return self.inner(depth)


def test_what_a_task_accepts_always_fits_what_is_advertised():
    made = Random(7)
    compared = 0
    for _ in range(500):
        schema = {"$defs": {"one": made.schema(2), "two": made.schema(2)}}
        root = made.schema()
        schema |= root if isinstance(root, dict) else {}
        try:
            own = compile_schema(schema)
        except TaskInvalid:
            continue
        given, told = None, portable_output(schema)
        try:
            given = portable_input(schema)
        except Unportable:
            pass
        for portable in (given, told):
            if portable is not None:
                Draft202012Validator.check_schema(portable.schema)
                assert portable.schema["type"] == "object"
                assert not set(portable.schema) & {"oneOf", "anyOf", "allOf", "$ref", "not", "enum"}
                assert len(json.dumps(portable.schema)) <= MAX_CHARACTERS
        of_output, of_input = Draft202012Validator(told.schema), Draft202012Validator(given.schema if given else {})
        for value in [made.value() for _ in range(12)]:
            if own.violations(value):
                continue
            assert of_output.is_valid({"result": value} if told.wrapped else value), (schema, value, told)
            arguments = {"input": value} if given and given.wrapped else value
            union = {"anyOf", "oneOf", "allOf", "$ref"} & set(schema)
            if given and isinstance(arguments, dict) and not union:
                assert of_input.is_valid(arguments), (schema, value, given)
                compared += 1
    assert compared > 200
