"""A running Ratchet: every service of one server."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ratchet_mcp import __version__
from ratchet_mcp.hosting import OnDemand
from ratchet_mcp.security.principal import LOCAL, Principal

if TYPE_CHECKING:
    from ratchet_mcp.authoring.service import Authoring
    from ratchet_mcp.batches.models import Batch
    from ratchet_mcp.batches.plan import Plan
    from ratchet_mcp.batches.service import Batches
    from ratchet_mcp.delivery.service import Deliveries
    from ratchet_mcp.egress.service import Egress
    from ratchet_mcp.engine.pool import WorkerPool
    from ratchet_mcp.engine.run import ProgressUpdate
    from ratchet_mcp.execution.asking import Answers
    from ratchet_mcp.execution.models import Origin
    from ratchet_mcp.execution.service import Executions, Handle
    from ratchet_mcp.jobs.models import Job, Priority
    from ratchet_mcp.jobs.schedules.service import Schedules
    from ratchet_mcp.jobs.service import Jobs
    from ratchet_mcp.registry.catalog import Catalog
    from ratchet_mcp.settings import Settings
    from ratchet_mcp.store.store import Store
    from ratchet_mcp.testing.debugging import Debugging
    from ratchet_mcp.testing.recordings import Recordings
    from ratchet_mcp.testing.replaying import Replays
    from ratchet_mcp.testing.runner import Testing

PROBLEMS_SHOWN = 5
"""How many problems of tasks and sources `status` tells; `ratchet repo status` and sync_registry tell all."""


class Ratchet:
    """Every service of one server, started. Made by `Ratchet.open(settings)`."""

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        pool: WorkerPool,
        store: Store,
        executions: Executions,
        egress: OnDemand[Egress],
        batches: OnDemand[Batches],
        jobs: Jobs,
        deliveries: Deliveries,
        schedules: Schedules,
    ) -> None:
        self.settings = settings
        self.catalog = catalog
        self.pool = pool
        self.store = store
        self.executions = executions
        self.jobs = jobs
        self._egress = egress
        self._batches = batches
        self.deliveries = deliveries
        self.schedules = schedules
        self.started_at = datetime.now(UTC)
        self._started = time.monotonic()

    @classmethod
    def open(cls, settings: Settings, *, work: bool | None = None) -> AbstractAsyncContextManager[Ratchet]:
        """Start the pool, the store and the catalog at the same time; stop them in order at the end.

        With `work` this process runs jobs of the queue; by default as `jobs.workers_enabled` says. Raises the `RatchetError` of the part
        that failed: `StoreFailed`, `WorkerStartFailed`, `IsolationInsufficient`, …
        """
        from ratchet_mcp.starting import open_services

        return open_services(settings, settings.jobs.workers_enabled if work is None else work)

    async def egress(self) -> Egress:
        """Return the service that reaches the network; it starts when it is first asked for. Raises `SettingsInvalid`."""
        return await self._egress.get()

    async def batches(self) -> Batches:
        """Return what runs several requests as one; it starts when it is first asked for."""
        return await self._batches.get()

    @cached_property
    def authoring(self) -> Authoring:
        """What makes, changes, checks and shares tasks."""
        from ratchet_mcp.authoring.service import Authoring

        return Authoring(self.catalog, self.store, self.executions, self.settings)

    @cached_property
    def debugging(self) -> Debugging:
        """What runs tasks and looks into them."""
        from ratchet_mcp.testing.debugging import Debugging

        return Debugging(self.executions, self.settings)

    @cached_property
    def testing(self) -> Testing:
        """What tests tasks."""
        from ratchet_mcp.testing.runner import Testing

        return Testing(self.catalog, self.executions, self.settings)

    @cached_property
    def recordings(self) -> Recordings:
        """What records executions."""
        from ratchet_mcp.testing.recordings import Recordings

        return Recordings(self.executions, self.egress, self.settings)

    @cached_property
    def replays(self) -> Replays:
        """What repeats recorded executions."""
        from ratchet_mcp.testing.replaying import Replays

        return Replays(self.executions, self.egress)

    async def execute(
        self,
        reference: str,
        input: Any = None,
        *,
        origin: Origin,
        principal: Principal = LOCAL,
        timeout_seconds: float | None = None,
        on_progress: Callable[[ProgressUpdate], None] | None = None,
    ) -> Handle:
        """Resolve a name, `name@version` or UUID and start it. Raises what `Catalog.resolve` and `Executions.start` raise."""
        task = await self.catalog.resolve(reference)
        return await self.executions.start(
            task, input, origin=origin, principal=principal, timeout_seconds=timeout_seconds, on_progress=on_progress
        )

    async def submit_batch(
        self,
        plan: Plan,
        *,
        origin: Origin,
        principal: Principal = LOCAL,
        priority: Priority | None = None,
        call: dict[str, Any] | None = None,
    ) -> tuple[Job, Batch]:
        """Run a batch as a job, which survives a crash; the batch has the job's id. `call` is what its job remembers of the call.

        Raises `Busy` and `StoreFailed`.
        """
        from ratchet_mcp.jobs.models import JobRequest, Priority

        urgency = Priority.NORMAL if priority is None else priority
        request = JobRequest("<batch>", plan.to_json(), origin=origin, principal=principal, priority=urgency, kind="batch", call=call)
        job = await self.jobs.submit(request)
        return job, await (await self.batches()).add_for_job(job, plan)

    async def run_javascript(
        self,
        code: str,
        input: Any = None,
        *,
        record: bool = False,
        origin: Origin,
        principal: Principal = LOCAL,
        timeout_seconds: float | None = None,
        on_progress: Callable[[ProgressUpdate], None] | None = None,
        answers: Answers | None = None,
    ) -> Handle:
        """Start an unsaved function in the same sandbox. Raises `TaskSyntaxError` and what `Executions.start` raises.

        With `record`, it can be replayed by its execution id.
        """
        from ratchet_mcp.tasks.loading import make_unsaved

        start = self.recordings.start if record else self.executions.start
        return await start(
            make_unsaved(code, limits=self.settings.limits),
            input,
            origin=origin,
            principal=principal,
            timeout_seconds=timeout_seconds,
            on_progress=on_progress,
            answers=answers,
        )

    def status(self) -> dict[str, Any]:
        """Return what `server_status` shows: version, uptime, isolation, workers, queue, store and tasks."""
        pool = self.pool.status()
        return {
            "version": __version__,
            "uptime_seconds": round(time.monotonic() - self._started, 3),
            "started_at": self.started_at.isoformat(),
            "isolation": {"level": pool.get("isolation"), "missing": pool.get("missing", [])},
            "workers": pool.get("workers", []),
            "queue": {name: pool.get(name) for name in ("queued", "running", "restarts", "breakers")},
            "executions": self.executions.status(),
            "jobs": self.jobs.status(),
            "schedules": self.schedules.status(),
            "deliveries": self.deliveries.status(),
            "store": self.store.status(),
            "tasks": self._tasks(),
        }

    def _tasks(self) -> dict[str, Any]:
        problems = self.catalog.problems
        view: dict[str, Any] = {"count": self.catalog.find(limit=1).total, "problems": len(problems)}
        return {**view, "first_problems": [each.brief() for each in problems[:PROBLEMS_SHOWN]]} if problems else view
