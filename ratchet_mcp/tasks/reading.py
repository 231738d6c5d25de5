"""JSON and YAML of a task's files, read strictly: every mistake with its line."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable
from typing import Any

_MARKS = re.compile("[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


class ReadError(Exception):
    """The text cannot be read. `line` and `column` count from 1 where they are known."""

    def __init__(self, message: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(message)
        self.message, self.line, self.column = message, line, column


def decode(data: bytes) -> str:
    """Decode UTF-8, with or without a byte order mark. Raises `ReadError`."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise ReadError("this is UTF-16; save the file as UTF-8") from None
        raise ReadError(f"this is not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}", line) from None


def hidden_characters(text: str) -> str | None:
    """Return the first control or direction character, or half of a pair, of a text as `U+202E`, or None. Line ends and tabs are none."""
    found = _MARKS.search(text)
    return f"U+{ord(found.group()):04X}" if found else None


def read_json(text: str) -> Any:
    """Parse strict JSON: no NaN, no key twice in one object. Raises `ReadError`."""
    try:
        return json.loads(text, object_pairs_hook=lambda pairs: _object(pairs, text), parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise ReadError(f"this is not JSON: {error.msg}", error.lineno, error.colno) from None
    except RecursionError:
        raise ReadError("this is nested too deeply") from None
    except ValueError as error:
        raise ReadError(f"this is not JSON: {error}") from None


def _refuse_constant(name: str) -> Any:
    raise ReadError(f"{name} is not JSON")


def _object(pairs: list[tuple[str, Any]], text: str) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise ReadError(f"the key {json.dumps(key[:80], ensure_ascii=False)} is there twice", *_second_place(text, key))
        seen.add(key)
    return members


def _second_place(text: str, key: str) -> tuple[int, int] | tuple[()]:
    places = [match.start() for match in re.finditer(re.escape(json.dumps(key, ensure_ascii=False)) + r"\s*:", text)]
    if len(places) != 2:
        return ()
    return text.count("\n", 0, places[1]) + 1, places[1] - text.rfind("\n", 0, places[1])


def read_yaml(text: str) -> Any:
    """Parse YAML that could as well be JSON: no aliases, no tags, no key twice. Raises `ReadError`."""
    import yaml

    try:
        value = yaml.load(text, _strict_loader())  # noqa: S506  a safe loader, made stricter
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise ReadError(f"this is not YAML: {error.problem}", mark.line + 1 if mark else None, mark.column + 1 if mark else None) from None
    except yaml.YAMLError as error:
        raise ReadError(f"this is not YAML: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise ReadError("this is nested too deeply") from None
    except ValueError as error:
        raise ReadError(f"this is not YAML: {error}") from None
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise ReadError(f"this holds what JSON cannot say: {error}") from None


def _strict_loader() -> Any:
    import yaml
    from yaml import MarkedYAMLError, events

    library: Any = yaml  # its types leave out what a loader inherits

    class StrictLoader(yaml.SafeLoader):
        """Safe YAML without aliases, dates and double keys."""

        yaml_implicit_resolvers = {  # noqa: RUF012  the library's way to leave out dates
            first: [(tag, expression) for tag, expression in resolvers if tag != "tag:yaml.org,2002:timestamp"]
            for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

        def compose_node(self: Any, parent: Any, index: Any) -> Any:
            if self.check_event(events.AliasEvent):
                raise MarkedYAMLError(None, None, "aliases (*name) are not allowed here", self.peek_event().start_mark)
            return library.SafeLoader.compose_node(self, parent, index)

        def construct_mapping(self: Any, node: Any, deep: bool = False) -> dict[Hashable, Any]:
            seen: set[str] = set()
            for key_node, _ in node.value:
                key: Any = self.construct_object(key_node, deep=True)
                if not isinstance(key, str):
                    raise MarkedYAMLError(None, None, f"the key {key!r} is not a string; quote it", key_node.start_mark)
                if key in seen:
                    raise MarkedYAMLError(None, None, f"the key {key!r} is there twice", key_node.start_mark)
                seen.add(key)
            return library.SafeLoader.construct_mapping(self, node, deep=deep)

    return StrictLoader
