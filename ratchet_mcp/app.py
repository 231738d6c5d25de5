"""The composition root: settings become a running Ratchet that holds every service."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from functools import cached_property, partial
from types import TracebackType
from typing import TYPE_CHECKING, Any

import anyio

from ratchet_mcp import __version__
from ratchet_mcp.errors import InternalError, RatchetError
from ratchet_mcp.hosting import Hosted, OnDemand, sole_error
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

EGRESS_START_SECONDS = 10.0
"""What starting the network may take; it only reads its settings."""

BATCHES_START_SECONDS = 10.0
"""What starting the service of batches may take; it only starts a task."""

PROBLEMS_SHOWN = 5
"""How many problems of tasks and sources `status` tells; `ratchet repo status` and sync_registry tell all."""
START_MARGIN_SECONDS = 30.0
"""What starting may take beyond the limits that the settings name for its parts."""


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
        return _open(settings, settings.jobs.workers_enabled if work is None else work)

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


class LazyRatchet:
    """A Ratchet that starts in the background, for faces that answer before everything is up.

    Use it as an async context manager; `await get()` waits for the start, which begins at once, or at the first `get` if not
    `eager`.
    """

    def __init__(self, settings: Settings, *, eager: bool = True) -> None:
        self.settings = settings
        self._wanted = anyio.Event()
        if eager:
            self._wanted.set()
        self._ratchet: Ratchet | None = None
        self._error: RatchetError | None = None
        self._ready = anyio.Event()
        self._closing = anyio.Event()
        self._tasks = anyio.create_task_group()

    @property
    def ready(self) -> bool:
        """Tell whether `get` answers at once."""
        return self._ready.is_set()

    @property
    def current(self) -> Ratchet | None:
        """Return the services, None before they are up and after they are down."""
        return self._ratchet

    async def get(self) -> Ratchet:
        """Wait until everything is up. A failed start is raised to each caller as its `RatchetError`."""
        self._wanted.set()
        return await self.up()

    async def up(self) -> Ratchet:
        """Wait as `get` does, without being the one who starts it."""
        await self._ready.wait()
        if self._ratchet is None:
            raise self._error or InternalError("The server is not running.")
        return self._ratchet

    async def __aenter__(self) -> LazyRatchet:
        await self._tasks.__aenter__()
        self._tasks.start_soon(self._host)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool | None:
        if not self._ready.is_set():
            self._tasks.cancel_scope.cancel("closed before it was up")
        self._closing.set()
        try:
            return await self._tasks.__aexit__(kind, error, trace)
        except BaseExceptionGroup as group:
            raise sole_error(group) from None

    async def _host(self) -> None:
        await self._wanted.wait()
        try:
            async with Ratchet.open(self.settings) as ratchet:
                self._ratchet = ratchet
                self._ready.set()
                _spare_the_collector()
                await self._closing.wait()
        except RatchetError as error:
            self._error = error
        except Exception as error:
            from loguru import logger

            logger.opt(exception=error).error("Ratchet stopped on a defect")
            self._error = InternalError(
                f"Ratchet could not start: {type(error).__name__}.", hint="The log of the server has the traceback."
            )
        finally:
            self._ratchet = None
            self._ready.set()


@asynccontextmanager
async def _open(settings: Settings, work: bool) -> AsyncGenerator[Ratchet]:
    try:
        async with anyio.create_task_group() as services:
            pool = Hosted("the worker pool", lambda: _pool(settings))
            store = Hosted("the store", lambda: _store(settings))
            catalog = Hosted("the catalog", lambda: _catalog(settings))
            egress = OnDemand("the network", lambda: _egress(settings), services, EGRESS_START_SECONDS)
            bound = settings.engine.start_timeout_seconds + settings.store.busy_timeout_seconds + START_MARGIN_SECONDS
            try:
                async with anyio.create_task_group() as starting:
                    for part in (pool, store, catalog):
                        starting.start_soon(part.start, services, bound)
                await catalog.value.attach(store.value)
                from ratchet_mcp.delivery.service import Deliveries
                from ratchet_mcp.execution.service import Executions
                from ratchet_mcp.jobs.schedules.service import Schedules
                from ratchet_mcp.jobs.service import Jobs
                from ratchet_mcp.registry.background import keep_current

                async with (
                    Deliveries(settings, store.value, egress.get) as deliveries,
                    Executions(pool.value, store.value, catalog.value, settings, egress.get) as executions,
                    keep_current(catalog.value, store.value),
                ):
                    executions.deliver_by(deliveries)
                    jobs = Jobs(store.value, executions, catalog.value, settings, work=work)
                    jobs.deliver_by(deliveries)
                    batches = OnDemand(
                        "batches", lambda: _batches(catalog.value, executions, store.value, settings, jobs), services, BATCHES_START_SECONDS
                    )
                    jobs.performers["batch"] = partial(_perform_batch, batches)
                    try:
                        async with jobs:
                            async with Schedules(store.value, jobs, settings, work=work) as schedules:
                                parts = (catalog.value, pool.value, store.value, executions, egress, batches, jobs, deliveries, schedules)
                                yield Ratchet(settings, *parts)
                    finally:
                        await batches.stop()
            finally:
                await egress.stop()
                for part in (pool, catalog, store):
                    await part.stop()
    except BaseExceptionGroup as group:
        raise sole_error(group) from None


@asynccontextmanager
async def _pool(settings: Settings) -> AsyncGenerator[WorkerPool]:
    from ratchet_mcp.engine.pool import WorkerPool

    async with WorkerPool(settings.engine, settings.limits, fetch_bytes=settings.network.request_bytes) as pool:
        yield pool


@asynccontextmanager
async def _store(settings: Settings) -> AsyncGenerator[Store]:
    from ratchet_mcp.store.opening import import_store

    store_class = await import_store()
    async with store_class.open(settings.store) as store:
        yield store


@asynccontextmanager
async def _egress(settings: Settings) -> AsyncGenerator[Egress]:
    from ratchet_mcp.egress.service import Egress

    async with Egress(settings.network) as egress:
        yield egress


@asynccontextmanager
async def _batches(catalog: Catalog, executions: Executions, store: Store, settings: Settings, jobs: Jobs) -> AsyncGenerator[Batches]:
    from ratchet_mcp.batches.service import Batches

    async with Batches(catalog, executions, store, settings, jobs) as batches:
        yield batches


async def _perform_batch(batches: OnDemand[Batches], job: Job) -> None:
    await (await batches.get()).perform(job)


@asynccontextmanager
async def _catalog(settings: Settings) -> AsyncGenerator[Catalog]:
    from ratchet_mcp.registry.catalog import Catalog

    catalog = Catalog(settings.registry, settings.limits, settings.network)
    await catalog.start()
    yield catalog


def _spare_the_collector() -> None:
    """Keep what start-up made out of garbage collection, and collect less often: a server makes many objects that soon go by themselves."""
    import gc

    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
