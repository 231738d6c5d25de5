"""Batches as the faces see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from ratchet_mcp.execution.values import encodable

Mode = Literal["parallel", "sequential", "dependency"]
MODES: tuple[Mode, ...] = ("parallel", "sequential", "dependency")


class RequestStatus(StrEnum):
    """Where one request of a batch stands. The first two are not final; the statuses of executions keep their names."""

    WAITING = "waiting"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    SKIPPED = "skipped"

    @property
    def final(self) -> bool:
        """Tell whether nothing happens to the request any more."""
        return self not in (RequestStatus.WAITING, RequestStatus.RUNNING)


class BatchStatus(StrEnum):
    """Where a batch stands: `partial` when some requests completed and others failed or never ran because of that."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"

    @property
    def final(self) -> bool:
        """Tell whether the batch has ended."""
        return self not in (BatchStatus.QUEUED, BatchStatus.RUNNING)


@dataclass(slots=True)
class RequestResult:
    """How one request stands. `reason` says why it was skipped or never ran, `error` has the shape of `RatchetError.to_dict()`."""

    id: str
    task: str
    status: RequestStatus = RequestStatus.WAITING
    version: str | None = None
    execution_id: str | None = None
    output: Any = None
    error: dict[str, Any] | None = None
    reason: str | None = None
    duration_ms: float | None = None
    cached_from: str | None = None

    def to_row(self) -> dict[str, Any]:
        """Return what the batch's row keeps: all but the output, which is in the execution's."""
        kept = {name: getattr(self, name) for name in self.__slots__ if name not in ("output", "status")}
        if self.error is not None:
            kept["error"] = encodable(self.error)
        return {"status": self.status.value, **{name: value for name, value in kept.items() if value is not None}}

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> RequestResult:
        """Read what `to_row` wrote."""
        values: dict[str, Any] = {**row, "status": RequestStatus(row["status"])}
        return cls(**values)


@dataclass(slots=True)
class Batch:
    """Several requests and how they stand, in the order in which they were asked for."""

    id: str
    status: BatchStatus
    principal: str
    origin: str
    created_at: datetime
    results: list[RequestResult] = field(default_factory=list[RequestResult])
    finished_at: datetime | None = None
    job_id: str | None = None

    @property
    def done(self) -> int:
        """Return how many requests are final."""
        return sum(each.status.final for each in self.results)


def status_of(results: Sequence[RequestResult], *, cancelled: bool = False) -> BatchStatus:
    """Return the status of a batch whose requests are all final. A request skipped by its own condition is no failure."""
    if cancelled:
        return BatchStatus.CANCELLED
    statuses = [each.status for each in results]
    if all(status in (RequestStatus.COMPLETED, RequestStatus.SKIPPED) for status in statuses):
        return BatchStatus.COMPLETED
    return BatchStatus.PARTIAL if RequestStatus.COMPLETED in statuses else BatchStatus.FAILED
