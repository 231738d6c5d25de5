"""How deeply JSON text is nested, without parsing it."""

from __future__ import annotations

import re

_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)  # possessive: linear time and no memory, whatever the text


def nested_deeper(text: str, limit: int) -> bool:
    """Tell whether arrays and objects are nested in more than `limit` levels."""
    if text.count("[") + text.count("{") <= limit:
        return False
    depth = 0
    for token in _TOKEN.finditer(text):
        match text[token.start()]:
            case "[" | "{":
                depth += 1
                if depth > limit:
                    return True
            case "]" | "}":
                depth -= 1
            case _:
                continue
    return False
