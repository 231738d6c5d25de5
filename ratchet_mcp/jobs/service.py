"""Jobs: submitted, watched, cancelled, tried again and found; and run, where this process works on them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any
from uuid import UUID

import anyio
from anyio.abc import TaskGroup
from loguru import logger

from ratchet_mcp.errors import Busy, InvalidArgument, JobFinished, JobNotFound
from ratchet_mcp.execution import listing
from ratchet_mcp.execution.questions import OpenQuestions
from ratchet_mcp.jobs.asking import JobAsking
from ratchet_mcp.jobs.controls import Controls
from ratchet_mcp.jobs.dispatchers import make_dispatcher
from ratchet_mcp.jobs.models import Control, Job, JobListener, JobPage, JobRequest, JobStatus, Performer
from ratchet_mcp.jobs.pace import Pace
from ratchet_mcp.jobs.requests import Requests
from ratchet_mcp.jobs.retention import keep_forgetting
from ratchet_mcp.jobs.rows import to_job
from ratchet_mcp.jobs.running import Planner, Running
from ratchet_mcp.store.job_records import JobFilter, JobRecord

if TYPE_CHECKING:
    from ratchet_mcp.execution.handle import Handle
    from ratchet_mcp.execution.service import Executions
    from ratchet_mcp.jobs.dispatcher import Dispatcher
    from ratchet_mcp.registry.catalog import Catalog
    from ratchet_mcp.settings import Settings
    from ratchet_mcp.store.store import Store
    from ratchet_mcp.tasks.definition import Task

POLL_SECONDS = 0.2
"""How often the row of a job is looked at while someone waits for it."""

CANCEL_SECONDS = 5.0
"""How long `cancel` waits for a running job to end."""

ROOM = 1000
"""After so many jobs it is counted again how many wait."""

MOST_RETRIED = 10_000


class Jobs:
    """Every job of the store. An async context manager: leaving it gives what runs here back to the queue.

    With `work` this process runs jobs itself, from shortly after it is entered. `performers` do the attempts of each kind of job.
    """

    def __init__(self, store: Store, executions: Executions, catalog: Catalog, settings: Settings, *, work: bool) -> None:
        self._store = store
        self._settings = settings
        self._work = work and not store.read_only and not settings.mcp.read_only
        self._requests = Requests(executions, catalog, settings)
        self.asking = JobAsking(store.job_questions)
        pace = Pace(settings.jobs.concurrency or settings.engine.max_workers)
        self._running = Running(
            store, executions, self._requests, self.asking, pace, settings.jobs.max_crashes, self._on_end, self._on_release
        )
        self._controls = Controls(store, catalog)
        self._dispatcher: Dispatcher = make_dispatcher(settings, store, self._running)
        self._running.free = self._dispatcher.free
        self._listeners: list[JobListener] = []
        self._waiters: defaultdict[str, set[anyio.Event]] = defaultdict(set)
        self._tasks: TaskGroup = anyio.create_task_group()
        self._room = 0
        self._draining = False

    @property
    def performers(self) -> dict[str, Performer]:
        """Who does the attempts of each kind of job; `task` is there, others are added."""
        return self._running.performers

    def deliver_by(self, planner: Planner) -> None:
        """Let jobs that end be delivered, and check what is asked for when they are submitted."""
        self._running.planner = planner
        self._requests.check_delivery = lambda wanted: planner.check(wanted, where="delivery")

    async def __aenter__(self) -> Jobs:
        await self._tasks.__aenter__()
        self._tasks.start_soon(self._running.watch)
        self._tasks.start_soon(self.asking.run)
        if self._work:
            self._tasks.start_soon(self._dispatcher.run, self._running.perform)
            self._tasks.start_soon(keep_forgetting, self._store.jobs, self._settings.jobs.retention_days)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool | None:
        self._draining = True
        with anyio.CancelScope(shield=True):
            await self._dispatcher.drain(0)
            await self._running.close()
        self._tasks.cancel_scope.cancel("the server stops")
        return await self._tasks.__aexit__(kind, error, trace)

    # ------------------------------------------------------------ submitting
    async def submit(self, request: JobRequest) -> Job:
        """Queue a job; it is durable when this returns. With a unique key that is taken, the job that is there (`reused`).

        Raises `InvalidArgument`, `Busy`, `StoreFailed`, and what resolving the task and checking its input raise; then nothing was queued.
        """
        return (await self.submit_many([request]))[0]

    async def submit_many(self, requests: Sequence[JobRequest]) -> list[Job]:
        """Queue several jobs, all or none; each as `submit` does."""
        now = self._store.jobs.clock()
        checked = [await self._requests.check(request, now) for request in requests]
        records = [record for record, _ in checked]
        await self._make_room(len(records))
        for task in {id(task): task for _, task in checked if task is not None}.values():
            await self._controls.heed(task)
        jobs = [to_job(record) for record in await self._add(records)]
        for job, record, request in zip(jobs, records, requests, strict=True):
            job.reused = job.id != record.id
            if not job.reused:
                job.input = request.input
        await self._dispatcher.announce([job for job in jobs if not job.reused])
        return jobs

    async def prepare(self, request: JobRequest, *, room: int = 0) -> JobRecord:
        """Check a request as `submit` does, and return its row for a transaction that writes more than jobs; `announce` it afterwards.

        Raises what `submit` raises; `Busy` when fewer than `room` jobs may be queued.
        """
        record, task = await self._requests.check(request, self._store.jobs.clock())
        if room:
            await self._make_room(room)
        if task is not None:
            await self._controls.heed(task)
        return record

    async def announce(self, records: Sequence[JobRecord]) -> None:
        """Say that jobs were written by a transaction that writes more than jobs; after its COMMIT."""
        await self._dispatcher.announce([to_job(record) for record in records])

    async def _add(self, records: list[JobRecord]) -> list[JobRecord]:
        if all(record.unique_key is None for record in records):
            await self._store.jobs.add(records)
            return records
        return await self._store.jobs.add_unique(records, _agree)

    async def _make_room(self, count: int) -> None:
        """Raise `Busy` when too many jobs wait; they are counted once for many."""
        if self._room < count:
            most = self._settings.jobs.max_waiting
            counted = await self.counts()
            left = most - counted["queued"] - counted["scheduled"]
            if left < count:
                raise Busy(f"{most - left} jobs wait already (jobs.max_waiting = {most}).", details={"limit": most})
            self._room = min(left, max(ROOM, count))
        self._room -= count

    async def adopt(self, handle: Handle, task: Task, *, request: JobRequest) -> Job:
        """Make a job of a run that is under way in this process; it is seen to its end here. Raises `InvalidArgument` and `StoreFailed`."""
        now = self._store.jobs.clock()
        retry = self._requests.retry_of(request, task)
        version = None if request.code is not None else task.version
        record = self._requests.row(request, task.name, version, handle.execution.input, retry, now, now)
        record.status, record.owner, record.attempts, record.execution_id = "running", self._store.owner, 1, handle.id
        await handle.wait(0)  # that it began is recorded then
        await self._store.jobs.adopt(record, handle.id)
        handle.execution.job_id = record.id
        if request.call is not None and isinstance(handle.asking.answers, OpenQuestions):
            self.asking.attach(record.id, handle.asking.answers)
        job = to_job(record)
        self._tasks.start_soon(self._running.follow, to_job(record), handle)
        return job

    # ------------------------------------------------------------ looking
    async def get(self, id: str) -> Job:
        """Return a job. Raises `JobNotFound`."""
        record = await self._store.jobs.get(_normal(id))
        if record is None:
            raise JobNotFound(f"No job has the id {id[:100]!r}.")
        return to_job(record)

    async def wait(self, id: str, seconds: float) -> Job:
        """Return a job as soon as it has ended, in whichever process, or what it is after so many seconds. Raises `JobNotFound`."""
        id = _normal(id)
        event = anyio.Event()
        self._waiters[id].add(event)
        try:
            job = await self.get(id)
            with anyio.move_on_after(seconds):
                while not job.status.final:
                    with anyio.move_on_after(POLL_SECONDS):
                        await event.wait()
                    job = await self.get(id)
            return job
        finally:
            self._waiters[id].discard(event)
            if not self._waiters[id]:
                del self._waiters[id]

    async def find(
        self,
        *,
        task: str | None = None,
        status: JobStatus | None = None,
        since: datetime | None = None,
        schedule_id: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> JobPage:
        """List jobs, newest first. `task` is a name or `name@version`. Raises `InvalidCursor` and `InvalidArgument`."""
        name, _, version = (task or "").partition("@")
        if since is not None and since.tzinfo is None:
            raise InvalidArgument("since needs a time zone, such as 2026-01-31T12:00:00Z.")
        after = None if cursor is None else listing.read_cursor(cursor)
        size = listing.page_size(limit)
        chosen = None if status is None else JobStatus(status).value
        filter = JobFilter(name or None, version or None, chosen, since, None if schedule_id is None else _normal(schedule_id), after)
        records = await self._store.jobs.find(filter, size + 1)
        last = records[size - 1] if len(records) > size else None
        return JobPage([to_job(each) for each in records[:size]], None if last is None else listing.cursor_after(last.created_at, last.id))

    async def counts(self) -> dict[str, int]:
        """Return how many jobs are `queued`, `scheduled` and `running`, in all processes."""
        return await self._store.jobs.counts(self._settings.jobs.max_waiting)

    def status(self) -> dict[str, Any]:
        """Return `{working, running}`: whether this process runs jobs, and the ids of those that it runs now."""
        return {"working": self._work and not self._draining, "running": list(self._running.live)}

    def on_end(self, listener: JobListener) -> None:
        """Call `listener` with each job that ends in this process, on the event loop."""
        self._listeners.append(listener)

    # ------------------------------------------------------------ ending, and starting again
    async def cancel(self, id: str, reason: str | None = None) -> Job:
        """Cancel a job, also one that another process runs; returns it as it is then.

        Raises `JobNotFound`, and `JobFinished` when it has ended by itself or before.
        """
        found = await self._store.jobs.cancel(_normal(id), reason) if _is_id(id) else None
        if found is None:
            raise JobNotFound(f"No job has the id {id[:100]!r}.")
        job = to_job(found.record)
        if found.ended:
            self._on_end(job)
            return job
        if job.status.final:
            raise _finished(job)
        attempt = self._running.live.get(job.id)
        if attempt is not None:
            attempt.cancel(reason)
        job = await self.wait(job.id, CANCEL_SECONDS)
        if job.status.final and job.status is not JobStatus.CANCELLED:
            raise _finished(job)
        return job

    async def retry(self, id: str) -> Job:
        """Queue a job that failed or was cancelled again, with all its attempts.

        Raises `JobNotFound`, `JobFinished` (it completed) and `InvalidArgument` (it has not ended).
        """
        record = await self._store.jobs.retry(_normal(id)) if _is_id(id) else None
        if record is None:
            job = await self.get(id)
            if job.status.final:
                raise JobFinished(f"Job {job.id} has completed; there is nothing to retry.", details={"status": job.status.value})
            raise InvalidArgument(f"Job {job.id} has not ended: it is {job.status.value}.", details={"status": job.status.value})
        job = to_job(record)
        await self._dispatcher.announce([job])
        return job

    async def retry_all(self, *, task: str | None = None, since: datetime | None = None, limit: int = 1000) -> int:
        """Queue failed jobs again, the oldest first; returns how many. `since` is when they failed. Raises `InvalidArgument`."""
        if not 1 <= limit <= MOST_RETRIED:
            raise InvalidArgument(f"limit must be from 1 to {MOST_RETRIED}, not {limit}.")
        if since is not None and since.tzinfo is None:
            raise InvalidArgument("since needs a time zone, such as 2026-01-31T12:00:00Z.")
        retried = [to_job(record) for record in await self._store.jobs.retry_failed(task, since, limit)]
        await self._dispatcher.announce(retried)
        return len(retried)

    # ------------------------------------------------------------ holding back
    async def pause(self, task: str | None = None) -> None:
        """Start no more jobs of a task, or none at all; what runs goes on. Raises `TaskNotFound`."""
        await self._controls.pause(task, paused=True)

    async def resume(self, task: str | None = None) -> None:
        """Undo `pause`. Raises `TaskNotFound`."""
        await self._controls.pause(task, paused=False)
        await self._dispatcher.announce([])

    async def limit(self, task: str, *, concurrency: int | None = None, rate: str | None = None) -> None:
        """Let at most so many jobs of a task run at once, and start in a time (`10/m`); None takes the limit away.

        Raises `TaskNotFound` and `InvalidArgument`.
        """
        await self._controls.limit(task, concurrency, rate)
        await self._dispatcher.announce([])

    async def controls(self) -> list[Control]:
        """Return what is paused or limited."""
        return await self._controls.list()

    # ------------------------------------------------------------ stopping
    def stop(self) -> None:
        """Take no more work from now on."""
        if not self._draining:
            self._draining = True
            self._tasks.start_soon(self._dispatcher.drain, 0)

    @property
    def busy(self) -> bool:
        """Tell whether this process runs jobs now."""
        return bool(self._running.live)

    async def drain(self, seconds: float) -> None:
        """Take no more work; return when what runs has ended, or after so many seconds. What is left then goes back at the end."""
        self._draining = True
        with anyio.move_on_after(seconds):
            await self._dispatcher.drain(seconds)
            await self._running.idle()

    # ------------------------------------------------------------ what the attempts say
    def _on_end(self, job: Job) -> None:
        for event in self._waiters.get(job.id, ()):
            event.set()
        for listener in self._listeners:
            try:
                listener(job)
            except Exception as error:
                logger.opt(exception=error).error("A listener to the end of job {} failed", job.id)

    async def _announce(self, job: Job) -> None:
        await self._dispatcher.announce([job])

    def _on_release(self, job: Job) -> None:
        if not self._draining:
            self._tasks.start_soon(self._announce, job)


def _agree(record: JobRecord, there: JobRecord) -> None:
    if (there.task, there.kind) != (record.task, record.kind):
        raise InvalidArgument(
            f"The unique_key {record.unique_key!r} belongs to job {there.id} of {there.task}.",
            hint="Choose another key.",
            details={"job_id": there.id},
        )


def _normal(id: str) -> str:
    try:
        return str(UUID(id))
    except ValueError:
        return id


def _is_id(id: str) -> bool:
    return len(_normal(id)) == 36 and _normal(id).count("-") == 4


def _finished(job: Job) -> JobFinished:
    return JobFinished(f"Job {job.id} has already ended: {job.status.value}.", details={"status": job.status.value})
