"""Whether, and after how long, a job that failed is tried again."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from ratchet_mcp.errors import CODES, Cancelled, Interrupted, InvalidArgument, TimedOut
from ratchet_mcp.jobs.durations import seconds_of

RETRYABLE = "retryable"
ANY = "any"
MOST_ATTEMPTS = 100
LONGEST_DELAY = 7 * 86400.0
JITTER = 0.1
"""A delay is made longer or shorter by up to this part of it, so that jobs which failed together do not come back together."""

Backoff = Literal["exponential", "fixed"]
KEYS = ("attempts", "backoff", "delay", "factor", "max_delay", "on")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a job is tried (`attempts`, the first one included) and how long it waits in between, in seconds.

    `on` says which errors are tried again: error codes, `retryable` (errors that say so of themselves, and timeouts) or `any`. A run that
    was interrupted, because its process stopped or died, always runs again and uses up no attempt.
    """

    attempts: int = 1
    backoff: Backoff = "exponential"
    delay_seconds: float = 1.0
    factor: float = 2.0
    max_delay_seconds: float = 300.0
    on: tuple[str, ...] = (RETRYABLE,)

    @classmethod
    def from_dict(cls, given: object, *, default: RetryPolicy | None = None) -> RetryPolicy:
        """Read `{attempts, backoff, delay, factor, max_delay, on}`; what is missing is taken from `default`. Raises `InvalidArgument`."""
        base = default or cls()
        if not isinstance(given, Mapping):
            raise _invalid("retry", f"must be an object with {', '.join(KEYS)}, not {given!r}")
        values = cast("Mapping[str, Any]", given)
        unknown = [str(key) for key in values if key not in KEYS]
        if unknown:
            raise _invalid("retry", f"has no key {unknown[0]!r}; it has {', '.join(KEYS)}")
        delay = seconds_of(values.get("delay", base.delay_seconds), "retry.delay", most=LONGEST_DELAY)
        most = values.get("max_delay")
        longest = max(delay, base.max_delay_seconds) if most is None else seconds_of(most, "retry.max_delay", most=LONGEST_DELAY)
        return cls(
            attempts=_attempts(values.get("attempts", base.attempts)),
            backoff=_backoff(values.get("backoff", base.backoff)),
            delay_seconds=delay,
            factor=_factor(values.get("factor", base.factor)),
            max_delay_seconds=longest,
            on=_on(values.get("on", list(base.on))),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` reads."""
        return {
            "attempts": self.attempts,
            "backoff": self.backoff,
            "delay": self.delay_seconds,
            "factor": self.factor,
            "max_delay": self.max_delay_seconds,
            "on": list(self.on),
        }

    def decide(self, error: Mapping[str, Any], attempt: int) -> float | None:
        """Return after how many seconds a job is tried again whose attempt number `attempt` (from 1) failed; None when it is not.

        `error` has the shape of `RatchetError.to_dict()`.
        """
        if attempt >= self.attempts or not self._covers(error):
            return None
        grown = self.delay_seconds
        if self.backoff == "exponential":
            grown *= self.factor ** min(attempt - 1, 64)
        jitter = 1 + random.uniform(-JITTER, JITTER)  # noqa: S311  nothing secret depends on it
        return min(grown, self.max_delay_seconds) * jitter

    def _covers(self, error: Mapping[str, Any]) -> bool:
        code = str(error.get("code"))
        if code == Cancelled.code:
            return False
        if ANY in self.on or code in self.on:
            return True
        return RETRYABLE in self.on and (bool(error.get("retryable")) or code in (TimedOut.code, Interrupted.code))


def _invalid(what: str, message: str) -> InvalidArgument:
    return InvalidArgument(f"{what} {message}.", details={"violations": [{"path": f"$.{what}", "message": message}]})


def _attempts(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_ATTEMPTS:
        raise _invalid("retry.attempts", f"must be a whole number from 1 to {MOST_ATTEMPTS}, not {value!r}")
    return value


def _backoff(value: Any) -> Backoff:
    if value not in ("exponential", "fixed"):
        raise _invalid("retry.backoff", f"must be exponential or fixed, not {value!r}")
    return value


def _factor(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= 100:
        raise _invalid("retry.factor", f"must be a number from 1 to 100, not {value!r}")
    return float(value)


def _on(value: Any) -> tuple[str, ...]:
    codes = [value] if isinstance(value, str) else value
    if not isinstance(codes, list | tuple) or not codes:
        raise _invalid("retry.on", f"must be {RETRYABLE}, {ANY} or a list of error codes, not {value!r}")
    for code in cast("list[Any]", codes):
        if code not in (RETRYABLE, ANY) and code not in CODES:
            raise _invalid("retry.on", f"names {code!r}, which is no error code")
    return tuple(cast("list[str]", codes))
