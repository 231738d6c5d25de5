"""Reads what is to be imported: a ZIP of one task or many, or a JSON bundle. Nothing of it is trusted."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import Any, Literal

from ratchet_mcp.authoring.drafts import Texts, is_plain, texts_of
from ratchet_mcp.authoring.packing import JSON_FORMAT
from ratchet_mcp.errors import InvalidArgument, RatchetError, TaskInvalid
from ratchet_mcp.registry.archives import Archive
from ratchet_mcp.settings import Limits
from ratchet_mcp.tasks.definition import Task
from ratchet_mcp.tasks.files import MAX_TASK_BYTES, TaskFiles, is_wanted
from ratchet_mcp.tasks.json_values import is_array, is_object
from ratchet_mcp.tasks.loading import load_files
from ratchet_mcp.tasks.problems import Problems
from ratchet_mcp.tasks.reading import ReadError, decode, read_json
from ratchet_mcp.tasks.violations import shown

MAX_TASKS = 500
MAX_CONTENT = 64 << 20
"""Bytes of all files of an import together, unpacked."""
MAX_DATA = 48 << 20
_URI = re.compile(r"data:[\w.+/-]*(?:;[\w=-]+)*;base64,")
Status = Literal["imported", "unchanged", "skipped", "failed", "withheld"]


@dataclass(slots=True)
class Verdict:
    """What became of one task: where it stood, what it is now, and why. `withheld`: it is fine, but another one failed."""

    place: str
    status: Status
    task: str | None = None
    was: str | None = None
    message: str | None = None
    error: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return what is known."""
        named = {"task": self.task, "was": self.was, "message": self.message, "error": self.error}
        return {"place": self.place, "status": self.status, **{key: value for key, value in named.items() if value is not None}}


@dataclass(frozen=True)
class Arrival:
    """One task that is to be imported, or what is wrong with it. `texts` are its files."""

    place: str
    task: Task | None = None
    texts: Texts = field(default_factory=dict[str, str])
    error: RatchetError | None = None
    remote: bool = False


def read_bundle(data: Any, limits: Limits, *, remote: bool = False) -> list[Arrival]:
    """Read bytes of a file, base64 of a ZIP, JSON text or a JSON value. Raises `InvalidArgument` or `TaskInvalid` when it is no bundle."""
    if isinstance(data, str):
        data = _decoded(data)
    if isinstance(data, bytes):
        if data.startswith(b"PK"):
            return _from_zip(data, limits, remote=remote)
        data = _parsed(data)
    return _from_json(data, limits, remote=remote)


def _decoded(text: str) -> Any:
    """Return the bytes of base64 text, or the value of JSON text."""
    if len(text) > MAX_DATA * 4 // 3 + 1000:
        raise InvalidArgument(f"data is larger than {MAX_DATA >> 20} MiB.", hint="Import fewer tasks at a time.")
    plain = text.lstrip("\ufeff \t\r\n")
    if plain[:1] in ("{", "["):
        return plain.encode("utf-8", "replace")
    packed = re.sub(r"\s+", "", _URI.sub("", plain, count=1)).replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(packed.rstrip("=") + "=" * (-len(packed.rstrip("=")) % 4), validate=True)
    except (ValueError, binascii.Error):
        raise _no_bundle("data is neither base64 of a ZIP nor JSON") from None


def _parsed(data: bytes) -> Any:
    if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"{", b"["):
        raise _no_bundle("this is neither a ZIP nor JSON")
    try:
        return read_json(decode(data))
    except ReadError as error:
        place = f" (line {error.line})" if error.line else ""
        raise _no_bundle(f"{error.message}{place}") from None


def _no_bundle(message: str) -> InvalidArgument:
    layout = f'{{"format": "{JSON_FORMAT}", "tasks": [{{"files": {{…}}}}]}}'
    return InvalidArgument(
        f"Nothing was imported: {message}.", hint=f"Give what export_tasks gave, a base64 ZIP of task folders, or {layout}."
    )


# ---------------------------------------------------------------- ZIPs
def _from_zip(data: bytes, limits: Limits, *, remote: bool) -> list[Arrival]:
    with Archive(data, "import") as archive:
        if not archive.tasks and not archive.strays:
            raise _no_bundle("the ZIP holds no task: there is no metadata.json")
        _check_count(len(archive.tasks))
        if sum(entry.file_size for packed in archive.tasks for entry in packed.entries) > MAX_CONTENT:
            raise _too_much()
        arrivals: list[Arrival] = []
        for packed in archive.tasks:
            place = packed.folder or "."
            try:
                arrivals.append(_arrival(place, archive.read(packed, limits=limits), limits, remote=remote))
            except RatchetError as error:
                arrivals.append(Arrival(place, error=error))
        for folder in archive.strays:
            problems = Problems()
            problems.add("metadata.json", "there is code, but no metadata.json")
            arrivals.append(Arrival(folder or ".", error=problems.error(f"The task in {folder or '.'}", folder)))
        return arrivals


def _check_count(count: int) -> None:
    if count > MAX_TASKS:
        raise InvalidArgument(f"There are {count} tasks; at most {MAX_TASKS} are imported at a time.", hint="Import fewer at a time.")


def _too_much() -> InvalidArgument:
    return InvalidArgument(f"The tasks are larger than {MAX_CONTENT >> 20} MiB together.", hint="Import fewer at a time.")


# ---------------------------------------------------------------- JSON
def _from_json(value: Any, limits: Limits, *, remote: bool) -> list[Arrival]:
    if is_object(value) and "format" in value and value["format"] != JSON_FORMAT:
        raise _no_bundle(f"the format {shown(value['format'])} is unknown")
    tasks: Any = value.get("tasks", [value] if "files" in value else None) if is_object(value) else value
    if not is_array(tasks) or not tasks:
        raise _no_bundle("there is no list of tasks")
    _check_count(len(tasks))
    total = 0
    arrivals: list[Arrival] = []
    for number, each in enumerate(tasks):
        place = f"$.tasks[{number}]"
        files: Any = each.get("files") if is_object(each) else None
        if not is_object(files) or not all(isinstance(text, str) for text in files.values()):
            problems = Problems()
            problems.add(place, 'expected {"files": {"metadata.json": "…", "main.js": "…"}} with texts', path=f"{place}.files")
            arrivals.append(Arrival(place, error=problems.error("The task", place)))
            continue
        contents = {path: text.encode("utf-8", "surrogatepass") for path, text in files.items()}
        total += sum(map(len, contents.values()))
        if total > MAX_CONTENT:
            raise _too_much()
        folder = each.get("folder")
        arrivals.append(_arrival(place, TaskFiles(folder if isinstance(folder, str) else "task", contents), limits, remote=remote))
    return arrivals


def _arrival(place: str, files: TaskFiles, limits: Limits, *, remote: bool) -> Arrival:
    """Check one task; its files are kept to the letter when they have today's layout, and put into it otherwise."""
    try:
        task = load_files(files, origin="database", location=place, limits=limits)
    except TaskInvalid as error:
        return Arrival(place, error=error)
    texts = {path: files.contents[path].decode("utf-8") for path in sorted(files.contents) if is_wanted(path, None)}
    if not is_plain(texts) or any("\0" in text for text in texts.values()):
        texts = texts_of(task)
    if sum(map(len, texts.values())) > MAX_TASK_BYTES or "\0" in task.source:
        problems = Problems()
        problems.add(task.code_file, "the text holds the character U+0000" if "\0" in task.source else "the task is too large")
        return Arrival(place, error=problems.error(f"The task {task.name!r}", place))
    return Arrival(place, task, texts, remote=remote)
