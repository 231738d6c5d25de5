"""Whether, and after how long, a job that failed is tried again."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ratchet_mcp.errors import Cancelled, Interrupted, InvalidArgument, TimedOut
from ratchet_mcp.tasks.queueing import ANY, RETRYABLE, read_retry

JITTER = 0.1
"""A delay is made longer or shorter by up to this part of it, so that jobs which failed together do not come back together."""

Backoff = Literal["exponential", "fixed"]


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
        try:
            read = read_retry(given)
        except ValueError as error:
            message = str(error)
            raise InvalidArgument(f"retry: {message}.", details={"violations": [{"path": "$.retry", "message": message}]}) from None
        delay: float = read.get("delay", base.delay_seconds)
        return cls(
            attempts=read.get("attempts", base.attempts),
            backoff=read.get("backoff", base.backoff),
            delay_seconds=delay,
            factor=read.get("factor", base.factor),
            max_delay_seconds=read.get("max_delay", max(delay, base.max_delay_seconds)),
            on=tuple(read.get("on", base.on)),
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
