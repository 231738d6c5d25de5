"""Changes single members of a JSON text and leaves every other character as it is: order, comments, indentation, line ends."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ratchet_mcp.tasks.json_values import is_object
from ratchet_mcp.tasks.reading import ReadError

_STRING_OR_COMMENT = re.compile(r'"(?:\\.|[^"\\])*"|//[^\r\n]*|/\*.*?\*/', re.DOTALL)
_STRING_OR_LAST_COMMA = re.compile(r'"(?:\\.|[^"\\])*"|,(?=\s*[}\]])', re.DOTALL)
_SPACE = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True, slots=True)
class _Member:
    """One member of an object: where its key begins, its value, and where that stands."""

    begin: int
    value: Any
    value_begin: int
    end: int


@dataclass(frozen=True)
class Document:
    """A JSON text. With `comments`, `//`, `/* */` and commas before a closing bracket are allowed, as editors allow them.

    Making one raises `ReadError` with line and column when the text is no JSON.
    """

    text: str
    comments: bool = False

    def __post_init__(self) -> None:
        _ = self.value

    @cached_property
    def value(self) -> Any:
        """Return what the text says."""
        try:
            return json.loads(self._plain)
        except json.JSONDecodeError as error:
            raise ReadError(error.msg, error.lineno, error.colno) from None
        except RecursionError:
            raise ReadError("it is nested too deeply") from None

    def put(self, path: tuple[str, ...], value: Any) -> Document:
        """Return the document with `value` at `path`; objects on the way are made. Raises `ReadError` when something else is there."""
        begin, end = _skip(self._plain, 0), len(self._plain)
        holder: Any = self.value
        for depth, key in enumerate(path):
            if not is_object(holder):
                raise ReadError(f"{'.'.join(path[:depth]) or 'the whole file'} should be an object, but is {json.dumps(holder)[:40]}")
            members, close = _members(self._plain, begin)
            member = members.get(key)
            if member is None:
                for missing in reversed(path[depth + 1 :]):
                    value = {missing: value}
                return Document(self._with_member(begin, close, list(members.values()), key, value), self.comments)
            holder, begin, end = member.value, member.value_begin, member.end
        if holder == value and type(holder) is type(value):
            return self
        return Document(self.text[:begin] + self._written(value, self._indent_at(begin)) + self.text[end:], self.comments)

    @cached_property
    def _plain(self) -> str:
        """The text as strict JSON, each character in its place."""
        if not self.comments:
            return self.text
        plain = _STRING_OR_COMMENT.sub(lambda found: found[0] if found[0][0] == '"' else re.sub(r"[^\r\n]", " ", found[0]), self.text)
        return _STRING_OR_LAST_COMMA.sub(lambda found: found[0] if found[0][0] == '"' else " ", plain)

    def _with_member(self, begin: int, close: int, members: list[_Member], key: str, value: Any) -> str:
        """Return the text with a new last member in the object that begins and closes there."""
        outer = self._indent_at(begin)
        last = max(members, key=lambda member: member.end) if members else None
        inner = self._own_line_indent(last.begin) if last is not None else None
        indent = inner if inner is not None else outer + self._unit
        after = begin + 1 if last is None else last.end
        kept = self.text[after:close].rstrip()
        comma = "," if last is not None and not _has_comma(kept) else ""
        ending = self.text[after + len(kept) : close]
        if "\n" not in ending:
            ending = self._newline + outer
        member = f"{json.dumps(key, ensure_ascii=False)}: {self._written(value, indent)}"
        return f"{self.text[:after]}{comma}{kept}{self._newline}{indent}{member}{ending}{self.text[close:]}"

    def _written(self, value: Any, indent: str) -> str:
        return json.dumps(value, indent=self._unit, ensure_ascii=False).replace("\n", self._newline + indent)

    def _own_line_indent(self, position: int) -> str | None:
        """Return the white space before a position when there is nothing else on its line."""
        before = self.text[self.text.rfind("\n", 0, position) + 1 : position]
        return before if before.strip(" \t\ufeff") == "" and "\n" in self.text[:position] else None

    def _indent_at(self, position: int) -> str:
        line = self.text[self.text.rfind("\n", 0, position) + 1 : position]
        return line[: len(line) - len(line.lstrip(" \t"))]

    @cached_property
    def _unit(self) -> str:
        found = re.search(r"\{[ \t]*\r?\n([ \t]+)\S", self.text)
        return found[1] if found else "  "

    @cached_property
    def _newline(self) -> str:
        return "\r\n" if "\r\n" in self.text else "\n"


def _has_comma(text: str) -> bool:
    return "," in _STRING_OR_COMMENT.sub("", text)


def _skip(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position


def _members(text: str, begin: int) -> tuple[dict[str, _Member], int]:
    """Return the members of the object that begins there, by key (the last one of a key counts), and where it closes."""
    decoder = json.JSONDecoder()
    members: dict[str, _Member] = {}
    position = _skip(text, begin + 1)
    while text[position] != "}":
        key, after = decoder.raw_decode(text, position)
        value_begin = _skip(text, _skip(text, after) + 1)
        value, end = decoder.raw_decode(text, value_begin)
        members.pop(key, None)
        members[key] = _Member(position, value, value_begin, end)
        position = _skip(text, end)
        if text[position] == ",":
            position = _skip(text, position + 1)
    return members, position
