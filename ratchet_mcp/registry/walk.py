"""Goes through a folder for tasks: quickly, within bounds, never out of it, and reading nothing but metadata."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ratchet_mcp.errors import RatchetError, TaskInvalid
from ratchet_mcp.registry.archives import ZipPlace, scan_zip
from ratchet_mcp.registry.source import Found, TaskProblem
from ratchet_mcp.settings import Limits
from ratchet_mcp.tasks.definition import Task
from ratchet_mcp.tasks.files import CODE_FILES, MAX_METADATA_BYTES, METADATA_FILES, TaskFiles, is_wanted
from ratchet_mcp.tasks.loading import load_metadata, load_metadata_of, load_task
from ratchet_mcp.tasks.metadata import Metadata
from ratchet_mcp.tasks.reading import hidden_characters

MAX_TASKS = 50_000
MAX_FOLDERS = 100_000
IGNORED = frozenset({"node_modules", "__pycache__", "__MACOSX"})
Result = Found | TaskProblem
ZipScan = tuple[tuple[int, int, int], list[Result]]
"""When and how large a ZIP was, and what it held."""


def is_ignored(name: str) -> bool:
    """Tell whether a folder or ZIP of this name is never looked at."""
    return name.startswith(".") or name in IGNORED


@dataclass(frozen=True, slots=True)
class FolderPlace:
    """A task folder inside the folder `root`; `stamp` changes when one of the task's files does."""

    location: str
    root: str
    stamp: int

    def load(self, limits: Limits, origin: str) -> Task:
        """Read and check the task. Raises `TaskInvalid`, also when the folder has become a link that leaves the source."""
        if not stays_inside(self.location, self.root):
            raise invalid(self.location, "this link leaves the source")
        return load_task(Path(self.location), origin=origin, limits=limits)


class Walk:
    """One pass over a folder, or over a part of it.

    `known` and `known_zips` are what an earlier pass found: what has not changed since is not read again. Afterwards `folders` lists the
    folders that were gone through, `found` and `zips` what was read.
    """

    def __init__(
        self, source: str, root: str, depth: int, limits: Limits, known: Mapping[str, Found], known_zips: Mapping[str, ZipScan]
    ) -> None:
        self.folders: list[str] = []
        self.found: dict[str, Found] = {}
        self.zips: dict[str, ZipScan] = {}
        self._source, self._root, self._depth, self._limits = source, root, max(depth, 1), limits
        self._known, self._known_zips = known, known_zips
        self._real_root = os.path.realpath(root)
        self._full = False

    def enter(self, path: str, level: int) -> Iterator[Result]:
        """Yield what one entry of a folder holds; `level` is how deep below the root it stands."""
        if self._full or (level and is_ignored(os.path.basename(path))):
            return
        zipped = path.lower().endswith(".zip")
        if level and (odd := _odd_character(os.path.basename(path))):
            if zipped or os.path.isdir(path):
                shown = ascii(path)[1:-1]
                yield self._problem(shown, invalid(shown, f"its name holds the character {odd}"))
            return
        if level and os.path.islink(path):
            if not stays_inside(path, self._real_root):
                if zipped or os.path.isdir(path):
                    yield self._problem(path, invalid(path, "this link leaves the source"))
                return
            if (os.path.realpath(path) + os.sep) in os.path.realpath(os.path.dirname(path)) + os.sep:
                return  # round and round
        if os.path.isdir(path):
            yield from self._visit(path, level)
        elif zipped and os.path.isfile(path):
            yield from self._zip(path)

    def _visit(self, folder: str, level: int) -> Iterator[Result]:
        try:
            with os.scandir(folder) as listing:
                entries = {entry.name: entry for entry in listing}
        except OSError as error:
            yield self._problem(folder, invalid(folder, f"the folder cannot be read: {error.strerror}"))
            return
        if len(self.folders) >= MAX_FOLDERS or len(self.found) >= MAX_TASKS:
            yield self._too_many()
            return
        self.folders.append(folder)
        metadata = [name for name in METADATA_FILES if name in entries and _is_file(entries[name])]
        if metadata:
            yield self._task(folder, metadata, entries)
        elif level and any(name in entries and _is_file(entries[name]) for name in CODE_FILES):
            yield self._problem(folder, invalid(folder, "there is code, but no metadata.json"))
        elif level < self._depth:
            for name in sorted(entries):
                entry = entries[name]
                if entry.is_symlink() or name.lower().endswith(".zip") or _odd_character(name):
                    yield from self.enter(entry.path, level + 1)
                elif entry.is_dir(follow_symlinks=False) and not is_ignored(name) and not self._full:
                    yield from self._visit(entry.path, level + 1)

    def _task(self, folder: str, metadata: list[str], entries: Mapping[str, os.DirEntry[str]]) -> Result:
        place = FolderPlace(folder, self._real_root, self._stamp(folder, entries))
        known = self._known.get(folder)
        if known is not None and known.place == place:
            self.found[folder] = known
            return known
        try:
            found = Found(self._metadata(folder, metadata, entries), place)
        except RatchetError as error:
            return self._problem(folder, error)
        self.found[folder] = found
        return found

    def _metadata(self, folder: str, names: list[str], entries: Mapping[str, os.DirEntry[str]]) -> Metadata:
        if len(names) == 1 and not entries[names[0]].is_symlink():
            data = _read_plain(entries[names[0]].path)
            if data is not None:
                name = os.path.basename(os.path.realpath(folder) if os.path.basename(folder) in ("", ".", "..") else folder)
                return load_metadata_of(TaskFiles(name, {names[0]: data}), folder, self._limits)
        return load_metadata(Path(folder), self._limits)

    def _stamp(self, folder: str, entries: Mapping[str, os.DirEntry[str]]) -> int:
        marks: list[tuple[str, int, int, int]] = []
        tests = entries.get("tests")
        files = [entry for name, entry in entries.items() if is_wanted(name)]
        if tests is not None and tests.is_dir(follow_symlinks=False):
            self.folders.append(tests.path)
            try:
                with os.scandir(tests.path) as listing:
                    files += [entry for entry in listing if entry.name.endswith(".json")]
            except OSError:
                marks.append(("tests", 0, 0, 0))  # loading the task tells
        for entry in files:
            try:
                status = entry.stat()
                marks.append((entry.path, status.st_mtime_ns, status.st_size, status.st_ino))
            except OSError:
                marks.append((entry.path, 0, 0, 0))
        return hash(tuple(sorted(marks)))

    def _zip(self, path: str) -> Iterator[Result]:
        try:
            status = os.stat(path)
        except OSError:
            return  # it went just now
        stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        known = self._known_zips.get(path)
        results = known[1] if known is not None and known[0] == stamp else [self._packed(*pair) for pair in scan_zip(path, self._limits)]
        self.zips[path] = stamp, results
        for result in results:
            if len(self.found) >= MAX_TASKS:
                yield self._too_many()
                return
            if isinstance(result, Found):
                self.found[result.place.location] = result
            yield result

    def _too_many(self) -> TaskProblem:
        self._full = True
        return self._problem(
            self._root, invalid(self._root, f"there are more than {MAX_TASKS} tasks or {MAX_FOLDERS} folders; the rest is left out")
        )

    def _packed(self, first: Metadata | str, second: ZipPlace | RatchetError) -> Result:
        if isinstance(first, Metadata) and not isinstance(second, RatchetError):
            return Found(first, second)
        assert isinstance(first, str) and isinstance(second, RatchetError)  # noqa: S101  the pairs of scan_zip
        return self._problem(first, second)

    def _problem(self, location: str, error: RatchetError) -> TaskProblem:
        return TaskProblem(self._source, location, error)


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False  # a link that goes round


def _odd_character(name: str) -> str | None:
    """Return the first character of a name that cannot be seen, or is no text at all (a byte that is not UTF-8)."""
    if name.isascii() and name.isprintable():
        return None
    odd = (f"U+{ord(each):04X}" for each in name if each < " " or "\ud800" <= each <= "\udfff")
    return hidden_characters(name) or next(odd, None)


def _read_plain(path: str) -> bytes | None:
    """Return the content of a small regular file that is no link; None for anything else, which is looked at more closely."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_METADATA_BYTES:
            return None
        return os.read(file, status.st_size + 1)
    except OSError:
        return None
    finally:
        os.close(file)


def stays_inside(path: str, root: str) -> bool:
    """Tell whether a path, with all links followed, lies in a folder."""
    try:
        return Path(path).resolve(strict=True).is_relative_to(root)
    except (OSError, RuntimeError):
        return False


def invalid(where: str, message: str) -> TaskInvalid:
    """Return the error of something that is no task."""
    return TaskInvalid(f"{where[:200]} cannot be used: {message}", details={"problems": [{"file": where[:200], "message": message}]})
