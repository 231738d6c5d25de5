"""The composition root: settings become services, which start at the same time and stop in order."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import anyio

from ratchet_mcp.hosting import Hosted, OnDemand, sole_error

if TYPE_CHECKING:
    from ratchet_mcp.batches.service import Batches
    from ratchet_mcp.egress.service import Egress
    from ratchet_mcp.engine.pool import WorkerPool
    from ratchet_mcp.execution.service import Executions
    from ratchet_mcp.jobs.models import Job
    from ratchet_mcp.jobs.service import Jobs
    from ratchet_mcp.registry.catalog import Catalog
    from ratchet_mcp.settings import Settings
    from ratchet_mcp.store.store import Store

from ratchet_mcp.app import Ratchet

EGRESS_START_SECONDS = 10.0
"""What starting the network may take; it only reads its settings."""

BATCHES_START_SECONDS = 10.0
"""What starting the service of batches may take; it only starts a task."""

START_MARGIN_SECONDS = 30.0
"""What starting may take beyond the limits that the settings name for its parts."""


@asynccontextmanager
async def open_services(settings: Settings, work: bool) -> AsyncGenerator[Ratchet]:
    """Start every service, give them as a Ratchet, and stop them in order. `Ratchet.open` says what is raised."""
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
