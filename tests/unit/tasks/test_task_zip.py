"""ZIPs of tasks: the same task comes out, and nothing gets out of the ZIP."""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest

from ratchet_mcp.errors import TaskInvalid
from ratchet_mcp.tasks.loading import load_task

FILES = {
    "metadata.json": b'{"name": "greet", "version": "1.0.0"}',
    "main.js": b"(input) => input",
    "input.schema.json": b'{"type": "object"}',
    "tests/one.json": b'{"input": {}, "expected_output": {}}',
    "README.md": b"# Greet",
}


def pack(path: Path, entries: list[tuple[Any, bytes]], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return path


def messages(path: Path) -> list[tuple[str, str]]:
    with pytest.raises(TaskInvalid) as caught:
        load_task(path)
    return [(each["file"], each["message"]) for each in caught.value.details["problems"]]


@pytest.mark.parametrize("prefix", ["", "greet-main/"])
def test_a_task_stands_at_the_root_or_in_one_folder(tmp_path: Path, prefix: str) -> None:
    entries: list[tuple[Any, bytes]] = [(prefix + name, data) for name, data in FILES.items()]
    task = load_task(pack(tmp_path / "any.zip", [*entries, ("__MACOSX/._x", b""), (f"{prefix}.DS_Store", b"")]))
    assert (task.reference, task.source, len(task.tests)) == ("greet@1.0.0", "(input) => input", 1)


def test_the_name_of_the_zip_is_the_default_name(tmp_path: Path) -> None:
    task = load_task(pack(tmp_path / "say-hello-1.2.3.zip", [("meta.yaml", b"version: 1.2.3\n"), ("task.js", b"(i) => i")]))
    assert (task.reference, task.code_file) == ("say-hello@1.2.3", "task.js")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../outside.js", "climbs out"),
        ("tests/../../outside.json", "climbs out"),
        ("/etc/passwd", "absolute"),
        ("C:/windows", "absolute"),
        ("c:main.js", "absolute"),
        ("tests\\one.json", "backslash"),
        ("tests/\u202eevil.json", "U+202E"),
        ("tests/a\x07.json", "U+0007"),
    ],
)
def test_an_entry_with_a_hostile_name_is_refused(tmp_path: Path, name: str, message: str) -> None:
    entry = zipfile.ZipInfo("entry")
    entry.filename = name
    found = messages(pack(tmp_path / "a.zip", [*FILES.items(), (entry, b"x")]))
    assert any(message in text for _, text in found), found


def test_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("output.schema.json")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    assert messages(pack(tmp_path / "a.zip", [*FILES.items(), (link, b"/etc/passwd")])) == [
        ("output.schema.json", "the entry is a symbolic link")
    ]


def test_an_entry_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        pack(tmp_path / "a.zip", [*FILES.items(), ("main.js", b"(i) => 1")])
    assert messages(tmp_path / "a.zip") == [("main.js", "the entry is there twice")]


def test_a_bomb_is_refused_by_its_ratio(tmp_path: Path) -> None:
    found = messages(pack(tmp_path / "a.zip", [*FILES.items(), ("filler.bin", b"\0" * (8 << 20))]))
    assert found == [("filler.bin", "the entry unpacks to suspiciously much")]


def test_a_bomb_is_refused_by_its_size_and_count(tmp_path: Path) -> None:
    sizes: list[tuple[Any, bytes]] = [(f"{n}.bin", b"\0" * (1 << 20)) for n in range(65)]
    assert "more than 64 MiB" in messages(pack(tmp_path / "a.zip", [*FILES.items(), *sizes]))[0][1]
    count: list[tuple[Any, bytes]] = [(f"{n}.txt", b"") for n in range(2001)]
    assert "more than 2000 entries" in messages(pack(tmp_path / "b.zip", [*FILES.items(), *count]))[0][1]


def test_an_entry_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", [("metadata.json", FILES["metadata.json"]), ("main.js", b"//" + b"x" * (3 << 20) + b"\n(i) => i")])
    data = bytearray(path.read_bytes())
    real, small = (3 << 20) + 11, 100
    place = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 4)
    assert int.from_bytes(data[place + 24 : place + 28], "little") == real
    data[place + 24 : place + 28] = small.to_bytes(4, "little")
    path.write_bytes(bytes(data))
    found = messages(path)
    assert found
    assert found[0][0] == "main.js"


def test_what_is_no_zip_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04 not really")
    assert "cannot be read" in messages(tmp_path / "a.zip")[0][1]
    good = pack(tmp_path / "b.zip", list(FILES.items())).read_bytes()
    (tmp_path / "c.zip").write_bytes(good[: len(good) // 2])
    assert "cannot be read" in messages(tmp_path / "c.zip")[0][1]


def test_a_damaged_entry_is_named(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", list(FILES.items()), zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"(input) => input", b"(input) => inxxx"))
    assert [file for file, text in messages(path) if "cannot be unpacked" in text] == ["main.js"]


def test_an_encrypted_entry_is_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", list(FILES.items()))
    data = bytearray(path.read_bytes())
    place = data.index(b"PK\x01\x02")
    data[place + 8] |= 1
    path.write_bytes(bytes(data))
    assert messages(path) == [("metadata.json", "the entry is encrypted")]


def test_two_tasks_in_one_zip_are_no_task(tmp_path: Path) -> None:
    entries: list[tuple[Any, bytes]] = [(f"{folder}/{name}", data) for folder in "ab" for name, data in FILES.items()]
    assert ("metadata.json", "the file is missing (or meta.yaml or meta.yml)") in messages(pack(tmp_path / "a.zip", entries))


def test_an_empty_zip_is_no_task(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    zipfile.ZipFile(buffer, "w").close()
    (tmp_path / "a.zip").write_bytes(buffer.getvalue())
    assert len(messages(tmp_path / "a.zip")) == 2
