"""The folder in which remote sources keep what they fetched."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from ratchet_mcp.registry.remote.cache import Document, ZipCache


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_what_was_put_in_comes_out(tmp_path: Path) -> None:
    cache = ZipCache(tmp_path / "zips", 1 << 20)
    cache.put(digest(b"one"), b"one")
    assert cache.get(digest(b"one")) == b"one"
    assert cache.get(digest(b"two")) is None
    assert (tmp_path / "zips").stat().st_mode & 0o077 == 0


def test_a_damaged_file_is_thrown_away(tmp_path: Path) -> None:
    cache = ZipCache(tmp_path, 1 << 20)
    cache.put(digest(b"one"), b"one")
    (tmp_path / f"{digest(b'one')}.zip").write_bytes(b"evil")
    assert cache.get(digest(b"one")) is None
    assert not cache.has(digest(b"one"))


def test_the_longest_unused_go_first_when_the_cache_is_full(tmp_path: Path) -> None:
    cache = ZipCache(tmp_path, 1000)
    blobs = [bytes([number]) * 300 for number in range(5)]
    for age, blob in enumerate(blobs[:3]):
        cache.put(digest(blob), blob)
        os.utime(tmp_path / f"{digest(blob)}.zip", (1000 + age, 1000 + age))
    assert cache.get(digest(blobs[0])) == blobs[0]  # now it is the one used last
    cache.put(digest(blobs[3]), blobs[3])
    assert [cache.has(digest(blob)) for blob in blobs] == [True, False, True, True, False]
    assert cache.size() == (3, 900)


def test_another_server_may_empty_the_cache_at_any_time(tmp_path: Path) -> None:
    one, other = ZipCache(tmp_path, 1000), ZipCache(tmp_path, 1000)
    one.put(digest(b"x"), b"x")
    assert other.get(digest(b"x")) == b"x"
    (tmp_path / f"{digest(b'x')}.zip").unlink()
    assert one.get(digest(b"x")) is None


def test_leftovers_of_a_writer_that_died_are_removed(tmp_path: Path) -> None:
    stale = tmp_path / ".new-stale"
    stale.write_bytes(b"x")
    os.utime(stale, (1000, 1000))
    fresh = tmp_path / ".new-fresh"
    fresh.write_bytes(b"x")
    ZipCache(tmp_path, 1000).put(digest(b"x"), b"x")
    assert not stale.exists()
    assert fresh.exists()


def test_a_document_is_whole_or_absent(tmp_path: Path) -> None:
    document = Document(tmp_path / "sub" / "index")
    assert document.read() is None
    document.write({"etag": "e"}, b"a\nb")
    found = document.read()
    assert found is not None
    assert (found[0]["etag"], found[1]) == ("e", b"a\nb")
    path = tmp_path / "sub" / "index"
    path.write_bytes(path.read_bytes()[:-1])
    assert document.read() is None
    path.write_bytes(b"\xff")
    assert document.read() is None
