"""What a task says of its network in its metadata: `"network": {"allow": ["api.example.com"], "secrets": ["API_KEY"]}`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ratchet_mcp.settings.hosts import read_pattern
from ratchet_mcp.tasks.json_values import is_array, is_object
from ratchet_mcp.tasks.violations import did_you_mean, shown

MAX_HOSTS = 100
MAX_SECRETS = 32
_KEYS = ("allow", "secrets")
_SECRET = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class NetworkRules:
    """What a task wants of the network; it only ever narrows what the settings allow.

    `allow` are the hosts that it may reach; None leaves it to the settings, an empty list is none. `secrets` are the names that it uses of
    `context.secrets`.
    """

    allow: tuple[str, ...] | None = None
    secrets: tuple[str, ...] = ()


def read_network(value: Any) -> NetworkRules:
    """Check the key `network`. Raises `ValueError` that names what is wrong."""
    if not is_object(value):
        raise ValueError(f'expected an object such as {{"allow": ["api.example.com"]}}, got {shown(value)}')
    for key in value:
        if key not in _KEYS:
            raise ValueError(f"unknown key {shown(key)} in network{did_you_mean(key, _KEYS)}; known are allow and secrets")
    return NetworkRules(_hosts(value.get("allow")), _secrets(value.get("secrets")))


def _hosts(allow: Any) -> tuple[str, ...] | None:
    if allow is None:
        return None
    if not is_array(allow) or not all(isinstance(each, str) for each in allow) or len(allow) > MAX_HOSTS:
        raise ValueError(f"network.allow is a list of at most {MAX_HOSTS} hosts, got {shown(allow)}")
    for each in allow:
        read_pattern(each)
    return tuple(allow)


def _secrets(names: Any) -> tuple[str, ...]:
    if names is None:
        return ()
    if not is_array(names) or not all(isinstance(each, str) and _SECRET.fullmatch(each) for each in names) or len(names) > MAX_SECRETS:
        raise ValueError(f"network.secrets is a list of at most {MAX_SECRETS} names such as API_KEY, got {shown(names)}")
    return tuple(names)
