"""What remote sources have fetched, in a folder that several servers share: written in one step, checked whenever it is read."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ratchet_mcp.settings import RegistrySettings
from ratchet_mcp.tasks.json_values import is_object

_TEMPORARY = ".new-"
_STALE_SECONDS = 3600.0


def cache_folder(settings: RegistrySettings) -> Path:
    """Return the folder of the settings, or the usual one of the user."""
    if settings.cache_folder is not None:
        return settings.cache_folder.expanduser()
    import platformdirs

    return platformdirs.user_cache_path("ratchet", appauthor=False) / "sources"


def key_of(*parts: str) -> str:
    """Return a short file name that stands for some text."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def private_folder(path: Path) -> Path:
    """Make a folder that only the user may enter, when it is missing. Raises `OSError`."""
    if not path.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
    return path


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that readers see the old or the new content, never a part. Raises `OSError`."""
    handle, name = tempfile.mkstemp(prefix=_TEMPORARY, dir=private_folder(path.parent))
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


class Document:
    """One file with a header (facts about it) and a body, whose digest the header holds."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> tuple[dict[str, Any], bytes] | None:
        """Return header and body, or None when there is nothing whole."""
        try:
            line, _, body = self._path.read_bytes().partition(b"\n")
            header: Any = json.loads(line)
        except (OSError, ValueError, RecursionError):
            return None
        if not is_object(header) or header.get("sha256") != hashlib.sha256(body).hexdigest():
            return None
        return header, body

    def write(self, header: Mapping[str, Any], body: bytes) -> None:
        """Replace the document. Raises `OSError`."""
        line = json.dumps({**header, "sha256": hashlib.sha256(body).hexdigest()})
        write_atomically(self._path, line.encode() + b"\n" + body)

    def touch(self) -> None:
        """Note that the document is still what the server has."""
        with suppress(OSError):
            os.utime(self._path)

    def checked_at(self) -> float | None:
        """Return when the document was last written or touched, in seconds since 1970."""
        try:
            return self._path.stat().st_mtime
        except OSError:
            return None


class ZipCache:
    """ZIPs by their SHA-256. When they are over `max_bytes` together, those that were not used for longest go."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder, self.max_bytes = folder, max_bytes
        self._total: int | None = None

    def _path(self, digest: str) -> Path:
        if not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise ValueError("not a SHA-256")
        return self._folder / f"{digest}.zip"

    def has(self, digest: str) -> bool:
        """Tell whether a ZIP is there, without reading it."""
        return self._path(digest).is_file()

    def get(self, digest: str) -> bytes | None:
        """Return a ZIP whose content has this digest; one that was damaged on disk is thrown away."""
        path = self._path(digest)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        whole = hashlib.sha256(data).hexdigest() == digest
        with suppress(OSError):
            os.utime(path) if whole else path.unlink()
        return data if whole else None

    def put(self, digest: str, data: bytes) -> None:
        """Keep a ZIP, and make room for it. Raises `OSError`."""
        write_atomically(self._path(digest), data)
        self._total = (self._total if self._total is not None else sum(size for _, size, _ in self._files())) + len(data)
        if self._total > self.max_bytes:
            self._total = self._make_room(keep=digest)

    def size(self) -> tuple[int, int]:
        """Return how many ZIPs are there, and their bytes."""
        sizes = [size for _, size, _ in self._files()]
        return len(sizes), sum(sizes)

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        """Yield (time of last use, bytes, path), and remove what a writer that died has left."""
        try:
            entries = list(os.scandir(self._folder))
        except OSError:
            return
        for entry in entries:
            with suppress(OSError):
                status = entry.stat()
                if entry.name.endswith(".zip"):
                    yield status.st_mtime, status.st_size, Path(entry.path)
                elif entry.name.startswith(_TEMPORARY) and time.time() - status.st_mtime > _STALE_SECONDS:
                    os.unlink(entry.path)

    def _make_room(self, keep: str) -> int:
        files = sorted(self._files())
        total = sum(size for _, size, _ in files)
        for _, size, path in files:
            if total <= self.max_bytes * 9 // 10:
                break
            if path.stem != keep:
                with suppress(OSError):
                    path.unlink()
                    total -= size
        return total
