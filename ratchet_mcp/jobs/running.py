"""Attempts: one run of a job in this process, from its claim to its recorded end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

import anyio
from loguru import logger

from ratchet_mcp.errors import InternalError, RatchetError, TaskNotFound
from ratchet_mcp.execution.models import Execution, Status
from ratchet_mcp.jobs import outcome as outcomes
from ratchet_mcp.jobs.models import Job, JobStatus, Performer
from ratchet_mcp.jobs.outcome import Outcome
from ratchet_mcp.jobs.rows import to_job
from ratchet_mcp.observability.seldom import seldom
from ratchet_mcp.security.principal import Principal
from ratchet_mcp.store.job_records import JobRecord

if TYPE_CHECKING:
    from ratchet_mcp.execution.handle import Handle
    from ratchet_mcp.execution.service import Executions
    from ratchet_mcp.jobs.asking import JobAsking
    from ratchet_mcp.jobs.pace import Pace
    from ratchet_mcp.jobs.requests import Requests
    from ratchet_mcp.store.records import DeliveryRecord
    from ratchet_mcp.store.store import Store
    from ratchet_mcp.tasks.definition import Task

WATCH_SECONDS = 0.5
"""How often this process looks whether another one asked to cancel what it runs."""

RECORD_SECONDS = 5.0
"""The longest pause between two tries to record an outcome that the store refuses."""

LEAVE_SECONDS = 5.0
"""For how long a process leaves the jobs of a task that it does not know to others."""

STOPPING = "The server stops; the job goes back to the queue."


class Planner(Protocol):
    """Says what is to be delivered of a job that has ended."""

    def check(self, destinations: Any, *, where: str) -> object:
        """Raise `DeliveryInvalid` for destinations that cannot be used; `where` says whose they are."""
        ...

    def rows_of_job(self, job: Job, task: Task | None) -> list[DeliveryRecord]:
        """Return the rows that are written in the transaction of the end."""
        ...

    def announce(self) -> None:
        """Hear that rows were written."""
        ...


class Attempt:
    """One attempt under way."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.scope = anyio.CancelScope()
        self.started = False

    def cancel(self, reason: str | None) -> None:
        """Cancel the job: its run is killed."""
        if self.job.cancel_requested_at is None:
            self.job.cancel_requested_at, self.job.cancel_reason = datetime.now(UTC), reason
        self.scope.cancel()


class Running:
    """The attempts of this process. `ended` is called when a job has ended here, `released` when one waits again."""

    def __init__(
        self,
        store: Store,
        executions: Executions,
        requests: Requests,
        asking: JobAsking,
        pace: Pace,
        max_crashes: int,
        ended: Callable[[Job], None],
        released: Callable[[Job], None],
    ) -> None:
        self._store = store
        self._executions = executions
        self._requests = requests
        self._asking = asking
        self.pace = pace
        self._max_crashes = max_crashes
        self._ended = ended
        self._released = released
        self._claimed: dict[str, Job] = {}
        self._unknown: dict[str, float] = {}
        """Tasks that this process does not know though others may, and until when it leaves their jobs to those."""
        self._busy = anyio.Event()
        self._idle = anyio.Event()
        self._idle.set()
        self._closing = False
        self.free: Callable[[str], None] | None = None
        """Is told when the run of a job has ended, before that is recorded: the next one is claimed meanwhile."""
        self.planner: Planner | None = None
        self.live: dict[str, Attempt] = {}
        self.performers: dict[str, Performer] = {"task": self._run_task}

    # ------------------------------------------------------------ taking
    async def claim(self, most: int, source: Callable[[int], Awaitable[list[JobRecord]]] | None = None) -> list[str]:
        """Take up to `most` queued jobs for this process, or from `source`; returns their ids, for `perform`. Raises `StoreFailed`."""
        records: list[JobRecord] = []
        with anyio.CancelScope(shield=True):  # what was taken must not be forgotten
            records = await (source or self._claim)(most)
        return [self._hold(record) for record in records]

    async def _claim(self, most: int) -> list[JobRecord]:
        unknown = [task for task, until in self._unknown.items() if until > anyio.current_time()]
        return await self._store.jobs.claim(most, unknown)

    def _hold(self, record: JobRecord) -> str:
        self._claimed[record.id] = to_job(record)
        return record.id

    async def perform(self, id: str) -> None:
        """Run one attempt of a job: of one that was claimed, or else if it may run now. Returns when its end is recorded."""
        job = self._claimed.pop(id, None)
        if job is None:
            records: list[JobRecord] = []
            with anyio.CancelScope(shield=True):
                records = await self._store.jobs.take(id)
            if not records:
                return
            job = to_job(records[0])
        await self._attempt(Attempt(job), None)

    async def follow(self, job: Job, handle: Handle) -> None:
        """See a job to its end whose execution is under way already."""
        await self._attempt(Attempt(job), handle)

    # ------------------------------------------------------------ one attempt
    async def _attempt(self, attempt: Attempt, handle: Handle | None) -> None:
        job = attempt.job
        self._enter(attempt)
        outcome = outcomes.put_back(job)
        try:
            with attempt.scope:
                if self._closing:
                    attempt.scope.cancel()
                outcome = await self._outcome(attempt, handle)
            if attempt.scope.cancelled_caught:
                outcome = outcomes.put_back(job, started=attempt.started)
        finally:
            with anyio.CancelScope(shield=True):
                try:
                    await self._record(job, outcome)
                finally:
                    self._leave(attempt)

    async def _outcome(self, attempt: Attempt, handle: Handle | None) -> Outcome:
        job = attempt.job
        try:
            if handle is not None:
                return outcomes.of_execution(job, await _to_the_end(job, handle))
            if job.cancel_requested_at is not None:
                return outcomes.cancelled(job, None)
            if job.crashes and (done := await self._done_before(job)) is not None:
                job.execution_id = done.id
                return outcomes.of_execution(job, done)
            if job.crashes >= self._max_crashes:
                return outcomes.crashed(job)
            return await self._in_a_place(attempt)
        except TaskNotFound as error:
            if job.kind != "task" or await self._store.jobs.alone():
                return outcomes.of_error(job, error.to_dict())
            self._unknown[job.task] = anyio.current_time() + LEAVE_SECONDS
            return outcomes.not_here(job, error.to_dict())
        except RatchetError as error:
            return outcomes.of_error(job, error.to_dict())
        except Exception as error:
            logger.opt(exception=error).error("Job {} failed inside Ratchet", job.id)
            defect = InternalError(
                f"The job failed inside Ratchet: {type(error).__name__}.", hint="The log of the server has the traceback."
            )
            return outcomes.of_error(job, defect.to_dict())

    async def _in_a_place(self, attempt: Attempt) -> Outcome:
        job = attempt.job
        since = await self.pace.take()
        if since is None:
            return outcomes.put_back(job, started=False)
        attempt.started = True
        try:
            return outcomes.of_execution(job, await self.performers[job.kind](job))
        finally:
            self.pace.leave(since)

    async def _done_before(self, job: Job) -> Execution | None:
        """Return the execution that completed before its process died and could say so of the job."""
        if job.kind != "task":
            return None
        page = await self._executions.find(job_id=job.id, status=Status.COMPLETED, limit=1)
        return page.executions[0] if page.executions else None

    async def _run_task(self, job: Job) -> Execution:
        """Run the task of a job; its execution carries the job's id and the attempt's number."""
        try:
            task = await self._requests.task_of(_reference(job), job.code)
            questions = self._asking.questions_for(job)
            if questions is not None:
                self._asking.attach(job.id, questions)
            handle = await self._executions.start(
                task,
                job.input,
                origin=job.origin,
                principal=Principal(job.principal),
                timeout_seconds=job.timeout_seconds,
                attempt=job.attempts,
                job_id=job.id,
                execution_id=job.execution_id,
                answers=questions,
            )
        except BaseException:
            job.execution_id = None  # none was recorded
            raise
        return await _to_the_end(job, handle)

    # ------------------------------------------------------------ its end
    async def _record(self, job: Job, outcome: Outcome) -> None:
        """Write what becomes of the job, until the store takes it; only what is still this attempt's to say counts."""
        pause = 0.1
        told = _told(job, outcome)
        deliveries = await self._deliveries_of(told)
        while True:
            try:
                values = outcome.values(job.execution_id) if outcome.started else {**outcome.values(None), "attempts": job.attempts - 1}
                settled = self._store.jobs.settle(job.id, job.attempts, values, delay=outcome.delay, deliveries=deliveries)
                if self.free is not None:
                    self.free(job.id)
                ours = await settled
                if not ours and not outcome.status.final and await self._cancelled_meanwhile(job):
                    outcome = outcomes.cancelled(job, None)
                    told = _told(job, outcome)
                    continue
                break
            except RatchetError as error:
                seldom.warning("The end of job {} is not recorded yet: {}", job.id, error.message)
                if self._closing and pause > 0.1:
                    return  # its next owner sees that this process is gone
                await anyio.sleep(pause)
                pause = min(pause * 2, RECORD_SECONDS)
        if not ours:
            logger.warning("Job {} was given to another process meanwhile; the outcome of attempt {} does not count", job.id, job.attempts)
            return
        now = told.updated_at = self._store.jobs.clock()
        if told.status.final:
            told.finished_at = now
            if deliveries and self.planner is not None:
                self.planner.announce()
            self._ended(told)
        else:
            told.owner = None
            told.run_at = now + timedelta(seconds=outcome.delay) if told.status is JobStatus.SCHEDULED else told.run_at
            self._released(told)

    async def _cancelled_meanwhile(self, job: Job) -> bool:
        """Tell whether another process asked to cancel a job while its attempt ended; `job` knows it then. Raises `StoreFailed`."""
        row = await self._store.jobs.get(job.id)
        if row is None or (row.status, row.attempts) != (JobStatus.RUNNING.value, job.attempts) or row.cancel_requested_at is None:
            return False
        job.cancel_requested_at, job.cancel_reason = row.cancel_requested_at, row.cancel_reason
        return True

    async def _deliveries_of(self, job: Job) -> list[DeliveryRecord]:
        """Return what is to be delivered of a job that has ended: rows that are written with its end, so that none is lost."""
        if self.planner is None or not job.status.final:
            return []
        try:
            task = None if job.code is not None else await self._requests.task_of(_reference(job), None)
        except RatchetError:
            task = None  # what the job itself wants is delivered all the same
        try:
            return self.planner.rows_of_job(job, task)
        except Exception as error:
            logger.opt(exception=error).error("What is to be delivered of job {} could not be planned", job.id)
            return []

    def _enter(self, attempt: Attempt) -> None:
        self.live[attempt.job.id] = attempt
        if self._idle.is_set():
            self._idle = anyio.Event()
        self._busy.set()

    def _leave(self, attempt: Attempt) -> None:
        if self.live.get(attempt.job.id) is attempt:  # otherwise its next attempt is under way already
            del self.live[attempt.job.id]
            self._asking.detach(attempt.job.id)
        if not self.live:
            self._idle.set()

    # ------------------------------------------------------------ looking after all of them
    async def watch(self) -> None:
        """Hear of cancellations by other processes, until cancelled; asleep while nothing runs."""
        while True:
            if not self.live:
                self._busy = anyio.Event()
                await self._busy.wait()
            await anyio.sleep(WATCH_SECONDS)
            try:
                for id, reason in (await self._store.jobs.cancel_requests()).items():
                    if id in self.live:
                        self.live[id].cancel(reason)
            except RatchetError as error:
                seldom.warning("Whether jobs are to be cancelled cannot be seen now: {}", error.message)

    async def idle(self) -> None:
        """Wait until nothing runs here."""
        while self.live:
            await self._idle.wait()

    async def close(self) -> None:
        """Give everything back to the queue that runs here or was claimed."""
        self._closing = True
        for job in list(self._claimed.values()):
            await self._record(job, outcomes.put_back(job, started=False))
        self._claimed.clear()
        for attempt in list(self.live.values()):
            attempt.scope.cancel()
        await self.idle()


def _told(job: Job, outcome: Outcome) -> Job:
    """Return the job as others hear of it after an attempt; the attempt's own stays as it is until the store has taken that."""
    return replace(job, status=outcome.status, failures=outcome.failures, last_error=outcome.error)


def _reference(job: Job) -> str:
    return job.task if job.version is None else f"{job.task}@{job.version}"


async def _to_the_end(job: Job, handle: Handle) -> Execution:
    """Wait for an execution; when the attempt is cancelled, the run is killed, and how it ended then is what counts."""
    try:
        return await handle.wait(None)
    except asyncio.CancelledError:
        if job.cancel_requested_at is not None:
            handle.cancel(job.cancel_reason)
        else:
            handle.interrupt(STOPPING)
        with anyio.CancelScope(shield=True):
            await handle.wait(None)
        if handle.execution.status is Status.COMPLETED:
            return handle.execution
        raise
