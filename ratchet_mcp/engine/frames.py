"""Read what a worker sends. A worker is untrusted: whatever does not fit the protocol is a violation, never a guess."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, cast

import orjson

from ratchet_mcp.engine.protocol import VERSION

MAX_BONES = 1 << 20
"""Bytes of a frame outside of its strings: what is parsed takes a multiple of them in memory."""

MAX_DETAIL_DEPTH = 100
"""Nesting of what a worker tells about the end of a run. Workers keep to half of it."""

LATEST = 253_402_300_799
"""The last second that a date can have: the end of the year 9999."""

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)


class Violation(Exception):
    """A worker broke the protocol; the message says how."""


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= LATEST


def _integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _shallow_mapping(value: Any) -> bool:
    return isinstance(value, dict) and not _deeper(cast(Any, value), MAX_DETAIL_DEPTH)


def _deeper(value: Any, limit: int) -> bool:
    layer: list[Any] = [value]
    for _ in range(limit + 1):
        layer = [inner for item in layer for inner in _children(item)]
        if not layer:
            return False
    return True


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(cast("dict[str, Any]", value).values())
    return cast("list[Any]", value) if isinstance(value, list) else []


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_text, value))  # pyright: ignore[reportUnknownArgumentType]


def _text_or_nothing(value: Any) -> bool:
    return value is None or isinstance(value, str)


Check = Callable[[Any], bool]

FIELDS: dict[str, dict[str, Check]] = {
    "ready": {"worker": _text, "isolation": _text, "missing": _texts, "pid": _integer, "python": _text},
    "start_failed": {"message": _text},
    "host_call": {"id": _text, "call": _integer, "method": _text, "arguments": _text},
    "host_cancel": {"id": _text, "call": _integer},
    "log": {"id": _text, "at": _time, "level": _text, "message": _text},
    "progress": {"id": _text, "at": _time, "value": _text},
    "limit": {"id": _text, "code": _text},
    "observed": {"id": _text, "what": _text, "value": _text},
    "lost": {"id": _text},
    "result": {"id": _text, "output": _text_or_nothing, "ended": _shallow_mapping, "recycle": _flag},
    "pong": {"id": _text},
}
"""The frames a worker may send, and what each of their fields must be."""


def parse(line: bytes) -> dict[str, Any]:
    """Parse and check one line. Raises `Violation`."""
    if len(line) > MAX_BONES and len(_STRING.sub(b"", line)) > MAX_BONES:
        raise Violation("a frame of too many parts")
    try:
        frame = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise Violation(f"a line that is not JSON ({error})") from None
    if not isinstance(frame, dict) or frame.get("v") != VERSION:  # pyright: ignore[reportUnknownMemberType]
        raise Violation("a frame without the protocol's version")
    fields = FIELDS.get(str(frame.get("type")))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    if fields is None:
        raise Violation("a frame of an unknown type")
    for name, check in fields.items():
        if not check(frame.get(name)):  # pyright: ignore[reportUnknownMemberType]
            raise Violation(f"a {frame['type']} frame whose {name} is wrong")
    return frame  # pyright: ignore[reportUnknownVariableType]


class LineSplitter:
    """Cut a stream of bytes into lines, none longer than `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._partial = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take bytes, return the lines they complete. Raises `Violation` when a line is too long."""
        *lines, rest = chunk.split(b"\n")
        if lines and self._partial:
            lines[0] = bytes(self._partial + lines[0])
            self._partial = bytearray()
        self._partial += rest
        if len(self._partial) > self.limit or any(len(line) > self.limit for line in lines):
            raise Violation(f"a frame of more than {self.limit} bytes")
        return lines
