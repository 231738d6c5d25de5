"""ZIPs that hold many tasks, and those that would do harm."""

from __future__ import annotations

import io
import json
import stat
import struct
import zipfile
from pathlib import Path

import pytest
from task_folders import add_task, names, open_catalog, pack

from ratchet_mcp.errors import RatchetError, TaskInvalid
from ratchet_mcp.registry import archives
from ratchet_mcp.registry.archives import Archive


async def test_a_zip_may_hold_many_tasks_in_folders_of_any_depth(tmp_path: Path) -> None:
    metadata = {"a": {"name": "a"}, "group/b": {"name": "b"}, "group/deep/c": {"version": "2.0.0"}}
    file = pack(tmp_path / "col.zip", metadata, "(input) => input + 1", **{"README.md": "x", "__MACOSX/d/metadata.json": "{}"})
    catalog = await open_catalog(file)
    assert names(catalog) == ["a", "b", "c"]
    assert catalog.problems == []
    task = await catalog.resolve("c@2.x")
    assert (task.source, task.location, task.origin) == ("(input) => input + 1", f"{file}!/group/deep/c", "col.zip")


async def test_a_zip_in_a_folder_may_be_a_collection_too(tmp_path: Path) -> None:
    add_task(tmp_path, "one", name="one")
    pack(tmp_path / "more.zip", {"two": {}, "three": {}})
    pack(tmp_path / "single.zip", {"four": {}})
    catalog = await open_catalog(tmp_path)
    assert names(catalog) == ["four", "one", "three", "two"]
    assert (await catalog.resolve("four")).location == str(tmp_path / "single.zip")


async def test_a_bad_task_in_a_zip_does_not_stop_the_others(tmp_path: Path) -> None:
    file = pack(tmp_path / "col.zip", {"good": {}, "bad": {"version": "x"}, "evil\u202ename": {}}, **{"half/main.js": "() => 1"})
    catalog = await open_catalog(file)
    assert names(catalog) == []
    assert "cannot be" in catalog.problems[0].error.message  # a name with a direction character: the whole ZIP is suspicious
    file = pack(tmp_path / "col.zip", {"good": {}, "bad": {"version": "x"}}, **{"half/main.js": "() => 1"})
    await catalog.reload()
    assert names(catalog) == ["good"]
    assert {each.location.partition("!/")[2] for each in catalog.problems} == {"bad", "half"}
    with pytest.raises(TaskInvalid, match="not a version"):
        await catalog.resolve("bad")


def test_a_task_in_a_zip_is_not_searched_for_tasks(tmp_path: Path) -> None:
    with Archive(pack(tmp_path / "a.zip", {"outer": {}, "outer/inner": {}})) as archive:
        assert [each.folder for each in archive.tasks] == ["outer"]


def test_a_zip_may_be_in_memory(tmp_path: Path) -> None:
    with Archive(pack(tmp_path / "a.zip", {"b": {"name": "b"}}).read_bytes(), "upload") as archive:
        [packed] = archive.tasks
        assert json.loads(archive.read(packed).contents["metadata.json"]) == {"name": "b"}


@pytest.mark.parametrize(
    ("entry", "message"),
    [("../up/main.js", "climbs out"), ("/abs/main.js", "absolute"), ("a\\b.js", "backslash"), ("a/\u202e.js", "U+202E")],
)
def test_an_entry_with_a_hostile_name_refuses_the_zip(tmp_path: Path, entry: str, message: str) -> None:
    with pytest.raises(TaskInvalid) as caught:
        Archive(pack(tmp_path / "a.zip", {"b": {}}, **{entry: "x"}))
    assert message in caught.value.message
    assert "a.zip" in caught.value.message


def test_a_link_in_a_zip_refuses_it(tmp_path: Path) -> None:
    file = pack(tmp_path / "a.zip", {"b": {}})
    with zipfile.ZipFile(file, "a") as archive:
        link = zipfile.ZipInfo("b/input.schema.json")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(TaskInvalid, match="symbolic link"):
        Archive(file)


def test_a_bomb_is_refused_before_anything_is_unpacked(tmp_path: Path) -> None:
    with pytest.raises(TaskInvalid, match="suspiciously much"):
        Archive(pack(tmp_path / "a.zip", {"b": {}}, **{"b/tests/x.json": b"0" * (20 << 20)}))


async def test_an_entry_that_lies_about_its_size_unpacks_no_more_than_its_limit(tmp_path: Path) -> None:
    file = pack(tmp_path / "a.zip", {"b": {"name": "b"}, "c": {"name": "c"}}, " " * (3 << 20))
    data = file.read_bytes()
    assert data.count(struct.pack("<L", 3 << 20)) >= 2
    file.write_bytes(data.replace(struct.pack("<L", 3 << 20), struct.pack("<L", 100)))
    catalog = await open_catalog(file)
    with pytest.raises(TaskInvalid):
        await catalog.resolve("b")


def test_a_huge_zip_is_refused_by_its_size(tmp_path: Path) -> None:
    file = tmp_path / "huge.zip"
    with file.open("wb") as stream:
        stream.truncate(2 << 30)  # sparse
    with pytest.raises(TaskInvalid, match="larger than 256 MiB"):
        Archive(file)


@pytest.mark.parametrize("zip64", [False, True])
def test_a_list_of_entries_that_is_too_long_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zip64: bool) -> None:
    monkeypatch.setattr(archives, "MAX_DIRECTORY_BYTES", 1000)
    if zip64:
        monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 5)
    file = pack(tmp_path / "a.zip", {f"task-{number}": {} for number in range(50)})
    with pytest.raises(TaskInvalid, match="list of entries is larger"):
        Archive(file)


def test_too_many_entries_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_ENTRIES", 10)
    with pytest.raises(TaskInvalid, match="more than 10 entries"):
        Archive(pack(tmp_path / "a.zip", {f"task-{number}": {} for number in range(50)}))


@pytest.mark.parametrize("data", [b"", b"PK", b"no zip at all", b"PK\5\6" + b"\0" * 18, b"PK\5\6" + b"\xff" * 18, b"PK\6\7" + b"\xff" * 16 + b"PK\5\6" + b"\xff" * 18])  # fmt: skip
async def test_what_is_no_zip_or_an_empty_one_is_one_problem(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "a.zip"
    file.write_bytes(data)
    [problem] = (await open_catalog(file)).problems
    assert problem.source == "a.zip"
    assert "a.zip" in problem.error.message


def test_any_truncation_or_damage_is_an_error_and_never_a_crash(tmp_path: Path) -> None:
    data = pack(tmp_path / "a.zip", {"b": {"name": "b"}, "c": {"name": "c"}}).read_bytes()
    for place in range(0, len(data), 3):
        for damaged in (data[:place], data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]):
            try:
                with Archive(damaged, "x") as archive:
                    for packed in archive.tasks:
                        archive.read(packed)
            except RatchetError:
                pass


def test_an_encrypted_entry_is_refused(tmp_path: Path) -> None:
    data = bytearray(pack(tmp_path / "a.zip", {"b": {}}).read_bytes())
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.infolist()
    at = data.find(b"PK\1\2")
    data[at + 8] |= 1
    with pytest.raises(TaskInvalid, match="encrypted"):
        Archive(bytes(data))
