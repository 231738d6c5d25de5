"""Which deliveries the end of a run or of a job asks for: rows that are written in the same transaction as the end."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import uuid_utils
from loguru import logger

from ratchet_mcp.errors import DeliveryInvalid
from ratchet_mcp.execution.models import Execution, Origin, Status
from ratchet_mcp.registry.remote import is_remote
from ratchet_mcp.store.deliveries import FAILED, DeliveryRecord, storable_json

if TYPE_CHECKING:
    from ratchet_mcp.delivery.checks import Checks
    from ratchet_mcp.delivery.destinations import Destination
    from ratchet_mcp.settings import Settings
    from ratchet_mcp.tasks.definition import Task

EVENTS = {Status.COMPLETED: "completed", Status.FAILED: "failed", Status.TIMED_OUT: "failed"}
"""What ends of runs are called. Those that were cancelled or interrupted are not delivered: nobody let them end."""
ORIGINS = frozenset({Origin.MCP, Origin.REST, Origin.GRAPHQL, Origin.SCHEDULE, Origin.JOB})
"""Runs of these are delivered; those of tests and of the command line are seen by who started them."""
_KEPT = 256


class EndedJob(Protocol):
    """What is needed of a job that has ended; `version` and `delivery` may be None."""

    id: str
    task: str
    version: str | None
    status: Any
    kind: Any
    execution_id: str | None
    delivery: Any
    finished_at: datetime | None


class Planner:
    """Makes the rows. What a task or a job wants is read under the settings of this server; if it cannot be used here, its row says so."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._checks: Checks | None = None
        self._everywhere: list[Destination] = []
        self._known: OrderedDict[tuple[str, str], list[Destination] | DeliveryInvalid] = OrderedDict()
        self._remote = {source.name for source in settings.registry.sources if is_remote(source.uri)}
        self._left_out: set[str] = set()

    @property
    def checks(self) -> Checks:
        """Return what reads destinations; it is loaded when the first is read."""
        if self._checks is None:
            from ratchet_mcp.delivery.checks import Checks

            self._checks = Checks(self._settings)
        return self._checks

    def start(self) -> None:
        """Read the destinations of the settings. Raises `DeliveryInvalid`."""
        if self._settings.delivery.destinations:
            self._everywhere = self.checks.read(self._settings.delivery.destinations, where="delivery.destinations of the settings")

    def of_execution(self, execution: Execution, task: Task) -> list[DeliveryRecord]:
        """Return what the end of a run asks for. A job's end is told by the job, a called task's by its caller."""
        wanted = self._said(task)
        if not (self._everywhere or wanted) or execution.parent_id is not None or execution.origin not in ORIGINS:
            return []
        event = EVENTS.get(execution.status)
        if event is None or (execution.job_id is not None and execution.batch_id is None):
            return []
        chosen = self._chosen(event, execution.task, wanted)
        return self._rows(chosen, execution.task, event, execution.id, execution.id, None)

    def of_job(self, job: EndedJob, task: Task | None) -> list[DeliveryRecord]:
        """Return what the end of a job asks for: its own destinations, and those of its task and of the settings."""
        event = str(getattr(job.status, "value", job.status))
        if event not in ("completed", "failed"):
            return []
        wanted = self._said(task) if task is not None and job.kind == "task" else None
        if not (job.delivery or wanted or self._everywhere):
            return []
        chosen = self._chosen(event, job.task, wanted)
        if job.delivery:
            chosen += self._read(job.delivery, "The delivery of the job", job.task, event)
        unique = job.execution_id or f"{job.id}-{int((job.finished_at or datetime.now(UTC)).timestamp() * 1e6)}"
        return self._rows(chosen, job.task, event, unique, job.execution_id, job.id)

    def of_destinations(self, destinations: Sequence[Destination], execution: Execution, job_id: str | None = None) -> list[DeliveryRecord]:
        """Return rows that send an execution which has ended to some destinations."""
        event = EVENTS.get(execution.status)
        if event is None:
            return []
        chosen: list[Destination | DeliveryInvalid] = [each for each in destinations if each.wants(event)]
        return self._rows(chosen, execution.task, event, str(uuid_utils.uuid7()), execution.id, job_id)

    def _said(self, task: Task) -> Any:
        """Return what a task says of itself; one from elsewhere is only listened to when the settings name it."""
        wanted = task.metadata.get("delivery")
        if not wanted or task.origin not in self._remote or task.name in self._settings.delivery.from_remote:
            return wanted
        if task.name not in self._left_out:
            self._left_out.add(task.name)
            logger.warning("{} comes from elsewhere and may not say where its results go (delivery.from_remote)", task.name)
        return None

    def _chosen(self, event: str, task: str, wanted: Any) -> list[Destination | DeliveryInvalid]:
        chosen: list[Destination | DeliveryInvalid] = [each for each in self._everywhere if each.wants(event)]
        if wanted:
            chosen += self._read(wanted, "The delivery of the task", task, event)
        return chosen

    def _read(self, wanted: Any, where: str, task: str, event: str) -> Iterable[Destination | DeliveryInvalid]:
        key = (task, json.dumps(wanted, sort_keys=True))
        known = self._known.get(key)
        if known is None:
            try:
                known = self.checks.read(wanted, where=where, task=task)
            except DeliveryInvalid as error:
                known = error
            self._known[key] = known
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return [known] if isinstance(known, DeliveryInvalid) else [each for each in known if each.wants(event)]

    def _rows(
        self,
        chosen: Sequence[Destination | DeliveryInvalid],
        task: str,
        event: str,
        unique: str,
        execution_id: str | None,
        job_id: str | None,
    ) -> list[DeliveryRecord]:
        now = datetime.now(UTC)
        rows: list[DeliveryRecord] = []
        for number, each in enumerate(chosen):
            common: dict[str, Any] = {"task": task, "event": event, "execution_id": execution_id, "job_id": job_id}
            common |= {"id": str(uuid_utils.uuid7()), "key": f"{unique}-{number}", "created_at": now, "updated_at": now, "next_at": now}
            if isinstance(each, DeliveryInvalid):
                ended: dict[str, Any] = {
                    "status": FAILED,
                    "last_error": storable_json(each.to_dict()),
                    "finished_at": now,
                    "max_attempts": 0,
                }
                rows.append(DeliveryRecord(kind="unusable", destination={}, **common, **ended))
            else:
                attempts = each.model.attempts or self._settings.delivery.attempts
                rows.append(DeliveryRecord(kind=each.kind, destination=each.raw, max_attempts=attempts, **common))
        return rows
