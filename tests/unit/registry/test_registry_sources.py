"""Where a source's tasks are found."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from ratchet_mcp.errors import SourceFailed
from ratchet_mcp.registry.bundled import bundled_path
from ratchet_mcp.registry.folders import FolderSource
from ratchet_mcp.registry.source import Found, TaskProblem
from ratchet_mcp.registry.sources import open_sources, path_of_uri, shown_uri
from ratchet_mcp.settings import Limits, RegistrySettings, SourceSettings


def make(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "metadata.json").write_text("{}")
    (folder / "main.js").write_text("(i) => i")
    return folder


def pack(file: Path, *folders: str) -> Path:
    with zipfile.ZipFile(file, "w") as archive:
        for folder in folders:
            archive.writestr(f"{folder}metadata.json", "{}")
            archive.writestr(f"{folder}main.js", "(i) => i")
    return file


def found(path: Path, depth: int = 4) -> list[str]:
    scanned = FolderSource("s", path, depth).scan(Limits())
    return [os.path.relpath(each.place.location, path) for each in scanned if isinstance(each, Found)]


def troubles(path: Path) -> list[str]:
    return [each.error.message for each in FolderSource("s", path).scan(Limits()) if isinstance(each, TaskProblem)]


def test_a_source_may_be_one_task(tmp_path: Path) -> None:
    assert found(make(tmp_path / "greet")) == ["."]
    assert found(pack(tmp_path / "one.zip", "")) == ["."]
    assert FolderSource("s", tmp_path / "one.zip").kind == "zip"


def test_a_collection_holds_folders_and_zips_at_any_depth(tmp_path: Path) -> None:
    make(tmp_path / "b")
    make(tmp_path / "group" / "a")
    make(tmp_path / "group" / "deeper" / "c")
    make(tmp_path / ".hidden" / "d")
    make(tmp_path / "node_modules" / "e")
    pack(tmp_path / "packed.ZIP", "inner/")
    (tmp_path / "notes.txt").write_text("")
    assert found(tmp_path) == ["b", "group/a", "group/deeper/c", "packed.ZIP"]


def test_a_task_is_not_searched_for_tasks(tmp_path: Path) -> None:
    make(make(tmp_path / "outer") / "inner")
    assert found(tmp_path) == ["outer"]


def test_the_depth_is_bounded(tmp_path: Path) -> None:
    make(tmp_path / "1" / "2" / "3" / "task")
    assert found(tmp_path, depth=3) == []
    assert found(tmp_path, depth=4) == ["1/2/3/task"]


def test_code_without_metadata_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "main.js").write_text("")
    assert "no metadata.json" in troubles(tmp_path)[0]


def test_links_that_leave_or_go_round_are_not_followed(tmp_path: Path) -> None:
    outside = make(tmp_path / "outside")
    source = tmp_path / "source"
    make(source / "a")
    (source / "link").symlink_to(outside)
    (source / "round").symlink_to(source)
    assert "leaves the source" in troubles(source)[0]
    assert "link" not in found(source)
    assert len(found(source)) < 10


def test_a_source_full_of_strange_things_is_scanned_to_its_end(tmp_path: Path) -> None:
    make(tmp_path / "good")
    for number, name in enumerate(["bidi\u202egnp", "control\x1b[31m", "line\nbreak"]):
        make(tmp_path / name)
        pack(tmp_path / f"{name}.zip", f"{number}/")
    os.makedirs(os.fsencode(tmp_path) + b"/bytes\xff")
    (tmp_path / "fifo").mkdir()
    os.mkfifo(tmp_path / "fifo" / "metadata.json")
    for name, target in (("round", "metadata.json"), ("zero", "/dev/zero"), ("gone", "nowhere")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "metadata.json").symlink_to(target)
        (tmp_path / name / "main.js").write_text("() => 1")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "metadata.json").mkdir()
    (tmp_path / "zip.zip").mkdir()
    (tmp_path / "loop.zip").symlink_to("loop.zip")
    (tmp_path / "large").mkdir()
    (tmp_path / "large" / "metadata.json").write_bytes(b" " * (2 << 20))
    assert found(tmp_path) == ["good"]
    messages = troubles(tmp_path)
    assert sum("its name holds the character" in message for message in messages) == 7
    assert "U+202E" in " ".join(messages) and "U+DCFF" in " ".join(messages)
    assert all(message.isprintable() for message in messages)
    assert len(messages) == 12


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_a_folder_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    make(tmp_path / "closed" / "a")
    (tmp_path / "closed").chmod(0)
    assert "cannot be read" in troubles(tmp_path)[0]
    (tmp_path / "closed").chmod(0o700)


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("/a/b", "/a/b"),
        ("tasks", "tasks"),
        ("file:///a/b", "/a/b"),
        ("file://localhost/a/b", "/a/b"),
        ("file:///a%20b", "/a b"),
        ("file://./sample/js-tasks", "sample/js-tasks"),
        ("file:/a/b", "/a/b"),
    ],
)
def test_a_uri_becomes_a_path(uri: str, path: str) -> None:
    assert path_of_uri(uri) == Path(path)


def test_the_home_folder_is_known() -> None:
    assert path_of_uri("~/tasks") == Path.home() / "tasks"


def test_other_schemes_are_refused() -> None:
    with pytest.raises(SourceFailed, match="not supported"):
        path_of_uri("ftp://me:secret@example.org/tasks")


def test_sources_come_before_the_bundled_tasks(tmp_path: Path) -> None:
    named = [SourceSettings(name="mine", uri=str(tmp_path), config={"depth": 2})]
    sources, problems = open_sources(RegistrySettings(sources=named), Limits())
    assert [(each.name, each.kind) for each in sources] == [("mine", "folder"), ("bundled", "bundled")]
    assert problems == []


@pytest.mark.parametrize(
    ("uri", "config", "message"),
    [
        ("ftp://x", {}, "not supported"),
        ("/", {"depth": 99}, "0 to 16"),
        ("/", {"depth": True}, "0 to 16"),
        ("/", {"dept": 1}, "config.dept is not an option"),
    ],
)
def test_a_source_that_cannot_be_opened_is_a_problem(uri: str, config: dict[str, int], message: str) -> None:
    settings = RegistrySettings(bundled=False, sources=[SourceSettings(name="bad", uri=uri, config=config)])
    sources, problems = open_sources(settings, Limits())
    assert sources == []
    assert message in problems[0].error.message
    assert problems[0].to_dict()["source"] == "bad"


@pytest.mark.parametrize(("path", "message"), [("/none", "no such file"), ("/etc/passwd", "neither")])
def test_a_source_that_is_not_there_fails_when_it_is_scanned(path: str, message: str) -> None:
    with pytest.raises(SourceFailed, match=message):
        list(FolderSource("bad", Path(path)).scan(Limits()))


def test_each_source_needs_a_name_of_its_own(tmp_path: Path) -> None:
    named = [SourceSettings(name=name, uri=str(tmp_path)) for name in ("a", "a", "bundled", "database")]
    sources, problems = open_sources(RegistrySettings(bundled=False, sources=named), Limits())
    assert [each.name for each in sources] == ["a"]
    assert ["is taken" in each.error.message for each in problems] == [True] * 3


def test_a_uri_is_shown_without_credentials() -> None:
    assert shown_uri("https://me:secret@example.com/x.json?token=abc") == "https://example.com/x.json"


def test_the_bundled_tasks_are_there() -> None:
    assert (bundled_path() / "csv-to-json" / "metadata.json").is_file()
