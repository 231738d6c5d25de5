"""How an execution looks in a tool's result."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

from ratchet_mcp.execution.models import Execution
from ratchet_mcp.execution.tree import Branch
from ratchet_mcp.mcp.results import clipped

MAX_LISTED_MESSAGE = 200


def outcome(execution: Execution) -> dict[str, Any]:
    """Return what both running and finished executions tell, without output and error."""
    view: dict[str, Any] = {
        "execution_id": execution.id,
        "task": execution.task,
        "version": execution.version,
        "status": execution.status.value,
        "duration_ms": duration_ms(execution),
    }
    if execution.queue_ms is not None:
        view["queue_ms"] = round(execution.queue_ms, 2)
    if execution.cached is not None:
        view["cached"] = execution.cached
    if execution.warnings:
        view["warnings"] = clipped(execution.warnings)
    if execution.progress is not None and not execution.status.final:
        view["progress"] = clipped(execution.progress)
    view["limits"] = execution.limits
    return view


def full(execution: Execution) -> dict[str, Any]:
    """Return `outcome` with where the execution came from and when."""
    view = outcome(execution)
    limits = view.pop("limits")
    view["origin"] = execution.origin.value
    for name in ("created_at", "started_at", "finished_at"):
        moment = cast("datetime | None", getattr(execution, name))
        if moment is not None:
            view[name] = moment.isoformat()
    for name in ("parent_id", "worker_id"):
        if getattr(execution, name) is not None:
            view[name] = getattr(execution, name)
    view["limits"] = limits
    return view


def branch(tree: Branch, children: str = "children", more: str = "more") -> dict[str, Any]:
    """Return the tasks that an execution called, under the given names; recursive, as deep as `engine.call_depth` lets it be."""
    view: dict[str, Any] = {}
    if tree.children:
        view[children] = [
            {
                "execution_id": child.execution.id,
                "task": child.execution.task,
                "version": child.execution.version,
                "status": child.execution.status.value,
                "duration_ms": duration_ms(child.execution),
                **branch(child),
            }
            for child in tree.children
        ]
    if tree.more:
        view[more] = True
    return view


def listed(execution: Execution) -> dict[str, Any]:
    """Return one row of `list_executions`."""
    row: dict[str, Any] = {
        "execution_id": execution.id,
        "task": execution.task,
        "version": execution.version,
        "status": execution.status.value,
        "origin": execution.origin.value,
        "started_at": (execution.started_at or execution.created_at).isoformat(),
        "duration_ms": duration_ms(execution),
    }
    if execution.error:
        message = str(execution.error.get("message", ""))
        row["error"] = {"code": execution.error.get("code"), "message": clipped(message, MAX_LISTED_MESSAGE)}
    return row


def duration_ms(execution: Execution) -> float:
    """Return how long the run took, or has taken so far; waiting for a worker does not count."""
    if execution.run_ms is not None:
        return round(execution.run_ms, 2)
    if execution.started_at is None:
        return 0.0
    end = execution.finished_at or datetime.now(UTC)
    return round(max(0.0, (end - execution.started_at).total_seconds() * 1000), 2)
