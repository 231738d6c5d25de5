"""What a task says of its network in its metadata: `"network": {"allow": ["api.example.com"]}`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ratchet_mcp.settings.hosts import read_pattern
from ratchet_mcp.tasks.json_values import is_array, is_object
from ratchet_mcp.tasks.violations import did_you_mean, shown

MAX_HOSTS = 100
_KEYS = ("allow",)


@dataclass(frozen=True, slots=True)
class NetworkRules:
    """The hosts that a task may reach; None leaves it to the settings, an empty list is none. It only ever narrows what the settings allow."""

    allow: tuple[str, ...] | None = None


def read_network(value: Any) -> NetworkRules:
    """Check the key `network`. Raises `ValueError` that names what is wrong."""
    if not is_object(value):
        raise ValueError(f'expected an object such as {{"allow": ["api.example.com"]}}, got {shown(value)}')
    for key in value:
        if key not in _KEYS:
            raise ValueError(f"unknown key {shown(key)} in network{did_you_mean(key, _KEYS)}; known is allow")
    allow = value.get("allow")
    if allow is None:
        return NetworkRules()
    if not is_array(allow) or not all(isinstance(each, str) for each in allow) or len(allow) > MAX_HOSTS:
        raise ValueError(f"network.allow is a list of at most {MAX_HOSTS} hosts, got {shown(allow)}")
    for each in allow:
        read_pattern(each)
    return NetworkRules(tuple(allow))
