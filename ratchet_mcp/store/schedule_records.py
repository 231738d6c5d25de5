"""Schedules as rows: plain values, no database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from ratchet_mcp.store.job_records import JobRecord


@dataclass(slots=True)
class ScheduleRecord:
    """One schedule. `version` is what stands after the `@` of the task's reference. What firing changes leaves `updated_at` alone."""

    id: str
    task: str
    version: str | None
    cron: str
    timezone: str
    missed: str
    priority: int
    principal: str
    created_at: datetime
    updated_at: datetime
    name: str | None = None
    input: Any = None
    active: bool = True
    retry_policy: dict[str, Any] | None = None
    timeout_seconds: float | None = None
    delivery: Any = None
    next_run: datetime | None = None
    last_run: datetime | None = None
    last_job_id: str | None = None
    last_error: dict[str, Any] | None = None
    failures: int = 0

    @classmethod
    def of_row(cls, row: Mapping[Any, Any]) -> ScheduleRecord:
        """Return the record of a row."""
        return cls(**row)


COLUMNS = tuple(each.name for each in fields(ScheduleRecord))


@dataclass(frozen=True, slots=True)
class ScheduleFilter:
    """Which schedules to list; what is None does not restrict. `after` is the (created_at, id) of the last row already seen."""

    task: str | None = None
    active: bool | None = None
    after: tuple[datetime, str] | None = None


@dataclass(frozen=True, slots=True)
class Firing:
    """What one schedule that is due comes to: its jobs, and when it is due again. It counts only while the schedule is as it was read.

    `values` are columns of the schedule that change.
    """

    schedule: ScheduleRecord
    values: Mapping[str, Any]
    jobs: Sequence[JobRecord] = field(default_factory=tuple)
