"""Changes of folders and ZIPs, taken up while the catalog is in use."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from task_folders import QUICK, add_task, names, open_catalog, pack, until

from ratchet_mcp.errors import TaskInvalid, TaskNotFound
from ratchet_mcp.registry import watcher as watching
from ratchet_mcp.registry.catalog import Catalog
from ratchet_mcp.registry.changes import Changes
from ratchet_mcp.registry.folders import FolderSource
from ratchet_mcp.registry.watcher import Watcher


@asynccontextmanager
async def watched(*sources: Path, **options: object) -> AsyncIterator[tuple[Catalog, list[Changes]]]:
    """Watch sources, and collect what subscribers are told from then on."""
    catalog = await open_catalog(*sources, **options)
    told: list[Changes] = []
    watcher = Watcher(catalog, catalog.settings.watch)
    async with anyio.create_task_group() as group:
        group.start_soon(watcher.run)
        with anyio.fail_after(20):
            await watcher.ready.wait()
        catalog.subscribe(told.append)
        yield catalog, told
        group.cancel_scope.cancel()


async def source_of(catalog: Catalog, name: str) -> str:
    return (await catalog.resolve(name)).source


async def test_an_edit_a_new_task_and_a_removed_one_are_taken_up(tmp_path: Path) -> None:
    path = add_task(tmp_path, "a", "() => 1", name="a")
    async with watched(tmp_path) as (catalog, told):
        assert await source_of(catalog, "a") == "() => 1"
        (path / "main.js").write_text("() => 2")
        await until(lambda: told)
        assert await source_of(catalog, "a") == "() => 2"
        add_task(tmp_path, "group/b", name="b")
        await until(lambda: names(catalog) == ["a", "b"])
        add_task(tmp_path, "group/b", name="b", version="2.0.0")
        await until(lambda: catalog.versions("b") == ["2.0.0"])
        shutil.rmtree(path)
        await until(lambda: names(catalog) == ["b"])
        with pytest.raises(TaskNotFound):
            await catalog.resolve("a")
    assert told[0] == Changes(changed=frozenset({"a"}))
    assert {name for each in told for name in each.added} == {"b"}
    assert told[-1] == Changes(removed=frozenset({"a"}))


async def test_a_change_of_a_test_case_or_a_schema_is_a_change_of_the_task(tmp_path: Path) -> None:
    path = add_task(tmp_path, "a", name="a")
    async with watched(tmp_path) as (catalog, told):
        (path / "tests").mkdir()
        (path / "tests" / "one.json").write_text('{"input": 1, "expected_output": 1}')
        await until(lambda: told)
        assert [each.name for each in (await catalog.resolve("a")).tests] == ["one"]
        (path / "tests" / "one.json").write_text('{"name": "uno", "input": 1, "expected_output": 1}')
        await until(lambda: len(told) == 2)
        assert [each.name for each in (await catalog.resolve("a")).tests] == ["uno"]
        (path / "input.schema.json").write_text('{"type": "integer"}')
        await until(lambda: len(told) == 3)
        assert (await catalog.resolve("a")).input_schema == {"type": "integer"}


async def test_a_burst_is_one_reload_of_that_task_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = add_task(tmp_path, "a", name="a")
    add_task(tmp_path, "b", name="b")
    looked: list[list[str]] = []
    look = FolderSource.look
    monkeypatch.setattr(FolderSource, "look", lambda self, units, limits: looked.append(sorted(units)) or look(self, units, limits))
    options = {"watch": QUICK.model_copy(update={"debounce_ms": 400})}
    async with watched(tmp_path, **options) as (catalog, told):
        before = await catalog.resolve("b")
        for number in range(50):
            (path / "main.js").write_text(f"() => {number}")
            await anyio.lowlevel.checkpoint()
        await until(lambda: told)
        assert await source_of(catalog, "a") == "() => 49"
        assert await catalog.resolve("b") is before
    assert looked == [[str(path)]]
    assert len(told) == 1


async def test_a_broken_edit_keeps_the_last_good_version_and_shows_the_error(tmp_path: Path) -> None:
    path = add_task(tmp_path, "a", "() => 1", name="a")
    async with watched(tmp_path) as (catalog, _):
        for file, content in (("main.js", "const x = ;"), ("metadata.json", "{"), ("metadata.json", '{"version": "x"}')):
            good = await catalog.resolve("a")
            (path / file).write_text(content)
            await until(lambda: catalog.problems)
            assert await catalog.resolve("a") is good
            [problem] = catalog.problems
            assert (problem.source, problem.location, problem.error.code) == (tmp_path.name, str(path), "task_invalid")
            assert catalog.problems_of("a") == [problem]
            (path / "metadata.json").write_text('{"name": "a"}')
            (path / "main.js").write_text("() => 1")
            await until(lambda: not catalog.problems)
        good = await catalog.resolve("a")
        (path / "main.js").unlink()
        await until(lambda: catalog.problems)
        assert await catalog.resolve("a") is good
        (path / "main.js").write_text("() => 2")
        await until(lambda: catalog.problems == [] or all(each.warning for each in catalog.problems))
        assert await source_of(catalog, "a") == "() => 2"


async def test_an_edit_that_breaks_a_task_nobody_used_yet_is_told_when_it_is_used(tmp_path: Path) -> None:
    path = add_task(tmp_path, "a", "() => 1", name="a")
    async with watched(tmp_path) as (catalog, told):
        (path / "main.js").write_text("const x = ;")
        await until(lambda: told)
        with pytest.raises(TaskInvalid, match="Unexpected token"):
            await catalog.resolve("a")


async def test_other_content_under_the_same_version_is_noted(tmp_path: Path) -> None:
    path = add_task(tmp_path, "a", "() => 1", name="a", version="1.0.0")
    async with watched(tmp_path) as (catalog, told):
        first = await catalog.resolve("a")
        (path / "main.js").write_text("() => 2")
        await until(lambda: told)
        [problem] = catalog.problems
        assert (problem.warning, problem.error.code) == (True, "content_changed")
        assert problem.error.details["known_digest"] == first.digest
        add_task(tmp_path, "a", "() => 3", name="a", version="1.0.1")
        await until(lambda: catalog.versions("a") == ["1.0.1"])
        assert catalog.problems == []


async def test_a_zip_that_is_replaced_is_read_again_and_only_changed_tasks_change(tmp_path: Path) -> None:
    file = pack(tmp_path / "col.zip", {"a": {}, "b": {}}, "() => 1")
    for source in (file, tmp_path):
        async with watched(source) as (catalog, told):
            kept = await catalog.resolve("a")
            fresh = pack(tmp_path / "col.tmp", {"a": {}, "b": {"version": "2.0.0"}}, "() => 1")
            os.replace(fresh, file)
            await until(lambda: catalog.versions("b") == ["2.0.0"])
            assert await catalog.resolve("a") is kept
            assert told == [Changes(changed=frozenset({"b"}))]
            os.replace(pack(tmp_path / "col.tmp", {"a": {}, "b": {}}, "() => 1"), file)
            await until(lambda: catalog.versions("b") == ["0.1.0"])


async def test_a_removed_source_is_one_problem_and_comes_back(tmp_path: Path) -> None:
    root, other = tmp_path / "tasks", tmp_path / "other"
    add_task(root, "a", name="a")
    add_task(other, "b", name="b")
    async with watched(root, other) as (catalog, _):
        shutil.rmtree(root)
        await until(lambda: names(catalog) == ["b"])
        [problem] = catalog.problems
        assert (problem.source, problem.error.code) == ("tasks", "source_failed")
        add_task(root, "c", name="c")
        await until(lambda: names(catalog) == ["b", "c"])
        await until(lambda: catalog.problems == [])
        add_task(root, "c", name="c", version="3.0.0")
        await until(lambda: catalog.versions("c") == ["3.0.0"])


async def test_a_source_that_is_missing_at_the_start_is_waited_for(tmp_path: Path) -> None:
    async with watched(tmp_path / "later") as (catalog, _):
        assert [each.error.code for each in catalog.problems] == ["source_failed"]
        add_task(tmp_path / "later", "a", name="a")
        await until(lambda: names(catalog) == ["a"])


async def test_a_source_behind_a_link_that_is_switched_is_read_again(tmp_path: Path) -> None:
    for number in (1, 2):
        add_task(tmp_path / str(number), "a", name="a", version=f"{number}.0.0")
    (tmp_path / "current").symlink_to(tmp_path / "1")
    async with watched(tmp_path / "current") as (catalog, _):
        assert catalog.versions("a") == ["1.0.0"]
        (tmp_path / "next").symlink_to(tmp_path / "2")
        os.replace(tmp_path / "next", tmp_path / "current")
        await until(lambda: catalog.versions("a") == ["2.0.0"])
        add_task(tmp_path / "2", "a", name="a", version="2.1.0")
        await until(lambda: catalog.versions("a") == ["2.1.0"])


async def test_a_folder_that_is_removed_and_made_again_is_still_watched(tmp_path: Path) -> None:
    path = add_task(tmp_path, "a", name="a", version="1.0.0")
    async with watched(tmp_path) as (catalog, _):
        for number in range(2, 5):
            shutil.rmtree(path)
            add_task(tmp_path, "a", name="a", version=f"{number}.0.0")
            await until(lambda number=number: catalog.versions("a") == [f"{number}.0.0"])
            (path / "metadata.json").write_text(json.dumps({"name": "a", "version": f"{number}.1.0"}))
            await until(lambda number=number: catalog.versions("a") == [f"{number}.1.0"])


async def test_a_task_that_is_renamed_moves(tmp_path: Path) -> None:
    path = add_task(tmp_path, "a")
    async with watched(tmp_path) as (catalog, _):
        path.rename(tmp_path / "b")
        await until(lambda: names(catalog) == ["b"])


async def test_files_of_editors_and_hidden_folders_mean_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = add_task(tmp_path, "a", name="a")
    add_task(tmp_path, ".git/x", name="x")
    add_task(tmp_path, "node_modules/y", name="y")
    looked: list[str] = []
    look = FolderSource.look
    monkeypatch.setattr(FolderSource, "look", lambda self, units, limits: looked.extend(units) or look(self, units, limits))
    async with watched(tmp_path) as (catalog, told):
        for name in ("main.js~", ".main.js.swp", "x.tmp", "4913", "#main.js#"):
            (path / name).write_text("")
        add_task(tmp_path, ".git/x", name="x", version="2.0.0")
        add_task(tmp_path, "node_modules/y", name="y", version="2.0.0")
        (path / "main.js").write_text("() => 9")
        await until(lambda: told)
        assert names(catalog) == ["a"]
    assert set(looked) == {str(path)}


async def test_a_link_out_of_the_source_is_not_followed_and_what_it_leads_to_is_not_watched(tmp_path: Path) -> None:
    outside = add_task(tmp_path / "outside", "secret", name="secret")
    source = tmp_path / "source"
    path = add_task(source, "a", "() => 1", name="a")
    async with watched(source) as (catalog, told):
        (source / "link").symlink_to(tmp_path / "outside")
        await until(lambda: catalog.problems)
        assert "leaves the source" in catalog.problems[0].error.message
        (outside / "main.js").write_text("() => 2")
        (path / "main.js").write_text("() => 2")
        await until(lambda: told)
        assert names(catalog) == ["a"]
        assert all("outside" not in folder for each in catalog.sources if isinstance(each, FolderSource) for folder in each.folders)


async def test_a_task_folder_that_becomes_a_link_out_of_the_source_is_not_loaded(tmp_path: Path) -> None:
    outside = add_task(tmp_path / "outside", "a", "() => 'secret'", name="a")
    path = add_task(tmp_path / "source", "a", "() => 1", name="a")
    catalog = await open_catalog(tmp_path / "source")
    shutil.rmtree(path)
    path.symlink_to(outside)
    with pytest.raises(TaskInvalid, match="leaves the source"):
        await catalog.resolve("a")


async def test_tasks_go_on_being_served_while_everything_changes(tmp_path: Path) -> None:
    """Writers, removers and readers at the same time: no reader ever meets anything but a version that was there."""
    stable = add_task(tmp_path, "stable", "() => 'ok'", name="stable")
    assert stable.is_dir()
    async with watched(tmp_path) as (catalog, _), anyio.create_task_group() as group:

        async def churn(name: str) -> None:
            for number in range(8):
                path = add_task(tmp_path, name, f"() => {number}", name=name, version=f"{number}.0.0")
                await anyio.sleep(0.03)
                if number % 3 == 2:
                    shutil.rmtree(path)

        async def read() -> None:
            end = time.monotonic() + 1
            while time.monotonic() < end:
                assert (await catalog.resolve("stable")).source == "() => 'ok'"
                for each in catalog.find().tasks:
                    try:
                        assert (await catalog.resolve(each.reference)).reference == each.reference
                    except (TaskNotFound, TaskInvalid):
                        pass  # it went just now
                await anyio.lowlevel.checkpoint()

        for name in ("x", "y", "z"):
            group.start_soon(churn, name)
        group.start_soon(read)
    await catalog.reload()
    assert names(catalog) == ["stable", "x", "y", "z"]
    assert [catalog.versions(name) for name in "xyz"] == [["7.0.0"]] * 3


async def test_what_cannot_be_watched_is_a_problem_and_is_looked_at_instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_task(tmp_path, "a", name="a")
    tried: list[float] = []

    def refuse(folders: object) -> None:
        tried.append(time.monotonic())
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(watching, "_open_now", refuse)
    watch = QUICK.model_copy(update={"attempts": 3})
    async with watched(tmp_path, watch=watch) as (catalog, _):
        [problem] = catalog.problems
        assert (problem.warning, problem.error.code) == (True, "source_failed")
        assert "max_user_watches" in (problem.error.hint or "")
        assert names(catalog) == ["a"]
        assert len(tried) == 3
        add_task(tmp_path, "b", name="b")
        await until(lambda: names(catalog) == ["a", "b"])


async def test_a_source_may_be_polled(tmp_path: Path) -> None:
    path = add_task(tmp_path, "a", name="a", version="1.0.0")
    async with watched(tmp_path, watch=QUICK.model_copy(update={"polling": True})) as (catalog, told):
        (path / "metadata.json").write_text('{"name": "a", "version": "1.1.0"}')
        await until(lambda: told)
        assert catalog.versions("a") == ["1.1.0"]
