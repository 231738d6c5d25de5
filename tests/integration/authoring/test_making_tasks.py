"""Tasks are made, changed and removed in the database, and nothing is lost on the way."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import anyio
import pytest

from ratchet_mcp.authoring.drafts import Parts
from ratchet_mcp.authoring.service import Authoring
from ratchet_mcp.errors import (
    ConfirmationRequired,
    InvalidArgument,
    RatchetError,
    StoreFailed,
    TaskDisabled,
    TaskExists,
    TaskInvalid,
    TaskNotFound,
    TaskReadOnly,
)

from .conftest import GREET, Opening, greet


def write_task(folder: Path, name: str, **metadata: Any) -> Path:
    task = folder / name
    task.mkdir(parents=True)
    facts = {
        "uuid": "11111111-2222-4333-8444-555555555555",
        "name": name,
        "version": "1.0.0",
        "description": GREET["description"],
        **metadata,
    }
    (task / "metadata.json").write_text(json.dumps(facts))
    (task / "main.js").write_text(GREET["code"])
    (task / "input.schema.json").write_text(json.dumps(GREET["input_schema"]))
    (task / "output.schema.json").write_text(json.dumps(GREET["output_schema"]))
    return task


# ---------------------------------------------------------------- create
async def test_a_task_that_was_made_is_served_at_once_and_after_a_restart(opening: Opening) -> None:
    async with opening() as authoring:
        written = await authoring.create("greet", greet())
        assert (written.task.reference, written.findings) == ("greet@1.0.0", [each for each in written.findings if each.severity == "hint"])
        task = await authoring.catalog.resolve("greet")
        assert (task.source, task.origin, [case.name for case in task.tests]) == (GREET["code"], "database", ["Ada"])
    async with opening() as authoring:
        again = await authoring.catalog.resolve("greet@^1")
        assert (again.uuid, again.digest, again.tags) == (task.uuid, task.digest, ("text",))


async def test_a_task_says_which_hosts_and_secrets_it_uses(authoring: Authoring) -> None:
    made = await authoring.create("asks", greet(network={"allow": ["api.example.com"], "secrets": ["API_KEY"]}))
    assert made.task.metadata["network"] == {"allow": ["api.example.com"], "secrets": ["API_KEY"]}
    edited = await authoring.edit("asks", Parts(network={"allow": []}))
    assert edited.task.metadata["network"] == {"allow": []}
    with pytest.raises(TaskInvalid, match="network"):
        await authoring.edit("asks", Parts(network={"alow": []}))


async def test_everything_that_is_wrong_with_a_new_task_is_told_at_once(authoring: Authoring) -> None:
    wrong = Parts(
        code="function main( {",
        input_schema={"type": "strin"},
        output_schema='{"type": "object",}',
        tests=[{"inptu": 1}, 5],
        tags=["x" * 50],
        timeout_seconds=-1,
    )
    with pytest.raises(TaskInvalid) as caught:
        await authoring.create("Bad Name", wrong, version="one", template="csvv")
    found = {(each["file"], each.get("path")) for each in caught.value.details["problems"]}
    assert found >= {
        ("metadata.json", "$.name"),
        ("metadata.json", "$.version"),
        ("metadata.json", "$.tags"),
        ("metadata.json", "$.timeout_seconds"),
        ("metadata.json", "$.description"),
        ("main.js", None),
        ("input.schema.json", "$.type"),
        ("output.schema.json", None),
        ("tests/1-test.json", "$.input"),
        ("tests/2-test.json", "$"),
        ("template", "$.template"),
    }
    assert authoring.catalog.find(limit=10).total == 0


@pytest.mark.parametrize("name", ["", "a b", "../up", "a\u202eb", "a\0b", "É", "x" * 65, "-a", "a/b", "\ud800"])
async def test_a_name_that_is_no_name_is_refused_and_nothing_is_made(authoring: Authoring, name: str) -> None:
    with pytest.raises(TaskInvalid):
        await authoring.create(name, greet())
    assert await authoring.store.authored.all() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"input_schema": {"$ref": "https://example.com/schema.json"}},
        {"input_schema": {"$ref": "#"}},
        {"input_schema": {"properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"$ref": "#/$defs/a"}}}},
        {"input_schema": {"pattern": "("}},
        {"input_schema": 5},
        {"input_schema": "{"},
        {"output_schema": {"type": "object", "properties": {"a": []}}},
        {"code": "x" * 3_000_000},
        {"code": "(i) => '\ud800'"},
        {"code": "(i) => '\0'"},
        {"code": ""},
        {"tests": "["},
        {"tests": 5},
        {"tests": [{"input": 1}] * 201},
        {"description": "a\u202eb"},
        {"description": "half a pair: \ud800"},
        {"annotations": {"readonly": True}},
        {"expose": "everywhere"},
    ],
)
async def test_a_part_that_is_wrong_is_one_clear_error(authoring: Authoring, changes: dict[str, Any]) -> None:
    with pytest.raises(TaskInvalid) as caught:
        await authoring.create("greet", greet(**changes))
    assert caught.value.details["problems"] and caught.value.hint
    assert await authoring.store.authored.all() == []


async def test_schemas_and_tests_may_be_given_as_json_text(authoring: Authoring) -> None:
    texts = {key: json.dumps(GREET[key]) for key in ("input_schema", "output_schema", "tests")}
    task = (await authoring.create("greet", greet(**texts))).task
    assert (task.input_schema, len(task.tests)) == (GREET["input_schema"], 1)


async def test_a_name_that_is_taken_is_not_made_again(authoring: Authoring) -> None:
    await authoring.create("greet", greet())
    with pytest.raises(TaskExists) as exists:
        await authoring.create("greet", greet(), version="2.0.0")
    assert "edit_task" in (exists.value.hint or "")
    with pytest.raises(TaskInvalid) as caught:
        await authoring.create("greet", greet(code="("))
    assert "already" in caught.value.details["problems"][-1]["message"]


async def test_of_two_who_make_the_same_task_one_learns_that_it_is_there(opening: Opening) -> None:
    results: list[str] = []

    async def make(authoring: Authoring, text: str) -> None:
        try:
            await authoring.create("greet", greet(description=text))
            results.append("made")
        except TaskExists:
            results.append("exists")

    async with opening() as one, opening() as other, anyio.create_task_group() as group:
        group.start_soon(make, one, "The first of two descriptions.")
        group.start_soon(make, one, "The second of two descriptions.")
        group.start_soon(make, other, "A description from another server.")
    assert sorted(results) == ["exists", "exists", "made"]


async def test_what_is_given_wins_over_the_template(authoring: Authoring) -> None:
    task = (await authoring.create("mine", Parts(description="My own words for what it does."), template="text")).task
    assert (task.title, task.description, len(task.tests)) == ("Mine", "My own words for what it does.", 3)


async def test_tests_with_the_same_name_are_all_kept(authoring: Authoring) -> None:
    cases = [{"name": "Ünï!", "input": {"name": str(number)}} for number in range(3)]
    task = (await authoring.create("greet", greet(tests=cases))).task
    assert [case.input["name"] for case in task.tests] == ["0", "1", "2"]


# ---------------------------------------------------------------- edit
async def test_an_edit_makes_a_new_version_and_keeps_the_old_one(authoring: Authoring) -> None:
    first = (await authoring.create("greet", greet())).task
    code = GREET["code"].replace("Hello", "Hi")
    written = await authoring.edit("greet", Parts(code=code, tests=[{"input": {"name": "Ada"}, "expected_output": {"text": "Hi, Ada!"}}]))
    assert (written.task.reference, written.replaces) == ("greet@1.0.1", "1.0.0")
    assert (written.task.uuid, written.task.description, written.task.tags) == (first.uuid, first.description, first.tags)
    old = await authoring.catalog.resolve("greet@1.0.0")
    assert (old.source, (await authoring.catalog.resolve("greet")).source) == (GREET["code"], code)
    assert authoring.catalog.versions("greet") == ["1.0.1", "1.0.0"]


async def test_versions_are_counted_on_or_named(authoring: Authoring) -> None:
    await authoring.create("greet", greet())

    async def edited(reference: str, **options: Any) -> str:
        return (await authoring.edit(reference, Parts(title="T"), **options)).task.version

    assert await edited("greet", bump="minor") == "1.1.0"
    assert await edited("greet", bump="major") == "2.0.0"
    assert await edited("greet@1.0.0") == "1.0.1"
    assert await edited("greet@1.0.0") == "1.0.2"
    assert await edited("greet", version="3.0.0-rc.1") == "3.0.0-rc.1"
    with pytest.raises(TaskExists):
        await edited("greet", version="2.0.0")
    with pytest.raises(InvalidArgument):
        await edited("greet", version="9.0.0", bump="major")
    with pytest.raises(TaskInvalid):
        await edited("greet", version="newest")


async def test_only_the_given_parts_change_to_the_letter(authoring: Authoring) -> None:
    await authoring.create("greet", greet(input_schema=json.dumps(GREET["input_schema"], indent=7)))
    await authoring.edit("greet", Parts(description="Another description of it."))
    [old, new] = await authoring.store.authored.all()
    assert {path for path in old.files if old.files[path] != new.files[path]} == {"metadata.json"}
    assert old.files.keys() == new.files.keys()


async def test_an_edit_that_is_wrong_changes_nothing(authoring: Authoring) -> None:
    await authoring.create("greet", greet())
    before = await authoring.store.authored.all()
    with pytest.raises(TaskInvalid):
        await authoring.edit("greet", Parts(code="("), enabled=False)
    with pytest.raises(InvalidArgument):
        await authoring.edit("greet", Parts())
    with pytest.raises(TaskNotFound):
        await authoring.edit("great", Parts(code="() => 1"))
    assert await authoring.store.authored.all() == before
    assert authoring.catalog.summary("greet").enabled


async def test_a_task_of_a_folder_gets_its_new_version_in_the_database(opening: Opening, tmp_path: Path) -> None:
    folder = write_task(tmp_path / "mine", "greet", author="Ada", since=2024)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    async with opening(sources=[{"name": "mine", "uri": str(tmp_path / "mine")}]) as authoring:
        written = await authoring.edit("greet", Parts(tags=["new"]), bump="minor")
        assert (written.task.reference, written.task.origin) == ("greet@1.1.0", "database")
        assert written.task.uuid == UUID("11111111-2222-4333-8444-555555555555")
        assert (written.task.metadata["author"], written.task.metadata["since"]) == ("Ada", 2024)
        assert "mine" in written.notes[0]
        assert (await authoring.catalog.resolve("greet@1.0.0")).origin == "mine"
        assert authoring.catalog.problems == []
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


async def test_a_task_is_disabled_and_enabled_without_a_new_version(authoring: Authoring) -> None:
    await authoring.create("greet", greet())
    await authoring.edit("greet", Parts(), enabled=False)
    with pytest.raises(TaskDisabled):
        await authoring.catalog.resolve("greet")
    assert (await authoring.edit("greet", Parts(title="New"), enabled=True)).task.version == "1.0.1"
    assert (await authoring.catalog.resolve("greet")).title == "New"


async def test_a_task_is_exposed_as_a_tool_and_taken_back(authoring: Authoring) -> None:
    await authoring.create("greet", greet(expose="tool", annotations={"read_only": True}))
    assert authoring.catalog.summary("greet").expose == "tool"
    await authoring.edit("greet", Parts(expose="none"))
    assert (authoring.catalog.summary("greet").expose, authoring.catalog.summary("greet").annotations.read_only) == (None, True)


# ---------------------------------------------------------------- delete
async def test_removing_needs_to_be_confirmed_and_says_what_it_means(authoring: Authoring) -> None:
    await authoring.create("greet", greet())
    await authoring.edit("greet", Parts(title="New"))
    plan = await authoring.plan_deletion("greet")
    with pytest.raises(ConfirmationRequired) as caught:
        await authoring.delete(plan, confirmed=False)
    assert caught.value.details["would_remove"] == {"task": "greet", "versions": ["1.0.1", "1.0.0"], "stays": []}
    assert authoring.catalog.versions("greet") == ["1.0.1", "1.0.0"]
    assert await authoring.delete(plan, confirmed=True) == ["1.0.1", "1.0.0"]
    with pytest.raises(TaskNotFound):
        await authoring.catalog.resolve("greet")
    with pytest.raises(TaskNotFound):
        await authoring.plan_deletion("greet")


@pytest.mark.parametrize("how", ["version", "reference", "uuid"])
async def test_one_version_is_removed_and_the_others_stay(authoring: Authoring, how: str) -> None:
    uuid = (await authoring.create("greet", greet())).task.uuid
    await authoring.edit("greet", Parts(title="New"))
    named = {"version": ("greet", "1.0.0"), "reference": ("greet@1.0.0", None), "uuid": (str(uuid), "1.0.0")}[how]
    assert await authoring.delete(await authoring.plan_deletion(*named), confirmed=True) == ["1.0.0"]
    assert authoring.catalog.versions("greet") == ["1.0.1"]


async def test_a_task_of_another_source_is_not_removed(opening: Opening, tmp_path: Path) -> None:
    write_task(tmp_path / "mine", "greet")
    async with opening(sources=[{"name": "mine", "uri": str(tmp_path / "mine")}]) as authoring:
        with pytest.raises(TaskReadOnly) as caught:
            await authoring.plan_deletion("greet")
        assert caught.value.details["source"] == "mine"
        await authoring.edit("greet", Parts(title="New"))
        plan = await authoring.plan_deletion("greet")
        assert (plan.versions, plan.stays) == (["1.0.1"], ["1.0.0"])
        await authoring.delete(plan, confirmed=True)
        assert (await authoring.catalog.resolve("greet")).version == "1.0.0"
        with pytest.raises(TaskReadOnly):
            await authoring.plan_deletion("greet", "1.0.0")


@pytest.mark.parametrize(("task", "version"), [("greet", "^1"), ("greet@1.x", None), ("greet@1.0.0", "1.0.1"), ("greet@latest", None)])
async def test_only_exact_versions_are_removed(authoring: Authoring, task: str, version: str | None) -> None:
    await authoring.create("greet", greet())
    with pytest.raises(InvalidArgument):
        await authoring.plan_deletion(task, version)


async def test_a_task_that_can_no_longer_be_loaded_can_be_removed(authoring: Authoring, tmp_path: Path) -> None:
    await authoring.create("greet", greet())
    with closing(sqlite3.connect(tmp_path / "tasks.db")) as connection, connection:
        connection.execute("update authored_tasks set files = ?, head = ?", ('{"metadata.json": "{"}', '{"metadata.json": "{"}'))
    await authoring.catalog.reload("database")
    assert authoring.catalog.versions("greet") == []
    assert await authoring.delete(await authoring.plan_deletion("greet"), confirmed=True) == ["1.0.0"]


# ---------------------------------------------------------------- a store that refuses
async def test_a_database_that_cannot_be_written_is_one_error_and_reading_goes_on(authoring: Authoring, tmp_path: Path) -> None:
    await authoring.create("greet", greet())
    with closing(sqlite3.connect(tmp_path / "tasks.db")) as connection, connection:
        connection.execute("create trigger full before insert on authored_tasks begin select raise(abort, 'disk is full'); end")
    for attempt in (authoring.create("other", greet()), authoring.edit("greet", Parts(title="New"))):
        with pytest.raises(RatchetError) as caught:
            await attempt
        assert isinstance(caught.value, StoreFailed)
    assert authoring.catalog.versions("greet") == ["1.0.0"]
    assert (await authoring.catalog.resolve("greet")).name == "greet"
