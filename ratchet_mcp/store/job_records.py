"""Jobs as rows: plain values, no database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

WAITING = ("queued", "scheduled")
"""The statuses of a job that has not begun, or waits for its next attempt."""


@dataclass(slots=True)
class JobRecord:
    """One job. `input` may be `JsonText` on the way in. Listings leave `input`, `code`, `call`, `questions` and `answers` out."""

    id: str
    task: str
    version: str | None
    status: str
    priority: int
    origin: str
    principal: str
    run_at: datetime
    created_at: datetime
    updated_at: datetime
    kind: str = "task"
    input: Any = None
    code: str | None = None
    retry_policy: dict[str, Any] | None = None
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
    delivery: Any = None
    call: Any = None
    questions: Any = None
    answers: Any = None
    cancel_requested_at: datetime | None = None
    cancel_reason: str | None = None
    finished_at: datetime | None = None

    @classmethod
    def of_row(cls, row: Mapping[Any, Any]) -> JobRecord:
        """Return the record of a row, whole or as listed."""
        return cls(**row)


COLUMNS = tuple(each.name for each in fields(JobRecord))
BIG = ("input", "code", "call", "questions", "answers")
LISTED = tuple(name for name in COLUMNS if name not in BIG)


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs to list; what is None does not restrict. `after` is the (created_at, id) of the last row already seen."""

    task: str | None = None
    version: str | None = None
    status: str | None = None
    since: datetime | None = None
    schedule_id: str | None = None
    after: tuple[datetime, str] | None = None


@dataclass(frozen=True, slots=True)
class ControlRecord:
    """How the queue treats the jobs of one task, or all jobs (`name` is `*`). `rate` is a count and its seconds.

    `declared` is what the task says of itself: `{"concurrency": 2, "rate": [10, 60]}`; it counts where the user has said nothing.
    """

    name: str
    paused: bool = False
    concurrency: int | None = None
    rate: tuple[int, float] | None = None
    declared: Mapping[str, Any] | None = None
    starts: tuple[int, ...] = ()

    @property
    def most(self) -> int | None:
        """Return how many may run at once; None for any number."""
        return self.concurrency if self.concurrency is not None else (self.declared or {}).get("concurrency")

    @property
    def pace(self) -> tuple[int, float] | None:
        """Return how many may start in how many seconds; None for any number."""
        if self.rate is not None:
            return self.rate
        declared = (self.declared or {}).get("rate")
        return None if declared is None else (int(declared[0]), float(declared[1]))


@dataclass(frozen=True, slots=True)
class Waiting:
    """What there is to do: whether a job is queued, and when the next scheduled one is due."""

    queued: bool
    next_due: datetime | None
    now: datetime


@dataclass(frozen=True, slots=True)
class Cancelling:
    """What asking to cancel a job came to: the job as it is now, and whether this call ended it."""

    record: JobRecord
    ended: bool
