"""Lengths of time as people write them: seconds, or `90s`, `15m`, `1h`, `7d`."""

from __future__ import annotations

import math
import re

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?")
_RATE = re.compile(r"(\d+)\s*/\s*(\d+(?:\.\d+)?)?\s*(ms|s|m|h|d)")
MOST_STARTS = 1000
"""The largest count of a rate: so many starts are remembered."""
LONGEST_RATE = 7 * 86400.0


def seconds_of(value: object, what: str, *, most: float | None = None) -> float:
    """Return the seconds that a number or a text such as `15m` means. Raises `ValueError`."""
    seconds = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str) and (match := _DURATION.fullmatch(value.strip())):
        seconds = float(match[1]) * UNITS[match[2] or "s"]
    if not math.isfinite(seconds) or seconds < 0 or (most is not None and seconds > most):
        limit = "" if most is None else f" and at most {most:g} seconds"
        raise ValueError(f"{what} must be a number of seconds, or a text such as 30s, 15m or 1h{limit}, not {value!r}")
    return seconds


def rate_of(value: object, what: str) -> tuple[int, float]:
    """Return how many starts in how many seconds a text such as `10/m` or `100/15m` allows. Raises `ValueError`."""
    match = _RATE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is not None:
        count, seconds = int(match[1]), float(match[2] or 1) * UNITS[match[3]]
        if 1 <= count <= MOST_STARTS and 0 < seconds <= LONGEST_RATE:
            return count, seconds
    raise ValueError(
        f"{what} must be a text such as 10/m or 100/15m, not {value!r} (at most {MOST_STARTS} starts in at most 7d; 10000/h is 167/m)"
    )


def shown_rate(count: int, seconds: float) -> str:
    """Return a rate as it is written."""
    for unit in ("d", "h", "m", "s"):
        times = seconds / UNITS[unit]
        if times >= 1 and times == int(times):
            return f"{count}/{unit}" if times == 1 else f"{count}/{int(times)}{unit}"
    return f"{count}/{seconds:g}s"
