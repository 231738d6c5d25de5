"""Outputs and logs that are too long for one result: a head, and where to read the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ratchet_mcp.mcp.results import ToolResult, clipped, mirror, to_json, wire

if TYPE_CHECKING:
    from ratchet_mcp.engine.run import LogLine

PREVIEW_CHARACTERS = 1_000
NOTE_ROOM = 400
MAX_LOG_MESSAGE = 2_000
ALL_LINES = 1_000_000
"""More lines than limits.log_bytes lets a run print."""


def output_uri(execution_id: str) -> str:
    """Return the resource that holds the whole output."""
    return f"execution://{execution_id}/output"


def with_output(view: dict[str, Any], output: Any, characters: int) -> ToolResult:
    """Return the result of a completed run: whole when it fits into `characters`, else with the head of its output."""
    text, sound = mirror({**view, "output": output})
    if len(text) <= characters:
        return wire(sound, text)
    whole = to_json(output)
    cut = {
        **view,
        "output_truncated": True,
        "output_bytes": len(whole.encode()),
        "output_preview": whole[: min(PREVIEW_CHARACTERS, characters // 4)],
    }
    text, sound = mirror(cut)
    head = whole[: max(0, characters - len(text) - NOTE_ROOM)]
    return wire(sound, text, _with_note(head, len(whole), str(view["execution_id"])))


def _with_note(head: str, length: int, execution_id: str) -> str:
    return (
        f"{head}\n\n[The output is cut here: {len(head):,} of {length:,} characters of its JSON text. Read on with "
        f'get_status(id="{execution_id}", include=["output"], offset={len(head)}), or read the resource {output_uri(execution_id)}.]'
    )


def page_of_output(view: dict[str, Any], output: Any, offset: int, limit: int | None, characters: int) -> dict[str, Any]:
    """Return `view` with one piece of the output's JSON text, as long as fits; `next_offset` when there is more."""
    whole = to_json(output)
    size = min(limit or characters, characters)
    while True:
        piece = whole[offset : offset + size]
        page = {**view, "output_text": piece, "offset": offset, "output_bytes": len(whole.encode())}
        if offset + len(piece) < len(whole):
            page["next_offset"] = offset + len(piece)
        if size <= 100 or len(to_json(page)) <= characters:
            return page
        size = size * 2 // 3


def items_that_fit(items: Sequence[Any], characters: int) -> list[Any]:
    """Return the first items, at least one, whose JSON text fits into `characters`."""
    chosen: list[Any] = []
    for item in items:
        characters -= len(to_json(item))
        if characters < 0 and chosen:
            break
        chosen.append(item)
    return chosen


def lines_that_fit(lines: Sequence[LogLine], characters: int, *, newest: bool) -> list[dict[str, str]]:
    """Return the first lines that fit into `characters`, or the last ones if `newest`."""
    chosen: list[dict[str, str]] = []
    for line in reversed(lines) if newest else lines:
        entry = {"level": line.level, "message": clipped(line.message, MAX_LOG_MESSAGE)}
        characters -= len(entry["message"]) + 40
        if characters < 0 and chosen:
            break
        chosen.append(entry)
    return chosen[::-1] if newest else chosen
