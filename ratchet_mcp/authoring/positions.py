"""Where in a text of JSON or YAML the value of a JSON path stands."""

from __future__ import annotations

import json
import re
from typing import Any

_STEP = re.compile(r"\.([A-Za-z_$][A-Za-z0-9_$]*)|\[(\d+)\]|\[(\"(?:[^\"\\]|\\.)*\")\]")
_SPACE = re.compile(r"\s*")
_SCALAR = re.compile(r"[^\s,\]}]+")
_MAX_YAML = 1 << 18
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


def position_of(text: str, path: str) -> tuple[int, int] | None:
    """Return line and column, from 1, of the value (or else of the nearest value around it); None when the text cannot be read."""
    steps = steps_of(path)
    text = text.removeprefix("\ufeff")
    offset = _in_json(text, steps) if text.lstrip()[:1] in ("{", "[") else None
    if offset is not None:
        return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)
    return _in_yaml(text, steps)


def steps_of(path: str) -> list[str | int]:
    """Split `$.items[0]["odd name"]` into its steps."""
    steps: list[str | int] = []
    position = 1
    while match := _STEP.match(path, position):
        name, index, quoted = match.groups()
        steps.append(name if name is not None else int(index) if index is not None else json.loads(quoted))
        position = match.end()
    return steps


def _in_json(text: str, steps: list[str | int]) -> int | None:
    """Return the offset of the value, walking the text once without building it."""
    trail: list[Any] = []
    position = _skip(text, 0)
    best = position
    try:
        while position < len(text):
            letter = text[position]
            if len(trail) <= len(steps) and trail == steps[: len(trail)]:
                best = position
                if len(trail) == len(steps):
                    return best
            if letter in "{[":
                position = _skip(text, position + 1)
                trail.append(0 if letter == "[" else None)
                if text[position] in "]}":
                    position = _close(text, position, trail)
                elif letter == "{":
                    position = _key(text, position, trail)
            else:
                match = _STRING.match(text, position) or _SCALAR.match(text, position)
                if match is None:
                    return best
                position = _after(text, match.end(), trail)
    except IndexError:
        return best
    return best


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _key(text: str, position: int, trail: list[Any]) -> int:
    """Read `"name":` and return where its value begins."""
    match = _STRING.match(text, position)
    if match is None:
        raise IndexError
    try:
        trail[-1] = json.loads(match.group(), strict=False)
    except ValueError:
        raise IndexError from None
    position = _skip(text, match.end())
    if text[position] != ":":
        raise IndexError
    return _skip(text, position + 1)


def _close(text: str, position: int, trail: list[Any]) -> int:
    trail.pop()
    return _after(text, position + 1, trail)


def _after(text: str, position: int, trail: list[Any]) -> int:
    """Go on behind a value: to the next member or item, or out of what ends here."""
    position = _skip(text, position)
    while trail and position < len(text):
        letter = text[position]
        if letter == ",":
            position = _skip(text, position + 1)
            if isinstance(trail[-1], int):
                trail[-1] += 1
                return position
            return _key(text, position, trail)
        if letter not in "]}":
            raise IndexError
        trail.pop()
        position = _skip(text, position + 1)
    return len(text)


def _in_yaml(text: str, steps: list[str | int]) -> tuple[int, int] | None:
    import yaml

    library: Any = yaml
    if len(text) > _MAX_YAML:
        return None
    try:
        node: Any = library.compose(text, library.SafeLoader)
    except (yaml.YAMLError, RecursionError, ValueError):
        return None
    for step in steps:
        following = None
        if isinstance(node, library.MappingNode):
            following = next((value for key, value in node.value if key.value == step), None)
        elif isinstance(node, library.SequenceNode) and isinstance(step, int) and step < len(node.value):
            following = node.value[step]
        if following is None:
            break
        node = following
    return (node.start_mark.line + 1, node.start_mark.column + 1) if node is not None else None
