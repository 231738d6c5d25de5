"""Schedules as rows, and rows as schedules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from ratchet_mcp.errors import InvalidArgument
from ratchet_mcp.execution.models import Origin
from ratchet_mcp.jobs.models import JobRequest, Priority
from ratchet_mcp.jobs.retry import RetryPolicy
from ratchet_mcp.jobs.schedules.cron import Cron
from ratchet_mcp.jobs.schedules.models import Missed, Schedule, checked_name
from ratchet_mcp.jobs.schedules.zones import zone_of
from ratchet_mcp.security.principal import Principal
from ratchet_mcp.settings.schedules import ScheduleSettings
from ratchet_mcp.store.schedule_records import ScheduleRecord

UPCOMING = 5
"""How many of the next times a schedule shows."""
CHANGEABLE: dict[str, Callable[[Any, ScheduleSettings], dict[str, Any]]] = {
    "task": lambda value, _: _split(value),
    "cron": lambda value, _: {"cron": Cron.parse(value).text},
    "timezone": lambda value, settings: {"timezone": zone_of(settings.timezone if value is None else value).key},
    "input": lambda value, _: {"input": value},
    "missed": lambda value, settings: {"missed": Missed(value or settings.missed).value},
    "name": lambda value, _: {"name": checked_name(value)},
    "priority": lambda value, _: {"priority": int(Priority.NORMAL if value is None else value)},
    "retry": lambda value, _: {"retry_policy": None if value is None else value.to_dict()},
    "timeout_seconds": lambda value, _: {"timeout_seconds": value},
    "delivery": lambda value, _: {"delivery": value},
    "active": lambda value, _: {"active": bool(value)},
}
"""What users set of a schedule, by the fields of `ScheduleRequest`, and the columns that it becomes."""


def columns_of(fields: Mapping[str, Any], settings: ScheduleSettings) -> dict[str, Any]:
    """Return the columns that fields of a `ScheduleRequest` become. Raises `InvalidArgument`."""
    columns: dict[str, Any] = {}
    for name, value in fields.items():
        if name not in CHANGEABLE:
            raise InvalidArgument(f"A schedule has no {name[:40]!r}; it has {', '.join(CHANGEABLE)}.")
        columns |= CHANGEABLE[name](value, settings)
    return columns


def first_run(record: ScheduleRecord, now: datetime) -> datetime | None:
    """Return when a schedule is due next; None while it is paused. Raises `InvalidArgument`."""
    return Cron.parse(record.cron).next(now, zone_of(record.timezone)) if record.active else None


def to_schedule(record: ScheduleRecord) -> Schedule:
    """Return a schedule as the faces see it. One that this machine cannot read any more shows no times and says why."""
    shown = Schedule(
        id=record.id,
        task=reference_of(record),
        cron=record.cron,
        meaning="",
        timezone=record.timezone,
        missed=Missed(record.missed),
        priority=Priority(record.priority),
        active=record.active,
        principal=record.principal,
        created_at=record.created_at,
        updated_at=record.updated_at,
        name=record.name,
        input=record.input,
        timeout_seconds=record.timeout_seconds,
        delivery=record.delivery,
        next_run=record.next_run,
        last_run=record.last_run,
        last_job_id=record.last_job_id,
        last_error=record.last_error,
        failures=record.failures,
    )
    try:
        cron, zone = Cron.parse(record.cron), zone_of(record.timezone)
        shown.retry = _retry(record)
    except InvalidArgument as error:
        shown.last_error = shown.last_error or error.to_dict()
        return shown
    shown.meaning = cron.meaning
    if record.active and record.next_run is not None:
        shown.next_run = record.next_run.astimezone(zone)
        shown.upcoming = [shown.next_run, *cron.upcoming(record.next_run, zone, UPCOMING - 1)]
    shown.last_run = None if record.last_run is None else record.last_run.astimezone(zone)
    return shown


def reference_of(record: ScheduleRecord) -> str:
    """Return the task's reference as it was given."""
    return record.task if record.version is None else f"{record.task}@{record.version}"


def request_of(record: ScheduleRecord) -> JobRequest:
    """Return what a schedule asks for each time. Raises `InvalidArgument` for a retry policy that is not one any more."""
    return JobRequest(
        task=reference_of(record),
        input=record.input,
        origin=Origin.SCHEDULE,
        principal=Principal(record.principal),
        priority=Priority(record.priority),
        retry=_retry(record),
        timeout_seconds=record.timeout_seconds,
        delivery=record.delivery,
        schedule_id=record.id,
    )


def key_of(id: str, moment: datetime) -> str:
    """Return the unique key of the job that a time of a schedule becomes."""
    return f"schedule:{id}:{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _retry(record: ScheduleRecord) -> RetryPolicy | None:
    return None if record.retry_policy is None else RetryPolicy.from_dict(record.retry_policy)


def _split(reference: str) -> dict[str, Any]:
    task, _, version = reference.strip().partition("@")
    return {"task": task, "version": version.strip() or None}
