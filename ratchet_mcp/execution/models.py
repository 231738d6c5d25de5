"""Executions as the faces see them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID


class Status(StrEnum):
    """Where an execution stands. The last five are final."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"

    @property
    def final(self) -> bool:
        """Tell whether the execution has ended."""
        return self not in (Status.QUEUED, Status.RUNNING)


class Origin(StrEnum):
    """Which way an execution came in."""

    MCP = "mcp"
    REST = "rest"
    GRAPHQL = "graphql"
    CLI = "cli"
    SCHEDULE = "schedule"
    JOB = "job"
    TEST = "test"


@dataclass(slots=True)
class Execution:
    """One run of a task: live while it runs, afterwards as the store has it.

    Times are UTC; durations are milliseconds. `error` has the shape of `RatchetError.to_dict()`. `output` is only meaningful when
    `status` is `completed`. `task` is the name (`<javascript>` for an unsaved function), `parent_id`
    the execution whose `tasks.call` started it, `job_id` and `batch_id` the job and the batch it belongs to, `cached_from` the execution
    whose output was given again. `http` lists its fetches (`egress.calls.HttpCall.to_dict()`).
    """

    id: str
    task: str
    version: str
    status: Status
    origin: Origin
    principal: str
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    input: Any = None
    output: Any = None
    error: dict[str, Any] | None = None
    progress: dict[str, Any] | None = None
    limits: dict[str, Any] = field(default_factory=dict[str, Any])
    queue_ms: float | None = None
    run_ms: float | None = None
    total_ms: float | None = None
    worker_id: str | None = None
    parent_id: str | None = None
    job_id: str | None = None
    batch_id: str | None = None
    cached_from: str | None = None
    attempt: int = 1
    warnings: list[str] = field(default_factory=list[str])
    http: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    @property
    def cached(self) -> dict[str, Any] | None:
        """Where an output came from that was given again: `{execution_id, age_seconds}`, the time since that run was asked for."""
        if self.cached_from is None:
            return None
        asked = (UUID(self.cached_from).int >> 80) / 1000  # a UUIDv7 begins with milliseconds since 1970 (RFC 9562, 5.7)
        return {"execution_id": self.cached_from, "age_seconds": round(max(0.0, self.created_at.timestamp() - asked), 3)}

    @property
    def failure(self) -> dict[str, Any]:
        """The error of a run that did not complete; where none was kept, one that names its status."""
        return self.error or {"code": self.status.value, "message": f"The run is {self.status.value}."}


@dataclass(frozen=True, slots=True)
class ExecutionPage:
    """Executions, newest first, without input, output, limits, progress, warnings and http; `error` holds code, message and retryable."""

    executions: list[Execution]
    next_cursor: str | None
