"""Results of tools in their wire shape: structured content, its mirror as text, and errors a model can act on."""

from __future__ import annotations

import json
from typing import Any, cast

import orjson

from ratchet_mcp.errors import RatchetError

ToolResult = dict[str, Any]
"""A `CallToolResult` in its wire shape; plain, because building and dumping models costs more than some calls."""

MAX_TEXT = 4_000
"""Longest string within an error, in characters."""


def to_json(value: Any) -> str:
    """Return compact JSON text, also of what orjson refuses: integers over 64 bits, and lone surrogates (replaced)."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def mirror(structured: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return `structured` as text, and in a form that every transport can write (no lone surrogates)."""
    try:
        return orjson.dumps(structured).decode(), structured
    except TypeError:
        text = to_json(structured)
        return text, json.loads(text)


def success(structured: dict[str, Any]) -> ToolResult:
    """Return a result with `structured` and its text mirror."""
    text, sound = mirror(structured)
    return wire(sound, text)


def failure(structured: dict[str, Any], text: str) -> ToolResult:
    """Return a failed result: `text` for the reader first, then the mirror of `structured`."""
    copy, sound = mirror(structured)
    return wire(sound, printable(text), copy, failed=True)


def from_error(error: RatchetError) -> ToolResult:
    """Return the result of a call that could not be served."""
    body = clipped(error.to_dict())
    return failure({"error": body}, describe(body))


def wire(structured: dict[str, Any], *texts: str, failed: bool = False) -> ToolResult:
    """Return a `CallToolResult` in its wire shape."""
    content = [{"type": "text", "text": text} for text in texts]
    return {"resultType": "complete", "content": content, "structuredContent": structured, "isError": failed}


def printable(text: str) -> str:
    """Return `text` with lone surrogates replaced."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def describe(error: dict[str, Any]) -> str:
    """Tell an error to its reader: code and message, where it happened, what is wrong in detail, what to do."""
    details = cast("dict[str, Any]", error.get("details") or {})
    lines = [f"{error['code']}: {error['message']}", *_place(details, error["message"]), *_listed(details, error["message"])]
    if error.get("hint"):
        lines.append(f"What to do: {error['hint']}")
    elif error.get("retryable"):
        lines.append("What to do: the same call may succeed later.")
    return "\n".join(lines)


def _place(details: dict[str, Any], message: str) -> list[str]:
    lines: list[str] = []
    if details.get("line") is not None:
        column = f":{details['column']}" if details.get("column") is not None else ""
        place = f"{details.get('file') or 'main.js'}:{details['line']}{column}"
        lines += [] if place in message else [f"at {place}"]
    if details.get("frame"):
        lines.append(str(details["frame"]))
    return lines


def _listed(details: dict[str, Any], message: str) -> list[str]:
    lines: list[str] = []
    for violation in cast("list[dict[str, Any]]", details.get("violations") or [])[:20]:
        text = str(violation.get("message"))
        if text not in message:
            lines.append(f"- {violation.get('path', '$')}: {text}")
    for problem in cast("list[dict[str, Any]]", details.get("problems") or [])[:20]:
        place = ":".join(str(problem[key]) for key in ("file", "path", "line", "column") if problem.get(key) is not None)
        lines.append(f"- {place}: {problem.get('message')}")
    for key, label in (("suggestions", "Near names"), ("candidates", "Candidates")):
        if details.get(key):
            lines.append(f"{label}: {', '.join(_name(item) for item in details[key][:20])}")
    return lines


def _name(item: Any) -> str:
    return str(item) if isinstance(item, str) else to_json(item)


def clipped(value: Any, limit: int = MAX_TEXT) -> Any:
    """Return `value` with every string cut to `limit` characters and every list to 50 items."""
    if isinstance(value, str):
        return value if len(value) <= limit else f"{value[:limit]}… ({len(value):,} characters)"
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value)
        return {key: clipped(item, limit) for key, item in items.items()}
    if isinstance(value, list | tuple):
        return [clipped(item, limit) for item in cast("list[Any]", value)[:50]]
    return value
