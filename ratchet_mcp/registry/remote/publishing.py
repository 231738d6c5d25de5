"""Makes what a web server needs to offer a folder of tasks: a ZIP of each, and the index."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ratchet_mcp.errors import RatchetError
from ratchet_mcp.registry.archives import Archive, ZipPlace
from ratchet_mcp.registry.folders import DEFAULT_DEPTH, FolderSource
from ratchet_mcp.registry.remote.cache import write_atomically
from ratchet_mcp.registry.remote.index_format import write_index
from ratchet_mcp.registry.source import Place, TaskProblem
from ratchet_mcp.settings import Limits
from ratchet_mcp.tasks.definition import Task
from ratchet_mcp.tasks.files import MAX_ZIP_BYTES, TaskFiles, read_files
from ratchet_mcp.tasks.loading import load_files
from ratchet_mcp.tasks.metadata import INLINE_KEYS
from ratchet_mcp.tasks.problems import Problems

INDEX = "index.json"


@dataclass(slots=True)
class Published:
    """What was written: the entries of the index, and the tasks that were left out with the reason."""

    entries: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    problems: list[TaskProblem] = field(default_factory=list[TaskProblem])


def publish(folder: Path, output: Path, limits: Limits, *, title: str | None = None, depth: int = DEFAULT_DEPTH) -> Published:
    """Write the index of a folder of tasks, and their ZIPs, into `output`. Raises `OSError` and what a source that is gone raises.

    ZIPs are named after their content and written before the index, so that a server can be updated while it is asked.
    """
    published = Published()
    seen: dict[str, str] = {}
    for result in FolderSource("folder", folder, depth).scan(limits):
        if isinstance(result, TaskProblem):
            published.problems.append(result)
            continue
        location = result.place.location
        try:
            files = _files(result.place, limits)
            task = load_files(files, origin="folder", location=location, limits=limits)
            if task.reference in seen:
                raise _refused(location, f"{task.reference} is there already, from {seen[task.reference]}")
            data = pack(files)
            if len(data) > MAX_ZIP_BYTES:
                raise _refused(location, f"its ZIP would be larger than {MAX_ZIP_BYTES >> 20} MiB")
        except RatchetError as error:
            published.problems.append(TaskProblem("folder", location, error))
            continue
        seen[task.reference] = location
        published.entries.append(_write(task, data, output))
    published.entries.sort(key=lambda entry: (entry["name"], entry["version"]))
    write_atomically(output / INDEX, write_index(published.entries, title).encode())
    (output / INDEX).chmod(0o644)
    return published


def pack(files: TaskFiles) -> bytes:
    """Return the ZIP of a task; the same files give the same bytes."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(files.contents):
            entry = zipfile.ZipInfo(path)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, files.contents[path])
    return data.getvalue()


def _files(place: Place, limits: Limits) -> TaskFiles:
    if isinstance(place, ZipPlace):
        with Archive(Path(place.file)) as archive:
            return archive.read(archive.task(place.folder), limits=limits)
    problems = Problems()
    files = read_files(Path(place.location), problems, limits)
    if problems:
        raise problems.error(f"The task {files.name!r}", place.location)
    return files


def _write(task: Task, data: bytes, output: Path) -> dict[str, Any]:
    digest = hashlib.sha256(data).hexdigest()
    name = f"{task.name}-{task.version}-{digest[:8]}.zip"
    write_atomically(output / name, data)
    (output / name).chmod(0o644)
    facts = task.facts()
    further = {key: value for key, value in task.metadata.items() if key not in (*facts, *INLINE_KEYS)}
    entry: dict[str, Any] = {
        **facts,
        "metadata": further,
        "url": name.replace("+", "%2B"),
        "sha256": digest,
        "size": len(data),
        "digest": task.digest,
    }
    return {key: value for key, value in entry.items() if value not in ("", [], {})}


def _refused(location: str, message: str) -> RatchetError:
    problems = Problems()
    problems.add(location, message)
    return problems.error("The task", location)
