"""A folder that was published by `ratchet repo index` is a source for others."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest
from git_repositories import Repository
from index_server import CODE, IndexServer, index_server, task_files, task_zip

from ratchet_mcp.batches.checking import Checking
from ratchet_mcp.errors import BatchInvalid, TaskNotFound
from ratchet_mcp.registry.catalog import Catalog
from ratchet_mcp.registry.remote.publishing import publish
from ratchet_mcp.settings import Limits, RegistrySettings, Settings, SourceSettings
from ratchet_mcp.tasks.loading import load_task

ROOT = Path(__file__).parents[3]


def serve_folder(server: IndexServer, folder: Path) -> None:
    server.files = {f"/{file.name}": file.read_bytes() for file in folder.iterdir()}


def catalog_of(tmp_path: Path, *sources: SourceSettings) -> Catalog:
    return Catalog(RegistrySettings(bundled=False, sources=list(sources), cache_folder=tmp_path / "cache"), Limits())


def write(folder: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


async def test_every_bundled_task_comes_back_with_the_same_content(tmp_path: Path) -> None:
    published = publish(ROOT / "registry", tmp_path / "site", Limits())
    assert not published.problems
    with index_server() as server:
        serve_folder(server, tmp_path / "site")
        catalog = catalog_of(tmp_path, SourceSettings(name="web", uri=server.index_url))
        await catalog.start()
        assert catalog.find().total == 0, "the start never waits for the network"
        changes = await catalog.reload("web", refresh=True)
        assert len(changes.added) == len(published.entries)
        for folder in sorted((ROOT / "registry").iterdir()):
            here, there = load_task(folder), await catalog.resolve(folder.name)
            assert (here.digest, here.uuid, here.tests, here.tags, here.expose) == (
                there.digest,
                there.uuid,
                there.tests,
                there.tags,
                there.expose,
            )
            summary = catalog.summary(folder.name)
            assert summary.remote and summary.source_kind == "http"


def test_publishing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        publish(ROOT / "registry", tmp_path / name, Limits())
    assert {file.name: file.read_bytes() for file in (tmp_path / "a").iterdir()} == {
        file.name: file.read_bytes() for file in (tmp_path / "b").iterdir()
    }


def test_bad_tasks_are_left_out_and_told(tmp_path: Path) -> None:
    folder = tmp_path / "tasks"
    write(folder / "good", task_files("good"))
    write(folder / "bad", task_files("bad", code="function ("))
    write(folder / "twin", task_files("good"))
    (folder / "many.zip").write_bytes(
        task_zip({f"{name}/{path}": text for name in ("one", "two") for path, text in task_files(name).items()})
    )
    published = publish(folder, tmp_path / "site", Limits())
    assert [entry["name"] for entry in published.entries] == ["good", "one", "two"]
    assert len(published.problems) == 2
    index = json.loads((tmp_path / "site" / "index.json").read_text())
    assert index["format"] == "ratchet-index/1"


async def test_a_remote_task_never_changes_silently_under_its_version(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    repository.task("double", task_files())
    repository.commit()
    with index_server() as server:
        server.add("triple")
        catalog = catalog_of(tmp_path, SourceSettings(name="web", uri=server.index_url), SourceSettings(name="team", uri=repository.uri))
        await catalog.start()
        await catalog.reload(refresh=True)
        before = {name: (await catalog.resolve(name)).digest for name in ("double", "triple")}
        evil = CODE.replace("* 2", "* 666")
        repository.task("double", task_files(code=evil))
        repository.commit()
        server.add("triple", code=evil)
        await catalog.reload(refresh=True)
        assert {name: (await catalog.resolve(name)).digest for name in before} == before
        codes = sorted(problem.error.code for problem in catalog.problems)
        assert codes == ["content_changed", "content_changed"]
        await catalog.reload(refresh=True, accept_changed=True)
        after = {name: (await catalog.resolve(name)).digest for name in before}
        assert not set(after.values()) & set(before.values())


async def test_a_source_that_fails_leaves_the_others_alone(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    repository.task("double", task_files())
    repository.commit()
    with index_server() as gone:
        url = gone.index_url
    catalog = catalog_of(
        tmp_path,
        SourceSettings(name="gone", uri=url, config={"attempts": 1}),
        SourceSettings(name="wrong", uri="https://user:hunter2@example.com/index.json"),
        SourceSettings(name="typo", uri="https://example.com/index.json", config={"refresh": 1}),
        SourceSettings(name="team", uri=repository.uri),
    )
    await catalog.start()
    with anyio.fail_after(30):
        await catalog.reload(refresh=True)
    assert (await catalog.resolve("double")).origin == "team"
    problems = {problem.source: problem for problem in catalog.problems}
    assert set(problems) == {"gone", "wrong", "typo"}
    assert problems["gone"].error.code == "source_failed"
    assert "hunter2" not in str([problem.to_dict() for problem in problems.values()])


@pytest.mark.parametrize("name", ["web", "team"])
async def test_tasks_of_a_remote_source_say_so(tmp_path: Path, name: str) -> None:
    repository = Repository(tmp_path / "repository")
    repository.task("greet", task_files("greet", expose="tool"))
    repository.commit()
    with index_server() as server:
        server.add("greet", expose="tool", entry={"metadata": {"expose": "tool"}})
        uri = server.index_url if name == "web" else repository.uri
        catalog = catalog_of(tmp_path, SourceSettings(name=name, uri=uri))
        await catalog.start()
        await catalog.reload(refresh=True)
        summary = catalog.summary("greet")
        assert (summary.remote, summary.expose) == (True, "tool")


async def test_a_task_that_is_not_found_names_the_sources_that_were_never_fetched(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    repository.task("triple", task_files("triple"))
    repository.commit()
    write(tmp_path / "here" / "greet", task_files("greet"))
    with index_server() as server:
        sources = {"here": str(tmp_path / "here"), "web": server.index_url, "team": repository.uri}
        catalog = catalog_of(tmp_path, *(SourceSettings(name=name, uri=uri) for name, uri in sources.items()))
        await catalog.start()
        for reference in ("double", "double@^1", "greet@2.0.0", "00000000-0000-4000-8000-000000000000"):
            with pytest.raises(TaskNotFound) as missing:
                await catalog.resolve(reference)
            assert missing.value.details["unfetched"] == ["web", "team"]
            assert "fetched yet of web, team: `ratchet repo refresh`" in str(missing.value.hint)
        await catalog.reload("web", refresh=True)  # an empty index is one
        with pytest.raises(BatchInvalid, match="fetched yet of team: `ratchet repo refresh`"):
            await Checking(catalog, Settings()).plan([{"id": "a", "task": "triple"}], "parallel", None, False)
        await catalog.reload("team", refresh=True)
        assert await catalog.resolve("triple")
        with pytest.raises(TaskNotFound) as mistyped:
            await catalog.resolve("tripl")
        assert (mistyped.value.hint, mistyped.value.details) == (TaskNotFound.default_hint, {"suggestions": ["triple"]})
