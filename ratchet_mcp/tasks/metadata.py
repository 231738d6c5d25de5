"""What a task says about itself in `metadata.json` or `meta.yaml`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid5

from ratchet_mcp.settings import Limits
from ratchet_mcp.tasks.annotations import SILENT, Annotations, Expose, read_annotations, read_expose
from ratchet_mcp.tasks.caching import CacheRules, read_cache
from ratchet_mcp.tasks.delivery import read_delivery
from ratchet_mcp.tasks.json_values import is_array, is_object
from ratchet_mcp.tasks.network import read_network
from ratchet_mcp.tasks.problems import Problems
from ratchet_mcp.tasks.queueing import read_jobs
from ratchet_mcp.tasks.reading import hidden_characters
from ratchet_mcp.tasks.versions import is_version
from ratchet_mcp.tasks.violations import shown

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
DEFAULT_VERSION = "0.1.0"
KEYS = (
    "uuid", "name", "version", "title", "label", "description", "tags", "timeout_seconds", "author", "license", "expose", "annotations",
    "network", "jobs", "cache", "delivery",
)  # fmt: skip
INLINE_KEYS = ("input_schema", "output_schema", "tests")
_MAX_TAGS, _MAX_TAG, _MAX_TITLE, _MAX_DESCRIPTION = 32, 40, 200, 8000
_NAMESPACE = UUID("5a1f6c0e-3f54-4e83-9d5c-6a0e4f3b7c21")
_VERSIONED = re.compile(r"-v?\d+\.\d+\.\d+[^/]*$")


@dataclass(slots=True)
class Metadata:
    """The checked metadata of a task. `inline` holds schemas and tests of the one-file form, `everything` all keys as they were written."""

    uuid: UUID
    name: str
    version: str = DEFAULT_VERSION
    title: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    timeout_seconds: float | None = None
    expose: Expose | None = None
    annotations: Annotations = SILENT
    cache: CacheRules | None = None
    inline: dict[str, Any] = field(default_factory=dict[str, Any])
    everything: dict[str, Any] = field(default_factory=dict[str, Any])


def uuid_of_name(name: str) -> UUID:
    """Return the UUID of a task that names none: always the same for the same name."""
    return uuid5(_NAMESPACE, name)


def name_of_folder(folder: str) -> str:
    """Turn the name of a folder or ZIP into a task name: `My Task-1.2.0` is `my-task`."""
    plain = re.sub(r"[^a-z0-9_]+", "-", _VERSIONED.sub("", folder).lower()).strip("-_")
    return plain[:64]


def read_metadata(raw: Any, file: str, folder: str, problems: Problems, limits: Limits) -> Metadata:
    """Check metadata; what is wrong is noted in `problems` and replaced by the default."""
    if not is_object(raw):
        problems.add(file, f"the metadata must be an object, got {shown(raw)}", path="$")
        raw = {}
    _check_keys(raw, file, problems)
    reader = _Reader(raw, file, problems)
    name = reader.take("name", name_of_folder(folder), _name)
    if not name:
        problems.add(file, f"the folder's name {shown(folder)} gives no task name; add a name", path="$.name")
        name = "unnamed"
    title = reader.take("title", "", _text(_MAX_TITLE)) or reader.take("label", "", _text(_MAX_TITLE))
    for key in ("author", "license"):
        reader.take(key, None, _author)
    reader.take("network", None, read_network)
    reader.take("jobs", None, read_jobs)
    reader.take("delivery", None, read_delivery)
    return Metadata(
        uuid=reader.take("uuid", None, _uuid) or uuid_of_name(name),
        name=name,
        version=reader.take("version", DEFAULT_VERSION, _version),
        title=title or name.replace("-", " ").replace("_", " ").capitalize(),
        description=reader.take("description", "", _text(_MAX_DESCRIPTION)).strip(),
        tags=reader.take("tags", (), _tags),
        timeout_seconds=reader.take("timeout_seconds", None, _timeout(limits)),
        expose=reader.take("expose", None, read_expose),
        annotations=reader.take("annotations", SILENT, read_annotations),
        cache=reader.take("cache", None, read_cache),
        inline={key: raw[key] for key in INLINE_KEYS if key in raw},
        everything={key: value for key, value in raw.items() if key not in INLINE_KEYS},
    )


def _check_keys(raw: dict[str, Any], file: str, problems: Problems) -> None:
    known = {key.replace("_", ""): key for key in (*KEYS, *INLINE_KEYS)}
    for key in raw:
        if key in known.values():
            continue
        near = difflib.get_close_matches(re.sub(r"[^a-z]", "", key.lower()), known, 1, 0.8)
        if near:
            problems.add(file, f"unknown key {shown(key)} (did you mean {shown(known[near[0]])}?)", path=f"$.{key[:80]}")


class _Reader:
    def __init__(self, raw: dict[str, Any], file: str, problems: Problems) -> None:
        self._raw, self._file, self._problems = raw, file, problems

    def take(self, key: str, default: Any, check: Callable[[Any], Any]) -> Any:
        """Return the checked value of a key; a missing, null or wrong one gives the default."""
        value = self._raw.get(key)
        if value is None:
            return default
        try:
            return check(value)
        except ValueError as error:
            self._problems.add(self._file, str(error), path=f"$.{key}")
            return default


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected a string, got {shown(value)}")
    if hidden := hidden_characters(value):
        raise ValueError(f"the text holds the character {hidden}, which cannot be seen")
    return value


def _name(value: Any) -> str:
    if not NAME.fullmatch(_string(value)):
        raise ValueError(f"{shown(value)} is not a task name: lower-case letters, digits, - and _, at most 64, the first a letter or digit")
    return value


def _version(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f'expected a version as a string such as "1.0.0", got {shown(value)}')
    if not is_version(value):
        raise ValueError(f'{shown(value)} is not a version; write three numbers as in "1.0.0"')
    return value


def _uuid(value: Any) -> UUID:
    try:
        return UUID(_string(value))
    except ValueError:
        raise ValueError(f"{shown(value)} is not a UUID; leave the key out to get one made from the name") from None


def _text(limit: int) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if len(_string(value)) > limit:
            raise ValueError(f"the text is longer than {limit} characters")
        return value

    return check


def _tags(value: Any) -> tuple[str, ...]:
    if not is_array(value) or not all(isinstance(tag, str) for tag in value):
        raise ValueError(f"expected a list of strings, got {shown(value)}")
    if len(value) > _MAX_TAGS or any(not 0 < len(_string(tag).strip()) <= _MAX_TAG for tag in value):
        raise ValueError(f"expected at most {_MAX_TAGS} tags of 1 to {_MAX_TAG} characters")
    return tuple(dict.fromkeys(tag.strip() for tag in value))


def _author(value: Any) -> Any:
    if not isinstance(value, str) and not is_object(value) and not is_array(value):
        raise ValueError(f"expected a string, got {shown(value)}")
    return value


def _timeout(limits: Limits) -> Callable[[Any], float]:
    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= limits.max_timeout_seconds:
            raise ValueError(f"expected a number of seconds, more than 0 and at most {limits.max_timeout_seconds:g}, got {shown(value)}")
        return float(value)

    return check
