"""What a value that breaks its schema is told."""

from __future__ import annotations

from typing import Any

import pytest

from ratchet_mcp.tasks.schema import compile_schema

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "age": {"type": "integer", "minimum": 0},
        "scores": {"type": "array", "items": {"type": "number"}},
        "color": {"enum": ["red", "Green", "blue"]},
        "odd name": {"type": "null"},
    },
    "required": ["name"],
    "additionalProperties": False,
}


def said(schema: Any, value: Any) -> list[tuple[str, str, str]]:
    return [(each.path, each.message, each.keyword) for each in compile_schema(schema).violations(value)]


@pytest.mark.parametrize("value", [{"name": "a"}, {"name": "a", "age": 3.0, "scores": [1, 2.5], "color": "red", "odd name": None}])
def test_a_valid_value_has_no_violations(value: Any) -> None:
    assert said(PERSON, value) == []


@pytest.mark.parametrize(
    ("value", "path", "message", "keyword"),
    [
        ({}, "$.name", "is required but missing (string)", "required"),
        ({"name": 5}, "$.name", "expected string, got integer 5", "type"),
        ({"name": "a", "age": True}, "$.age", "expected integer, got boolean true", "type"),
        ({"name": "a", "age": 1.5}, "$.age", "expected integer, got number 1.5", "type"),
        ({"name": "a", "age": -1}, "$.age", "expected at least 0, got -1", "minimum"),
        ({"name": ""}, "$.name", "expected at least 1 character, got 0", "minLength"),
        ({"name": "a", "scores": [1, "x"]}, "$.scores[1]", 'expected number, got string "x"', "type"),
        ({"name": "a", "agee": 1}, "$.agee", 'is not a known property (did you mean "age"?)', "additionalProperties"),
        ({"name": "a", "odd name": 1}, '$["odd name"]', "expected null, got integer 1", "type"),
        (None, "$", "expected object, got null", "type"),
        ([], "$", "expected object, got array []", "type"),
    ],
)
def test_a_violation_names_path_expectation_and_value(value: Any, path: str, message: str, keyword: str) -> None:
    assert said(PERSON, value) == [(path, message, keyword)]


def test_a_misspelt_required_property_is_connected_with_what_is_there() -> None:
    assert said(PERSON, {"nmae": "x"})[0][1] == 'is required but missing (string); "nmae" is there instead'


@pytest.mark.parametrize(("value", "near"), [("gren", '"Green"'), ("green", '"Green"'), (" RED ", '"red"')])
def test_a_near_value_of_an_enum_is_suggested(value: str, near: str) -> None:
    assert f"did you mean {near}?" in said(PERSON, {"name": "a", "color": value})[0][1]


def test_long_values_are_shortened() -> None:
    for value in ("x" * 5000, ["y" * 5000], {"z" * 5000: 1}, list(range(5000))):
        [(_, message, _)] = said({"type": "integer"}, value)
        assert len(message) < 150


def test_the_number_of_violations_is_limited() -> None:
    assert len(compile_schema({"items": {"type": "string"}}).violations(list(range(1000)))) == 20
    assert len(compile_schema({"items": {"type": "string"}}).violations(list(range(1000)), limit=3)) == 3


def test_alternatives_of_type_are_one_expectation() -> None:
    assert said({"anyOf": [{"type": "string"}, {"type": "null"}]}, 5) == [("$", "expected string or null, got integer 5", "anyOf")]


def test_the_alternative_that_was_meant_explains() -> None:
    shapes = {
        "oneOf": [
            {"properties": {"kind": {"const": "circle"}, "radius": {"type": "number"}}, "required": ["kind", "radius"]},
            {"properties": {"kind": {"const": "square"}, "side": {"type": "number"}}, "required": ["kind", "side"]},
        ]
    }
    [(path, message, keyword)] = said(shapes, {"kind": "circle", "radius": "big"})
    assert (path, keyword) == ("$.radius", "oneOf")
    assert message == 'expected number, got string "big" (nearest of 2 alternatives)'


def test_matching_more_than_one_alternative_is_told() -> None:
    assert said({"oneOf": [{"type": "integer"}, {"type": "number"}]}, 5)[0][1].startswith("matches more than one")


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"multipleOf": 0.01}, 19.99, 19.999),
        ({"multipleOf": 3}, 9, 10),
        ({"uniqueItems": True}, [1, True, "1", {"a": 1}, {"a": 2}], [{"a": [1]}, {"a": [1.0]}]),
        ({"type": "integer"}, 3.0, 3.1),
        ({"const": 1}, 1.0, True),
        ({"enum": [0, None]}, 0, False),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1, "b": 1}, {"a": 1}),
        ({"patternProperties": {"^x-": {"type": "string"}}, "additionalProperties": False}, {"x-a": "b"}, {"y": "b"}),
        ({"additionalProperties": {"type": "integer"}}, {"a": 1}, {"a": "b"}),
        ({"propertyNames": {"maxLength": 2}}, {"ab": 1}, {"abc": 1}),
        ({"contains": {"type": "integer"}}, ["a", 1], ["a"]),
        ({"if": {"type": "string"}, "then": {"minLength": 2}}, "ab", "a"),
        ({"not": {"type": "string"}}, 1, "a"),
        ({"prefixItems": [{"type": "string"}], "items": False}, ["a"], ["a", 1]),
        ({"unevaluatedProperties": False, "properties": {"a": {}}}, {"a": 1}, {"b": 1}),
        (True, 1, None),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}], "additionalItems": False}, ["a"], ["a", 1]),
        ({"$schema": "http://json-schema.org/draft-04/schema", "minimum": 1, "exclusiveMinimum": True}, 2, 1),
        (
            {
                "$schema": "https://json-schema.org/draft/2019-09/schema",
                "$recursiveAnchor": True,
                "properties": {"a": {"$recursiveRef": "#"}},
            },
            {"a": {}},
            None,
        ),
        (
            {"$defs": {"n": {"properties": {"next": {"$ref": "#/$defs/n"}, "v": {"type": "integer"}}}}, "$ref": "#/$defs/n"},
            {"next": {"v": 1}},
            {"next": {"v": "a"}},
        ),
    ],
)
def test_keywords_decide_as_json_schema_says(schema: Any, good: Any, bad: Any) -> None:
    assert said(schema, good) == []
    assert bad is None or said(schema, bad)


@pytest.mark.parametrize(
    ("format", "good", "bad"),
    [
        ("date", ["2024-02-29"], ["2023-02-29", "2024-1-1", "24-01-01", "\uff12\uff10\uff12\uff14-01-01"]),
        ("time", ["10:00:00Z", "23:59:60+02:00", "10:00:00.5z"], ["10:00:00", "25:00:00Z"]),
        ("date-time", ["2024-01-01T10:00:00Z", "2024-01-01t10:00:00.123+01:00"], ["2024-01-01", "2024-13-01T10:00:00Z"]),
        ("duration", ["P1D", "PT1H30M", "P2W"], ["P", "PT", "1D", "P1"]),
        ("email", ["a@b.cc", "first.last+tag@example.org"], ["a", "@b.cc", "a b@c.dd", "a@-b.cc"]),
        ("hostname", ["example.org", "a"], ["-a", "a..b", "a_b"]),
        ("ipv4", ["127.0.0.1", "0.0.0.0"], ["1.2.3", "256.1.1.1", "01.2.3.4"]),
        ("ipv6", ["::1", "2001:db8::"], ["1.2.3.4", ":::", "fe80::1%eth0"]),
        ("uri", ["https://example.org/a?b=c#d", "mailto:a@b.cc", "urn:x:y"], ["example.org", "http://", "http://a b", "://x"]),
        ("uri-reference", ["/a/b?c", "a", "#d"], ["a b", "<x>"]),
        ("uuid", ["123e4567-e89b-12d3-a456-426614174000"], ["123e4567e89b12d3a456426614174000", "x"]),
        ("json-pointer", ["", "/a/~0~1"], ["a", "/~2"]),
        ("regex", ["^a+$"], ["(", "a++"]),
        ("of-my-own", ["anything"], []),
    ],
)
def test_formats_are_checked(format: str, good: list[str], bad: list[str]) -> None:
    for text in good:
        assert said({"format": format}, text) == [], text
    for text in bad:
        assert said({"format": format}, text), text
    assert said({"format": format}, 5) == []


def test_a_deep_value_is_a_violation_and_no_crash() -> None:
    value: Any = 1
    for _ in range(5000):
        value = {"a": value}
    assert said({"properties": {"a": {"$ref": "#"}}}, value)[0][2] == "depth"


def test_an_exploding_pattern_is_a_violation_and_no_hang() -> None:
    schema = {"items": {"pattern": "^(([a-z])+.)+[A-Z]([a-z])+$"}, "patternProperties": {"(x+x+)+y": {}}}
    found = said(schema, ["a" * 40_000] * 3)
    assert {keyword for _, _, keyword in found} == {"pattern"}
    assert any("took too long" in message for _, message, _ in found)
    assert "took too long" in said({"patternProperties": {"^(([a-z])+.)+[A-Z]$": {}}}, {"a" * 40_000: 1})[0][1]


def test_references_that_multiply_end_in_time() -> None:
    doubled = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(50)}
    [(_, message, keyword)] = said({"$defs": {**doubled, "a50": {"type": "integer"}}, "$ref": "#/$defs/a0"}, 1)
    assert keyword == "$ref"
    assert "in time" in message


def test_many_items_are_compared_in_linear_time() -> None:
    assert said({"uniqueItems": True}, [{"a": n} for n in range(50_000)]) == []


def test_a_violation_becomes_json() -> None:
    assert compile_schema({"type": "string"}).violations(1)[0].to_dict() == {
        "path": "$",
        "message": "expected string, got integer 1",
        "keyword": "type",
    }
