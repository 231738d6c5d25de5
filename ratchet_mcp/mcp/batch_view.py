"""How a batch looks in a tool's result: each request with its outcome, cut so that all of them fit."""

from __future__ import annotations

from typing import Any

from ratchet_mcp.batches.models import Batch, BatchStatus, RequestResult, RequestStatus
from ratchet_mcp.mcp import job_view
from ratchet_mcp.mcp.results import ToolResult, clipped, describe, failure, success, to_json
from ratchet_mcp.mcp.tools import schemas

PREVIEW = 200
"""How much is shown of an output that does not fit, in characters of its JSON text."""
ERROR_LENGTH = 1_000
NOTE_ROOM = 600
NAME_ROOM = 12
"""What an output adds to its entry besides its text, in characters."""
CUT_ROOM = 80
"""What an output that is cut adds to its entry besides its preview."""

RESULTS = schemas.array_of(
    {
        "id": schemas.STRING,
        "task": schemas.STRING,
        "version": schemas.STRING,
        "status": {"type": "string", "enum": [status.value for status in RequestStatus]},
        "execution_id": schemas.STRING,
        "output": {},
        "output_truncated": schemas.BOOLEAN,
        "output_bytes": schemas.INTEGER,
        "output_preview": schemas.STRING,
        "error": schemas.ERROR,
        "reason": schemas.STRING,
        "duration_ms": schemas.NUMBER,
        "cached_from": schemas.STRING,
    },
    "id",
    "task",
    "status",
)
BATCH: dict[str, Any] = {
    "batch_id": schemas.STRING,
    "job_id": schemas.STRING,
    "status": {"type": "string", "enum": [status.value for status in BatchStatus]},
    "done": schemas.INTEGER,
    "total": schemas.INTEGER,
    "results": RESULTS,
    "next_offset": schemas.INTEGER,
    "hint": schemas.STRING,
}
"""The properties of a batch in a result."""

ANY_STATUS: dict[str, Any] = {"type": "string", "enum": list(dict.fromkeys([*job_view.ANY_STATUS["enum"], *BATCH["status"]["enum"]]))}
"""Where an execution, a job or a batch may stand."""


def answer(batch: Batch, characters: int, *, offset: int = 0) -> ToolResult:
    """Return the result of a call about a batch; it is a failure when nothing completed of a batch that has failed."""
    shown = view(batch, characters, offset=offset)
    if batch.status is not BatchStatus.FAILED:
        return success(shown)
    failed = [result for result in batch.results if result.error is not None][:5]
    texts = [f"{result.id} ({result.task}): {describe(clipped(result.error, ERROR_LENGTH))}" for result in failed]
    return failure(shown, "\n".join(["The batch failed: nothing of it completed.", *texts]))


def view(batch: Batch, characters: int, *, offset: int = 0) -> dict[str, Any]:
    """Return a batch in at most so many characters of JSON text, its results from number `offset` on."""
    body: dict[str, Any] = {"batch_id": batch.id, "status": batch.status.value, "done": batch.done, "total": len(batch.results)}
    if batch.job_id is not None:
        body["job_id"] = batch.job_id
    chosen = batch.results[offset:]
    texts = [to_json(result.output) if result.status is RequestStatus.COMPLETED else None for result in chosen]
    entries, room = _that_fit([_entry(result) for result in chosen], texts, characters - NOTE_ROOM)
    cut = _add_outputs(entries, chosen, texts, room)
    body["results"] = entries
    hints: list[str] = []
    if not batch.status.final:
        hints.append(f'Not finished yet. Call get_status(id="{batch.id}", wait_seconds=25), or cancel_execution(id="{batch.id}").')
    if cut:
        hints.append("Outputs that are too long are cut; read each with get_status(id=its execution_id).")
    if len(entries) < len(chosen):
        body["next_offset"] = offset + len(entries)
        hints.append(f'More results: get_status(id="{batch.id}", offset={offset + len(entries)}).')
    if hints:
        body["hint"] = " ".join(hints)
    return body


def _entry(result: RequestResult) -> dict[str, Any]:
    entry: dict[str, Any] = {"id": result.id, "task": result.task, "status": result.status.value}
    for name in ("version", "execution_id", "reason", "duration_ms", "cached_from"):
        value = getattr(result, name)
        if value is not None:
            entry[name] = value
    if result.error is not None:
        entry["error"] = clipped(result.error, ERROR_LENGTH)
    return entry


def _that_fit(entries: list[dict[str, Any]], texts: list[str | None], room: int) -> tuple[list[dict[str, Any]], int]:
    """Return the first entries, at least one, that fit with at least a cut output each, and the room that is left for the outputs."""
    chosen: list[dict[str, Any]] = []
    least = 0
    for entry, text in zip(entries, texts, strict=True):
        needed = len(to_json(entry)) + 1
        least += 0 if text is None else min(len(text) + NAME_ROOM, CUT_ROOM)
        if chosen and room - needed < least:
            break
        chosen.append(entry)
        room -= needed
    return chosen, room


def _add_outputs(entries: list[dict[str, Any]], results: list[RequestResult], texts: list[str | None], room: int) -> bool:
    """Add the outputs, the shortest first so that most are whole; tells whether some had to be cut."""
    outputs = sorted((len(text), index, text) for index, text in enumerate(texts[: len(entries)]) if text is not None)
    cut = False
    for place, (length, index, text) in enumerate(outputs):
        share = room // (len(outputs) - place)
        if length + NAME_ROOM <= share:
            entries[index]["output"] = results[index].output
            room -= length + NAME_ROOM
            continue
        cut = True
        preview = text[: max(0, min(PREVIEW, (share - CUT_ROOM) // 2))]  # half, because quotes within it are written with a backslash
        entries[index] |= {"output_truncated": True, "output_bytes": len(text.encode(errors="replace")), "output_preview": preview}
        room -= len(to_json(preview)) + CUT_ROOM
    return cut
