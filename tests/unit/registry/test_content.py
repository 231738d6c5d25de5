"""What replaces known content and what does not: versions that change, pins, sources that fail, and who is told."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from remote_source import FakeRemote, digest
from task_folders import add_task, names, open_catalog, pack

from ratchet_mcp.errors import ContentChanged, SourceFailed, TaskInvalid
from ratchet_mcp.registry import catalog as catalogs
from ratchet_mcp.registry import walk
from ratchet_mcp.registry.catalog import Catalog
from ratchet_mcp.registry.changes import Changes
from ratchet_mcp.registry.source import Source
from ratchet_mcp.settings import Limits, RegistrySettings

OPENED: list[str] = []
RECORDING: list[bool] = []


@pytest.fixture
def open_remote(monkeypatch: pytest.MonkeyPatch):
    async def open_with(*sources: Source, **settings: Any) -> Catalog:
        monkeypatch.setattr(catalogs, "open_sources", lambda *_: (list(sources), []))
        catalog = Catalog(RegistrySettings(**settings), Limits())
        await catalog.start()
        return catalog

    return open_with


@pytest.mark.parametrize("used", [True, False])
@pytest.mark.parametrize("fixed", [True, False])
async def test_a_remote_source_cannot_replace_a_version_without_being_accepted(open_remote: Any, used: bool, fixed: bool) -> None:
    source = FakeRemote({"greet@1.0.0": "() => 1"}, fixed=fixed)
    catalog = await open_remote(source)
    if used:
        await catalog.resolve("greet")
    source.tasks = {"greet@1.0.0": "() => 'evil'", "more@1.0.0": "() => 2"}
    for _ in range(2):
        await catalog.reload("far", refresh=True)
        assert (await catalog.resolve("greet")).source == "() => 1"
        [problem] = catalog.problems
        assert isinstance(problem.error, ContentChanged)
        assert problem.error.details == {
            "task": "greet@1.0.0", "source": "far", "known_digest": digest("() => 1"), "new_digest": digest("() => 'evil'"),
        }  # fmt: skip
    assert names(catalog) == ["greet", "more"]
    changes = await catalog.reload("far", accept_changed=True)
    assert changes.changed == {"greet"}
    assert (await catalog.resolve("greet")).source == "() => 'evil'"
    assert [each for each in catalog.problems if not each.warning] == []


@pytest.mark.parametrize("used", [True, False])
@pytest.mark.parametrize("fixed", [True, False])
async def test_a_remote_source_without_digests_is_compared_by_what_it_holds(open_remote: Any, fixed: bool, used: bool) -> None:
    source = FakeRemote({"greet@1.0.0": "() => 1"}, digests=False, fixed=fixed)
    catalog = await open_remote(source)
    if used:
        await catalog.resolve("greet")
    source.tasks = {"greet@1.0.0": "() => 'evil'"}
    await catalog.reload()
    assert (await catalog.resolve("greet")).source == "() => 1"
    assert [each.error.code for each in catalog.problems] == ["content_changed"]
    await catalog.reload(accept_changed=True)
    assert (await catalog.resolve("greet")).source == "() => 'evil'"


async def test_a_new_version_from_a_remote_source_is_taken(open_remote: Any) -> None:
    source = FakeRemote({"greet@1.0.0": "() => 1"})
    catalog = await open_remote(source)
    source.tasks["greet@1.1.0"] = "() => 2"
    assert (await catalog.reload()).changed == {"greet"}
    assert (await catalog.resolve("greet")).source == "() => 2"
    assert catalog.problems == []


async def test_a_remote_source_that_cannot_be_reached_goes_on_with_what_is_here(open_remote: Any) -> None:
    source = FakeRemote({"greet@1.0.0": "() => 1"})
    catalog = await open_remote(source)
    assert source.refreshed == []
    source.failing = SourceFailed("The network is gone.")
    await catalog.reload(refresh=True)
    await catalog.reload()
    assert [each.error.message for each in catalog.problems] == ["The network is gone."]
    assert (await catalog.resolve("greet")).source == "() => 1"
    source.failing, source.broken = None, RuntimeError("a defect")
    await catalog.reload(refresh=True)
    assert [each.error.code for each in catalog.problems] == ["source_failed"]
    assert names(catalog) == ["greet"]
    source.broken = None
    await catalog.reload()
    assert catalog.problems == []


async def test_a_pinned_version_runs_with_its_digest_alone(tmp_path: Path) -> None:
    add_task(tmp_path, "a", "() => 1", name="greet", version="1.0.0")
    pins = {"greet@1.0.0": digest("() => 1")}
    catalog = await open_catalog(tmp_path, pins=pins)
    assert (await catalog.resolve("greet")).source == "() => 1"
    add_task(tmp_path, "a", "() => 'evil'", name="greet", version="1.0.0")
    await catalog.reload()
    assert (await catalog.resolve("greet")).source == "() => 1"
    assert [each.error.code for each in catalog.problems] == ["content_changed"]
    catalog = await open_catalog(tmp_path, pins=pins)
    for _ in range(2):
        with pytest.raises(ContentChanged, match="pinned"):
            await catalog.resolve("greet")
    add_task(tmp_path, "a", "() => 1", name="greet", version="1.0.0")
    await catalog.reload()
    assert (await catalog.resolve("greet")).source == "() => 1"


async def test_a_pin_holds_against_accept_changed_and_before_anything_is_loaded(open_remote: Any) -> None:
    source = FakeRemote({"greet@1.0.0": "() => 1"})
    catalog = await open_remote(source, pins={"greet@1.0.0": digest("() => 1")})
    source.tasks = {"greet@1.0.0": "() => 'evil'"}
    await catalog.reload(accept_changed=True)
    assert (await catalog.resolve("greet")).source == "() => 1"
    fresh = await open_remote(source, pins={"greet@1.0.0": digest("() => 1")})
    with pytest.raises(ContentChanged):
        await fresh.resolve("greet")
    assert [each.error.code for each in fresh.problems] == ["content_changed"]


async def test_one_source_is_reloaded_without_the_others(tmp_path: Path) -> None:
    add_task(tmp_path / "one", "a", name="a")
    add_task(tmp_path / "two", "b", name="b")
    catalog = await open_catalog(tmp_path / "one", tmp_path / "two")
    before = await catalog.resolve("b")
    add_task(tmp_path / "one", "c", name="c")
    add_task(tmp_path / "two", "d", name="d")
    assert await catalog.reload("one") == Changes(added=frozenset({"c"}))
    assert names(catalog) == ["a", "b", "c"]
    assert await catalog.resolve("b") is before
    with pytest.raises(SourceFailed, match="no source 'three'") as caught:
        await catalog.reload("three")
    assert "one, two" in (caught.value.hint or "")


async def test_a_reload_without_changes_keeps_loaded_tasks_and_tells_nobody(tmp_path: Path) -> None:
    add_task(tmp_path, "a", name="a")
    pack(tmp_path / "col.zip", {"b": {}, "c": {}})
    catalog = await open_catalog(tmp_path)
    told: list[Changes] = []
    catalog.subscribe(told.append)
    before = [await catalog.resolve(name) for name in "abc"]
    assert not await catalog.reload()
    assert told == []
    assert [await catalog.resolve(name) for name in "abc"] == before
    for task in before:
        assert await catalog.resolve(task.name) is task


async def test_a_listener_that_fails_or_leaves_does_not_keep_the_others_from_hearing(tmp_path: Path) -> None:
    add_task(tmp_path, "a", name="a")
    catalog = await open_catalog(tmp_path)
    heard: list[str] = []

    def fail(_: Changes) -> None:
        raise ValueError("no")

    catalog.subscribe(fail)
    leave = catalog.subscribe(lambda _: heard.append("left"))
    catalog.subscribe(lambda _: heard.append("stayed"))
    leave()
    leave()
    add_task(tmp_path, "b", name="b")
    await catalog.reload()
    assert heard == ["stayed"]


async def test_reloads_at_the_same_time_end_with_everything(tmp_path: Path) -> None:
    add_task(tmp_path / "one", "a", name="a")
    add_task(tmp_path / "two", "b", name="b")
    catalog = await open_catalog(tmp_path / "one", tmp_path / "two")
    async with anyio.create_task_group() as group:
        for number in range(10):
            add_task(tmp_path / "one", f"a{number}", name=f"a{number}")
            add_task(tmp_path / "two", f"b{number}", name=f"b{number}")
            group.start_soon(catalog.reload, "one")
            group.start_soon(catalog.reload, "two")
            group.start_soon(catalog.reload)
    assert len(names(catalog)) == 22


async def test_a_broken_place_of_a_task_nobody_loaded_is_not_listed(tmp_path: Path) -> None:
    add_task(tmp_path, "a", name="a")
    catalog = await open_catalog(tmp_path)
    (tmp_path / "a" / "metadata.json").write_text("{")
    assert await catalog.reload() == Changes(removed=frozenset({"a"}))
    with pytest.raises(TaskInvalid, match="not JSON"):
        await catalog.resolve("a")


def _record(event: str, arguments: tuple[Any, ...]) -> None:
    if RECORDING and event == "open" and isinstance(arguments[0], str):
        OPENED.append(arguments[0])


sys.addaudithook(_record)


async def test_the_first_listing_reads_nothing_but_metadata_and_a_rescan_not_even_that(tmp_path: Path) -> None:
    for number in range(50):
        path = add_task(tmp_path, f"task-{number}", "this is no code", name=f"task-{number}")
        (path / "input.schema.json").write_text('{"type": "nonsense"}')
        (path / "tests").mkdir()
        (path / "tests" / "one.json").write_text("{")
    OPENED.clear()
    RECORDING.append(True)
    try:
        catalog = await open_catalog(tmp_path)
        first = {Path(name).name for name in OPENED if name.startswith(str(tmp_path))}
        OPENED.clear()
        await catalog.reload()
        again = [name for name in OPENED if name.startswith(str(tmp_path))]
    finally:
        RECORDING.clear()
    assert len(names(catalog)) == 50
    assert (first, again) == ({"metadata.json"}, [])


@pytest.mark.parametrize("limit", ["MAX_TASKS", "MAX_FOLDERS"])
async def test_a_source_with_too_much_in_it_is_cut_off_with_one_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(walk, limit, 5)
    for number in range(10):
        add_task(tmp_path, f"task-{number}", name=f"task-{number}")
    pack(tmp_path / "z.zip", {f"zip-{number}": {} for number in range(10)})
    catalog = await open_catalog(tmp_path)
    assert 0 < len(names(catalog)) <= 5
    assert ["more than" in each.error.message for each in catalog.problems] == [True]


async def test_a_zip_with_too_many_tasks_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "MAX_TASKS", 5)
    catalog = await open_catalog(pack(tmp_path / "z.zip", {f"zip-{number}": {} for number in range(10)}))
    assert len(names(catalog)) == 5
    assert ["more than" in each.error.message for each in catalog.problems] == [True]
