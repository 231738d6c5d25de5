"""What --fix repairs, and what it leaves alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ratchet_mcp.cli.inferring import infer
from ratchet_mcp.cli.repairs import Repairs, repair
from ratchet_mcp.cli.tolerant_json import strict_json
from ratchet_mcp.settings import Limits
from ratchet_mcp.tasks.files import TaskFiles
from ratchet_mcp.tasks.loading import load_files
from ratchet_mcp.tasks.metadata import uuid_of_name

COMPLETE = {"uuid": "11111111-2222-4333-8444-555555555555", "name": "greet", "version": "1.0.0"}


def repaired(**texts: str | bytes) -> Repairs:
    names = {
        "meta": "metadata.json",
        "yaml": "meta.yaml",
        "code": "main.js",
        "task": "task.js",
        "input": "input.schema.json",
        "output": "output.schema.json",
    }
    contents = {names.get(name, f"tests/{name}.json"): text if isinstance(text, bytes) else text.encode() for name, text in texts.items()}
    return repair(TaskFiles("Greet People", contents))


def metadata(text: str) -> dict[str, Any]:
    return json.loads(repaired(meta=text, code="() => 1").after["metadata.json"])


# ---------------------------------------------------------------- JSON
@pytest.mark.parametrize(
    ("text", "strict"),
    [
        ('{"a": 1,}', '{"a": 1}'),
        ('{"a": [1, 2,\n],\n}', '{"a": [1, 2\n]\n}'),
        ('{"a": 1} // why', '{"a": 1}'),
        ('{\n  // a comment\n  "a": 1 /* and */\n}\n', '{\n  "a": 1\n}\n'),
        ('{\n  /* two\n     lines */\n  "a": "// no comment",\n}', '{\n  "a": "// no comment"\n}'),
        ("{a: 1, $b: 'it\\'s \"x\"'}", '{"a": 1, "$b": "it\'s \\"x\\""}'),
        ('\ufeff{"a": 1}', '{"a": 1}'),
        ('{"a": 1, // last\n}', '{"a": 1\n}'),
        ('{"a": "x, }"}', '{"a": "x, }"}'),
    ],
)
def test_json_as_people_write_it_becomes_strict(text: str, strict: str) -> None:
    assert strict_json(text)[0] == strict


@pytest.mark.parametrize("text", ["", "{", '{"a" 1}', '{"a": }', "{'a: 1}", '{"a": 1 "b": 2}', "[" * 5000, '{"a": NaN,}x', "\x00"])
def test_what_is_no_json_stays_as_it_is(text: str) -> None:
    assert strict_json(text) == (text, [])


def test_strict_json_is_not_touched() -> None:
    text = '{ "a" :1 ,"b":[ ]}\r\n'
    assert strict_json(text) == (text, [])


# ---------------------------------------------------------------- metadata
def test_what_is_missing_is_what_loading_assumed_anyway() -> None:
    found = metadata("{}")
    assert found == {"name": "greet-people", "version": "0.1.0", "uuid": str(uuid_of_name("greet-people"))}


@pytest.mark.parametrize(
    ("given", "right"),
    [
        ({"name": "Greet Them"}, {"name": "greet-them"}),
        ({"version": "1"}, {"version": "1.0.0"}),
        ({"version": "v2.1"}, {"version": "2.1.0"}),
        ({"version": 1.5}, {"version": "1.5.0"}),
        ({"tags": "a, b,"}, {"tags": ["a", "b"]}),
        ({"timeout_seconds": "2.5 s"}, {"timeout_seconds": 2.5}),
        ({"uuid": "no"}, {"uuid": str(uuid_of_name("greet"))}),
        ({"descripton": "x"}, {"description": "x"}),
        ({"timeoutSeconds": 3}, {"timeout_seconds": 3}),
        ({"Tags": ["a"]}, {"tags": ["a"]}),
    ],
)
def test_what_has_one_right_answer_is_corrected(given: dict[str, Any], right: dict[str, Any]) -> None:
    found = metadata(json.dumps({**COMPLETE, **given}))
    assert {key: found[key] for key in right} == right
    assert not (given.keys() - right.keys()) & found.keys()


@pytest.mark.parametrize(
    "given", [{"version": "newest"}, {"tags": 5}, {"timeout_seconds": "soon"}, {"mine": 1}, {"description": "x", "descripton": "y"}]
)
def test_what_has_no_right_answer_is_left_to_the_author(given: dict[str, Any]) -> None:
    assert metadata(json.dumps({**COMPLETE, **given})) == {**COMPLETE, **given}


def test_other_characters_of_a_file_stay() -> None:
    text = '{\n    "name":   "greet", "version": "1",\n    "uuid": "11111111-2222-4333-8444-555555555555"\n}'
    assert repaired(meta=text, code="x").after["metadata.json"] == text.replace('"1"', '"1.0.0"')


def test_a_folder_with_code_alone_becomes_a_task() -> None:
    repairs = repaired(code="(input) => input")
    files = TaskFiles("x", {path: text.encode() for path, text in repairs.after.items()})
    assert load_files(files, origin="x", location="x", limits=Limits()).reference == "greet-people@0.1.0"
    assert repairs.changed == ["metadata.json"]


def test_yaml_gets_what_is_missing_at_its_end_and_keeps_its_comments() -> None:
    text = "# mine\nname: greet\ndescription: x"
    added = repaired(yaml=text, task="() => 1").after["meta.yaml"]
    assert added == f'{text}\nversion: "0.1.0"\nuuid: "{uuid_of_name("greet")}"\n'
    for wrong in ("name: [", "- a", "{name: greet}", "name: greet\n..."):
        assert repaired(yaml=wrong, task="() => 1").changed == []


def test_a_file_that_is_no_utf8_is_left_alone() -> None:
    assert repaired(meta=b"\xff\xfe{", code="x").changed == []


# ---------------------------------------------------------------- tests and schemas
def test_misspelt_keys_of_tests_are_corrected() -> None:
    repairs = repaired(
        meta=json.dumps(COMPLETE), code="x", input="{}", output="{}", one='{"inptu": {"input": 1}, "expected_outptu": 2, // x\n}'
    )
    assert json.loads(repairs.after["tests/one.json"]) == {"input": {"input": 1}, "expected_output": 2}


def test_missing_schemas_are_inferred_from_tests_that_succeed() -> None:
    repairs = repaired(
        meta=json.dumps(COMPLETE),
        code="x",
        one='{"input": {"n": 1, "all": [1, "x"]}, "expected_output": {"sum": 2}}',
        two='{"input": {"n": 2.5}, "expected_output": {"sum": null, "note": "x"}}',
        bad='{"input": "not an object", "expected_error": {"code": "input_invalid"}}',
    )
    assert json.loads(repairs.after["input.schema.json"]) == {
        "type": "object",
        "properties": {"n": {"type": "number"}, "all": {"type": "array", "items": {"type": ["string", "integer"]}}},
        "required": ["n"],
    }
    assert json.loads(repairs.after["output.schema.json"]) == {
        "type": "object",
        "properties": {"sum": {"type": ["integer", "null"]}, "note": {"type": "string"}},
        "required": ["sum"],
    }


def test_schemas_that_are_there_in_any_form_are_not_made() -> None:
    inline = {**COMPLETE, "input_schema": {}, "tests": [{"input": 1, "expected_output": 2}]}
    assert repaired(meta=json.dumps(inline), code="x").changed == ["output.schema.json"]
    assert repaired(meta=json.dumps(COMPLETE), code="x").changed == []
    assert repaired(meta=json.dumps(COMPLETE), code="x", one='{"input": ').changed == []


def test_values_match_the_schema_that_was_inferred_of_them() -> None:
    from ratchet_mcp.tasks.schema import compile_schema

    values: list[Any] = [{"a": [1, {"b": None}], "": True}, {"a": []}, [1.5], "x", None, 3]
    validator = compile_schema(infer(values))
    assert all(validator.violations(value) == [] for value in values)


def test_what_was_repaired_needs_no_repair() -> None:
    once = repaired(meta="{name: 'Greet', version: 1, // x\n}", code="\ufeff() => 1", one="{inputs: 1, }")
    files = TaskFiles("Greet People", {path: text.encode() for path, text in once.after.items()})
    assert once.changed and repair(files).changed == []
