"""Values that cross into a task and out of it: the input as JSON text, the output as a value."""

from __future__ import annotations

import json
import math
from typing import Any, cast

import orjson

from ratchet_mcp.engine.run import RunLimits
from ratchet_mcp.errors import InputInvalid, InputTooLarge

FEW = 5_000
"""Up to so many nodes a value is looked at on the event loop, larger ones in a thread."""


def is_small(value: Any) -> bool:
    """Tell whether a value has few nodes; strings count once."""
    left, level = FEW, [value]
    while level:
        left -= len(level)
        if left < 0:
            return False
        level = _children(level)
    return True


def encode_input(value: Any, limits: RunLimits) -> str:
    """Return the JSON text of an input. Raises `InputTooLarge` and `InputInvalid`, for NaN too."""
    _check_nodes(value, limits)
    try:
        text = orjson.dumps(value).decode()
    except (TypeError, ValueError) as error:
        text = _encode_rarely(value, error)
    size = len(text) if text.isascii() else len(text.encode())
    if size > limits.input_bytes:
        raise _too_large(f"The input has {size} bytes as JSON; limits.input_bytes allows {limits.input_bytes}.", limits)
    return text


def _check_nodes(value: Any, limits: RunLimits) -> None:
    """Go through the levels one by one, so that no nesting is too deep to look at."""
    depth, nodes, level = 0, 0, [value]
    while level:
        nodes += len(level)
        if nodes > limits.input_bytes:
            raise _too_large(f"The input is larger than limits.input_bytes = {limits.input_bytes} as JSON.", limits)
        for node in level:
            if type(node) is float and not math.isfinite(node):
                raise _not_json(value, node)
        level = _children(level)
        if any(type(node) in (dict, list, tuple) for node in level) and depth + 1 >= limits.json_depth:
            raise _too_large(f"The input is nested more than {limits.json_depth} levels deep (limits.json_depth).", limits)
        depth += 1


def _children(level: list[Any]) -> list[Any]:
    found: list[Any] = []
    for node in level:
        kind = cast("type[Any]", type(node))
        if kind is dict:
            found.extend(node.values())
        elif kind is list or kind is tuple:
            found.extend(node)
    return found


def _encode_rarely(value: Any, error: Exception) -> str:
    """Encode what orjson does not: integers beyond 64 bits, which JavaScript reads as the nearest number."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        text.encode()
    except UnicodeEncodeError:
        raise InputInvalid("The input has a string with half of a surrogate pair, which is not text.") from None
    except (TypeError, ValueError):
        raise InputInvalid(f"The input is not JSON: {error}.") from None
    return text


def _not_json(value: Any, number: float) -> InputInvalid:
    path = _path_to(value, number) or "$"
    violation = {"path": path, "message": f"{number} is not a JSON number", "keyword": "type"}
    return InputInvalid(f"The input is not JSON: {path} is {number}.", hint="Use null or a string.", details={"violations": [violation]})


def _path_to(value: Any, wanted: float) -> str | None:
    waiting: list[tuple[str, Any]] = [("$", value)]
    while waiting:
        path, node = waiting.pop()
        if node is wanted:
            return path
        if isinstance(node, dict):
            waiting.extend((f"{path}.{key}", child) for key, child in cast("dict[Any, Any]", node).items())
        elif isinstance(node, list | tuple):
            waiting.extend((f"{path}[{index}]", child) for index, child in enumerate(cast("list[Any]", node)))
    return None


def _too_large(message: str, limits: RunLimits) -> InputTooLarge:
    return InputTooLarge(message, details={"limits": {"input_bytes": limits.input_bytes, "json_depth": limits.json_depth}})


def decode_output(text: str) -> tuple[Any, str | None]:
    """Return an output and, when lone halves of surrogate pairs had to become U+FFFD in it, a warning that says so."""
    try:
        return orjson.loads(text), None
    except orjson.JSONDecodeError:
        return well_formed(json.loads(text)), "The output had strings with half of a surrogate pair; U+FFFD stands for each."


def well_formed(value: Any) -> Any:
    """Return a JSON value whose strings are all text: lone surrogates become U+FFFD."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {well_formed(key): well_formed(child) for key, child in cast("dict[Any, Any]", value).items()}
    if isinstance(value, list):
        return [well_formed(child) for child in cast("list[Any]", value)]
    return value


def encodable(value: dict[str, Any]) -> dict[str, Any]:
    """Return facts that JSON can say: lone surrogates become U+FFFD, what is no JSON value becomes its text."""
    try:
        orjson.dumps(value)
    except (TypeError, ValueError):
        return well_formed(json.loads(json.dumps(value, default=str, allow_nan=True), parse_constant=str))
    return value
