"""What a task says of its results in its metadata: `"cache": {"ttl": "1h", "key": ["/city"]}`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ratchet_mcp.tasks.durations import seconds_of
from ratchet_mcp.tasks.json_values import is_array, is_object
from ratchet_mcp.tasks.pointers import read_pointer
from ratchet_mcp.tasks.violations import did_you_mean, shown

LONGEST_TTL = 365 * 86400.0
MOST_POINTERS = 32
_KEYS = ("ttl", "key")


@dataclass(frozen=True, slots=True)
class CacheRules:
    """For how many seconds a result may be given again, and which places of the input it depends on; None is the whole input."""

    ttl_seconds: float
    key: tuple[str, ...] | None = None


def read_cache(value: Any) -> CacheRules:
    """Check the key `cache`. Raises `ValueError` that names what is wrong."""
    if not is_object(value):
        raise ValueError(f'expected an object such as {{"ttl": "1h"}}, got {shown(value)}')
    for key in value:
        if key not in _KEYS:
            raise ValueError(f"unknown key {shown(key)} in cache{did_you_mean(key, _KEYS)}; known are ttl and key")
    if "ttl" not in value:
        raise ValueError('cache.ttl is missing: how long a result may be given again, such as "1h"')
    seconds = seconds_of(value["ttl"], "cache.ttl", most=LONGEST_TTL)
    if seconds <= 0:
        raise ValueError("cache.ttl must be more than 0; leave cache out for a task whose results are not kept")
    return CacheRules(seconds, _pointers(value.get("key")))


def _pointers(given: Any) -> tuple[str, ...] | None:
    if given is None:
        return None
    if not is_array(given) or not 0 < len(given) <= MOST_POINTERS:
        raise ValueError(
            f"cache.key is a list of 1 to {MOST_POINTERS} JSON Pointers such as /city, got {shown(given)}; leave it out for all"
        )
    for pointer in given:
        try:
            read_pointer(pointer)
        except ValueError as error:
            raise ValueError(f"cache.key holds {shown(pointer)}: {error}") from None
    return tuple(sorted(set(given)))
