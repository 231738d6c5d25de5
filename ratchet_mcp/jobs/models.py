"""Jobs as the faces see them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any, Literal

from ratchet_mcp.errors import InvalidArgument
from ratchet_mcp.execution.models import Execution, Origin
from ratchet_mcp.jobs.retry import RetryPolicy
from ratchet_mcp.security.principal import LOCAL, Principal

Kind = Literal["task", "batch"]


class JobStatus(StrEnum):
    """Where a job stands. The last three are final; `failed` jobs are the dead letters."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Tell whether the job has ended."""
        return self in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)


class Priority(IntEnum):
    """Which jobs go first: the lower number."""

    URGENT = 0
    HIGH = 1
    NORMAL = 2
    LOW = 3

    @classmethod
    def named(cls, name: str) -> Priority:
        """Return the priority of a name: low, normal, high or urgent. Raises `InvalidArgument`."""
        try:
            return cls[name.upper()]
        except KeyError:
            raise InvalidArgument(f"priority must be low, normal, high or urgent, not {name[:40]!r}.") from None


@dataclass(slots=True)
class Job:
    """A run that waits, runs, or has ended. Times are UTC.

    `status` scheduled means: not before `run_at` (a later start, or a pause before the next attempt). `attempts` counts starts,
    `failures` the attempts that failed, `crashes` the processes that died while they ran it. `last_error` has the shape of
    `RatchetError.to_dict()`. `execution_id` is the execution of the latest attempt; all of them are found by the job's id.
    `reused` is set by `Jobs.submit` when the job was there already, by its unique key.
    """

    id: str
    task: str
    version: str | None
    status: JobStatus
    priority: Priority
    origin: Origin
    principal: str
    run_at: datetime
    created_at: datetime
    updated_at: datetime
    kind: Kind = "task"
    input: Any = None
    code: str | None = None
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    attempts: int = 0
    max_attempts: int = 1
    failures: int = 0
    crashes: int = 0
    timeout_seconds: float | None = None
    unique_key: str | None = None
    owner: str | None = None
    last_error: dict[str, Any] | None = None
    execution_id: str | None = None
    schedule_id: str | None = None
    delivery: list[dict[str, Any]] | None = None
    call: dict[str, Any] | None = None
    questions: Any = None
    answers: Any = None
    cancel_requested_at: datetime | None = None
    cancel_reason: str | None = None
    finished_at: datetime | None = None
    reused: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the job as JSON, without what is empty; times in ISO 8601."""
        body: dict[str, Any] = {
            "id": self.id,
            "task": self.task if self.version is None else f"{self.task}@{self.version}",
            "status": self.status.value,
            "priority": self.priority.name.lower(),
            "attempts": self.attempts,
            "max_attempts": self.max_attempts,
            "origin": self.origin.value,
            "run_at": self.run_at.isoformat(),
            "created_at": self.created_at.isoformat(),
        }
        if self.kind != "task":
            body["kind"] = self.kind
        for name in ("failures", "crashes", "execution_id", "schedule_id", "unique_key", "timeout_seconds", "last_error", "cancel_reason"):
            value = getattr(self, name)
            if value:
                body[name] = value
        for name in ("cancel_requested_at", "finished_at"):
            value = getattr(self, name)
            if value is not None:
                body[name] = value.isoformat()
        return body


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What is asked for: a task by its reference (resolved, and its version pinned, when it is submitted) and its input.

    `retry` None means what the task says of itself, else the settings. With `code` an unsaved function runs, and `task` is not looked at.
    `unique_key` makes the job the only one of its key: submitting it again gives the job that is there. `call` is what a face wants to
    remember of the call that became this job; such a job may ask the user.
    """

    task: str
    input: Any = None
    origin: Origin = Origin.JOB
    principal: Principal = LOCAL
    priority: Priority = Priority.NORMAL
    run_at: datetime | None = None
    retry: RetryPolicy | None = None
    unique_key: str | None = None
    timeout_seconds: float | None = None
    delivery: list[dict[str, Any]] | None = None
    schedule_id: str | None = None
    kind: Kind = "task"
    code: str | None = None
    call: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class JobPage:
    """Jobs, newest first, without their inputs."""

    jobs: list[Job]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Control:
    """How the queue treats one task, or all jobs (`task` is `*`): paused, how many at once, how many starts in a time (`10/m`).

    `from_task` lists which of `concurrency` and `rate` come from the task itself.
    """

    task: str
    paused: bool = False
    concurrency: int | None = None
    rate: str | None = None
    from_task: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the control as JSON, without what is empty."""
        body: dict[str, Any] = {"task": self.task, "paused": self.paused}
        if self.concurrency is not None:
            body["concurrency"] = self.concurrency
        if self.rate is not None:
            body["rate"] = self.rate
        if self.from_task:
            body["from_task"] = list(self.from_task)
        return body


Performer = Callable[[Job], Awaitable[Execution | None]]
"""Does one attempt of a job of some kind; it is cancelled when the job is. Returns the execution, if it was one, and raises `RatchetError`
when the attempt failed."""

JobListener = Callable[[Job], None]
"""Is called on the event loop when a job that this process ran has ended."""
