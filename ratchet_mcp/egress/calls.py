"""What became of each request of a run: the list that `get_status(include=["http"])` shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

CacheOutcome = Literal["off", "miss", "hit", "revalidated", "stored", "bypass"]
Source = Literal["network", "cache", "mock", "replay"]


@dataclass(slots=True)
class Timing:
    """Milliseconds of each phase of the last exchange; None where a phase did not happen (a reused connection has no dns, connect, tls)."""

    dns: float | None = None
    connect: float | None = None
    tls: float | None = None
    first_byte: float | None = None
    body: float | None = None
    total: float | None = None

    def to_dict(self) -> dict[str, float]:
        """Return the phases that happened, in milliseconds."""
        phases = {"dns": self.dns, "connect": self.connect, "tls": self.tls, "first_byte": self.first_byte, "body": self.body}
        return {name: round(value, 2) for name, value in {**phases, "total": self.total}.items() if value is not None}


@dataclass(slots=True)
class HttpCall:
    """One fetch of a run. `url` and everything else is redacted already; `sent` and `received` count bytes of bodies on the wire.

    `phase` is what the call last waited for: connect, response or body.
    """

    number: int
    method: str
    url: str
    started_at: float = 0.0
    status: int | None = None
    sent: int = 0
    received: int = 0
    body_bytes: int = 0
    http_version: str | None = None
    source: Source = "network"
    cache: CacheOutcome = "off"
    retries: int = 0
    redirects: list[str] = field(default_factory=list[str])
    policy: str | None = None
    address: str | None = None
    notes: list[str] = field(default_factory=list[str])
    timing: Timing = field(default_factory=Timing)
    error: dict[str, Any] | None = None
    phase: str = "connect"

    def to_dict(self) -> dict[str, Any]:
        """Return the call as JSON; what does not apply is left out."""
        body: dict[str, Any] = {"number": self.number, "method": self.method, "url": self.url, "source": self.source}
        optional: dict[str, Any] = {
            "status": self.status,
            "http_version": self.http_version,
            "policy": self.policy,
            "address": self.address,
            "retries": self.retries or None,
            "redirects": self.redirects or None,
            "notes": self.notes or None,
            "error": self.error,
        }
        body |= {name: value for name, value in optional.items() if value is not None}
        body |= {"sent_bytes": self.sent, "received_bytes": self.received, "body_bytes": self.body_bytes, "cache": self.cache}
        return {**body, "timing_ms": self.timing.to_dict()}


def log_calls(who: str, calls: Iterable[HttpCall]) -> None:
    """Write calls of Ratchet itself into the log of the server; those of tasks are in the record of their execution."""
    from loguru import logger

    for call in calls:
        outcome = f"failed ({call.error['code']})" if call.error else f"answered {call.status}"
        logger.info(
            "{}: {} {} {} in {:.0f} ms ({})", who, call.method, call.url, outcome, call.timing.total or 0.0, call.policy or "not asked"
        )
