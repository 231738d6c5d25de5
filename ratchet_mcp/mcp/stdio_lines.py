"""Split a byte stream into lines of bounded length, and find request ids in messages that cannot be parsed.

Plain functions over bytes, no I/O: the transport feeds them what it reads.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

EDGE_BYTES = 1 << 16
"""How much of each end of a message is kept, or searched, for its request id."""


@dataclass(frozen=True, slots=True)
class Overlong:
    """A line that was skipped because it is longer than the limit; `head` and `tail` are its ends."""

    head: bytes
    tail: bytes
    size: int


class LineSplitter:
    """Cut chunks into lines without their newline; a line over `limit` bytes is dropped up to its newline.

    Memory stays below `limit` plus one chunk, whatever the peer sends.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0
        self._head: bytes | None = None
        self._tail = b""

    def feed(self, chunk: bytes) -> Iterator[bytes | Overlong]:
        """Yield every line that `chunk` completes."""
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            yield self._finish(chunk[start:end])
            start = end + 1
        if start < len(chunk):
            self._keep(chunk[start:])

    def flush(self) -> Iterator[bytes | Overlong]:
        """Yield the last line when the stream ended without a newline."""
        if self._size:
            yield self._finish(b"")

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._head is None and self._size <= self._limit:
            self._parts.append(part)
            return
        if self._head is None:
            whole = b"".join(self._parts)
            self._head = (whole + part)[:EDGE_BYTES]
            self._tail = whole[-EDGE_BYTES:]
            self._parts.clear()
        self._tail = (self._tail + part)[-EDGE_BYTES:]

    def _finish(self, part: bytes) -> bytes | Overlong:
        if not self._parts and self._head is None and len(part) <= self._limit:
            return part
        if part:
            self._keep(part)
        line = b"".join(self._parts) if self._head is None else Overlong(self._head, self._tail, self._size)
        self._parts.clear()
        self._size, self._head, self._tail = 0, None, b""
        return line


_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[{}\[\]]')  # a string without its end is one token too, so that scanning stays linear
_SCALAR = rb'(?:"(?:[^"\\]|\\.)*"|-?\d+)'
_ID_VALUE = re.compile(rb"\s*:\s*(" + _SCALAR + rb")\s*[,}]")
_ID_AT_END = re.compile(rb'[,{]\s*"id"\s*:\s*(' + _SCALAR + rb')\s*(?:,\s*"[^"\\]*"\s*:\s*' + _SCALAR + rb"\s*){0,4}\}\s*$")


def find_request_id(head: bytes, tail: bytes = b"") -> int | str | None:
    """Find the `id` of a JSON-RPC message that cannot be parsed, from its ends; `None` when it is not in sight.

    Only an `id` of the outermost object counts: in `head` by following brackets and strings, in `tail` by being among the
    last flat members. Clients write it in one of these two places.
    """
    found = _id_in_head(head[:EDGE_BYTES])
    return _id_in_tail((tail or head)[-EDGE_BYTES:]) if found is None else found


def _id_in_head(head: bytes) -> int | str | None:
    depth = 0
    for token in _TOKEN.finditer(head):
        text = token.group()
        if text in (b"{", b"["):
            depth += 1
        elif text in (b"}", b"]"):
            depth -= 1
        elif depth == 1 and text == b'"id"' and (value := _ID_VALUE.match(head, token.end())):
            return _scalar(value.group(1))
    return None


def _id_in_tail(tail: bytes) -> int | str | None:
    found = _ID_AT_END.search(tail)
    return _scalar(found.group(1)) if found else None


def _scalar(text: bytes) -> int | str | None:
    try:
        value = json.loads(text)
    except (ValueError, UnicodeDecodeError):
        return None
    return value if isinstance(value, int | str) else None
