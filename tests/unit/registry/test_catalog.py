"""Finding and resolving tasks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import anyio
import pytest

from ratchet_mcp.errors import AmbiguousTask, InvalidArgument, InvalidCursor, TaskInvalid, TaskNotFound
from ratchet_mcp.registry.catalog import Catalog
from ratchet_mcp.settings import Limits, RegistrySettings, SourceSettings

ONE, TWO = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


def add(source: Path, folder: str, code: str = "(input) => input", **metadata: Any) -> Path:
    path = source / folder
    path.mkdir(parents=True, exist_ok=True)
    (path / "metadata.json").write_text(json.dumps(metadata))
    (path / "main.js").write_text(code)
    return path


async def open_catalog(*sources: Path, bundled: bool = False) -> Catalog:
    named = [SourceSettings(name=path.name, uri=str(path)) for path in sources]
    catalog = Catalog(RegistrySettings(bundled=bundled, sources=named), Limits())
    await catalog.start()
    return catalog


def names(catalog: Catalog, **search: Any) -> list[str]:
    return [each.name for each in catalog.find(**search).tasks]


async def test_a_task_is_found_by_name_version_and_uuid(tmp_path: Path) -> None:
    add(tmp_path, "a", name="greet", version="1.0.0", uuid=ONE)
    catalog = await open_catalog(tmp_path)
    for reference in ("greet", "greet@1.0.0", ONE, ONE.upper(), f"{ONE}@1.0.0", " greet "):
        task = await catalog.resolve(reference)
        assert (task.reference, task.uuid, task.origin) == ("greet@1.0.0", UUID(ONE), tmp_path.name)
    assert await catalog.resolve("greet") is await catalog.resolve(ONE)


async def test_a_name_means_the_highest_release(tmp_path: Path) -> None:
    for version in ("1.9.0", "1.10.0", "0.1.0", "2.0.0-rc.1"):
        add(tmp_path, version, name="greet", version=version)
    catalog = await open_catalog(tmp_path)
    assert (await catalog.resolve("greet")).version == "1.10.0"
    assert (await catalog.resolve("greet@2.0.0-rc.1")).version == "2.0.0-rc.1"
    assert catalog.versions("greet") == ["1.10.0", "1.9.0", "0.1.0", "2.0.0-rc.1"]
    assert [(each.version) for each in catalog.find().tasks] == ["1.10.0"]


async def test_a_pre_release_is_taken_when_there_is_nothing_else(tmp_path: Path) -> None:
    for version in ("1.0.0-alpha", "1.0.0-alpha.2", "1.0.0-beta"):
        add(tmp_path, version, name="greet", version=version)
    assert (await (await open_catalog(tmp_path)).resolve("greet")).version == "1.0.0-beta"


async def test_an_unknown_name_is_told_near_ones(tmp_path: Path) -> None:
    add(tmp_path, "a", name="csv-to-json")
    catalog = await open_catalog(tmp_path)
    for reference in ("csv-json", "csvtojson", "CSV to JSON", "csv", "csv-to-jsn@1.0.0"):
        with pytest.raises(TaskNotFound, match="csv-to-json") as caught:
            await catalog.resolve(reference)
        assert caught.value.details["suggestions"] == ["csv-to-json"]


@pytest.mark.parametrize("reference", ["", "@", "@1.0.0", "x" * 100_000, "../../etc/passwd", ONE, "a\0b", "\ud800"])
async def test_a_strange_reference_is_not_found(tmp_path: Path, reference: str) -> None:
    with pytest.raises(TaskNotFound) as caught:
        await (await open_catalog(tmp_path)).resolve(reference)
    assert len(caught.value.message) < 300


async def test_a_missing_version_lists_those_that_are_there(tmp_path: Path) -> None:
    add(tmp_path, "a", name="greet", version="1.0.0")
    catalog = await open_catalog(tmp_path)
    with pytest.raises(TaskNotFound) as caught:
        await catalog.resolve("greet@2.0.0")
    assert caught.value.details["versions"] == ["1.0.0"]


@pytest.mark.parametrize(
    ("wanted", "version"),
    [
        ("latest", "2.0.0"),
        (" latest ", "2.0.0"),
        ("^1.2", "1.10.0"),
        ("~1.2", "1.2.5"),
        ("1.x", "1.10.0"),
        ("1", "1.10.0"),
        ("*", "2.0.0"),
        (">=1 <2", "1.10.0"),
        ("1.0 - 1.2", "1.2.5"),
        ("^0.1 || ^1.2", "1.10.0"),
        ("<1", "0.1.0"),
        ("^3.0.0-rc.1", "3.0.0-rc.2"),
        ("3.0.0-rc.1", "3.0.0-rc.1"),
    ],
)
async def test_a_range_means_its_newest_version(tmp_path: Path, wanted: str, version: str) -> None:
    for each in ("0.1.0", "1.2.0", "1.2.5", "1.10.0", "2.0.0", "3.0.0-rc.1", "3.0.0-rc.2"):
        add(tmp_path, each, name="greet", version=each, uuid=ONE)
    catalog = await open_catalog(tmp_path)
    assert (await catalog.resolve(f"greet@{wanted}")).version == version
    assert (await catalog.resolve(f"{ONE}@{wanted}")).version == version
    assert catalog.summary(f"greet@{wanted}").version == version


@pytest.mark.parametrize("wanted", ["^2", "~1.9", "3.x", ">=1.0.1", "<1", "1.0.0 - 1.0.0 || >5", "^1.0.0-rc"])
async def test_a_range_that_nothing_is_in_lists_the_versions(tmp_path: Path, wanted: str) -> None:
    add(tmp_path, "a", name="greet", version="1.0.0-alpha")
    with pytest.raises(TaskNotFound, match="no version") as caught:
        await (await open_catalog(tmp_path)).resolve(f"greet@{wanted}")
    assert caught.value.details["versions"] == ["1.0.0-alpha"]


@pytest.mark.parametrize(
    "wanted", ["", " ", "newest", "^x.y", "=>1", ">=1,<2", "1.2.3.4", "||", "^1 ||", "\uff11", "^" * 500, "(" * 100, "1" * 500, "^1\x00"]
)
async def test_what_is_neither_version_nor_range_is_refused(tmp_path: Path, wanted: str) -> None:
    add(tmp_path, "a", name="greet", version="1.0.0")
    with pytest.raises((InvalidArgument, TaskNotFound)) as caught:
        await (await open_catalog(tmp_path)).resolve(f"greet@{wanted}")
    assert "greet@1.0.0" in (caught.value.hint or "") or caught.value.details["versions"] == ["1.0.0"]
    assert len(caught.value.message) < 300


async def test_a_range_over_two_tasks_of_one_name_is_ambiguous(tmp_path: Path) -> None:
    add(tmp_path / "first", "a", name="greet", version="1.0.0", uuid=ONE)
    add(tmp_path / "second", "a", name="greet", version="1.1.0", uuid=TWO)
    add(tmp_path / "second", "b", name="greet", version="2.0.0", uuid=TWO)
    catalog = await open_catalog(tmp_path / "first", tmp_path / "second")
    with pytest.raises(AmbiguousTask):
        await catalog.resolve("greet@^1")
    assert (await catalog.resolve("greet@2.x")).uuid == UUID(TWO)


async def test_the_earlier_source_wins_and_the_later_is_reported(tmp_path: Path) -> None:
    add(tmp_path / "first", "a", name="greet", version="1.0.0", uuid=ONE, title="First")
    add(tmp_path / "second", "a", name="greet", version="1.0.0", uuid=TWO, title="Second")
    catalog = await open_catalog(tmp_path / "first", tmp_path / "second")
    assert (await catalog.resolve("greet")).title == "First"
    [problem] = catalog.problems
    assert (problem.source, "already there" in problem.error.message, problem.warning) == ("second", True, True)


async def test_one_name_for_two_tasks_is_ambiguous(tmp_path: Path) -> None:
    add(tmp_path / "first", "a", name="greet", version="1.0.0", uuid=ONE)
    add(tmp_path / "second", "a", name="greet", version="2.0.0", uuid=TWO)
    catalog = await open_catalog(tmp_path / "first", tmp_path / "second")
    with pytest.raises(AmbiguousTask) as caught:
        await catalog.resolve("greet")
    assert {each["task"] for each in caught.value.details["candidates"]} == {"greet@1.0.0", "greet@2.0.0"}
    assert (await catalog.resolve("greet@1.0.0")).uuid == UUID(ONE)
    assert (await catalog.resolve(TWO)).version == "2.0.0"
    assert catalog.find().total == 2


async def test_one_uuid_for_two_names_is_a_problem(tmp_path: Path) -> None:
    add(tmp_path, "a", name="greet", uuid=ONE)
    add(tmp_path, "b", name="leave", uuid=ONE)
    catalog = await open_catalog(tmp_path)
    assert "has the UUID of greet" in catalog.problems[0].error.message
    with pytest.raises(TaskInvalid, match="has the UUID of greet"):
        await catalog.resolve("leave")
    assert names(catalog) == ["greet"]


async def test_a_bad_task_does_not_stop_the_others(tmp_path: Path) -> None:
    add(tmp_path, "good", name="good")
    add(tmp_path, "bad-metadata", name="bad-metadata", version="x")
    (tmp_path / "bad-metadata" / "main.js").write_text("nothing")
    (tmp_path / "packed.zip").write_bytes(b"no zip")
    catalog = await open_catalog(tmp_path, tmp_path / "none")
    assert names(catalog) == ["good"]
    assert {Path(each.location).name for each in catalog.problems} == {"bad-metadata", "packed.zip", "none"}
    with pytest.raises(TaskInvalid, match="not a version"):
        await catalog.resolve("bad-metadata")


async def test_bad_code_is_told_when_the_task_is_asked_for(tmp_path: Path) -> None:
    add(tmp_path, "a", "const x = ;", name="broken")
    catalog = await open_catalog(tmp_path)
    for _ in range(2):
        with pytest.raises(TaskInvalid, match="Unexpected token"):
            await catalog.resolve("broken")
    assert [Path(each.location).name for each in catalog.problems] == ["a"]


async def test_tasks_are_served_from_memory_until_they_are_reloaded(tmp_path: Path) -> None:
    path = add(tmp_path, "a", name="greet", version="1.0.0")
    catalog = await open_catalog(tmp_path)
    before = await catalog.resolve("greet")
    add(tmp_path, "a", "(input) => 2", name="greet", version="1.1.0")
    add(tmp_path, "b", name="new")
    assert await catalog.resolve("greet") is before
    await catalog.reload()
    assert (await catalog.resolve("greet")).version == "1.1.0"
    assert names(catalog) == ["greet", "new"]
    (path / "metadata.json").unlink()
    (path / "main.js").unlink()
    await catalog.reload()
    with pytest.raises(TaskNotFound):
        await catalog.resolve("greet")


async def test_a_task_that_changed_before_it_was_loaded_is_scanned_again(tmp_path: Path) -> None:
    add(tmp_path, "a", name="greet", version="1.0.0")
    catalog = await open_catalog(tmp_path)
    add(tmp_path, "a", name="greet", version="2.0.0")
    assert (await catalog.resolve("greet")).version == "2.0.0"


async def test_a_corrected_task_can_be_resolved_without_a_restart(tmp_path: Path) -> None:
    add(tmp_path, "a", "const x = ;", name="greet")
    catalog = await open_catalog(tmp_path)
    with pytest.raises(TaskInvalid):
        await catalog.resolve("greet")
    add(tmp_path, "a", name="greet")
    assert (await catalog.resolve("greet")).name == "greet"
    assert catalog.problems == []


async def test_callers_at_the_same_time_get_the_same_task(tmp_path: Path) -> None:
    add(tmp_path, "a", name="greet")
    catalog = await open_catalog(tmp_path)
    tasks: list[Any] = []

    async def resolve() -> None:
        tasks.append(await catalog.resolve("greet"))

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(resolve)
    assert len({id(task) for task in tasks}) == 1


async def test_pages_are_complete_and_in_order(tmp_path: Path) -> None:
    for number in range(23):
        add(tmp_path, str(number), name=f"task-{number:02}", tags=["even" if number % 2 == 0 else "odd"], description="counts things")
    catalog = await open_catalog(tmp_path)
    for search, expected in (({}, 23), ({"tags": ("EVEN",)}, 12), ({"query": "counts"}, 23), ({"query": "counts", "tags": ("odd",)}, 11)):
        seen: list[str] = []
        cursor: str | None = None
        while True:
            page = catalog.find(limit=5, cursor=cursor, **search)
            assert page.total == expected
            seen += [each.name for each in page.tasks]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert seen == sorted(set(seen))
        assert len(seen) == expected


async def test_a_page_goes_on_after_a_task_that_is_gone(tmp_path: Path) -> None:
    for name in "abcd":
        add(tmp_path, name, name=name)
    catalog = await open_catalog(tmp_path)
    cursor = catalog.find(limit=2).next_cursor
    for name in ("metadata.json", "main.js"):
        (tmp_path / "b" / name).unlink()
    await catalog.reload()
    assert names(catalog, cursor=cursor) == ["c", "d"]


async def test_a_search_ranks_by_where_it_hits(tmp_path: Path) -> None:
    add(tmp_path, "1", name="csv", description="x")
    add(tmp_path, "2", name="csv-to-json", description="x")
    add(tmp_path, "3", name="tables", title="Reads CSV", description="x")
    add(tmp_path, "4", name="other", tags=["CSV"], description="x")
    add(tmp_path, "5", name="words", description="can also write csv")
    add(tmp_path, "6", name="nothing", description="x")
    catalog = await open_catalog(tmp_path)
    assert names(catalog, query="Csv") == ["csv", "csv-to-json", "other", "tables", "words"]
    assert names(catalog, query="csv json") == ["csv-to-json"]
    assert names(catalog, query="csv elephants") == names(catalog, query="csv")
    assert names(catalog, query="elephants") == []
    assert names(catalog, query="  ") == names(catalog)


@pytest.mark.parametrize("cursor", ["", "x", "!!!", "bnVsbA", "WzFd", "é", "W" * 10_000])
async def test_a_foreign_cursor_is_refused(tmp_path: Path, cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        (await open_catalog(tmp_path)).find(cursor=cursor)


async def test_a_cursor_belongs_to_its_search(tmp_path: Path) -> None:
    for name in "abc":
        add(tmp_path, name, name=name, description="letter")
    catalog = await open_catalog(tmp_path)
    plain, searched = catalog.find(limit=1).next_cursor, catalog.find(limit=1, query="letter").next_cursor
    for cursor, search in ((plain, {"query": "letter"}), (searched, {}), (searched, {"query": "other"}), (plain, {"tags": ("x",)})):
        with pytest.raises(InvalidCursor):
            catalog.find(cursor=cursor, **search)


async def test_the_bundled_tasks_load_without_a_problem() -> None:
    catalog = await open_catalog(bundled=True)
    assert catalog.problems == []
    page = catalog.find()
    assert page.total >= 8
    for summary in page.tasks:
        task = await catalog.resolve(summary.reference)
        assert (task.origin, task.description != "", len(task.tests) >= 3) == ("bundled", True, True), task.name
