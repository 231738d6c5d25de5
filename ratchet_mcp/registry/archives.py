"""ZIPs: one task, or a collection of many, read without unpacking and without trusting what they say of themselves."""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ratchet_mcp.errors import RatchetError, TaskInvalid
from ratchet_mcp.settings import Limits
from ratchet_mcp.tasks.definition import Task
from ratchet_mcp.tasks.files import CODE_FILES, METADATA_FILES, TaskFiles, check_entries, is_wanted, limit_of
from ratchet_mcp.tasks.loading import load_files, load_metadata_of
from ratchet_mcp.tasks.metadata import Metadata
from ratchet_mcp.tasks.problems import Problems

MAX_BYTES = 256 << 20
"""Size of a collection ZIP."""
MAX_CONTENT = 1 << 30
MAX_ENTRIES = 200_000
MAX_DIRECTORY_BYTES = 32 << 20
"""Size of the list of entries, which is read into memory before anything else is known."""
MAX_DEPTH = 16
_IGNORED = frozenset({"node_modules", "__pycache__", "__MACOSX"})
_END, _END64, _LOCATOR64 = b"PK\5\6", b"PK\6\6", b"PK\6\7"
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError, NotImplementedError, struct.error)


@dataclass(frozen=True, slots=True)
class Packed:
    """One task in a ZIP: `folder` is where it stands (empty for the root), `fingerprint` changes when one of its files does."""

    name: str
    folder: str
    entries: tuple[zipfile.ZipInfo, ...]
    fingerprint: int


class Archive:
    """An opened ZIP. `tasks` are the folders in it that hold a task each, `strays` those that hold code without metadata.

    Everything is checked first: sizes, counts, names that climb out, links, encryption. Raises `TaskInvalid`.
    """

    def __init__(self, file: Path | bytes, name: str | None = None) -> None:
        self.name = name or (file.stem if isinstance(file, Path) else "archive")
        self.shown = file.name if isinstance(file, Path) else f"{self.name}.zip"
        self._stream: IO[bytes] = self._open(file)
        try:
            self._zip = zipfile.ZipFile(self._stream)
            problems = Problems()
            check_entries(self.shown, self._zip.infolist(), problems, max_entries=MAX_ENTRIES, max_content=MAX_CONTENT)
            if problems:
                raise problems.error(f"The ZIP {self.shown!r}", self.shown)
            self.tasks, self.strays = self._find()
        except _BROKEN as error:
            self._stream.close()
            raise self._invalid(f"the ZIP cannot be read: {error}") from None
        except BaseException:
            self._stream.close()
            raise

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def read(self, packed: Packed, *, only: tuple[str, ...] | None = None, limits: Limits | None = None) -> TaskFiles:
        """Unpack the files of one task, or `only` some of them; at most one byte over a file's limit is unpacked. Raises `TaskInvalid`."""
        files = TaskFiles(packed.name)
        for entry in packed.entries:
            path = entry.filename[len(packed.folder) + 1 :] if packed.folder else entry.filename
            if is_wanted(path, only):
                try:
                    with self._zip.open(entry) as stream:
                        files.contents[path] = stream.read(limit_of(path, limits or Limits()) + 1)
                except _BROKEN as error:
                    raise self._invalid(f"the entry cannot be unpacked: {error}", entry.filename) from None
        return files

    def task(self, folder: str) -> Packed:
        """Return the task that stands in a folder. Raises `TaskInvalid`."""
        for packed in self.tasks:
            if packed.folder == folder:
                return packed
        raise self._invalid(f"there is no task in {folder or 'its root'} any more")

    def _open(self, file: Path | bytes) -> IO[bytes]:
        try:
            size = len(file) if isinstance(file, bytes) else file.stat().st_size
            if size > MAX_BYTES:
                raise self._invalid(f"the ZIP is larger than {MAX_BYTES >> 20} MiB")
            stream = io.BytesIO(file) if isinstance(file, bytes) else file.open("rb")
        except OSError as error:
            raise self._invalid(f"the ZIP cannot be read: {error.strerror or error}") from None
        try:
            directory = _directory_size(stream, size)
        except (OSError, struct.error) as error:
            stream.close()
            raise self._invalid(f"the ZIP cannot be read: {error}") from None
        if directory > MAX_DIRECTORY_BYTES:
            stream.close()
            raise self._invalid(f"the ZIP's list of entries is larger than {MAX_DIRECTORY_BYTES >> 20} MiB")
        return stream

    def _find(self) -> tuple[list[Packed], list[str]]:
        members: dict[str, list[zipfile.ZipInfo]] = {}
        homes: set[str] = set()
        code: set[str] = set()
        for entry in self._zip.infolist():
            folder, _, name = entry.filename.rpartition("/")
            if entry.is_dir() or _is_ignored(folder):
                continue
            members.setdefault(folder, []).append(entry)
            if name in METADATA_FILES:
                homes.add(folder)
            elif name in CODE_FILES:
                code.add(folder)
        tasks = [self._packed(folder, members) for folder in sorted(homes) if not _is_below(folder, homes)]
        strays = sorted(folder for folder in code - homes if not _is_below(folder, homes))
        return tasks, strays

    def _packed(self, folder: str, members: dict[str, list[zipfile.ZipInfo]]) -> Packed:
        tests = f"{folder}/tests" if folder else "tests"
        entries = (*members[folder], *members.get(tests, ()))
        return Packed(
            folder.rpartition("/")[2] or self.name,
            folder,
            entries,
            hash(tuple((entry.filename, entry.CRC, entry.file_size) for entry in entries)),
        )

    def _invalid(self, message: str, file: str | None = None) -> TaskInvalid:
        problems = Problems()
        problems.add(file or self.shown, message)
        return problems.error(f"The ZIP {self.shown!r}", self.shown)


def _is_ignored(folder: str) -> bool:
    parts = folder.split("/")
    return len(parts) > MAX_DEPTH or any(part.startswith(".") or part in _IGNORED for part in parts)


def _is_below(folder: str, homes: set[str]) -> bool:
    """Tell whether a folder lies inside one of `homes`, which are tasks: a task is not searched for tasks."""
    while folder:
        folder = folder.rpartition("/")[0]
        if folder in homes:
            return True
    return False


def _directory_size(stream: IO[bytes], size: int) -> int:
    """Return how large the central directory claims to be (APPNOTE 4.3.14 and 4.3.16); 0 when the end record is missing."""
    start = max(0, size - (1 << 16) - 22 - 20)
    stream.seek(start)
    tail = stream.read()
    stream.seek(0)
    end = tail.rfind(_END)
    if end < 0 or len(tail) - end < 22:
        return 0
    (directory,) = struct.unpack_from("<L", tail, end + 12)
    if tail[max(0, end - 20) : end].startswith(_LOCATOR64):
        (offset,) = struct.unpack_from("<Q", tail, end - 20 + 8)
        stream.seek(min(offset, size))
        record = stream.read(56)
        stream.seek(0)
        if record.startswith(_END64) and len(record) == 56:
            (directory,) = struct.unpack_from("<Q", record, 40)
    return min(directory, size)


@dataclass(frozen=True, slots=True)
class ZipPlace:
    """A task in a ZIP on disk."""

    file: str
    folder: str
    single: bool
    fingerprint: int

    @property
    def location(self) -> str:
        """Return the ZIP's path, followed by `!/folder` in a collection."""
        return self.file if self.single else f"{self.file}!/{self.folder}"

    def load(self, limits: Limits, origin: str) -> Task:
        """Unpack and check the task. Raises `TaskInvalid`."""
        with Archive(Path(self.file)) as archive:
            packed = archive.task(self.folder)
            return load_files(archive.read(packed, limits=limits), origin=origin, location=self.location, limits=limits)


def scan_zip(path: str, limits: Limits) -> Iterator[tuple[Metadata, ZipPlace] | tuple[str, RatchetError]]:
    """Yield what a ZIP holds: the metadata of each task and its place, or a location and what is wrong there."""
    try:
        archive = Archive(Path(path))
    except RatchetError as error:
        yield path, error
        return
    with archive:
        single = len(archive.tasks) == 1 and not archive.strays
        for packed in archive.tasks:
            place = ZipPlace(path, packed.folder, single, packed.fingerprint)
            try:
                files = archive.read(packed, only=METADATA_FILES, limits=limits)
                yield load_metadata_of(files, place.location, limits), place
            except RatchetError as error:
                yield place.location, error
        for folder in archive.strays:
            where = f"{path}!/{folder}" if folder else path
            yield where, _problem(where, "there is code, but no metadata.json")
        if not archive.tasks and not archive.strays:
            yield path, _problem(os.path.basename(path), "the ZIP holds no task: there is no metadata.json")


def _problem(where: str, message: str) -> TaskInvalid:
    problems = Problems()
    problems.add(where, message)
    return problems.error("The ZIP", where)
