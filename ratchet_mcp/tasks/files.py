"""The files of a task, from a folder or a ZIP, without ever leaving either."""

from __future__ import annotations

import io
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from ratchet_mcp.settings import Limits
from ratchet_mcp.tasks.problems import Problems
from ratchet_mcp.tasks.reading import hidden_characters

METADATA_FILES = ("metadata.json", "meta.yaml", "meta.yml")
CODE_FILES = ("main.js", "task.js")
SCHEMA_FILES = ("input.schema.json", "output.schema.json")
MAX_METADATA_BYTES = 1 << 20
MAX_SCHEMA_BYTES = 256 << 10
MAX_TEST_BYTES = 1 << 20
MAX_TESTS = 200
MAX_TASK_BYTES = 16 << 20
MAX_ZIP_BYTES = 32 << 20
MAX_ZIP_ENTRIES = 2000
MAX_ZIP_CONTENT = 64 << 20
MAX_ZIP_RATIO = 200
_JUNK = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(slots=True)
class TaskFiles:
    """The contents of the files that matter, by their path inside the task; `name` is what the folder or ZIP is called."""

    name: str
    contents: dict[str, bytes] = field(default_factory=dict[str, bytes])

    def tests(self) -> list[str]:
        """Return the paths of the test files in order."""
        return sorted(path for path in self.contents if path.startswith("tests/"))


def is_task_folder(path: Path) -> bool:
    """Tell whether a folder holds a task: it has one of the metadata files."""
    return any((path / name).is_file() for name in METADATA_FILES)


def read_files(path: Path, problems: Problems, limits: Limits, *, only: tuple[str, ...] | None = None) -> TaskFiles:
    """Read a task's files, or `only` some of them; what cannot be read is noted in `problems`."""
    if path.is_dir():
        return _read_folder(path, problems, limits, only)
    if not path.exists():
        problems.add(path.name, "there is no such file or folder")
        return TaskFiles(path.stem)
    if path.suffix.lower() == ".zip" or zipfile.is_zipfile(path):
        return _read_zip(path, problems, limits, only)
    problems.add(path.name, "this is neither a task folder nor a ZIP; name the folder that holds metadata.json")
    return TaskFiles(path.stem)


def take_files(
    name: str, contents: Mapping[str, bytes], problems: Problems, limits: Limits, *, only: tuple[str, ...] | None = None
) -> TaskFiles:
    """Take what belongs to a task out of files that are in memory, within the same limits as files on disk."""
    intake = _Intake(name, problems, limits)
    for path in sorted(contents):
        if is_wanted(path, only) and intake.admits(path, len(contents[path])):
            intake.take(path, contents[path])
    return intake.files


def is_wanted(path: str, only: tuple[str, ...] | None = None) -> bool:
    """Tell whether a path inside a task is one that Ratchet reads, or one of `only`."""
    if only is not None:
        return path in only
    return path in (*METADATA_FILES, *CODE_FILES, *SCHEMA_FILES) or bool(re.fullmatch(r"tests/[^/]+\.json", path))


def limit_of(path: str, limits: Limits) -> int:
    """Return how many bytes a file of a task may have, by its path."""
    if path in METADATA_FILES:
        return MAX_METADATA_BYTES
    if path in CODE_FILES:
        return limits.source_bytes
    return MAX_SCHEMA_BYTES if path in SCHEMA_FILES else MAX_TEST_BYTES


class _Intake:
    """Takes files in, and refuses those over a limit."""

    def __init__(self, name: str, problems: Problems, limits: Limits) -> None:
        self.files = TaskFiles(name)
        self._problems, self._limits = problems, limits
        self._total = self._tests = 0

    def limit(self, path: str) -> int:
        return limit_of(path, self._limits)

    def admits(self, path: str, size: int) -> bool:
        """Decide by the size that a file claims to have."""
        if hidden_characters(path):
            self._problems.add(ascii(path)[1:-1], f"the file name holds the character {hidden_characters(path)}")
            return False
        if path.startswith("tests/"):
            self._tests += 1
            if self._tests > MAX_TESTS:
                if self._tests == MAX_TESTS + 1:
                    self._problems.add("tests", f"there are more than {MAX_TESTS} test files")
                return False
        return self._fits(path, size)

    def take(self, path: str, data: bytes) -> None:
        """Keep a file's content if its real size is within the limits."""
        if self._fits(path, len(data)):
            self._total += len(data)
            if self._total > MAX_TASK_BYTES:
                self._problems.add(path, f"the task's files are larger than {MAX_TASK_BYTES >> 20} MiB together")
                return
            self.files.contents[path] = data

    def _fits(self, path: str, size: int) -> bool:
        if size > self.limit(path):
            self._problems.add(path, f"the file is larger than {_size(self.limit(path))}")
            return False
        return True


def _size(count: int) -> str:
    return f"{count >> 20} MiB" if count >= 1 << 20 and count % (1 << 20) == 0 else f"{count >> 10} KiB"


# ---------------------------------------------------------------- folders
def _read_folder(root: Path, problems: Problems, limits: Limits, only: tuple[str, ...] | None) -> TaskFiles:
    resolved = root.resolve()
    intake = _Intake(resolved.name, problems, limits)
    for path in _folder_entries(root, problems, only):
        file = root / path
        try:
            real = file.resolve(strict=True)
            if not real.is_relative_to(resolved):
                problems.add(path, "this link leaves the task's folder")
                continue
            status = real.stat()
            if not stat.S_ISREG(status.st_mode):
                problems.add(path, "this is not a regular file")
            elif intake.admits(path, status.st_size):
                with real.open("rb") as stream:
                    intake.take(path, stream.read(intake.limit(path) + 1))
        except (OSError, RuntimeError) as error:
            problems.add(path, f"the file cannot be read: {getattr(error, 'strerror', None) or error}")
    return intake.files


def _folder_entries(root: Path, problems: Problems, only: tuple[str, ...] | None) -> Iterator[str]:
    try:
        names = sorted(entry.name for entry in root.iterdir())
    except OSError as error:
        problems.add(root.name, f"the folder cannot be read: {error.strerror}")
        return
    yield from (name for name in names if is_wanted(name, only))
    if only is not None or "tests" not in names:
        return
    tests = root / "tests"
    if tests.is_symlink() and not tests.resolve().is_relative_to(root.resolve()):
        problems.add("tests", "this link leaves the task's folder")
    elif tests.is_dir():
        yield from (f"tests/{name}" for name in sorted(entry.name for entry in tests.iterdir()) if is_wanted(f"tests/{name}", None))


# ---------------------------------------------------------------- ZIPs
def read_zip(name: str, data: bytes, problems: Problems, limits: Limits, *, only: tuple[str, ...] | None = None) -> TaskFiles:
    """Read the files of a task out of a ZIP that is in memory, with the same checks as a ZIP on disk."""
    intake = _Intake(name, problems, limits)
    if len(data) > MAX_ZIP_BYTES:
        problems.add(name, f"the ZIP is larger than {MAX_ZIP_BYTES >> 20} MiB")
        return intake.files
    return _unpack(f"{name}.zip", io.BytesIO(data), intake, problems, only)


def _read_zip(path: Path, problems: Problems, limits: Limits, only: tuple[str, ...] | None) -> TaskFiles:
    intake = _Intake(path.stem, problems, limits)
    try:
        if path.stat().st_size > MAX_ZIP_BYTES:
            problems.add(path.name, f"the ZIP is larger than {MAX_ZIP_BYTES >> 20} MiB")
            return intake.files
    except OSError as error:
        problems.add(path.name, f"the ZIP cannot be read: {error}")
        return intake.files
    return _unpack(path.name, path, intake, problems, only)


def _unpack(name: str, file: Path | IO[bytes], intake: _Intake, problems: Problems, only: tuple[str, ...] | None) -> TaskFiles:
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            before = len(problems.found)
            check_entries(name, entries, problems)
            if len(problems.found) > before:
                return intake.files
            prefix = _top_folder(entries)
            if prefix:
                intake.files.name = prefix.rstrip("/")
            for entry in entries:
                inside = entry.filename.removeprefix(prefix)
                if not entry.is_dir() and is_wanted(inside, only) and intake.admits(inside, entry.file_size):
                    _take_entry(archive, entry, inside, intake, problems)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        problems.add(name, f"the ZIP cannot be read: {error}")
    return intake.files


def _take_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: str, intake: _Intake, problems: Problems) -> None:
    try:
        with archive.open(entry) as stream:
            intake.take(path, stream.read(intake.limit(path) + 1))
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError, NotImplementedError) as error:
        problems.add(path, f"the entry cannot be unpacked: {error}")


def check_entries(
    file: str,
    entries: list[zipfile.ZipInfo],
    problems: Problems,
    *,
    max_entries: int = MAX_ZIP_ENTRIES,
    max_content: int = MAX_ZIP_CONTENT,
) -> None:
    """Note what makes a ZIP unsafe to read: too many or too large entries, names that climb out, links, encryption, doubles."""
    if len(entries) > max_entries:
        problems.add(file, f"the ZIP holds more than {max_entries} entries")
        return
    if sum(entry.file_size for entry in entries) > max_content:
        problems.add(file, f"the ZIP unpacks to more than {max_content >> 20} MiB")
        return
    seen: set[str] = set()
    for entry in entries:
        name = entry.orig_filename
        shown = ascii(name)[1:-1][:200]
        wrong = _entry_problem(entry)
        if wrong is None and name in seen:
            wrong = "the entry is there twice"
        if wrong:
            problems.add(shown, wrong)
        seen.add(name)


def _entry_problem(entry: zipfile.ZipInfo) -> str | None:
    name = entry.orig_filename
    checks = (
        ("\\" in name, "the entry's name holds a backslash"),
        (name.startswith("/") or bool(_DRIVE.match(name)), "the entry's name is an absolute path"),
        (".." in PurePosixPath(name).parts, "the entry climbs out of the ZIP"),
        (hidden_characters(name) is not None, f"the entry's name holds the character {hidden_characters(name)}"),
        (stat.S_ISLNK(entry.external_attr >> 16), "the entry is a symbolic link"),
        (bool(entry.flag_bits & 1), "the entry is encrypted"),
        (
            entry.file_size > (1 << 20) and entry.file_size > MAX_ZIP_RATIO * max(1, entry.compress_size),
            "the entry unpacks to suspiciously much",
        ),
    )
    return next((message for wrong, message in checks if wrong), None)


def _top_folder(entries: list[zipfile.ZipInfo]) -> str:
    """Return `folder/` when everything in the ZIP stands in one folder, otherwise nothing."""
    names = [entry.filename for entry in entries if not any(part in _JUNK for part in entry.filename.split("/"))]
    if any(name in METADATA_FILES for name in names):
        return ""
    tops = {name.split("/", 1)[0] for name in names}
    return f"{tops.pop()}/" if len(tops) == 1 and all("/" in name for name in names) else ""
