r"""Regular expressions of JavaScript as small trees: what they consume, without what they capture.

Only what decides how a search backtracks is kept: sets of characters, sequences, alternatives and repetitions. Assertions (`^`, `$`, `\b`,
lookarounds) and back references become characters that nothing else matches.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

Ranges: TypeAlias = tuple[tuple[int, int], ...]

LAST = 0x10FFFF
_ASSERTION = LAST + 1
"""Code points from here on stand for assertions; each place has its own."""

_PROPERTY_POINT = 2 * _ASSERTION


@dataclass(frozen=True, slots=True)
class Letters:
    """One character out of `ranges`."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Sequence:
    """One part after the other."""

    parts: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Alternatives:
    """One of several."""

    parts: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """A part, at least `least` and at most `most` times (None: without end)."""

    part: Tree
    least: int
    most: int | None


Tree: TypeAlias = Letters | Sequence | Alternatives | Repeat

_DIGIT: Ranges = ((48, 57),)
_WORD: Ranges = ((48, 57), (65, 90), (95, 95), (97, 122))
_SPACE: Ranges = ((9, 13), (32, 32), (160, 160), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029), (0x202F, 0x202F), (0x3000, 0x3000))
_LINE_ENDS: Ranges = ((10, 10), (13, 13), (0x2028, 0x2029))
_LETTER: Ranges = ((65, 90), (97, 122), (0xAA, 0x167F), (0x1681, 0x1FFF), (0x2070, 0x2FFF), (0x3001, LAST))
_CLASSES = {"d": _DIGIT, "w": _WORD, "s": _SPACE}
_CONTROLS = {"t": 9, "n": 10, "v": 11, "f": 12, "r": 13, "0": 0, "b": 8}
_COUNT = re.compile(r"\{(\d+)(,?)(\d*)\}")
_GROUP = re.compile(r"\(\?(?::|<[A-Za-z_$][\w$]*>|[ims]*(?:-[ims]+)?:)")
_LOOKAROUND = re.compile(r"\(\?<?[=!]")
_CODE = re.compile(r"u\{([0-9A-Fa-f]{1,6})\}|u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|c([A-Za-z])")
_PROPERTY = re.compile(r"[pP]\{([^}]*)\}")


class Unreadable(ValueError):
    """The text is no regular expression that this module understands."""


def parse(pattern: str, *, ignore_case: bool = False, dot_all: bool = False) -> Tree:
    """Read a pattern without slashes and flags. Raises `Unreadable`."""
    reader = _Reader(pattern, ignore_case, dot_all)
    try:
        tree = reader.alternatives()
    except (RecursionError, OverflowError):
        raise Unreadable("nested too deeply") from None
    if reader.at < len(pattern):
        raise Unreadable("a parenthesis is closed that was not opened")
    return tree


def inverse(ranges: Ranges) -> Ranges:
    """Return all characters that are not in `ranges`."""
    left: list[tuple[int, int]] = []
    start = 0
    for low, high in sorted(ranges):
        if low > start:
            left.append((start, low - 1))
        start = max(start, high + 1)
    if start <= LAST:
        left.append((start, LAST))
    return tuple(left)


def overlap(one: Ranges, other: Ranges) -> bool:
    """Tell whether a character is in both."""
    return any(low <= last and first <= high for low, high in one for first, last in other)


class _Reader:
    def __init__(self, pattern: str, ignore_case: bool, dot_all: bool) -> None:
        self.pattern, self.at = pattern, 0
        self._ignore_case, self._dot_all = ignore_case, dot_all
        self._assertions = 0
        self._properties: dict[str, int] = {}

    def _next(self) -> str:
        if self.at >= len(self.pattern):
            raise Unreadable("it ends too early")
        self.at += 1
        return self.pattern[self.at - 1]

    def _peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def alternatives(self) -> Tree:
        parts = [self._sequence()]
        while self._peek() == "|":
            self.at += 1
            parts.append(self._sequence())
        return parts[0] if len(parts) == 1 else Alternatives(tuple(parts))

    def _sequence(self) -> Tree:
        parts: list[Tree] = []
        while self._peek() not in ("", "|", ")"):
            parts.append(self._repeated(self._atom()))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _repeated(self, part: Tree) -> Tree:
        letter = self._peek()
        if letter in ("*", "+", "?") and letter:
            self.at += 1
            least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[letter]
        elif letter == "{" and (match := _COUNT.match(self.pattern, self.at)):
            self.at = match.end()
            least = int(match[1][:6])
            most = least if not match[2] else int(match[3][:6]) if match[3] else None
        else:
            return part
        if self._peek() == "?":
            self.at += 1
        return Repeat(part, least, most)

    def _atom(self) -> Tree:
        letter = self._peek()
        if letter == "(":
            return self._group()
        self.at += 1
        if letter in "^$":
            return self._assertion()
        if letter == ".":
            return Letters(((0, LAST),) if self._dot_all else inverse(_LINE_ENDS))
        if letter == "[":
            return Letters(self._class())
        if letter == "\\":
            return self._escape()
        if letter in "*+?":
            raise Unreadable("nothing stands before a quantifier")
        return Letters(self._cases(((ord(letter), ord(letter)),)))

    def _group(self) -> Tree:
        look = _LOOKAROUND.match(self.pattern, self.at)
        head = look or _GROUP.match(self.pattern, self.at)
        if head is None and self.pattern.startswith("(?", self.at):
            raise Unreadable("an unknown kind of group")
        self.at = head.end() if head else self.at + 1
        inner = self.alternatives()
        if self._next() != ")":
            raise Unreadable("a parenthesis is not closed")
        return self._assertion() if look else inner

    def _assertion(self) -> Tree:
        self._assertions += 1
        point = _ASSERTION + self._assertions
        return Letters(((point, point),))

    def _escape(self) -> Tree:
        if self._peek() in ("b", "B", "k") or self._peek() in tuple("123456789"):
            match = re.compile(r"k<[^>]*>|\d+|.").match(self.pattern, self.at)
            self.at = match.end() if match else self.at + 1
            return self._assertion()
        return Letters(self._cases(self._escaped_ranges()))

    def _escaped_ranges(self) -> Ranges:
        match = _CODE.match(self.pattern, self.at)
        if match:
            self.at = match.end()
            point = int(match[1] or match[2] or match[3] or "0", 16) if not match[4] else ord(match[4]) % 32
            return ((min(point, LAST), min(point, LAST)),)
        match = _PROPERTY.match(self.pattern, self.at)
        if match:
            self.at = match.end()
            ranges = self._property(match[1])
            return ranges if match.group().startswith("p") else inverse(ranges)
        letter = self._next()
        if letter.lower() in _CLASSES:
            ranges = _CLASSES[letter.lower()]
            return ranges if letter.islower() else inverse(ranges)
        point = _CONTROLS.get(letter, ord(letter))
        return ((point, point),)

    def _property(self, name: str) -> Ranges:
        """Return letters and digits for what they are; any other property is a character of its own."""
        if name in ("L", "Letter", "Lu", "Ll", "Alpha", "Alphabetic", "ID_Start", "ID_Continue"):
            return _LETTER
        if name in ("N", "Nd", "Number"):
            return _DIGIT
        point = _PROPERTY_POINT + self._properties.setdefault(name, len(self._properties))
        return ((point, point),)

    def _class(self) -> Ranges:
        negated = self._peek() == "^"
        self.at += negated
        ranges: list[tuple[int, int]] = []
        while self._peek() != "]":
            part = self._class_member()
            if len(part) == 1 and part[0][0] == part[0][1] and self.pattern[self.at : self.at + 1] == "-" and self._after_dash():
                self.at += 1
                part = ((part[0][0], max(part[0][0], self._class_member()[0][1])),)
            ranges += part
        self.at += 1
        cased = self._cases(tuple(ranges))
        return inverse(cased) if negated else cased

    def _after_dash(self) -> bool:
        following = self.pattern[self.at + 1 : self.at + 2]
        return following not in ("]", "")

    def _class_member(self) -> Ranges:
        letter = self._next()
        if letter == "\\":
            return self._escaped_ranges()
        return ((ord(letter), ord(letter)),)

    def _cases(self, ranges: Ranges) -> Ranges:
        if not self._ignore_case:
            return ranges
        lower = [(max(low, 65) + 32, min(high, 90) + 32) for low, high in ranges if low <= 90 and high >= 65]
        upper = [(max(low, 97) - 32, min(high, 122) - 32) for low, high in ranges if low <= 122 and high >= 97]
        return (*ranges, *lower, *upper)
