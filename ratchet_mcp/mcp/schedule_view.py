"""How a schedule looks in a tool's result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ratchet_mcp.mcp.results import clipped, to_json
from ratchet_mcp.mcp.tools import schemas

if TYPE_CHECKING:
    from ratchet_mcp.jobs.schedules.models import Schedule

SHORT_INPUT = 300
"""The longest JSON text of an input that a listing shows, in characters."""
ONLY_WHOLE = ("retry", "delivery", "created_at", "updated_at")

SCHEDULE: dict[str, Any] = {
    "schedule_id": schemas.STRING,
    "name": schemas.STRING,
    "task": schemas.STRING,
    "cron": schemas.STRING,
    "meaning": schemas.STRING,
    "timezone": schemas.STRING,
    "status": {"type": "string", "enum": ["active", "paused"]},
    "input": {"description": "Any JSON value; left out when it is long."},
    "input_preview": schemas.STRING,
    "missed": {"type": "string", "enum": ["skip", "run_once", "run_all"]},
    "priority": schemas.STRING,
    "retry": schemas.OBJECT,
    "timeout_seconds": schemas.NUMBER,
    "delivery": {"type": "array", "items": schemas.OBJECT},
    "next_runs": {"type": "array", "items": schemas.STRING},
    "last_run": schemas.STRING,
    "last_job_id": schemas.STRING,
    "last_error": schemas.OBJECT,
    "failures": schemas.INTEGER,
    "created_at": schemas.STRING,
    "updated_at": schemas.STRING,
    "deleted": schemas.BOOLEAN,
    "hint": schemas.STRING,
}
"""The properties of a schedule in a result."""


def whole(schedule: Schedule, characters: int) -> dict[str, Any]:
    """Return everything of a schedule; an input whose JSON text is over `characters` is cut."""
    return _view(schedule, characters)


def listed(schedule: Schedule) -> dict[str, Any]:
    """Return what a listing shows of a schedule."""
    return {key: value for key, value in _view(schedule, SHORT_INPUT).items() if key not in ONLY_WHOLE}


def _view(schedule: Schedule, characters: int) -> dict[str, Any]:
    facts = schedule.to_dict()
    view: dict[str, Any] = {"schedule_id": facts.pop("id"), **facts}
    if "last_error" in view:
        view["last_error"] = clipped(view["last_error"], SHORT_INPUT * 2)
    if "input" in view and len(text := to_json(view["input"])) > characters:
        del view["input"]
        view["input_preview"] = text[:SHORT_INPUT]
    return view
