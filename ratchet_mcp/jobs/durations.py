"""Lengths of time and rates that callers write: what is wrong becomes `InvalidArgument`."""

from __future__ import annotations

from ratchet_mcp.errors import InvalidArgument
from ratchet_mcp.tasks import durations
from ratchet_mcp.tasks.durations import shown_rate

__all__ = ["rate_of", "seconds_of", "shown_rate"]


def seconds_of(value: object, what: str, *, most: float | None = None) -> float:
    """Return the seconds that a number or a text such as `15m` means. Raises `InvalidArgument`, which names `what`."""
    try:
        return durations.seconds_of(value, what, most=most)
    except ValueError as error:
        raise InvalidArgument(f"{error}.") from None


def rate_of(value: object, what: str) -> tuple[int, float]:
    """Return how many starts in how many seconds a text such as `10/m` or `100/15m` means. Raises `InvalidArgument`, which names `what`."""
    try:
        return durations.rate_of(value, what)
    except ValueError as error:
        raise InvalidArgument(f"{error}.") from None
