"""Small replacements in source text that keep its lines, and the way back from the new columns to the old ones."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from ratchet_mcp.tasks.frame import Places, line_ends, utf16_length


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """Replace the bytes from `start` to `end` by `text`, which has as many line ends as they have."""

    start: int
    end: int
    text: bytes


def blank(data: bytes, start: int, end: int) -> Edit:
    """Replace a range by spaces; line ends stay, and so do the columns after it."""
    pieces: list[bytes] = []
    position = start
    for terminator in line_ends(data[start:end]):
        at = data.index(terminator, position)
        pieces.append(b" " * utf16_length(data[position:at]) + terminator)
        position = at + len(terminator)
    pieces.append(b" " * utf16_length(data[position:end]))
    return Edit(start, end, b"".join(pieces))


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """Which columns moved: for each line that changed, the new columns and how far the text from there on was moved."""

    lines: dict[int, tuple[list[int], list[int]]]

    def to_source(self, line: int, column: int) -> tuple[int, int]:
        """Return where a place of the edited text was in the source."""
        known = self.lines.get(line)
        if known is None:
            return line, column
        columns, shifts = known
        index = bisect_right(columns, column) - 1
        return (line, column) if index < 0 else (line, max(1, column - shifts[index]))


def apply(data: bytes, edits: Iterable[Edit]) -> tuple[bytes, ColumnMap]:
    """Apply edits, which must not overlap; those at one place keep their order."""
    ordered = sorted(edits, key=lambda edit: (edit.start, edit.end))
    if not ordered:
        return data, ColumnMap({})
    places = Places(data)
    pieces: list[bytes] = []
    lines: dict[int, tuple[list[int], list[int]]] = {}
    position = shift = current = 0
    for edit in ordered:
        pieces += data[position : edit.start], edit.text
        position = edit.end
        first, _ = places.at(edit.start)
        line, column = places.at(edit.end)
        if first != line:
            continue
        if line != current:
            current, shift = line, 0
        grown = utf16_length(edit.text) - utf16_length(data[edit.start : edit.end])
        if grown:
            shift += grown
            columns, shifts = lines.setdefault(line, ([], []))
            columns.append(column + shift)
            shifts.append(shift)
    pieces.append(data[position:])
    return b"".join(pieces), ColumnMap(lines)
