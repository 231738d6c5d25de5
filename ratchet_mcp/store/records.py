"""What goes into the store and comes out of it: plain values, no database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

UNFINISHED = ("queued", "running")
"""The statuses of an execution that has not ended."""


class JsonText(str):
    """JSON that is already text, so that it is not encoded again."""

    __slots__ = ()


@dataclass(slots=True)
class TaskRecord:
    """One version of one task as it was when it ran. `uuid` is the task's own, the row's id follows from content."""

    uuid: str
    name: str
    version: str
    digest: str
    title: str
    description: str
    origin: str
    source: str
    input_schema: Mapping[str, Any]
    output_schema: Mapping[str, Any]
    location: str | None = None


PENDING = "pending"
"""The status of a delivery that waits for its time."""


@dataclass(slots=True)
class DeliveryRecord:
    """One outcome on its way to one destination, as the row has it. `destination` is as the user wrote it, without values of secrets."""

    id: str
    task: str
    event: str
    kind: str
    destination: dict[str, Any]
    key: str
    created_at: datetime
    updated_at: datetime
    next_at: datetime
    execution_id: str | None = None
    job_id: str | None = None
    target: str | None = None
    status: str = PENDING
    attempts: int = 0
    max_attempts: int = 1
    owner: str | None = None
    last_error: dict[str, Any] | None = None
    receipt: dict[str, Any] | None = None
    finished_at: datetime | None = None


@dataclass(slots=True)
class ExecutionRecord:
    """One execution. `input` and `output` may be `JsonText` on the way in.

    Listings leave them, `limits`, `progress`, `warnings` and `http_calls` out. `deliveries` are written with its end.
    """

    id: str
    task: str
    version: str
    status: str
    origin: str
    principal: str
    created_at: datetime
    task_uuid: str | None = None
    task_id: str | None = None
    job_id: str | None = None
    parent_id: str | None = None
    batch_id: str | None = None
    cached_from: str | None = None
    attempt: int = 1
    owner: str | None = None
    worker_id: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    queue_ms: float | None = None
    run_ms: float | None = None
    total_ms: float | None = None
    input: Any = None
    output: Any = None
    error: dict[str, Any] | None = None
    progress: dict[str, Any] | None = None
    limits: dict[str, Any] = field(default_factory=dict[str, Any])
    warnings: list[str] = field(default_factory=list[str])
    cancel_requested_at: datetime | None = None
    cancel_reason: str | None = None
    http_calls: list[dict[str, Any]] | None = None
    deliveries: list[DeliveryRecord] = field(default_factory=list[DeliveryRecord])


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One line that a task logged. `sequence` counts from 0 within the execution."""

    sequence: int
    at: datetime
    level: str
    message: str


@dataclass(frozen=True, slots=True)
class ExecutionFilter:
    """Which executions to list; what is None does not restrict. `after` is the (created_at, id) of the last row already seen."""

    task: str | None = None
    version: str | None = None
    task_uuid: str | None = None
    status: str | None = None
    origin: str | None = None
    since: datetime | None = None
    job_id: str | None = None
    parent_id: str | None = None
    batch_id: str | None = None
    after: tuple[datetime, str] | None = None


@dataclass(frozen=True, slots=True)
class AuthoredTask:
    """One version of a task that was made through Ratchet. `files` maps paths in a task folder to their text."""

    name: str
    version: str
    uuid: str
    digest: str
    files: dict[str, str]
    principal: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class AuthoredHead:
    """What a listing needs of an authored task: `files` holds its metadata file alone."""

    name: str
    version: str
    digest: str
    files: dict[str, str]
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class CatalogRecord:
    """One version of a task as a source offers it; `mark` changes with what a listing shows of it."""

    source: str
    name: str
    version: str
    uuid: str
    digest: str | None
    mark: str
    created_at: datetime
    updated_at: datetime
    validated_at: datetime | None = None
    removed_at: datetime | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """Return `(source, name, version)`."""
        return self.source, self.name, self.version
