"""Tasks whose files are in memory: the same task, and the same complaints, as from a folder."""

from __future__ import annotations

import json

import pytest

from ratchet_mcp.errors import TaskInvalid
from ratchet_mcp.settings import Limits
from ratchet_mcp.tasks.files import MAX_TESTS, TaskFiles
from ratchet_mcp.tasks.loading import load_files, load_metadata_of

GOOD = {
    "metadata.json": json.dumps({"name": "greet", "version": "1.2.0", "description": "Says hello."}),
    "main.js": "(input) => `Hi ${input.name}`",
    "input.schema.json": '{"type": "object"}',
    "output.schema.json": '{"type": "string"}',
    "tests/ada.json": '{"input": {"name": "Ada"}, "expected_output": "Hi Ada"}',
}


def files(**changes: str | None) -> TaskFiles:
    named = {name.replace("__", "/").replace("_json", ".json").replace("_js", ".js"): text for name, text in changes.items()}
    return TaskFiles("greet", {path: text.encode() for path, text in {**GOOD, **named}.items() if text is not None})


def test_files_in_memory_become_a_task() -> None:
    task = load_files(files(), origin="database", location="database:greet@1.2.0")
    assert (task.reference, task.origin, task.location) == ("greet@1.2.0", "database", "database:greet@1.2.0")
    assert [case.name for case in task.tests] == ["ada"]
    assert task.code.form == "expression"


def test_everything_wrong_is_told_at_once_with_the_place() -> None:
    wrong = files(main_js="function main( {", tests__ada_json="[", output_schema="x")
    wrong.contents["output.schema.json"] = b'{"type": "strin"}'
    with pytest.raises(TaskInvalid) as caught:
        load_files(wrong, origin="database", location="database:greet@1.2.0")
    assert {problem["file"] for problem in caught.value.details["problems"]} == {"main.js", "tests/ada.json", "output.schema.json"}
    assert caught.value.details["location"] == "database:greet@1.2.0"


def test_other_files_are_ignored() -> None:
    extra = files()
    extra.contents["README.md"] = b"\xff"
    extra.contents["../evil"] = b"\xff"
    assert load_files(extra, origin="x", location="y").name == "greet"


def test_files_in_memory_keep_the_limits_of_files_on_disk() -> None:
    large = files(main_js="(input) => 1 //" + "x" * 2000)
    for index in range(MAX_TESTS + 1):
        large.contents[f"tests/{index}.json"] = b'{"input": 1}'
    with pytest.raises(TaskInvalid) as caught:
        load_files(large, origin="x", location="y", limits=Limits(source_bytes=1024))
    assert [problem["file"] for problem in caught.value.details["problems"]] == ["main.js", "tests"]


def test_metadata_is_read_without_the_rest() -> None:
    metadata = load_metadata_of(files(main_js=None), "y", Limits())
    assert (metadata.name, metadata.version) == ("greet", "1.2.0")
    with pytest.raises(TaskInvalid):
        load_metadata_of(files(metadata_json="{}}"), "y", Limits())
