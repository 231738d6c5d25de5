"""Loading a task's folder: both layouts, and everything wrong with it at once."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from ratchet_mcp.errors import TaskInvalid, TaskSyntaxError
from ratchet_mcp.settings import Limits
from ratchet_mcp.tasks.loading import digest_of, load_task, make_unsaved

GOOD: dict[str, str] = {
    "metadata.json": json.dumps({"name": "greet", "version": "1.2.0", "title": "Greet", "description": "Says hello.", "tags": ["text"]}),
    "main.js": "function main(input) { return { text: `Hi ${input.name}` } }",
    "input.schema.json": '{"type": "object", "required": ["name"]}',
    "output.schema.json": '{"type": "object"}',
    "tests/ada.json": '{"input": {"name": "Ada"}, "expected_output": {"text": "Hi Ada"}}',
}

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(changes: dict[str, str | bytes | None] | None = None, folder: str = "greet") -> Path:
        root = tmp_path / folder
        for name, content in {**GOOD, **(changes or {})}.items():
            if content is not None:
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return root

    return write


def problems(path: Path, **options: Any) -> list[dict[str, Any]]:
    with pytest.raises(TaskInvalid) as caught:
        load_task(path, **options)
    return caught.value.details["problems"]


def test_a_folder_becomes_a_task(write: Write) -> None:
    task = load_task(write(), origin="mine")
    assert (task.reference, task.title, task.description, task.tags) == ("greet@1.2.0", "Greet", "Says hello.", ("text",))
    assert (task.origin, task.location is not None, task.code_file) == ("mine", True, "main.js")
    assert task.input_schema == {"type": "object", "required": ["name"]}
    assert task.digest == digest_of(task.source, task.input_schema, task.output_schema)
    [case] = task.tests
    assert (case.name, case.input, case.expected_output) == ("ada", {"name": "Ada"}, {"text": "Hi Ada"})


def test_the_one_file_form_becomes_the_same_task(write: Write) -> None:
    yaml = """
name: greet
version: "1.2.0"
title: Greet
description: Says hello.
tags: [text]
since: 2024-01-01
input_schema: {type: object, required: [name]}
output_schema: {type: object}
tests:
  - name: ada
    input: {name: Ada}
    expected_output: {text: Hi Ada}
"""
    nothing: dict[str, str | bytes | None] = dict.fromkeys(GOOD)
    task = load_task(write({**nothing, "meta.yaml": yaml, "task.js": GOOD["main.js"]}, "one-file"))
    assert (task.reference, task.code_file, task.metadata["since"]) == ("greet@1.2.0", "task.js", "2024-01-01")
    assert [case.name for case in task.tests] == ["ada"]
    assert task.digest == load_task(write()).digest


def test_little_metadata_is_enough(write: Write) -> None:
    task = load_task(write({"metadata.json": "{}", "input.schema.json": None, "output.schema.json": None}, "My Great_Task-2.0.0"))
    assert (task.name, task.version, task.title, task.input_schema) == ("my-great_task", "0.1.0", "My great task", {})


def test_the_uuid_comes_from_the_name_when_there_is_none(write: Write) -> None:
    first, second = load_task(write()), load_task(write(folder="elsewhere"))
    assert first.uuid == second.uuid
    named = json.dumps({"name": "greet", "uuid": "3F333DF6-90A4-4FDA-8DD3-9485D27CEE36"})
    assert load_task(write({"metadata.json": named}, "named")).uuid == UUID("3f333df6-90a4-4fda-8dd3-9485d27cee36")


def test_unknown_keys_are_kept(write: Write) -> None:
    task = load_task(write({"metadata.json": '{"label": "Hello", "category": {"a": 1}, "author": "Ada", "license": "MIT"}'}))
    assert task.title == "Hello"
    assert task.metadata["category"] == {"a": 1}
    assert task.metadata["author"] == "Ada"


@pytest.mark.parametrize(
    "wrong",
    [[], {"speed": 1}, {"concurrency": 0}, {"concurrency": "2"}, {"rate": "often"}, {"rate": 10}, {"retry": {"attempts": 0}}, {"retry": 3}],
    ids=str,
)
def test_a_task_cannot_say_of_its_jobs_what_makes_no_sense(write: Write, wrong: Any) -> None:
    good = {"concurrency": 2, "rate": "10/m", "retry": {"attempts": 3, "delay": "1m", "on": "any"}}
    assert load_task(write({"metadata.json": json.dumps({"jobs": good})}, "good")).metadata["jobs"] == good
    assert [each["path"] for each in problems(write({"metadata.json": json.dumps({"jobs": wrong})}))] == ["$.jobs"]


def test_a_byte_order_mark_and_crlf_are_fine(write: Write) -> None:
    bom = b"\xef\xbb\xbf"
    task = load_task(write({"metadata.json": bom + GOOD["metadata.json"].encode(), "main.js": bom + b"function main(i) {\r\n}\r\n"}))
    assert task.source == "function main(i) {\r\n}\r\n"


def test_everything_wrong_is_listed_at_once(write: Write) -> None:
    found = problems(
        write(
            {
                "metadata.json": '{"name": "Bad Name", "version": "1", "descripton": "typo", "timeout_seconds": -1}',
                "main.js": "function main(input) {\n  return 1 1\n}",
                "input.schema.json": '{"type": "strin"}',
                "output.schema.json": '{"a": 1, b}',
                "tests/one.json": '{"inptu": 1}',
                "tests/two.json": "[1]",
            }
        )
    )
    by_file: dict[str, list[str]] = {}
    for each in found:
        by_file.setdefault(each["file"], []).append(each.get("path", f"{each.get('line')}:{each.get('column')}"))
    assert by_file == {
        "metadata.json": ["$.descripton", "$.name", "$.version", "$.timeout_seconds"],
        "main.js": ["2:12"],
        "input.schema.json": ["$.type"],
        "output.schema.json": ["1:10"],
        "tests/one.json": ["$.inptu", "$.input"],
        "tests/two.json": ["$[0]"],
    }


@pytest.mark.parametrize(
    ("file", "content", "message", "place"),
    [
        ("metadata.json", "", "not JSON", {"line": 1, "column": 1}),
        ("metadata.json", "[]", "must be an object", {"path": "$"}),
        ("metadata.json", "null", "is empty", {"path": "$"}),
        ("metadata.json", '{\n "name": "a",\n "name": "b"}', 'the key "name" is there twice', {"line": 3, "column": 2}),
        ("metadata.json", '{"name": NaN}', "NaN is not JSON", {}),
        ("metadata.json", '{"name": "a"', "not JSON", {"line": 1}),
        ("metadata.json", "[" * 100_000, "nested too deeply", {}),
        ("metadata.json", '{"x": ' + "9" * 5000 + "}", "not JSON", {}),
        ("metadata.json", b'{"name": "\xff"}', "not UTF-8", {"line": 1}),
        ("metadata.json", '{"name": "a"}'.encode("utf-16"), "UTF-16", {}),
        ("metadata.json", '{"name": "greet\\u202e"}', "U+202E", {"path": "$.name"}),
        ("metadata.json", '{"title": "a\\u0007"}', "U+0007", {"path": "$.title"}),
        ("metadata.json", '{"tags": ["a\\u200f"]}', "U+200F", {"path": "$.tags"}),
        ("metadata.json", '{"name": "UPPER"}', "not a task name", {"path": "$.name"}),
        ("metadata.json", '{"name": "../up"}', "not a task name", {"path": "$.name"}),
        ("metadata.json", '{"name": "' + "a" * 65 + '"}', "not a task name", {"path": "$.name"}),
        ("metadata.json", '{"name": 5}', "expected a string", {"path": "$.name"}),
        ("metadata.json", '{"uuid": "123"}', "not a UUID", {"path": "$.uuid"}),
        ("metadata.json", '{"version": 1.0}', "as a string", {"path": "$.version"}),
        ("metadata.json", '{"version": "01.0.0"}', "not a version", {"path": "$.version"}),
        ("metadata.json", '{"tags": "text"}', "list of strings", {"path": "$.tags"}),
        ("metadata.json", '{"tags": [""]}', "at most 32 tags", {"path": "$.tags"}),
        ("metadata.json", '{"timeout_seconds": true}', "number of seconds", {"path": "$.timeout_seconds"}),
        ("metadata.json", '{"timeout_seconds": 100000}', "at most 300", {"path": "$.timeout_seconds"}),
        ("metadata.json", '{"timeoutSeconds": 5}', 'did you mean "timeout_seconds"?', {"path": "$.timeoutSeconds"}),
        ("metadata.json", '{"tests": 5}', "list of test cases", {"path": "$.tests"}),
        ("metadata.json", '{"input_schema": {}}', "holds input_schema as well", {}),
        ("main.js", b"// \xe9\n", "not UTF-8", {"line": 1}),
        ("main.js", "", "empty", {"line": 1, "column": 1}),
        ("main.js", "const a = 1;\nconst b = ;", "Unexpected token ';'", {"line": 2, "column": 11}),
        ("input.schema.json", "5", "a schema is an object", {"path": "$"}),
        ("input.schema.json", '{"$ref": "https://example.org/x"}', "not inside this schema", {"path": "$.$ref"}),
        ("output.schema.json", '{"pattern": "("}', "not a regular expression", {"path": "$.pattern"}),
        ("tests/bad.json", "{", "not JSON", {"line": 1}),
        ("tests/bad.json", "5", "a test case is an object", {"path": "$"}),
        ("tests/bad.json", '{"expected_output": 1}', "has no input", {"path": "$.input"}),
        ("tests/bad.json", '{"input": 1, "match": "exakt"}', 'did you mean "exact"?', {"path": "$.match"}),
        ("tests/bad.json", '{"input": 1, "should_fail": "yes"}', "true or false", {"path": "$.should_fail"}),
        ("tests/bad.json", '{"input": 1, "expected_error": 5}', "expected {code?", {"path": "$.expected_error"}),
        ("tests/bad.json", '{"input": 1, "expected_output": 1, "should_fail": true}', "has no output", {"path": "$.expected_output"}),
        (
            "tests/bad.json",
            '{"input": 1, "match": "schema", "expected_output": {"type": "strin"}}',
            "is not a type",
            {"path": "$.expected_output.type"},
        ),
    ],
)
def test_a_problem_is_named_with_file_and_place(write: Write, file: str, content: str | bytes, message: str, place: dict[str, Any]) -> None:
    found = problems(write({file: content}))
    assert any(message in each["message"] for each in found), found
    [problem] = [each for each in found if message in each["message"]]
    assert {key: problem.get(key) for key in place} == place
    assert problem["file"] == ("input.schema.json" if "as well" in message else file)


@pytest.mark.parametrize(
    ("yaml", "message", "line"),
    [
        ("name: a\nname: b\n", "there twice", 2),
        ("a: &x [1]\nb: *x\n", "aliases", 2),
        ("name: !!python/object/apply:os.system [id]\n", "constructor", 1),
        ("1: a\n", "not a string", 1),
        ("name: [\n", "not YAML", 2),
        ("x: .nan\n", "JSON cannot say", None),
        ("\x00", "not YAML", None),
    ],
)
def test_yaml_is_read_as_strictly_as_json(write: Write, yaml: str, message: str, line: int | None) -> None:
    [problem] = problems(write({"metadata.json": None, "meta.yaml": yaml}))
    assert message in problem["message"]
    assert problem.get("line") == line


def test_missing_and_double_files_are_named(write: Write) -> None:
    assert [each["file"] for each in problems(write({"main.js": None, "metadata.json": None}, "missing"))] == ["metadata.json", "main.js"]
    doubled = problems(write({"task.js": "(i) => i", "meta.yml": "name: greet"}, "double"))
    assert [each["file"] for each in doubled] == ["meta.yml", "task.js"]


def test_what_is_no_task_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "main.js").write_text("(i) => i")
    assert "no such file" in problems(tmp_path / "none")[0]["message"]
    assert "neither a task folder nor a ZIP" in problems(tmp_path / "main.js")[0]["message"]


def test_files_over_their_limit_are_refused(write: Write) -> None:
    limits = Limits(source_bytes=2048)
    found = problems(
        write({"main.js": "//" + "x" * 3000, "input.schema.json": " " * 300_000, "tests/big.json": " " * (2 << 20)}), limits=limits
    )
    assert [(each["file"], each["message"]) for each in found] == [
        ("input.schema.json", "the file is larger than 256 KiB"),
        ("main.js", "the file is larger than 2 KiB"),
        ("tests/big.json", "the file is larger than 1 MiB"),
    ]


def test_too_many_tests_are_refused(write: Write) -> None:
    many: dict[str, str | bytes | None] = {f"tests/t{number:03}.json": '{"input": 1}' for number in range(250)}
    assert [each["message"] for each in problems(write(many))] == ["there are more than 200 test files"]


def test_a_link_that_leaves_the_task_is_refused(write: Write, tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text('{"type": "object"}')
    root = write({"input.schema.json": None, "tests/ada.json": None})
    (root / "input.schema.json").symlink_to(tmp_path / "secret.json")
    (root / "tests").symlink_to(tmp_path)
    assert [(each["file"], each["message"]) for each in problems(root)] == [
        ("input.schema.json", "this link leaves the task's folder"),
        ("tests", "this link leaves the task's folder"),
    ]


def test_a_link_inside_of_the_task_is_followed(write: Write) -> None:
    root = write({"main.js": None, "code.js": GOOD["main.js"]})
    (root / "main.js").symlink_to("code.js")
    assert load_task(root).source == GOOD["main.js"]


def test_a_link_to_itself_and_a_pipe_are_refused(write: Write) -> None:
    root = write({"main.js": None, "input.schema.json": None})
    (root / "main.js").symlink_to("main.js")
    os.mkfifo(root / "input.schema.json")
    found = {each["file"]: each["message"] for each in problems(root)}
    assert "cannot be read" in found["main.js"]
    assert found["input.schema.json"] == "this is not a regular file"


def test_loading_without_validation_leaves_code_and_schemas_for_later(write: Write) -> None:
    task = load_task(write({"main.js": "const x = ;", "input.schema.json": '{"type": "strin"}'}), validate=False)
    with pytest.raises(TaskSyntaxError):
        _ = task.code
    with pytest.raises(TaskInvalid):
        _ = task.input_validator


def test_the_digest_follows_code_and_schemas_only(write: Write) -> None:
    base = load_task(write()).digest
    assert load_task(write({"metadata.json": '{"name": "other", "version": "9.0.0"}'}, "a")).digest == base
    assert load_task(write({"main.js": GOOD["main.js"] + " "}, "b")).digest != base
    assert load_task(write({"output.schema.json": "{}"}, "c")).digest != base


def test_unsaved_code_becomes_a_task() -> None:
    task = make_unsaved("(input) => input", timeout_seconds=2)
    assert (task.name, task.version, task.timeout_seconds, task.code.form) == ("<javascript>", "0.0.0", 2, "expression")
    assert task.input_validator.violations({"anything": [1]}) == []
    assert make_unsaved("(input) => input").uuid == task.uuid != make_unsaved("(input) => 1").uuid
    with pytest.raises(TaskInvalid, match="larger"):
        make_unsaved("é" * 600, limits=Limits(source_bytes=1024))


def test_a_schema_that_is_only_true_or_false_is_accepted(write: Write) -> None:
    task = load_task(write({"input.schema.json": "true", "output.schema.json": "false"}))
    assert task.input_validator.violations(5) == []
    assert task.output_validator.violations(5)
