"""The addresses of resources: `task://…`, `execution://…` and `guide://…`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

TASK = "task://"
EXECUTION = "execution://"
GUIDE = "guide://tasks"
PARTS_OF_TASK = ("main.js", "input.schema.json", "output.schema.json", "tests")
PARTS_OF_EXECUTION = ("output", "logs", "error")
MAX_URI = 1_000
_TASK = re.compile(rf"{TASK}([^/@?#]+)(?:@([^/?#]+))?(?:/([^?#]+))?")
_EXECUTION = re.compile(rf"{EXECUTION}([^/?#]+)/({'|'.join(PARTS_OF_EXECUTION)})")


@dataclass(frozen=True, slots=True)
class TaskUri:
    """What a `task://` address names: a task, perhaps a version, perhaps a part of it."""

    name: str
    version: str | None = None
    part: str | None = None

    @property
    def reference(self) -> str:
        """Return `name` or `name@version`."""
        return self.name if self.version is None else f"{self.name}@{self.version}"


def read_task_uri(uri: str) -> TaskUri | None:
    """Take a `task://` address apart, or return None when it is none."""
    found = _TASK.fullmatch(uri) if len(uri) <= MAX_URI else None
    if found is None:
        return None
    name, version, part = (None if text is None else unquote(text) for text in found.groups())
    return TaskUri(name or "", version, part) if part is None or part in PARTS_OF_TASK else None


def task_uri(name: str) -> str:
    """Return the address of a task."""
    return f"{TASK}{quote(name, safe='')}"


def task_name_of(uri: str) -> str | None:
    """Return the name of the task that an address is about, or None."""
    found = read_task_uri(uri)
    return found.name if found else None


def read_execution_uri(uri: str) -> tuple[str, str] | None:
    """Return id and part of an `execution://` address, or None when it is none."""
    found = _EXECUTION.fullmatch(uri) if len(uri) <= MAX_URI else None
    return (found.group(1), found.group(2)) if found else None


def execution_of(uri: str) -> str | None:
    """Return the id of the execution that an address is about, or None."""
    found = read_execution_uri(uri)
    return found[0] if found else None
