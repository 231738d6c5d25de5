r"""Regular expressions of JSON Schema (ECMA-262) on Python's `regex` engine, which can be stopped after a time.

What the two read differently is translated: `$` ends the text only, `\d`, `\w` and `\b` are ASCII, `.` stops at every line end,
`\u{…}`, `\/`, `[^]` and `\k<name>` exist; Python's own extensions (`(?P<…>`, `\A`, `a++`) are errors, as in JavaScript.
"""

from __future__ import annotations

import re
import time
from functools import lru_cache
from threading import local
from typing import Any

SEARCH_SECONDS = 0.1
"""Processor time that one search may take."""
PATTERN_SECONDS = 2.0
"""Processor time that all searches of one validation may take together."""
REFERENCE_SECONDS = 5.0
"""Processor time that a validation may take from its first reference on."""
ATTEMPTS = 10
"""How often a search is begun again that was stopped by the clock although the processor was busy with something else."""

_WORD = "A-Za-z0-9_"
_SPACES = r"\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_CLASS_ESCAPES = {"d": "0-9", "w": _WORD, "s": _SPACES}
_PLAIN_ESCAPES = {
    **{"d": "[0-9]", "D": "[^0-9]", "w": f"[{_WORD}]", "W": f"[^{_WORD}]", "s": f"[{_SPACES}]", "S": f"[^{_SPACES}]"},
    "b": f"(?:(?<=[{_WORD}])(?![{_WORD}])|(?<![{_WORD}])(?=[{_WORD}]))",
    "B": f"(?:(?<=[{_WORD}])(?=[{_WORD}])|(?<![{_WORD}])(?![{_WORD}]))",
}
_TOKEN = re.compile(
    r"""\\u\{(?P<point>[0-9a-fA-F]+)\}|\\u(?P<high>[dD][89abAB][0-9a-fA-F]{2})\\u(?P<low>[dD][c-fC-F][0-9a-fA-F]{2})
      |\\u(?P<unit>[0-9a-fA-F]{4})|\\x(?P<byte>[0-9a-fA-F]{2})|\\c(?P<control>[A-Za-z])|\\k<(?P<back>\w+)>|\\(?P<property>[pP]\{[^}]*\})
      |\\(?P<number>[0-9]+)|\\(?P<escape>.)|(?P<lone>\\)
      |(?P<group>\((?!\?)|\(\?(?::|=|!|<=|<!|<[^\W\d]\w*>|[ims]*(?:-[ims]+)?:))|(?P<badgroup>\(\?)
      |(?P<count>\{\d+(?:,\d*)?\})(?P<lazy>\??)|(?P<any>\[\^\]|\[\])|(?P<open>\[\^?)|(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_QUANTIFIERS = "*+?"


class PatternError(ValueError):
    """The pattern is not a regular expression of JavaScript."""


class PatternTimeout(Exception):
    """The search took too long."""


class _Budget(local):
    searched = 0.0
    deadline = 0.0


_budget = _Budget()


def start_validation() -> None:
    """Begin a validation on this thread."""
    _budget.searched = _budget.deadline = 0.0


def time_is_up() -> bool:
    """Tell whether this thread's validation has used up the time for following references."""
    now = time.thread_time()
    if not _budget.deadline:
        _budget.deadline = now + REFERENCE_SECONDS
    return now >= _budget.deadline


def search(pattern: str, text: str) -> bool:
    """Tell whether the pattern occurs in the text. Raises `PatternTimeout`, and `PatternError` for a pattern that was not checked."""
    if _budget.searched >= PATTERN_SECONDS:
        raise PatternTimeout
    compiled = compile_pattern(pattern)
    start = time.thread_time()
    try:
        return _search(compiled, text, start)
    finally:
        _budget.searched += time.thread_time() - start


def _search(compiled: Any, text: str, start: float) -> bool:
    for _ in range(ATTEMPTS):
        try:
            return compiled.search(text, timeout=SEARCH_SECONDS) is not None
        except TimeoutError:
            if time.thread_time() - start >= SEARCH_SECONDS / 2:
                break
    raise PatternTimeout


@lru_cache(maxsize=2048)
def compile_pattern(pattern: str) -> Any:
    """Compile a pattern of ECMA-262. Raises `PatternError`."""
    import regex

    try:
        return regex.compile(_translate(pattern), regex.V0)
    except regex.error as error:
        raise PatternError(str(error)) from None
    except (OverflowError, RecursionError, MemoryError):
        raise PatternError("it is too large") from None


def _translate(pattern: str) -> str:
    pieces: list[str] = []
    in_class = False
    position, before = 0, ""
    while position < len(pattern):
        match = _TOKEN.match(pattern, position)
        if match is None:
            raise PatternError(f"it cannot be read at character {position + 1}")
        if in_class and match.lastgroup in ("group", "badgroup", "count", "lazy", "any", "open"):
            pieces.append("\\" + pattern[position])
            position += 1
            continue
        kind = match.lastgroup or ""
        text = match.group()
        if kind in ("other", "open", "any"):
            piece, in_class = _plain(text, kind, before, in_class=in_class)
        elif kind in ("count", "lazy"):
            piece = text
        else:
            piece = _special(match, kind, in_class=in_class)
        pieces.append(piece)
        position, before = match.end(), text
    return "".join(pieces)


def _plain(text: str, kind: str, before: str, *, in_class: bool) -> tuple[str, bool]:
    if kind == "any":
        return ("(?s:.)" if text == "[^]" else "(?!)"), False
    if kind == "open":
        return text, True
    if in_class:
        if text == "]":
            return text, False
        return ("\\" + text if text in "&~|[" else text), True
    if text == "+" and before[-1:] in ("*", "+", "?", "}") and (len(before) == 1 or before.startswith("{")):
        raise PatternError("possessive quantifiers do not exist in JavaScript")
    return {"$": r"\Z", ".": r"[^\n\r\u2028\u2029]", "{": r"\{", "}": r"\}", "]": r"\]"}.get(text, text), False


def _special(match: re.Match[str], kind: str, *, in_class: bool) -> str:
    value = match[kind]
    if kind == "low":
        return _character(0x10000 + ((int(match["high"], 16) & 0x3FF) << 10) + (int(value, 16) & 0x3FF))
    if kind in ("point", "unit", "byte"):
        return _character(int(value, 16))
    if kind == "control":
        return _character(ord(value) % 32)
    if kind == "back":
        return f"(?P={value})"
    if kind == "property":
        return "\\" + value
    if kind == "number":
        return _character(0) if value == "0" else f"(?:\\{value})"
    if kind == "group":
        return value
    if kind == "badgroup":
        raise PatternError(f"'{match.string[match.start() : match.start() + 4]}' is not a group of JavaScript")
    if kind == "lone":
        raise PatternError("it ends with a backslash")
    return _escape(value, in_class=in_class)


def _escape(letter: str, *, in_class: bool) -> str:
    if letter in "tnrfv" or not letter.isalnum():
        return "\\" + letter
    if in_class:
        if letter in _CLASS_ESCAPES:
            return _CLASS_ESCAPES[letter]
        if letter == "b":
            return r"\x08"
        if letter in "DWS":
            return f"\\{letter}"
    elif letter in _PLAIN_ESCAPES:
        return _PLAIN_ESCAPES[letter]
    raise PatternError(f"'\\{letter}' is not an escape of JavaScript")


def _character(point: int) -> str:
    if point > 0x10FFFF:
        raise PatternError(f"there is no character {point:x}")
    return f"\\U{point:08x}"
