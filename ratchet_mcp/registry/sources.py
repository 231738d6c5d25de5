"""Finds the places of tasks in a source: a task folder, a ZIP, or a folder that holds any number of both."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ratchet_mcp.errors import RatchetError, TaskInvalid
from ratchet_mcp.registry.bundled import bundled_path
from ratchet_mcp.settings import RegistrySettings, SourceSettings
from ratchet_mcp.tasks.files import CODE_FILES, is_task_folder

DEFAULT_DEPTH = 4
MAX_DEPTH = 16
MAX_TASKS = 50_000
_IGNORED = frozenset({"node_modules", "__pycache__", "__MACOSX"})
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TaskProblem:
    """A task, or a whole source, that cannot be served: where it is and what is wrong."""

    source: str
    location: str
    error: RatchetError

    def to_dict(self) -> dict[str, Any]:
        """Return `{source, location, error}`."""
        return {"source": self.source, "location": self.location, "error": self.error.to_dict()}


@dataclass(frozen=True, slots=True)
class Source:
    """One place that tasks come from; `depth` is how many folders deep a collection is searched."""

    name: str
    path: Path
    depth: int = DEFAULT_DEPTH


def open_sources(settings: RegistrySettings) -> tuple[list[Source], list[TaskProblem]]:
    """Return the sources in order of precedence: those of the settings first, then the bundled tasks."""
    sources: list[Source] = []
    problems: list[TaskProblem] = []
    for each in settings.sources:
        try:
            sources.append(_source(each))
        except TaskInvalid as error:
            problems.append(TaskProblem(each.name, each.uri, error))
    if settings.bundled:
        try:
            sources.append(Source("bundled", bundled_path()))
        except RatchetError as error:
            problems.append(TaskProblem("bundled", "ratchet_mcp", error))
    return sources, problems


def _source(settings: SourceSettings) -> Source:
    depth = settings.config.get("depth", DEFAULT_DEPTH)
    if isinstance(depth, bool) or not isinstance(depth, int) or not 0 <= depth <= MAX_DEPTH:
        raise _invalid(settings.uri, f"config.depth is a whole number from 0 to {MAX_DEPTH}")
    path = path_of_uri(settings.uri)
    if not path.exists():
        raise _invalid(settings.uri, "there is no such file or folder")
    if not path.is_dir() and path.suffix.lower() != ".zip":
        raise _invalid(settings.uri, "this is neither a folder nor a ZIP")
    return Source(settings.name, path, depth)


def path_of_uri(uri: str) -> Path:
    """Turn a path or a `file://` URI into a path; `~` is the user's home. Raises `TaskInvalid` for other schemes."""
    scheme = _SCHEME.match(uri)
    if scheme is None:
        return Path(uri.removeprefix("file:")).expanduser()
    if scheme[1].lower() != "file":
        raise _invalid(uri, f"sources of the kind {scheme[1]}:// are not supported; name a folder or a ZIP")
    path = uri[len("file://") :]
    if "%" in path:
        path = unquote(urlsplit(uri).path)
    return Path(path.removeprefix("localhost")).expanduser()


def _invalid(uri: str, message: str) -> TaskInvalid:
    return TaskInvalid(f"The source {uri[:200]} cannot be used: {message}", details={"problems": [{"file": uri[:200], "message": message}]})


def find_tasks(source: Source) -> Iterator[Path | TaskProblem]:
    """Yield the folders and ZIPs that hold a task each, in order of their names; what looks like a task but is none is a problem."""
    if not source.path.is_dir() or is_task_folder(source.path):
        yield source.path
        return
    root = source.path.resolve()
    count = 0
    waiting: list[tuple[str, int]] = [(str(source.path), 0)]
    while waiting:
        folder, depth = waiting.pop()
        deeper: list[tuple[str, int]] = []
        for found in _look_into(source, root, folder, deeper, depth):
            count += 1
            if count > MAX_TASKS:
                yield TaskProblem(source.name, str(source.path), _invalid(str(source.path), f"there are more than {MAX_TASKS} tasks"))
                return
            yield found
        waiting.extend(reversed(deeper))


def _look_into(source: Source, root: Path, folder: str, deeper: list[tuple[str, int]], depth: int) -> Iterator[Path | TaskProblem]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield TaskProblem(source.name, folder, _invalid(folder, f"the folder cannot be read: {error.strerror}"))
        return
    for entry in entries:
        if entry.name.startswith(".") or entry.name in _IGNORED:
            continue
        path = Path(entry.path)
        if entry.is_symlink() and not _stays_inside(path, root):
            if entry.is_dir() or entry.name.lower().endswith(".zip"):
                yield TaskProblem(source.name, entry.path, _invalid(entry.path, "this link leaves the source"))
        elif entry.is_dir():
            if is_task_folder(path):
                yield path
            elif any((path / name).is_file() for name in CODE_FILES):
                yield TaskProblem(source.name, entry.path, _invalid(entry.path, "there is code, but no metadata.json"))
            elif depth + 1 < source.depth:
                deeper.append((entry.path, depth + 1))
        elif entry.name.lower().endswith(".zip"):
            yield path


def _stays_inside(path: Path, root: Path) -> bool:
    try:
        return path.resolve(strict=True).is_relative_to(root)
    except (OSError, RuntimeError):
        return False
