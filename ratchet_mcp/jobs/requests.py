"""From what is asked for to a row: checked completely before anything is written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import uuid_utils

from ratchet_mcp.errors import InvalidArgument
from ratchet_mcp.jobs.models import JobRequest, JobStatus
from ratchet_mcp.jobs.retry import RetryPolicy
from ratchet_mcp.store.job_records import JobRecord
from ratchet_mcp.store.records import JsonText
from ratchet_mcp.tasks.queueing import said_of_jobs

if TYPE_CHECKING:
    from ratchet_mcp.execution.service import Executions
    from ratchet_mcp.registry.catalog import Catalog
    from ratchet_mcp.settings import Settings
    from ratchet_mcp.tasks.definition import Task

LATE_SECONDS = 60.0
"""A `run_at` may lie so far in the past: clocks differ, and calls take a moment."""

FARTHEST_DAYS = 3660
LONGEST_KEY = 200


class Requests:
    """Makes rows of requests."""

    def __init__(self, executions: Executions, catalog: Catalog, settings: Settings) -> None:
        self._executions = executions
        self._catalog = catalog
        self._settings = settings
        self.check_delivery: Callable[[Any], object] | None = None
        self.default_retry = RetryPolicy(
            attempts=settings.jobs.retry_attempts,
            delay_seconds=settings.jobs.retry_backoff_seconds,
            max_delay_seconds=settings.jobs.retry_max_delay_seconds,
        )

    async def task_of(self, reference: str, code: str | None) -> Task:
        """Return the task that a request or a job means. Raises what `Catalog.resolve` raises, and `TaskSyntaxError`."""
        if code is None:
            return await self._catalog.resolve(reference)
        from ratchet_mcp.tasks.loading import make_unsaved

        return make_unsaved(code, limits=self._settings.limits)

    async def check(self, request: JobRequest, now: datetime) -> tuple[JobRecord, Task | None]:
        """Return the row of a request, and its task when it is of a task.

        Raises what `Catalog.resolve` raises, `InputInvalid`, `InputTooLarge`, `TaskInvalid`, `TaskSyntaxError`, `InvalidArgument` and
        `DeliveryInvalid`.
        """
        _check_key(request.unique_key)
        if request.delivery is not None and self.check_delivery is not None:
            self.check_delivery(request.delivery)
        run_at = _run_at(request.run_at, now)
        if request.kind != "task":
            name, version, task, value = request.task, None, None, request.input
        else:
            task = await self.task_of(request.task, request.code)
            name, version = task.name, None if request.code is not None else task.version
            value = JsonText(await self._executions.accept(task, request.input, request.timeout_seconds))
        return self.row(request, name, version, value, self.retry_of(request, task), run_at, now), task

    def retry_of(self, request: JobRequest, task: Task | None) -> RetryPolicy:
        """Return the retry policy of a request: its own, else the task's, else that of the settings. Raises `InvalidArgument`."""
        if request.retry is not None:
            return request.retry
        declared = None if task is None else said_of_jobs(task.metadata).get("retry")
        return RetryPolicy.from_dict(declared, default=self.default_retry) if declared else self.default_retry

    def row(
        self, request: JobRequest, name: str, version: str | None, value: Any, retry: RetryPolicy, run_at: datetime, now: datetime
    ) -> JobRecord:
        """Return the row of a checked request."""
        return JobRecord(
            id=str(uuid_utils.uuid7()),
            task=name,
            version=version,
            status=(JobStatus.SCHEDULED if run_at > now else JobStatus.QUEUED).value,
            priority=int(request.priority),
            origin=request.origin.value,
            principal=request.principal.id,
            run_at=run_at,
            created_at=now,
            updated_at=now,
            kind=request.kind,
            input=value,
            code=request.code,
            retry_policy=retry.to_dict(),
            max_attempts=retry.attempts,
            timeout_seconds=request.timeout_seconds,
            unique_key=request.unique_key,
            schedule_id=request.schedule_id,
            delivery=request.delivery,
            call=request.call,
        )


def _check_key(key: str | None) -> None:
    if key is not None and (not 1 <= len(key) <= LONGEST_KEY or not key.isprintable()):
        raise _invalid("unique_key", f"must have 1 to {LONGEST_KEY} characters that can be printed")


def _run_at(wanted: datetime | None, now: datetime) -> datetime:
    if wanted is None:
        return now
    if wanted.tzinfo is None:
        raise _invalid("run_at", "needs a time zone, such as 2030-01-31T12:00:00Z")
    if wanted < now - timedelta(seconds=LATE_SECONDS):
        raise _invalid("run_at", f"is in the past: {wanted.isoformat()} (it is {now.isoformat(timespec='seconds')})")
    if wanted > now + timedelta(days=FARTHEST_DAYS):
        raise _invalid("run_at", f"is more than {FARTHEST_DAYS} days away: {wanted.isoformat()}")
    return max(wanted.astimezone(UTC), now)


def _invalid(what: str, message: str) -> InvalidArgument:
    return InvalidArgument(f"{what} {message}.", details={"violations": [{"path": f"$.{what}", "message": message}]})
