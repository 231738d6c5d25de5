"""Holding jobs back: the queue or a task paused, and limits of how many run at once and start in a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ratchet_mcp.errors import InvalidArgument, TaskNotFound
from ratchet_mcp.jobs.durations import rate_of
from ratchet_mcp.jobs.models import Control
from ratchet_mcp.jobs.rows import to_control
from ratchet_mcp.store.job_records import JobFilter
from ratchet_mcp.tasks.queueing import MOST_AT_ONCE, said_of_jobs

if TYPE_CHECKING:
    from ratchet_mcp.registry.catalog import Catalog
    from ratchet_mcp.store.store import Store
    from ratchet_mcp.tasks.definition import Task

ALL = "*"


class Controls:
    """Changes and lists what holds jobs back; it counts for all processes that share the store."""

    def __init__(self, store: Store, catalog: Catalog) -> None:
        self._store = store
        self._catalog = catalog
        self._declared: dict[str, dict[str, Any] | None] = {}

    async def pause(self, task: str | None, *, paused: bool) -> None:
        """Pause or resume a task, or everything. Raises `TaskNotFound`."""
        await self._store.jobs.control(ALL if task is None else await self._name(task), {"paused": paused})

    async def limit(self, task: str, concurrency: int | None, rate: str | None) -> None:
        """Limit a task; None takes the limit away. Raises `TaskNotFound` and `InvalidArgument`."""
        if concurrency is not None and (isinstance(concurrency, bool) or not 1 <= concurrency <= MOST_AT_ONCE):
            raise InvalidArgument(
                f"concurrency must be a whole number from 1 to {MOST_AT_ONCE}, not {concurrency!r}.",
                hint="To let none run, pause the task.",
            )
        count, seconds = (None, None) if rate is None else rate_of(rate, "rate")
        values = {"concurrency": concurrency, "rate_count": count, "rate_seconds": seconds}
        await self._store.jobs.control(await self._name(task), values)

    async def list(self) -> list[Control]:
        """Return everything that is held back."""
        return [to_control(record) for record in await self._store.jobs.controls()]

    async def heed(self, task: Task) -> None:
        """Take over what a task says of its own limits, when it is submitted and that has changed."""
        said = said_of_jobs(task.metadata)
        declared: dict[str, Any] = {}
        if said.get("concurrency") is not None:
            declared["concurrency"] = said["concurrency"]
        if said.get("rate") is not None:
            declared["rate"] = list(rate_of(said["rate"], "rate"))
        wanted = declared or None
        if task.name in self._declared and self._declared[task.name] == wanted:
            return
        await self._store.jobs.declare(task.name, wanted)
        self._declared[task.name] = wanted

    async def _name(self, task: str) -> str:
        """Return the name of a task that the catalog or a job knows. Raises `TaskNotFound`."""
        from ratchet_mcp.tasks.loading import UNSAVED_NAME

        if task == UNSAVED_NAME:
            return task
        try:
            return self._catalog.summary(task).name
        except TaskNotFound:
            if await self._store.jobs.find(JobFilter(task=task), 1):
                return task
            raise
