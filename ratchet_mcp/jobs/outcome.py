"""How an attempt ended, and what becomes of its job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ratchet_mcp.errors import (
    Busy,
    Cancelled,
    CircuitOpen,
    Interrupted,
    JobCrashed,
    QueueFull,
    QueueTimeout,
    RatchetError,
    StoreFailed,
    WorkerStartFailed,
)
from ratchet_mcp.execution.models import Execution, Status
from ratchet_mcp.jobs.models import Job, JobStatus
from ratchet_mcp.jobs.rows import storable_error

NOTHING_RAN = frozenset(kind.code for kind in (Busy, CircuitOpen, QueueFull, QueueTimeout, StoreFailed, WorkerStartFailed))
"""Errors of the system, not of the job: it goes back to the queue for a moment, and no attempt is used up."""

SOON_SECONDS = 2.0

MOST_TURNED_AWAY = 10
"""How often a job may come to processes that do not know its task."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The next status of a job, with its error and, when it runs again, after how many seconds; `started` unless nothing was tried."""

    status: JobStatus
    error: dict[str, Any] | None = None
    failures: int = 0
    delay: float = 0.0
    started: bool = True

    def values(self, execution_id: str | None) -> dict[str, Any]:
        """Return the columns that change; times are the store's to set."""
        values: dict[str, Any] = {"status": self.status.value, "failures": self.failures, "execution_id": execution_id}
        values["last_error"] = None if self.error is None else storable_error(self.error)
        return values


def of_execution(job: Job, execution: Execution | None) -> Outcome:
    """Return the outcome of an attempt whose execution has ended."""
    if execution is None or execution.status is Status.COMPLETED:
        return Outcome(JobStatus.COMPLETED, failures=job.failures)
    if execution.status is Status.CANCELLED:
        return cancelled(job, execution.failure)
    if execution.status is Status.INTERRUPTED:
        return put_back(job)
    return of_error(job, execution.failure)


def of_error(job: Job, error: dict[str, Any]) -> Outcome:
    """Return the outcome of an attempt that failed: another attempt, or the end."""
    if job.cancel_requested_at is not None:
        return cancelled(job, None)
    code = error.get("code")
    if code == Interrupted.code:
        return put_back(job)
    if code in NOTHING_RAN:
        return Outcome(JobStatus.SCHEDULED, error, job.failures, SOON_SECONDS)
    failures = job.failures + 1
    delay = job.retry.decide(error, failures)
    if delay is None:
        return Outcome(JobStatus.FAILED, error, failures)
    return Outcome(JobStatus.SCHEDULED, error, failures, delay)


def not_here(job: Job, error: dict[str, Any]) -> Outcome:
    """Return the outcome of a job whose task this process does not know: another one may, for some time."""
    if job.cancel_requested_at is not None:
        return cancelled(job, None)
    if job.attempts - job.failures - job.crashes > MOST_TURNED_AWAY:
        return Outcome(JobStatus.FAILED, error, job.failures)
    return Outcome(JobStatus.SCHEDULED, error, job.failures, SOON_SECONDS)


def cancelled(job: Job, error: dict[str, Any] | None) -> Outcome:
    """Return the outcome of a job that was cancelled."""
    message = "The job was cancelled." if not job.cancel_reason else f"The job was cancelled: {job.cancel_reason}"
    return Outcome(JobStatus.CANCELLED, error or Cancelled(message).to_dict(), job.failures)


def put_back(job: Job, *, started: bool = True) -> Outcome:
    """Return the outcome of an attempt that this process gave up, mostly because it stops: the job is queued as it was."""
    if job.cancel_requested_at is not None:
        return cancelled(job, None)
    return Outcome(JobStatus.QUEUED, job.last_error, job.failures, started=started)


def crashed(job: Job) -> Outcome:
    """Return the outcome of a job whose processes died again and again."""
    error: RatchetError = JobCrashed(
        f"{job.crashes} processes died while they ran this job, so it is not tried again (jobs.max_crashes).",
        details={"crashes": job.crashes},
    )
    return Outcome(JobStatus.FAILED, error.to_dict(), job.failures)
