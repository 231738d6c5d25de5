"""The catalog and the store: authored tasks, what is remembered of sources, what may run, and databases that refuse."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest
from task_folders import QUICK, add_task, names, open_catalog, registry, until

from ratchet_mcp.app import Ratchet
from ratchet_mcp.errors import StoreFailed, TaskDisabled, TaskInvalid, TaskNotFound
from ratchet_mcp.execution.models import Origin, Status
from ratchet_mcp.registry.catalog import Catalog
from ratchet_mcp.registry.changes import Changes
from ratchet_mcp.registry.sync import Sync
from ratchet_mcp.settings import Settings, StoreSettings
from ratchet_mcp.store.records import AuthoredTask, CatalogRecord
from ratchet_mcp.store.store import Store
from ratchet_mcp.tasks.metadata import uuid_of_name


def authored(name: str, version: str = "1.0.0", code: str = "(input) => input", **files: str) -> AuthoredTask:
    now = datetime.now(UTC)
    content = {"metadata.json": json.dumps({"name": name, "version": version}), "main.js": code, **files}
    return AuthoredTask(name, version, str(uuid_of_name(name)), f"{code:0>64}"[:64], content, "local", now, now)


async def attached(store: Store, *sources: Path, **options: object) -> Catalog:
    catalog = await open_catalog(*sources, **options)
    await catalog.attach(store)
    return catalog


@asynccontextmanager
async def synced(catalog: Catalog, store: Store) -> AsyncIterator[None]:
    sync = Sync(catalog, store, catalog.settings.watch)
    async with anyio.create_task_group() as group:
        group.start_soon(sync.write)
        group.start_soon(sync.listen)
        yield
        group.cancel_scope.cancel()


async def records(store: Store) -> dict[str, CatalogRecord]:
    return {f"{each.source}:{each.name}@{each.version}": each for each in await store.registry.all()}


async def in_store(store: Store, *keys: str) -> dict[str, CatalogRecord]:
    """Wait until the store holds these versions, and no others that are not removed."""
    with anyio.fail_after(20):
        while True:
            found = await records(store)
            if {key for key, record in found.items() if record.removed_at is None} == set(keys):
                return found
            await anyio.sleep(0.02)


# ---------------------------------------------------------------- authored tasks
async def test_authored_tasks_are_served_after_a_reload_with_all_their_versions(store: Store) -> None:
    catalog = await attached(store)
    await store.authored.put(authored("greet"))
    await store.authored.put(authored("greet", "1.1.0", "() => 'new'"))
    assert await catalog.reload("database") == Changes(added=frozenset({"greet"}))
    assert catalog.versions("greet") == ["1.1.0", "1.0.0"]
    task = await catalog.resolve("greet@^1")
    assert (task.source, task.origin, task.location) == ("() => 'new'", "database", "database:greet@1.1.0")
    summary = catalog.summary("greet")
    assert (summary.source_kind, summary.remote) == ("database", False)


async def test_a_replaced_authored_task_is_read_again_and_a_removed_one_is_gone(store: Store) -> None:
    catalog = await attached(store)
    await store.authored.put(authored("greet", code="() => 1"))
    await catalog.reload("database")
    before = await store.authored.get("greet", "1.0.0")
    assert (await catalog.resolve("greet")).source == "() => 1"
    await store.authored.put(authored("greet", code="() => 2"))
    assert (await catalog.reload("database")).changed == {"greet"}
    assert (await catalog.resolve("greet")).source == "() => 2"
    after = await store.authored.get("greet", "1.0.0")
    assert before is not None
    assert after is not None
    assert (after.created_at, after.updated_at > before.updated_at) == (before.created_at, True)
    assert await store.authored.remove("greet") == ["1.0.0"]
    assert await store.authored.remove("greet") == []
    assert (await catalog.reload("database")).removed == {"greet"}
    with pytest.raises(TaskNotFound):
        await catalog.resolve("greet")


async def test_text_of_any_kind_comes_back_as_it_was(store: Store) -> None:
    files = {"tests/a.json": '{"input": "\\u0000 \\ud83d\\ude00", "expected_output": 1}', "input.schema.json": "{}"}
    task = authored("odd", code="() => '\u2028 ü \U0001f600 \\u0000'", **files)
    await store.authored.put(task)
    assert await store.authored.all() == [task]


async def test_a_broken_authored_task_is_one_problem(store: Store) -> None:
    catalog = await attached(store)
    await store.authored.put(authored("good"))
    await store.authored.put(authored("bad", **{"metadata.json": '{"version": 5}'}))
    await store.authored.put(authored("worse", code="const x = ;"))
    await catalog.reload("database")
    assert names(catalog) == ["good", "worse"]
    [problem] = catalog.problems
    assert (problem.source, problem.location) == ("database", "database:bad@1.0.0")
    with pytest.raises(TaskInvalid):
        await catalog.resolve("worse")


async def test_sources_of_the_settings_come_before_authored_tasks_and_those_before_bundled_ones(store: Store, tmp_path: Path) -> None:
    add_task(tmp_path / "mine", "greet", "() => 'folder'", name="greet", version="1.0.0")
    await store.authored.put(authored("greet", code="() => 'database'"))
    catalog = await attached(store, tmp_path / "mine", bundled=True)
    bundled = (await catalog.resolve("text-diff")).version
    await store.authored.put(authored("text-diff", bundled))
    await catalog.reload()
    assert [each.name for each in catalog.sources] == ["mine", "database", "bundled"]
    assert (await catalog.resolve("greet")).origin == "mine"
    assert (await catalog.resolve("text-diff")).origin == "database"
    assert {(each.source, each.warning) for each in catalog.problems} == {("database", True), ("bundled", True)}


async def test_another_server_sees_an_authored_task_within_two_seconds_and_what_may_run(tmp_path: Path) -> None:
    settings = StoreSettings(url=f"sqlite:///{tmp_path}/shared.db")
    async with Store.open(settings) as one, Store.open(settings) as other:
        catalog = await attached(other)
        told: list[Changes] = []
        catalog.subscribe(told.append)
        async with synced(catalog, other):
            await one.authored.put(authored("greet"))
            await until(lambda: names(catalog) == ["greet"])
            await one.registry.set_enabled("greet", False)
            await until(lambda: not catalog.summary("greet").enabled)
            await one.registry.set_enabled("greet", True)
            await until(lambda: catalog.summary("greet").enabled)
            await one.authored.remove("greet", "1.0.0")
            await until(lambda: names(catalog) == [])
    assert told[0] == Changes(added=frozenset({"greet"}))
    assert told[1] == told[2] == Changes(changed=frozenset({"greet"}))
    assert told[-1] == Changes(removed=frozenset({"greet"}))
    assert QUICK.database_seconds < registry().model_copy(update={"watch": type(QUICK)()}).watch.database_seconds <= 1


# ---------------------------------------------------------------- what is remembered
async def test_the_store_remembers_what_each_source_offers(store: Store, tmp_path: Path) -> None:
    add_task(tmp_path / "mine", "greet", name="greet", version="1.0.0")
    catalog = await attached(store, tmp_path / "mine")
    assert (catalog.summary("greet").in_sync, catalog.summary("greet").created_at) == (False, None)
    async with synced(catalog, store):
        first = (await in_store(store, "mine:greet@1.0.0"))["mine:greet@1.0.0"]
        await until(lambda: catalog.summary("greet").in_sync)
        assert (first.validated_at, first.digest) == (None, None)
        task = await catalog.resolve("greet")
        add_task(tmp_path / "mine", "other", name="other")
        await catalog.reload("mine")
        found = await in_store(store, "mine:greet@1.0.0", "mine:other@0.1.0")
        record = found["mine:greet@1.0.0"]
        assert (record.digest, record.created_at, record.updated_at) == (task.digest, first.created_at, first.updated_at)
        assert record.validated_at is not None
        summary = catalog.summary("greet")
        assert (summary.created_at, summary.validated_at, summary.in_sync) == (record.created_at, record.validated_at, True)


async def test_a_changed_task_gets_a_new_updated_at_and_a_removed_one_keeps_its_row(store: Store, tmp_path: Path) -> None:
    path = add_task(tmp_path / "mine", "greet", name="greet", version="1.0.0")
    catalog = await attached(store, tmp_path / "mine")
    async with synced(catalog, store):
        first = (await in_store(store, "mine:greet@1.0.0"))["mine:greet@1.0.0"]
        add_task(tmp_path / "mine", "greet", name="greet", version="1.0.0", description="new")
        await catalog.reload()
        with anyio.fail_after(20):
            while (second := (await records(store))["mine:greet@1.0.0"]) == first:
                await anyio.sleep(0.02)
        assert (second.created_at, second.updated_at > first.updated_at) == (first.created_at, True)
        path.rename(tmp_path / "away")
        await catalog.reload()
        gone = (await in_store(store))["mine:greet@1.0.0"]
        assert gone.removed_at is not None
        (tmp_path / "away").rename(path)
        await catalog.reload()
        back = (await in_store(store, "mine:greet@1.0.0"))["mine:greet@1.0.0"]
        assert (back.created_at, back.removed_at) == (first.created_at, None)


async def test_a_source_that_cannot_be_read_removes_nothing_from_the_view(store: Store, tmp_path: Path) -> None:
    add_task(tmp_path / "mine", "greet", name="greet")
    catalog = await attached(store, tmp_path / "mine")
    async with synced(catalog, store):
        await in_store(store, "mine:greet@0.1.0")
    (tmp_path / "mine").rename(tmp_path / "away")
    await catalog.reload()
    assert names(catalog) == []
    await Sync(catalog, store, QUICK).flush()
    assert (await records(store))["mine:greet@0.1.0"].removed_at is None


async def test_a_restart_writes_nothing_when_nothing_changed(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_task(tmp_path / "mine", "greet", name="greet")
    for expected in (1, 0):
        catalog = await attached(store, tmp_path / "mine")
        catalog.ledger.remember(await store.registry.all())
        due, entries = catalog.ledger.due(catalog.scans)
        assert (len(due), len(entries)) == (expected, 1)
        await store.registry.save(due)


async def test_content_that_changed_while_the_server_was_down_is_noted(store: Store, tmp_path: Path) -> None:
    add_task(tmp_path / "mine", "greet", "() => 1", name="greet", version="1.0.0")
    catalog = await attached(store, tmp_path / "mine")
    first = await catalog.resolve("greet")
    await Sync(catalog, store, QUICK).flush()
    add_task(tmp_path / "mine", "greet", "() => 2", name="greet", version="1.0.0")
    catalog = await attached(store, tmp_path / "mine")
    catalog.ledger.remember(await store.registry.all())
    assert (await catalog.resolve("greet")).source == "() => 2"
    [problem] = catalog.problems
    assert (problem.warning, problem.error.code, problem.error.details["known_digest"]) == (True, "content_changed", first.digest)


# ---------------------------------------------------------------- what may run
async def test_a_disabled_task_is_listed_and_shown_but_does_not_run(store: Store, tmp_path: Path) -> None:
    add_task(tmp_path / "mine", "greet", name="greet")
    catalog = await attached(store, tmp_path / "mine")
    await catalog.resolve("greet")
    await catalog.set_enabled("greet@0.1.0", False)
    for reference in ("greet", "greet@0.1.0", str(uuid_of_name("greet"))):
        with pytest.raises(TaskDisabled):
            await catalog.resolve(reference)
    assert [(each.name, each.enabled) for each in catalog.find().tasks] == [("greet", False)]
    assert (await catalog.resolve("greet", disabled=True)).name == "greet"
    with pytest.raises(TaskDisabled):
        await catalog.resolve("greet")
    again = await attached(store, tmp_path / "mine")
    with pytest.raises(TaskDisabled):
        await again.resolve("greet")
    await catalog.set_enabled("greet", True)
    assert (await catalog.resolve("greet")).name == "greet"
    with pytest.raises(TaskNotFound):
        await catalog.set_enabled("nothing", False)


# ---------------------------------------------------------------- databases that refuse
async def test_a_database_that_turned_read_only_stops_neither_listing_nor_loading(tmp_path: Path) -> None:
    add_task(tmp_path / "mine", "greet", name="greet")
    async with Store.open(StoreSettings(url=f"sqlite:///{tmp_path}/ratchet.db", busy_timeout_seconds=0.2)) as store:
        await store.authored.put(authored("made"))
        catalog = await attached(store, tmp_path / "mine")
        lock = sqlite3.connect(tmp_path / "ratchet.db", isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")  # nobody else can write
        async with synced(catalog, store):
            await until(lambda: catalog.problems)
            [problem] = catalog.problems
            assert (problem.warning, problem.source, problem.error.code) == (True, "database", "source_failed")
            assert (await catalog.resolve("greet")).name == "greet"
            assert (await catalog.resolve("made")).name == "made"
            with pytest.raises(StoreFailed):
                await catalog.set_enabled("greet", False)
            assert catalog.summary("greet").enabled
            lock.execute("ROLLBACK")
            lock.close()
            await until(lambda: not catalog.problems)
            await in_store(store, "mine:greet@0.1.0", "database:made@1.0.0")


async def test_a_database_whose_table_cannot_be_read_is_a_problem_of_that_source_alone(store: Store, tmp_path: Path) -> None:
    add_task(tmp_path / "mine", "greet", name="greet")
    with sqlite3.connect(tmp_path / "ratchet.db") as connection:
        connection.execute("DROP TABLE authored_tasks")
    connection.close()
    catalog = await attached(store, tmp_path / "mine")
    [problem] = catalog.problems
    assert (problem.source, problem.error.code) == ("database", "store_failed")
    assert (await catalog.resolve("greet")).name == "greet"


# ---------------------------------------------------------------- the whole server
async def test_a_server_watches_serves_and_remembers(tmp_path: Path) -> None:
    path = add_task(tmp_path / "mine", "greet", "() => 1", name="greet", version="1.0.0")
    settings = Settings(store=StoreSettings(url=f"sqlite:///{tmp_path}/ratchet.db"), registry=registry(tmp_path / "mine"))
    async with Ratchet.open(settings) as ratchet:
        first = await (await ratchet.execute("greet@^1", {}, origin=Origin.MCP)).wait(60)
        assert (first.status, first.output) == (Status.COMPLETED, 1)
        add_task(tmp_path / "mine", "greet", "() => 2", name="greet", version="1.1.0")
        await until(lambda: ratchet.catalog.versions("greet") == ["1.1.0"])
        second = await (await ratchet.execute("greet@^1", {}, origin=Origin.MCP)).wait(60)
        assert second.output == 2
        await in_store(ratchet.store, "mine:greet@1.1.0")
        for file in ("metadata.json", "main.js"):
            (path / file).unlink()
        await until(lambda: names(ratchet.catalog) == [])
        assert (await in_store(ratchet.store))["mine:greet@1.1.0"].removed_at is not None
        assert (await ratchet.executions.get(first.id)).output == 1
