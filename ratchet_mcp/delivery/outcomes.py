"""What a delivery tells: the fields of templates, and the record that goes out when there is no template."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ratchet_mcp.delivery.templates import Moment
from ratchet_mcp.errors import DeliveryFailed, DeliveryRefused
from ratchet_mcp.store.records import UNFINISHED

if TYPE_CHECKING:
    from ratchet_mcp.store.deliveries import DeliveryRecord, JobFacts
    from ratchet_mcp.store.records import ExecutionRecord
    from ratchet_mcp.store.store import Store


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run or a job ended, as plain values. `ended_at` is when, so that a path is the same at each attempt."""

    event: str
    key: str
    delivery_id: str
    attempt: int
    task: dict[str, Any]
    execution: dict[str, Any]
    job: dict[str, Any]
    output: Any
    error: dict[str, Any] | None
    ended_at: datetime

    def fields(self) -> dict[str, Any]:
        """Return the fields of templates."""
        return {
            "task": self.task,
            "execution": self.execution,
            "job": self.job,
            "date": _moment(self.ended_at),
            "event": self.event,
            "delivery": {"id": self.delivery_id, "key": self.key, "attempt": self.attempt},
            "output": self.output,
        }

    def record(self) -> dict[str, Any]:
        """Return `{event, delivery, task, execution?, job?, output | error}`: what is sent when nothing else was asked for."""
        body: dict[str, Any] = {"event": self.event, "delivery": self.key, "task": _without_none(self.task)}
        if self.execution:
            body["execution"] = _without_none({name: value for name, value in self.execution.items() if name != "error"})
        if self.job:
            body["job"] = _without_none({name: value for name, value in self.job.items() if name != "error"})
        return {**body, "output": self.output} if self.event == "completed" else {**body, "error": self.error}

    def content(self, wanted: str) -> Any:
        """Return the output, or the record; of what failed, the record in any case."""
        return self.output if wanted == "output" and self.event == "completed" else self.record()


async def load(store: Store, record: DeliveryRecord) -> Outcome:
    """Return what a delivery is about. Raises `DeliveryRefused` when it is no longer there, and `StoreFailed`."""
    execution = None if record.execution_id is None else await store.executions.get(record.execution_id)
    job = None if record.job_id is None else await store.deliveries.job(record.job_id)
    if execution is None and job is None:
        raise DeliveryRefused("The run is not recorded any more, so there is nothing to deliver.", details={"reason": "gone"})
    if execution is not None and execution.status in UNFINISHED:
        raise DeliveryFailed("How the run ended is not recorded yet.", details={"reason": "unrecorded"})
    results = await _results(store, job) if job is not None and job.kind == "batch" else None
    return make(record, execution, job, results)


async def _results(store: Store, job: JobFacts) -> list[dict[str, Any]]:
    """Return how the requests of a batch ended, with the outputs of those that completed."""
    results: list[dict[str, Any]] = []
    recorded: list[dict[str, Any]] = job.results or []
    for result in recorded:
        execution = await store.executions.get(result.get("execution_id") or "") if result.get("status") == "completed" else None
        results.append(result if execution is None else {**result, "output": execution.output})
    return results


def make(record: DeliveryRecord, execution: ExecutionRecord | None, job: JobFacts | None, results: Any = None) -> Outcome:
    """Return what a delivery tells of an execution and a job, of which at least one is there; `results` are those of a batch."""
    error = (execution.error if execution else None) or (job.error if job else None)
    ended = (execution.finished_at if execution else None) or (job.finished_at if job else None) or record.created_at
    return Outcome(
        event=record.event,
        key=record.key,
        delivery_id=record.id,
        attempt=record.attempts,
        task={
            "name": record.task,
            "version": execution.version if execution else job.version if job else None,
            "uuid": execution.task_uuid if execution else None,
        },
        execution={} if execution is None else _execution(execution),
        job={} if job is None else _job(job),
        output=execution.output if execution else results,
        error=error,
        ended_at=ended,
    )


def _execution(execution: ExecutionRecord) -> dict[str, Any]:
    names = ("id", "status", "origin", "attempt", "run_ms", "total_ms", "error", "warnings")
    view: dict[str, Any] = {name: getattr(execution, name) for name in names}
    for name in ("created_at", "started_at", "finished_at"):
        moment: datetime | None = getattr(execution, name)
        view[name] = None if moment is None else moment.isoformat()
    return view


def _job(job: JobFacts) -> dict[str, Any]:
    return {"id": job.id, "status": job.status, "attempts": job.attempts, "error": job.error, "schedule_id": job.schedule_id}


def _moment(at: datetime) -> Moment:
    at = at.astimezone(UTC)
    moment = Moment(at.strftime("%Y-%m-%d"))
    parts = {"year": "%Y", "month": "%m", "day": "%d", "hour": "%H", "minute": "%M", "second": "%S", "time": "%H%M%S"}
    moment.fields = {name: at.strftime(form) for name, form in parts.items()}
    moment.fields |= {"iso": at.strftime("%Y-%m-%dT%H:%M:%SZ"), "timestamp": str(int(at.timestamp()))}
    return moment


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
