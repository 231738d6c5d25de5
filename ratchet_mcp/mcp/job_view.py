"""How a job looks in a tool's result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ratchet_mcp.mcp.results import clipped
from ratchet_mcp.mcp.tools import schemas

if TYPE_CHECKING:
    from ratchet_mcp.jobs.models import Job

JOB: dict[str, Any] = {
    "job_id": schemas.STRING,
    "task": schemas.STRING,
    "version": schemas.STRING,
    "status": {"type": "string", "enum": ["scheduled", "queued", "running", "completed", "failed", "cancelled"]},
    "priority": schemas.STRING,
    "origin": schemas.STRING,
    "attempts": schemas.INTEGER,
    "max_attempts": schemas.INTEGER,
    "run_at": schemas.STRING,
    "created_at": schemas.STRING,
    "finished_at": schemas.STRING,
    "execution_id": schemas.STRING,
    "schedule_id": schemas.STRING,
    "unique_key": schemas.STRING,
    "reused": schemas.BOOLEAN,
    "last_error": schemas.OBJECT,
    "cancel_reason": schemas.STRING,
    "hint": schemas.STRING,
}
"""The properties of a job in a result."""

ANY_STATUS: dict[str, Any] = {"type": "string", "enum": list(dict.fromkeys(["scheduled", *schemas.STATUS["enum"]]))}
"""Where a job or an execution may stand."""

WAITING_HINT = 'Call get_status(id="{id}", wait_seconds=25) for the result, or cancel_execution(id="{id}").'


def listed(job: Job) -> dict[str, Any]:
    """Return a job without what it was given and gave."""
    view: dict[str, Any] = {
        "job_id": job.id,
        "task": job.task,
        "status": job.status.value,
        "priority": job.priority.name.lower(),
        "origin": job.origin.value,
        "attempts": job.attempts,
        "max_attempts": job.max_attempts,
        "run_at": job.run_at.isoformat(),
        "created_at": job.created_at.isoformat(),
    }
    if job.finished_at is not None:
        view["finished_at"] = job.finished_at.isoformat()
    for name in ("version", "execution_id", "schedule_id", "unique_key", "cancel_reason"):
        if getattr(job, name) is not None:
            view[name] = getattr(job, name)
    if job.last_error is not None:
        view["last_error"] = clipped(job.last_error)
    if job.reused:
        view["reused"] = True
    return view


def submitted(job: Job) -> dict[str, Any]:
    """Return a job that was just asked for, with what to do next."""
    known = "A job with this unique_key is there already. " if job.reused else ""
    return {**listed(job), "hint": known + WAITING_HINT.format(id=job.id)}
