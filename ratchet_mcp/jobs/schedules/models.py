"""Schedules as the faces see them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from ratchet_mcp.errors import InvalidArgument
from ratchet_mcp.jobs.models import Priority
from ratchet_mcp.jobs.retry import RetryPolicy
from ratchet_mcp.security.principal import LOCAL, Principal

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ -]{0,99}")
_UUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")


class Missed(StrEnum):
    """What happens to times at which no server ran: nothing; one job for the latest; a job for each of them."""

    SKIP = "skip"
    RUN_ONCE = "run_once"
    RUN_ALL = "run_all"

    @classmethod
    def named(cls, name: str) -> Missed:
        """Return the policy of a name. Raises `InvalidArgument`."""
        try:
            return cls(name)
        except ValueError:
            raise InvalidArgument(f"missed must be skip, run_once or run_all, not {name[:40]!r}.") from None


@dataclass(frozen=True, slots=True)
class ScheduleRequest:
    """What is asked for: a task by its reference, when, and with what input.

    The reference is resolved each time: a bare name means the newest version of that moment. `timezone` and `missed` None mean what the
    settings say. `retry`, `timeout_seconds` and `delivery` are those of each job.
    """

    task: str
    cron: str
    timezone: str | None = None
    input: Any = None
    missed: Missed | None = None
    name: str | None = None
    priority: Priority = Priority.NORMAL
    retry: RetryPolicy | None = None
    timeout_seconds: float | None = None
    delivery: list[dict[str, Any]] | None = None
    active: bool = True
    principal: Principal = LOCAL


@dataclass(slots=True)
class Schedule:
    """A task that runs again and again. `created_at` and `updated_at` are UTC, all other times are in the schedule's zone.

    `next_run` is when it is due, None while it is paused; `upcoming` are the times from then on. `last_run` is the time that was last due
    and became a job (`last_job_id`). `last_error` has the shape of `RatchetError.to_dict()` with `at`: why the latest time that was due
    became no job, or not all of them; `failures` counts such times in a row.
    """

    id: str
    task: str
    cron: str
    meaning: str
    timezone: str
    missed: Missed
    priority: Priority
    active: bool
    principal: str
    created_at: datetime
    updated_at: datetime
    name: str | None = None
    input: Any = None
    retry: RetryPolicy | None = None
    timeout_seconds: float | None = None
    delivery: list[dict[str, Any]] | None = None
    next_run: datetime | None = None
    last_run: datetime | None = None
    last_job_id: str | None = None
    last_error: dict[str, Any] | None = None
    failures: int = 0
    upcoming: list[datetime] = field(default_factory=list[datetime])

    def to_dict(self) -> dict[str, Any]:
        """Return the schedule as JSON, without what is empty; times in ISO 8601 with their offset."""
        body: dict[str, Any] = {
            "id": self.id,
            "name": self.name,
            "task": self.task,
            "cron": self.cron,
            "meaning": self.meaning,
            "timezone": self.timezone,
            "status": "active" if self.active else "paused",
            "input": self.input,
            "missed": self.missed.value,
            "priority": self.priority.name.lower(),
            "retry": None if self.retry is None else self.retry.to_dict(),
            "timeout_seconds": self.timeout_seconds,
            "delivery": self.delivery,
            "next_runs": [each.isoformat() for each in self.upcoming],
            "last_run": None if self.last_run is None else self.last_run.isoformat(),
            "last_job_id": self.last_job_id,
            "last_error": self.last_error,
            "failures": self.failures or None,
            "created_at": self.created_at.isoformat(),
            "updated_at": self.updated_at.isoformat(),
        }
        return {key: value for key, value in body.items() if value is not None}


@dataclass(frozen=True, slots=True)
class SchedulePage:
    """Schedules, newest first."""

    schedules: list[Schedule]
    next_cursor: str | None


def checked_name(name: str | None) -> str | None:
    """Return a name that a schedule may have. Raises `InvalidArgument`."""
    if name is not None and (not NAME.fullmatch(name) or _UUID.fullmatch(name)):
        rule = "name must be 1 to 100 letters, digits, spaces, dots, hyphens or underscores, begin with a letter or digit, and be no UUID"
        message = f"{rule}, not {name[:60]!r}."
        raise InvalidArgument(message, details={"violations": [{"path": "$.name", "message": message}]})
    return name
