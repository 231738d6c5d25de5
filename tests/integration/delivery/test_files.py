"""Files on a real disk: whole or not at all, and never outside the root."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ratchet_mcp.delivery.files import write
from ratchet_mcp.errors import DeliveryFailed, DeliveryRefused


def put(root: Path, path: str, data: bytes = b"new", **options: Any) -> Any:
    return write(root, path, data, key="k-1", **options)


def files(folder: Path) -> list[str]:
    return sorted(str(found.relative_to(folder)) for found in folder.rglob("*") if not found.is_dir())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    (tmp_path / "outside").mkdir()
    return tmp_path / "root"


def test_a_file_is_written_with_its_folders_and_permissions(root: Path) -> None:
    written = put(root, "a/b/c.json", b"{}", mode=0o604)
    assert (written.path, written.bytes, written.how) == ("a/b/c.json", 2, "written")
    assert (root / "a/b/c.json").read_bytes() == b"{}"
    assert stat.S_IMODE((root / "a/b/c.json").stat().st_mode) == 0o604
    assert stat.S_IMODE((root / "a").stat().st_mode) & 0o022 == 0
    assert files(root) == ["a/b/c.json"], "nothing else is left"


def test_without_create_folders_a_missing_one_is_told(root: Path) -> None:
    with pytest.raises(DeliveryFailed, match="A folder is missing"):
        put(root, "a/b.json", create_folders=False)
    assert files(root) == []


def test_what_is_there_is_replaced_kept_or_numbered(root: Path) -> None:
    put(root, "r.json", b"old")
    assert put(root, "r.json", exists="keep").how == "kept"
    assert (root / "r.json").read_bytes() == b"old"
    assert [put(root, "r.json", exists="number").path for _ in range(2)] == ["r-1.json", "r-2.json"]
    assert put(root, "r.json").how == "written"
    assert (root / "r.json").read_bytes() == b"new"
    assert files(root) == ["r-1.json", "r-2.json", "r.json"]


def test_many_who_number_or_append_at_once_lose_nothing(root: Path) -> None:
    def work(number: int) -> None:
        for _ in range(5):
            write(root, "n.txt", b"x", key=f"n-{number}", exists="number")
            write(root, "a.csv", b"n\n%d\n" % number, key=f"a-{number}", exists="append", header=b"n\n")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(files(root)) == 41
    lines = (root / "a.csv").read_text().splitlines()
    assert lines[0] == "n" and sorted(lines[1:]) == sorted(str(number) for number in range(8) for _ in range(5))


def test_rows_are_only_appended_below_their_own_columns(root: Path) -> None:
    put(root, "t.csv", b"a,b\n1,2\n", exists="append", header=b"a,b\n")
    put(root, "t.csv", b"a,b\n3,4\n", exists="append", header=b"a,b\n")
    with pytest.raises(DeliveryRefused, match="other columns"):
        put(root, "t.csv", b"a,c\n5,6\n", exists="append", header=b"a,c\n")
    assert (root / "t.csv").read_bytes() == b"a,b\n1,2\n3,4\n"


def test_a_line_that_a_crash_tore_is_not_glued_to_the_next(root: Path) -> None:
    (root / "l.jsonl").write_bytes(b'{"a":1}\n{"a"')
    put(root, "l.jsonl", b'{"a":2}\n', exists="append")
    assert (root / "l.jsonl").read_bytes() == b'{"a":1}\n{"a"\n{"a":2}\n'


@pytest.mark.parametrize(
    "path", ["../x", "a/../../x", "/etc/x", "", ".", "a//b", "a/", "a\0b", "a\\b", "a\nb", "nul", "aux.txt", "x" * 241, "/".join("a" * 40), ".ratchet-x"]
)  # fmt: skip
def test_a_path_that_could_leave_or_trick_is_refused(root: Path, path: str) -> None:
    with pytest.raises(DeliveryRefused):
        put(root, path)
    assert files(root.parent) == []


@pytest.mark.parametrize("exists", ["replace", "keep", "number", "append"])
def test_no_link_is_followed(root: Path, exists: Any) -> None:
    (root / "folder").symlink_to(root.parent / "outside")
    (root / "file.txt").symlink_to(root.parent / "outside" / "there.txt")
    (root.parent / "outside" / "there.txt").write_text("theirs")
    with pytest.raises(DeliveryRefused, match="link"):
        put(root, "folder/x.txt", exists=exists)
    with pytest.raises(DeliveryRefused, match="link"):
        put(root, "file.txt", exists=exists)
    assert files(root.parent / "outside") == ["there.txt"]
    assert (root.parent / "outside" / "there.txt").read_text() == "theirs"


def test_a_folder_that_becomes_a_link_in_the_moment_does_not_lead_outside(root: Path) -> None:
    """Swap a folder and a link as fast as possible while files are written below it."""
    swapping = threading.Event()
    inside, aside, link = root / "d", root / "d.aside", root / "d.link"
    inside.mkdir()
    link.symlink_to(root.parent / "outside")

    def swap() -> None:
        while not swapping.is_set():
            os.rename(inside, aside)
            os.rename(link, inside)
            os.rename(inside, link)
            os.rename(aside, inside)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for number in range(300):
            try:
                put(root, f"d/{number}.txt", create_folders=False)
            except (DeliveryRefused, DeliveryFailed):
                continue
    finally:
        swapping.set()
        thread.join()
    assert files(root.parent / "outside") == []


def test_only_files_are_replaced(root: Path) -> None:
    (root / "folder").mkdir()
    os.mkfifo(root / "pipe")
    for path in ("folder", "pipe"):
        for exists in ("replace", "append"):
            with pytest.raises(DeliveryRefused):
                put(root, path, exists=exists)
    assert stat.S_ISFIFO((root / "pipe").stat().st_mode)


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Let every file of this process end at a size, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_leaves_what_was_there(root: Path) -> None:
    put(root, "a.json", b"old")
    put(root, "l.jsonl", b'{"a":1}\n', exists="append")
    with full_disk(100_000):
        for path, exists in (("a.json", "replace"), ("b.json", "keep"), ("l.jsonl", "append")):
            with pytest.raises(DeliveryFailed, match="The disk is full") as failed:
                put(root, path, b"x" * 200_000, exists=exists)
            assert failed.value.details["reason"] == "disk_full"
    assert files(root) == ["a.json", "l.jsonl"]
    assert (root / "a.json").read_bytes() == b"old"
    assert (root / "l.jsonl").read_bytes() == b'{"a":1}\n'


def test_a_folder_that_may_not_be_written_to_is_told() -> None:
    with pytest.raises(DeliveryFailed) as failed:
        put(Path("/sys/kernel"), "ratchet-test.json")
    assert failed.value.details["reason"] == "permission" and failed.value.hint


def test_a_root_that_is_missing_is_told(root: Path) -> None:
    with pytest.raises(DeliveryFailed, match=r"The root .* cannot be opened") as failed:
        put(root / "gone", "a.json")
    assert "delivery.roots" in str(failed.value.hint)


KILLED = """
import os, sys
from pathlib import Path
from ratchet_mcp.delivery import files
write_all = files._write_all
def half(descriptor, data):
    write_all(descriptor, data[: len(data) // 2])
    os.kill(os.getpid(), 9)
files._write_all = half
files.write(Path(sys.argv[1]), "a.json", b"n" * 1000, key="k-1")
"""


def test_a_process_that_dies_while_it_writes_leaves_the_old_file_and_the_next_attempt_cleans_up(root: Path) -> None:
    put(root, "a.json", b"old")
    died = subprocess.run([sys.executable, "-c", KILLED, root], capture_output=True)
    assert died.returncode == -signal.SIGKILL
    assert (root / "a.json").read_bytes() == b"old"
    assert len(files(root)) == 2
    put(root, "a.json", b"new", again=True)
    assert files(root) == ["a.json"]
    assert (root / "a.json").read_bytes() == b"new"
