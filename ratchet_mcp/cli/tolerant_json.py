"""Makes strict JSON of what people write for JSON: comments, last commas, single quotes, keys without quotes, a byte order mark."""

from __future__ import annotations

import json
import re

_TOKEN = re.compile(
    r"""(?P<double>"(?:\\.|[^"\\\n])*")
      |(?P<single>'(?:\\.|[^'\\\n])*')
      |(?P<line>//[^\r\n]*)
      |(?P<block>/\*.*?\*/)
      |(?P<key>[A-Za-z_$][\w$]*)(?=\s*:)
      |(?P<comma>,)(?=(?:\s|//[^\r\n]*|/\*.*?\*/)*[}\]])
      |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)


def strict_json(text: str) -> tuple[str, list[str]]:
    """Return the text as strict JSON and what was done to it; text that still is no JSON is returned as it was."""
    done: dict[str, None] = {}
    plain = text.removeprefix("\ufeff")
    if plain != text:
        done["took the byte order mark away"] = None
    if _is_json(plain):
        return plain, list(done)
    tidy = _without_empty_lines(plain, "".join([_token(match, done) for match in _TOKEN.finditer(plain)]))
    if _is_json(tidy):
        return tidy, list(done)
    return text, []


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _token(match: re.Match[str], done: dict[str, None]) -> str:
    kind, text = match.lastgroup, match.group()
    if kind in ("line", "block"):
        done["took comments out"] = None
        return re.sub(r"[^\r\n]+", _GONE, text)
    if kind == "comma":
        done["took last commas out"] = None
        return ""
    if kind == "key":
        done["quoted keys"] = None
        return f'"{text}"'
    if kind == "single":
        done["wrote strings with double quotes"] = None
        inner = text[1:-1].replace("\\'", "'")
        return '"' + re.sub(r'\\.|"', lambda found: '\\"' if found.group() == '"' else found.group(), inner) + '"'
    return text


_GONE = "\ue000"
"""Marks where a comment was, so that a line that held nothing else goes as a whole."""


def _without_empty_lines(before: str, text: str) -> str:
    if _GONE in before:
        return text
    kept = [line for line in text.splitlines(keepends=True) if not (_GONE in line and not line.replace(_GONE, "").strip())]
    return "".join(re.sub(rf"[ \t]*{_GONE}[ \t]*(?=\r?\n|$)", "", line).replace(_GONE, "") for line in kept)
