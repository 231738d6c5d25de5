"""The JSON index of a collection of tasks on a web server: read strictly, one bad entry never hides the others."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from ratchet_mcp.errors import RatchetError, TaskInvalid
from ratchet_mcp.settings import Limits
from ratchet_mcp.tasks.json_values import is_array, is_object
from ratchet_mcp.tasks.metadata import INLINE_KEYS, Metadata, read_metadata
from ratchet_mcp.tasks.problems import Problems
from ratchet_mcp.tasks.reading import ReadError, decode, hidden_characters, read_json

FORMAT = "ratchet-index/1"
_MAX_TOLD = 5


class IndexInvalid(Exception):
    """The whole index cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One version of a task as the index describes it. `sha256` and `size` are those of the ZIP, `digest` that of code and schemas."""

    metadata: Metadata
    url: str
    sha256: str
    size: int
    folder: str = ""
    digest: str | None = None

    @property
    def reference(self) -> str:
        """Return `name@version`."""
        return f"{self.metadata.name}@{self.metadata.version}"


@dataclass(frozen=True, slots=True)
class BadEntry:
    """An entry that cannot be used: what it calls itself, and what is wrong."""

    reference: str
    error: RatchetError


def read_index(data: bytes, max_tasks: int) -> list[Any]:
    """Return the entries of an index, unchecked but counted. Raises `IndexInvalid`."""
    try:
        raw = read_json(decode(data))
    except ReadError as error:
        place = f" (line {error.line}" + (f", column {error.column})" if error.column else ")") if error.line else ""
        raise IndexInvalid(f"the index is broken: {error.message}{place}") from None
    envelope: Any = {**raw, "tasks": []} if is_object(raw) and is_array(raw.get("tasks")) else raw
    problems = [f"{_path(error)}: {_plain(error.message)}" for error in _validator("index").iter_errors(envelope)]
    if problems:
        raise IndexInvalid(f"the index is not of the format {FORMAT}: {'; '.join(problems[:_MAX_TOLD])}")
    entries: list[Any] = raw["tasks"]
    if len(entries) > max_tasks:
        raise IndexInvalid(f"the index lists {len(entries)} tasks, and at most {max_tasks} are taken")
    return entries


def read_entry(raw: Any, position: int, limits: Limits) -> IndexEntry | BadEntry:
    """Check one entry; what is wrong with it is told all at once."""
    problems = Problems()
    path = f"$.tasks[{position}]"
    if not _validator("task").is_valid(raw):
        for error in _validator("task").iter_errors(raw):
            problems.add("index.json", _plain(error.message), path=path + _path(error)[1:])
        return _bad(raw, position, problems)
    further = {key: value for key, value in raw.get("metadata", {}).items() if key not in INLINE_KEYS}
    named = {key: raw[key] for key in ("name", "version", "uuid", "title", "description", "tags") if key in raw}
    metadata = read_metadata({**further, **named}, "index.json", raw["name"], problems, limits)
    for key in ("url", "folder"):
        if hidden_characters(raw.get(key, "")) or any(char in raw.get(key, "") for char in "\n\t\\"):
            problems.add("index.json", "the text holds characters that do not belong there", path=f"{path}.{key}")
    if problems:
        return _bad(raw, position, problems)
    return IndexEntry(metadata, raw["url"], raw["sha256"], raw["size"], raw.get("folder", "").strip("/"), raw.get("digest"))


def write_index(entries: Sequence[Mapping[str, Any]], title: str | None = None) -> str:
    """Return the text of an index with these entries."""
    head: dict[str, Any] = {"format": FORMAT, **({"title": title} if title else {})}
    return json.dumps({**head, "tasks": entries}, indent=2, ensure_ascii=False) + "\n"


def _bad(raw: Any, position: int, problems: Problems) -> BadEntry:
    name, version = (raw.get("name"), raw.get("version")) if is_object(raw) else (None, None)
    told = f"{name}@{version}" if isinstance(name, str) and isinstance(version, str) else f"entry {position}"
    told = ascii(told)[1:-1][:120]
    found = [{**problem, "message": str(problem["message"])[:500]} for problem in problems.found]
    first = found[0]
    return BadEntry(
        told,
        TaskInvalid(
            f"The task {told} of the index cannot be used: {first.get('path', '$')}: {first['message']}", details={"problems": found[:20]}
        ),
    )


@cache
def _validator(part: str) -> Any:
    import jsonschema_rs

    schema: Any = json.loads((files("ratchet_mcp.registry.remote") / "index.schema.json").read_text(encoding="utf-8"))
    if part == "task":
        schema = {"$schema": schema["$schema"], **schema["$defs"]["task"]}
    return jsonschema_rs.validator_for(schema)


def _path(error: Any) -> str:
    return "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.instance_path)


def _plain(text: str) -> str:
    return (ascii(text)[1:-1] if hidden_characters(text) else text)[:300]
