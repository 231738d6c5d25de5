"""What a task says of its own jobs: `jobs: {concurrency, rate, retry}` in its metadata."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from ratchet_mcp.errors import CODES
from ratchet_mcp.tasks.durations import rate_of, seconds_of
from ratchet_mcp.tasks.json_values import is_array, is_object
from ratchet_mcp.tasks.violations import shown

KEYS = ("concurrency", "rate", "retry")
RETRY_KEYS = ("attempts", "backoff", "delay", "factor", "max_delay", "on")
RETRYABLE = "retryable"
ANY = "any"
MOST_AT_ONCE = 10_000
MOST_ATTEMPTS = 100
LONGEST_DELAY = 7 * 86400.0


def said_of_jobs(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part `jobs` of the metadata of a task, empty when there is none."""
    said = metadata.get("jobs")
    return dict(cast("Mapping[str, Any]", said)) if isinstance(said, Mapping) else {}


def read_jobs(value: Any) -> dict[str, Any]:
    """Check the part `jobs` of metadata. Raises `ValueError`."""
    said = _object(value, KEYS, "an object")
    if said.get("concurrency") is not None:
        whole_number(said["concurrency"], "concurrency", MOST_AT_ONCE)
    if said.get("rate") is not None:
        rate_of(said["rate"], "rate")
    if said.get("retry") is not None:
        read_retry(said["retry"])
    return said


def read_retry(value: Any) -> dict[str, Any]:
    """Check how often, and when, something is tried again; returns what was given with delays in seconds. Raises `ValueError`."""
    given = _object(value, RETRY_KEYS, "an object")
    read: dict[str, Any] = {}
    for key, part in given.items():
        if part is None:
            continue
        if key == "attempts":
            read[key] = whole_number(part, key, MOST_ATTEMPTS)
        elif key in ("delay", "max_delay"):
            read[key] = seconds_of(part, key, most=LONGEST_DELAY)
        elif key == "factor":
            read[key] = _factor(part)
        elif key == "backoff":
            if part not in ("exponential", "fixed"):
                raise ValueError(f"backoff must be exponential or fixed, not {shown(part)}")
            read[key] = part
        else:
            read[key] = _on(part)
    return read


def whole_number(value: Any, what: str, most: int) -> int:
    """Return a whole number from 1 to `most`. Raises `ValueError`."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise ValueError(f"{what} must be a whole number from 1 to {most}, not {shown(value)}")
    return value


def _object(value: Any, keys: tuple[str, ...], what: str) -> dict[str, Any]:
    if not is_object(value):
        raise ValueError(f"expected {what} with {', '.join(keys)}, got {shown(value)}")
    unknown = next((key for key in value if key not in keys), None)
    if unknown is not None:
        raise ValueError(f"unknown key {shown(unknown)}; the keys are {', '.join(keys)}")
    return value


def _factor(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= 100:
        raise ValueError(f"factor must be a number from 1 to 100, not {shown(value)}")
    return float(value)


def _on(value: Any) -> list[str]:
    codes: Any = [value] if isinstance(value, str) else value
    if not is_array(codes) or not codes:
        raise ValueError(f"on must be {RETRYABLE}, {ANY} or a list of error codes, not {shown(value)}")
    for code in codes:
        if not isinstance(code, str) or (code not in (RETRYABLE, ANY) and code not in CODES):
            raise ValueError(f"on names {shown(code)}, which is no error code")
    return list(codes)
