"""Batches: checked, run, watched, cancelled and found again."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any

import anyio
import uuid_utils

from ratchet_mcp.batches.checking import Checking
from ratchet_mcp.batches.links import BatchJob, JobLink
from ratchet_mcp.batches.models import Batch, BatchStatus, RequestResult, RequestStatus
from ratchet_mcp.batches.plan import Plan
from ratchet_mcp.batches.rows import batch_of, failure_of, row_of, waiting
from ratchet_mcp.batches.running import Asker, OnProgress, Running, known
from ratchet_mcp.errors import BatchFinished, BatchNotFound, RatchetError
from ratchet_mcp.execution.models import Origin
from ratchet_mcp.observability.seldom import seldom
from ratchet_mcp.security.principal import Principal
from ratchet_mcp.settings import Settings
from ratchet_mcp.store.batches import BatchRecord

if TYPE_CHECKING:
    from ratchet_mcp.execution.service import Executions
    from ratchet_mcp.registry.catalog import Catalog
    from ratchet_mcp.store.store import Store

POLL_SECONDS = 0.5
"""How often the rows of other processes' batches are looked at, and who wants one of ours cancelled."""
CANCEL_SECONDS = 5.0
"""How long `cancel` waits for the runs to end."""
SAVE_SECONDS = 0.02
"""The pause between two records of how a batch stands; what ends meanwhile goes into the next one."""
SAVE_AGAIN_SECONDS = 1.0
"""How soon the end of a batch is recorded again that the store refused."""


class Batches:
    """Every batch of this server, and the history of all. An async context manager: leaving it stops those that run in the foreground."""

    def __init__(self, catalog: Catalog, executions: Executions, store: Store, settings: Settings, jobs: JobLink | None = None) -> None:
        self._catalog = catalog
        self._executions = executions
        self._store = store.batches
        self._jobs = jobs
        self._checking = Checking(catalog, settings)
        self._live: dict[str, _Live] = {}
        self._listeners: dict[str, OnProgress] = {}
        self._tasks = anyio.create_task_group()
        self._wake = anyio.Event()

    async def __aenter__(self) -> Batches:
        await self._tasks.__aenter__()
        self._tasks.start_soon(self._watch)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool | None:
        self._tasks.cancel_scope.cancel("the server stops")
        return await self._tasks.__aexit__(kind, error, trace)

    # ------------------------------------------------------------ starting
    async def check(self, requests: Any, *, mode: Any = None, max_parallel: Any = None, stop_on_error: Any = False) -> Plan:
        """Return what a batch is to do: `requests` are `{id, task, input?, depends_on?, when?}`, `mode` one of `models.MODES`.

        Raises `BatchInvalid` that lists everything wrong with all requests: nothing has run then.
        """
        return await self._checking.plan(requests, mode, max_parallel, stop_on_error)

    async def start(self, plan: Plan, *, origin: Origin, principal: Principal, on_progress: OnProgress | None = None) -> Batch:
        """Record a batch and let it run in this process; the answer is live. Raises `StoreFailed` and `Busy`."""
        batch = Batch(str(uuid_utils.uuid7()), BatchStatus.RUNNING, principal.id, origin.value, datetime.now(UTC), waiting(plan))
        live = self._make(batch, plan, Asker(origin, principal), on_progress)
        await self._store.add(live.record)
        await self._store.begin(batch.id)
        self._live[batch.id] = live
        self._tasks.start_soon(self._host, live)
        return batch

    async def add_for_job(self, job: BatchJob, plan: Plan) -> Batch:
        """Record the batch of a job that waits for its turn, under the job's id; one that is recorded already stays as it is."""
        batch = Batch(job.id, BatchStatus.QUEUED, job.principal, job.origin.value, job.created_at, waiting(plan), job_id=job.id)
        await self._store.add(row_of(batch, plan))
        return batch

    async def perform(self, job: BatchJob) -> None:
        """Run the batch of a job, or go on with what has not completed of it; returns when it has ended.

        When this is cancelled, the batch is cancelled if the job is; otherwise what runs is interrupted, and the next attempt goes on.
        Raises `BatchFailed` when not all of it completed.
        """
        plan = Plan.from_dict(job.input)
        await self.add_for_job(job, plan)
        batch = batch_of(await self._record(job.id))
        if batch.status is not BatchStatus.COMPLETED:
            asker = Asker(job.origin, Principal(job.principal), job.attempts)
            live = self._make(batch, plan, asker, partial(self._tell, job.id))
            await live.running.take_up()
            await self._store.begin(job.id)
            self._live[job.id] = live
            self._tasks.start_soon(self._host, live)
            try:
                await live.recorded.wait()
            except anyio.get_cancelled_exc_class():
                if job.cancel_requested_at is not None:
                    live.running.cancel(job.cancel_reason)
                else:
                    live.scope.cancel()
                with anyio.CancelScope(shield=True):
                    await live.recorded.wait()
                raise
        if batch.status is not BatchStatus.COMPLETED:
            raise failure_of(batch)

    @contextmanager
    def listening(self, id: str, listener: OnProgress) -> Generator[None]:
        """Let somebody hear how the batch of a job goes on, as far as it runs in this process."""
        self._listeners[id] = listener
        try:
            yield
        finally:
            del self._listeners[id]

    def _tell(self, id: str, done: int, total: int, request: str) -> None:
        listener = self._listeners.get(id)
        if listener is not None:
            listener(done, total, request)

    def _make(self, batch: Batch, plan: Plan, asker: Asker, on_progress: OnProgress | None) -> _Live:
        live = _Live(row_of(batch, plan))
        live.running = Running(batch, plan, asker, self._catalog, self._executions, live.change, on_progress)
        return live

    # ------------------------------------------------------------ running
    async def _host(self, live: _Live) -> None:
        """Run a batch to its end, or until it is stopped, and record each step."""
        if not self._wake.is_set():
            self._wake.set()
        try:
            with live.scope:
                async with anyio.create_task_group() as recording:
                    recording.start_soon(self._record_changes, live)
                    await live.running.run()
                    recording.cancel_scope.cancel()
            if live.scope.cancelled_caught:
                await self._stopped(live)
            else:
                live.ended.set()
                await self._save_end(live)
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await self._stopped(live)
            raise
        finally:
            live.ended.set()
            live.recorded.set()
            self._live.pop(live.record.id, None)

    async def _stopped(self, live: _Live) -> None:
        """Record how a batch stands that the server stops: one of a job goes on later, any other has ended."""
        batch = live.running.batch
        if batch.job_id is None and not batch.status.final:
            batch.status, batch.finished_at = BatchStatus.INTERRUPTED, datetime.now(UTC)
            for result in batch.results:
                if not result.status.final:
                    result.status, result.reason = RequestStatus.INTERRUPTED, "the server stopped"
        await self._save_end(live, once=True)

    async def _save_end(self, live: _Live, *, once: bool = False) -> None:
        """Record the end until the store takes it: nobody else knows it, and the owner of the row lives."""
        while True:
            try:
                await self._save(live)
                return
            except RatchetError as error:
                seldom.warning("The end of batch {} is not recorded yet: {}", live.record.id, error.message)
                if once or live.scope.cancel_called:
                    return
            await anyio.sleep(SAVE_AGAIN_SECONDS)

    async def _record_changes(self, live: _Live) -> None:
        while True:
            await live.changed.wait()
            live.changed = anyio.Event()
            try:
                await self._save(live)
            except RatchetError as error:
                seldom.warning("How batch {} stands could not be recorded: {}", live.record.id, error.message)
            await anyio.sleep(SAVE_SECONDS)

    async def _save(self, live: _Live) -> None:
        batch = live.running.batch
        live.record.status, live.record.finished_at = batch.status.value, batch.finished_at
        live.record.cancel_reason = live.running.cancelled
        live.record.results = [result.to_row() for result in batch.results]
        await self._store.save(live.record)

    async def _watch(self) -> None:
        """Hear of cancellations that other processes ask for; asleep while nothing runs."""
        while True:
            if not self._live:
                self._wake = anyio.Event()
                await self._wake.wait()
            await anyio.sleep(POLL_SECONDS)
            try:
                for id, reason in (await self._store.cancel_requests()).items():
                    if id in self._live:
                        self._live[id].running.cancel(reason)
            except RatchetError as error:
                seldom.warning("Whether batches are to be cancelled cannot be seen now: {}", error.message)

    # ------------------------------------------------------------ looking and ending
    async def get(self, id: str) -> Batch:
        """Return a batch with the outputs of its requests: live, or as recorded by any server. Raises `BatchNotFound`."""
        live = self._live.get(id)
        if live is not None:
            return live.running.batch
        batch = await self._recorded(id)
        await self._fill(batch.results)
        return batch

    async def wait(self, id: str, seconds: float | None) -> Batch:
        """Return a batch as soon as it is final, or as it is after so many seconds. Raises `BatchNotFound`."""
        live = self._live.get(id)
        if live is not None:
            with anyio.move_on_after(seconds):
                await live.ended.wait()
            return live.running.batch
        with anyio.move_on_after(seconds):
            batch = await self._recorded(id)
            while not batch.status.final:
                await anyio.sleep(POLL_SECONDS)
                batch = await self._recorded(id)
        return await self.get(id)

    async def cancel(self, id: str, reason: str | None = None) -> Batch:
        """End all that runs of a batch and start nothing more of it; also of one that another server runs.

        Raises `BatchNotFound`, and `BatchFinished` when it has ended.
        """
        live = self._live.get(id)
        batch = live.running.batch if live is not None else await self._recorded(id)
        if batch.status.final:
            raise BatchFinished(f"Batch {id} has already ended: {batch.status.value}.", details={"status": batch.status.value})
        if batch.job_id is not None and self._jobs is not None:
            await self._jobs.cancel(batch.job_id, reason)
        elif live is not None:
            live.running.cancel(reason)
        else:
            await self._store.request_cancel(id, reason)
        return await self.wait(id, CANCEL_SECONDS)

    async def _recorded(self, id: str) -> Batch:
        """Return a batch as its row and, if it has not ended, its job say; a job may end without its batch ever running."""
        batch = batch_of(await self._record(id))
        if batch.job_id is None or batch.status.final or self._jobs is None:
            return batch
        job = await self._jobs.get(batch.job_id)
        if job.status.final:
            cancelled = job.status.value == BatchStatus.CANCELLED.value
            batch.status = BatchStatus.CANCELLED if cancelled else BatchStatus.FAILED
            for result in batch.results:
                if not result.status.final:
                    result.status = RequestStatus.CANCELLED if cancelled else RequestStatus.INTERRUPTED
                    result.reason = f"its job has ended: {job.status.value}"
        return batch

    async def _record(self, id: str) -> BatchRecord:
        record = await self._store.get(id)
        if record is None:
            raise BatchNotFound(f"No batch has the id {id[:100]!r}.")
        return record

    async def _fill(self, results: Sequence[RequestResult]) -> None:
        """Read the outputs of completed requests."""

        async def fill(result: RequestResult) -> None:
            execution = await known(self._executions, str(result.execution_id))
            if execution is not None:
                result.output = execution.output
            else:
                result.reason = "its execution is no longer kept"

        await asyncio.gather(*(fill(each) for each in results if each.status is RequestStatus.COMPLETED))


class _Live:
    """A batch that this process runs."""

    running: Running

    def __init__(self, record: BatchRecord) -> None:
        self.record = record
        self.scope = anyio.CancelScope()
        self.changed = anyio.Event()
        self.ended = anyio.Event()
        self.recorded = anyio.Event()

    def change(self) -> None:
        """Say that something has changed that is to be recorded."""
        self.changed.set()
