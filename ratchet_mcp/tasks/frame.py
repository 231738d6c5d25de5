"""Places in JavaScript source: lines, columns, and the few lines around one of them.

Lines and columns count from 1, as JavaScript counts them: CRLF, CR, LF, U+2028 and U+2029 end a line, columns are UTF-16 code units.
"""

from __future__ import annotations

import re
from bisect import bisect_right

_LINE_END = re.compile("\r\n|[\n\r\u2028\u2029]")
_LINE_END_BYTES = re.compile(b"\r\n|[\n\r]|\xe2\x80[\xa8\xa9]")
_WIDTH = 120


def split_lines(source: str) -> list[str]:
    """Return the lines of JavaScript source, without their ends."""
    return _LINE_END.split(source)


def code_frame(source: str, line: int, column: int | None, context: int = 2) -> str:
    """Show `line` with `context` lines around it and a caret under `column`.

    Returns an empty string when the line is not in the source. Lines longer than 120 characters are cut around the caret.
    """
    lines = _LINE_END.split(source)
    if not 1 <= line <= len(lines):
        return ""
    offset = _character_offset(lines[line - 1], column or 1)
    start = 0 if offset < _WIDTH else offset - _WIDTH // 2
    first, last = max(1, line - context), min(len(lines), line + context)
    gutter = len(str(last))
    shown: list[str] = []
    for number in range(first, last + 1):
        mark = ">" if number == line else " "
        shown.append(f"{mark} {number:>{gutter}} | {_cut(lines[number - 1], start)}".rstrip())
        if number == line and column is not None:
            before = _cut(lines[number - 1], start)[: offset - start + (1 if start else 0)]
            padding = "".join("\t" if character == "\t" else " " for character in before)
            shown.append(f"  {'':>{gutter}} | {padding}^")
    return "\n".join(shown)


def _character_offset(text: str, column: int) -> int:
    """Turn a column in UTF-16 units into an index of `text`."""
    if text.isascii():
        return min(column - 1, len(text))
    units = 0
    for index, character in enumerate(text):
        if units >= column - 1:
            return index
        units += 2 if ord(character) > 0xFFFF else 1
    return len(text)


def _cut(text: str, start: int) -> str:
    head = "…" if start and text else ""
    piece = text[start : start + _WIDTH]
    tail = "…" if len(text) > start + _WIDTH else ""
    return head + piece + tail


class Places:
    """Translates byte offsets of UTF-8 source into lines and columns."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._starts = [0, *(match.end() for match in _LINE_END_BYTES.finditer(data))]
        self._last = (0, 1)

    def at(self, offset: int) -> tuple[int, int]:
        """Return line and column of a byte offset; asking in ascending order is fast on long lines."""
        line = bisect_right(self._starts, offset)
        start = self._starts[line - 1]
        known, column = self._last
        if not start <= known <= offset:
            known, column = start, 1
        column += utf16_length(self._data[known:offset])
        self._last = (offset, column)
        return line, column


def utf16_length(data: bytes) -> int:
    """Return how many UTF-16 units a piece of UTF-8 text has."""
    if data.isascii():
        return len(data)
    text = data.decode("utf-8", "replace")
    return len(text) + sum(1 for character in text if ord(character) > 0xFFFF)


def line_ends(data: bytes) -> list[bytes]:
    """Return the line terminators of a piece of UTF-8 text, in order."""
    return _LINE_END_BYTES.findall(data)
