"""Tools made of tasks, from a real catalog over real folders."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from ratchet_mcp.mcp.task_tools import TaskTools
from ratchet_mcp.mcp.tools import ALL
from ratchet_mcp.registry.catalog import Catalog, TaskPage
from ratchet_mcp.settings import Limits, McpSettings, RegistrySettings, SourceSettings

OURS = [tool.name for tool in ALL]
Write = Callable[..., None]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, *, folder: str | None = None, schema: Any = None, output: Any = None, **metadata: Any) -> None:
        task = tmp_path / (folder or name)
        task.mkdir()
        metadata = {"name": name, "version": "1.0.0", "expose": "tool", **metadata}
        (task / "metadata.json").write_text(json.dumps({key: value for key, value in metadata.items() if value is not None}))
        (task / "main.js").write_text("(input) => input")
        for kind, content in (("input", schema), ("output", output)):
            if content is not None:
                (task / f"{kind}.schema.json").write_text(content if isinstance(content, str) else json.dumps(content))

    return write


async def open_catalog(folder: Path) -> Catalog:
    catalog = Catalog(RegistrySettings(bundled=False, sources=[SourceSettings(name="mine", uri=str(folder))]), Limits())
    await catalog.start()
    return catalog


async def tools_of(folder: Path, **settings: Any) -> TaskTools:
    tools = TaskTools(McpSettings(**settings), OURS)
    await tools.current(await open_catalog(folder))
    return tools


async def test_a_task_that_asks_for_it_is_a_tool_with_its_texts_schemas_and_hints(tmp_path: Path, write: Write):
    schema = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
    hints = {"read_only": True, "open_world": False, "title": "Count the words"}
    write("word-count", schema=schema, output={"type": "integer"}, description="Counts\u2028 words.", title="Words", annotations=hints)
    write("hidden", expose=None)
    made = await tools_of(tmp_path)
    assert list(made.tools) == ["word-count"]
    wire = made.tools["word-count"].wire
    assert (wire.title, wire.description, wire.input_schema) == ("Count the words", "Counts words.", schema)
    assert wire.output_schema == {"type": "object", "properties": {"result": {"type": "integer"}}, "required": ["result"]}
    hint = wire.annotations
    assert hint is not None
    assert (hint.read_only_hint, hint.open_world_hint, hint.destructive_hint, hint.idempotent_hint) == (True, False, None, None)


async def test_settings_say_which_tasks_are_tools(tmp_path: Path, write: Write):
    write("one")
    write("two", expose=None)
    assert list((await tools_of(tmp_path, task_tools="off")).tools) == []
    assert list((await tools_of(tmp_path)).tools) == ["one"]
    assert list((await tools_of(tmp_path, task_tools="all")).tools) == ["one", "two"]
    assert list((await tools_of(tmp_path, task_tools="all", read_only=True)).tools) == []


async def test_names_collide_neither_with_ours_nor_with_each_other(tmp_path: Path, write: Write):
    ours = "list_tasks"
    write(ours)
    for number in range(2):
        write("same", folder=f"same-{number}", version=f"{number}.0.0", uuid=f"0000000{number}-0000-4000-8000-000000000000")
        write("x" * 64, folder=f"long-{number}", version=f"{number}.0.0", uuid=f"1000000{number}-0000-4000-8000-000000000000")
    made = await tools_of(tmp_path)
    assert made.problems == {}
    assert len(made.tools) == 5 and not set(made.tools) & set(OURS)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in made.tools)
    assert {"task_list_tasks", "same", "task_same"} <= set(made.tools)
    assert {tool.task.uuid.hex[:8] for name, tool in made.tools.items() if "same" in name} == {"00000000", "00000001"}


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ("{ broken", "input.schema.json"),
        (False, "accepts nothing"),
        ({"$ref": "https://example.com/schema.json"}, "not inside this schema"),
        ({"type": "object", "properties": {"a": {"enum": ["\u202e"]}}}, "cannot be seen"),
        ({"type": "object", "properties": {f"{n:03}{'x' * 50}": {"type": "string"} for n in range(200)}}, "characters"),
    ],
)
async def test_one_bad_task_keeps_none_of_the_others_away(tmp_path: Path, write: Write, schema: Any, words: str):
    write("bad", schema=schema)
    write("good")
    made = await tools_of(tmp_path)
    assert list(made.tools) == ["good"]
    told = made.problems["bad"]
    assert told.startswith("bad@1.0.0 is not offered as a tool") and words in told + json.dumps(made.status())


async def test_too_many_tools_are_none_and_it_is_said(tmp_path: Path, write: Write):
    for number in range(4):
        write(f"task-{number}")
    full, over = await tools_of(tmp_path, task_tools_cap=4), await tools_of(tmp_path, task_tools_cap=3)
    assert len(full.tools) == 4 and not full.catalogue
    assert len(over.tools) == 0 and over.catalogue
    assert "4 tasks want to be tools" in over.status()["hint"]


class Dressed:
    """A catalog whose tasks came over a network, or may not run."""

    def __init__(self, catalog: Catalog, **facts: Any) -> None:
        self._catalog, self._facts = catalog, facts
        self.resolve = catalog.resolve

    def find(self, **query: Any) -> TaskPage:
        page = self._catalog.find(**query)
        return replace(page, tasks=[replace(task, **self._facts) for task in page.tasks])


async def test_remote_tasks_are_tools_only_when_the_settings_name_them(tmp_path: Path, write: Write):
    write("known")
    write("stranger")
    remote: Any = Dressed(await open_catalog(tmp_path), remote=True)
    for settings in (McpSettings(), McpSettings(task_tools="all"), McpSettings(expose_remote=["k", "known-too"])):
        assert await TaskTools(settings, OURS).current(remote) == {}
    assert list(await TaskTools(McpSettings(expose_remote=["known"]), OURS).current(remote)) == ["known"]


async def test_disabled_tasks_are_no_tools(tmp_path: Path, write: Write):
    write("one")
    disabled: Any = Dressed(await open_catalog(tmp_path), enabled=False)
    assert await TaskTools(McpSettings(), OURS).current(disabled) == {}


async def test_the_newest_version_is_the_tool_and_unchanged_tools_stay(tmp_path: Path, write: Write):
    write("one", folder="one-1", description="First.")
    write("two")
    catalog = await open_catalog(tmp_path)
    made = TaskTools(McpSettings(), OURS)
    before = dict(await made.current(catalog))
    write("one", folder="one-2", version="1.1.0", description="Second.")
    await catalog.reload()
    assert await made.current(catalog) == before  # nobody has said that anything changed
    made.invalidate()
    after = await made.current(catalog)
    assert after["one"].wire.description == "Second."
    assert after["two"].wire == before["two"].wire


async def test_every_bundled_task_can_be_a_tool():
    catalog = Catalog(RegistrySettings(), Limits())
    await catalog.start()
    made = TaskTools(McpSettings(task_tools="all"), OURS)
    await made.current(catalog)
    assert made.problems == {}
    assert len(made.tools) == catalog.find(limit=1).total
    for tool in made.tools.values():
        assert tool.wire.output_schema is not None
        for schema in (tool.wire.input_schema, tool.wire.output_schema):
            Draft202012Validator.check_schema(schema)
            assert schema["type"] == "object"
            assert not set(schema) & {"oneOf", "anyOf", "allOf", "$ref"}
        for case in tool.task.tests:
            if not case.should_fail and case.expected_error is None and isinstance(case.input, dict):
                Draft202012Validator(tool.wire.input_schema).validate(case.input)
