"""What a task tells clients that show it as a tool of its own: whether to, and how it behaves."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, fields
from typing import Any, Literal

from ratchet_mcp.tasks.json_values import is_object
from ratchet_mcp.tasks.reading import hidden_characters
from ratchet_mcp.tasks.violations import shown

Expose = Literal["tool"]
MAX_TITLE = 200


@dataclass(frozen=True, slots=True)
class Annotations:
    """Hints as in MCP's `ToolAnnotations`; what a task does not say is `None`.

    `read_only`: changes nothing outside. `destructive`: may remove or overwrite. `idempotent`: a second call with the same input
    changes nothing more. `open_world`: deals with things outside, such as the web.
    """

    title: str | None = None
    read_only: bool | None = None
    destructive: bool | None = None
    idempotent: bool | None = None
    open_world: bool | None = None


NAMES = tuple(field.name for field in fields(Annotations))
SILENT = Annotations()
"""What a task says that says nothing."""


def read_expose(value: Any) -> Expose:
    """Check the key `expose`. Raises `ValueError`."""
    if value != "tool":
        raise ValueError(f'expected "tool" (or leave the key out), got {shown(value)}')
    return "tool"


def read_annotations(value: Any) -> Annotations:
    """Check the key `annotations`. Raises `ValueError` that names the member."""
    if not is_object(value):
        raise ValueError(f"expected an object with {', '.join(NAMES)}, got {shown(value)}")
    for name, hint in value.items():
        if name not in NAMES:
            near = difflib.get_close_matches(name.removesuffix("Hint"), NAMES, 1, 0.6)
            advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(NAMES)}"
            raise ValueError(f"unknown annotation {shown(name)} ({advice})")
        if name == "title":
            if not isinstance(hint, str) or not 0 < len(hint) <= MAX_TITLE or hidden_characters(hint):
                raise ValueError(f"title is a text of 1 to {MAX_TITLE} characters that can be seen, got {shown(hint)}")
        elif not isinstance(hint, bool):
            raise ValueError(f"{name} is true or false, got {shown(hint)}")
    annotations = Annotations(**value)
    if annotations.read_only and annotations.destructive:
        raise ValueError("a task that is read_only cannot be destructive as well")
    return annotations
