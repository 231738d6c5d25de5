"""What a task says of where its results go, in its metadata: `"delivery": [{"type": "file", …}]`.

Here only the shape is looked at; whether a destination can be used depends on the settings of the server that delivers.
"""

from __future__ import annotations

from typing import Any

from ratchet_mcp.tasks.json_values import is_array, is_object
from ratchet_mcp.tasks.violations import did_you_mean, shown

KINDS = ("file", "webhook")
MOST = 20


def read_delivery(value: Any) -> list[dict[str, Any]]:
    """Check the part `delivery` of metadata. Raises `ValueError`."""
    several: Any = [value] if is_object(value) else value
    if not is_array(several) or not all(is_object(each) for each in several):
        raise ValueError(f'expected a list of destinations such as {{"type": "file", "path": "…"}}, got {shown(value)}')
    if len(several) > MOST:
        raise ValueError(f"there are {len(several)} destinations; at most {MOST} are taken")
    for number, each in enumerate(several):
        kind = each.get("type")
        if kind not in KINDS:
            near = did_you_mean(kind, KINDS) if isinstance(kind, str) else ""
            raise ValueError(f"destination {number + 1} has the type {shown(kind)}{near}; types are {' and '.join(KINDS)}")
    return several
