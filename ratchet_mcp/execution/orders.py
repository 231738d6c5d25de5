"""What a run is asked for with, and the run that is made of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import uuid_utils

from ratchet_mcp.engine.clock import RunClock
from ratchet_mcp.engine.course import Course
from ratchet_mcp.engine.observe import Observation
from ratchet_mcp.engine.run import ProgressUpdate, RunLimits, RunRequest
from ratchet_mcp.execution.live import Live
from ratchet_mcp.execution.methods import HostMethods
from ratchet_mcp.execution.models import Execution, Origin, Status
from ratchet_mcp.execution.preparation import Prepared
from ratchet_mcp.security.principal import Principal
from ratchet_mcp.tasks.definition import Task

if TYPE_CHECKING:
    from ratchet_mcp.egress.service import RunNetwork


@dataclass(frozen=True, slots=True)
class Order:
    """Who wants a run, how it is to run, and what it belongs to.

    `caller` is the run that called this one, while it runs here; `parent_id` its execution. `execution_id` is a new UUID that the caller
    has chosen for it. `course` makes it repeatable, `observe` looks into it.
    """

    origin: Origin
    principal: Principal
    attempt: int = 1
    caller: Live | None = None
    parent_id: str | None = None
    execution_id: str | None = None
    job_id: str | None = None
    batch_id: str | None = None
    observe: Observation | None = None
    course: Course | None = None
    on_progress: Callable[[ProgressUpdate], None] | None = None


def make(
    order: Order, task: Task, prepared: Prepared, input_json: str, limits: RunLimits, network: RunNetwork | None, calls: HostMethods
) -> Live:
    """Return the run of a task that was ordered, not started yet."""
    caller, course = order.caller, order.course
    execution = Execution(
        id=order.execution_id or str(uuid_utils.uuid7()),
        task=task.name,
        version=task.version,
        status=Status.QUEUED,
        origin=order.origin,
        principal=order.principal.id,
        created_at=datetime.now(UTC),
        limits=limits.to_dict(),
        parent_id=order.parent_id,
        job_id=order.job_id,
        batch_id=order.batch_id,
        attempt=order.attempt,
    )
    told_id = execution.id if course is None or course.execution_id is None else course.execution_id
    context: dict[str, Any] = {"executionId": told_id, "task": task.name, "version": task.version, "attempt": order.attempt}
    if order.parent_id is not None:
        context["parentId"] = order.parent_id if caller is None else caller.request.context["executionId"]
    request = RunRequest(
        execution.id,
        prepared.key if order.origin is not Origin.TEST else f"test:{execution.id}",  # a test that shall kill its worker pauses nobody
        prepared.script,
        prepared.digest,
        input_json,
        context,
        limits,
        0 if caller is None else caller.request.depth + 1,
        task.source,
        task.code_file,
        prepared.locate,
        order.observe,
        None if course is None else replace(course, execution_id=told_id),
        {} if network is None else {name: network.secrets.handle(name) for name in network.secrets.names},
        RunClock(limits.timeout_seconds, None if caller is None else caller.clock),
    )
    return Live(execution, task, request, order.principal, calls, order.on_progress, network)
