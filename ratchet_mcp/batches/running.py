"""One batch under way: which requests may start, what they got, how all of it ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import anyio
import uuid_utils
from anyio.abc import TaskGroup
from loguru import logger

from ratchet_mcp.batches.models import Batch, BatchStatus, RequestResult, RequestStatus, status_of
from ratchet_mcp.batches.plan import Plan, Request
from ratchet_mcp.batches.references import ReferenceMissing, resolve
from ratchet_mcp.errors import ExecutionNotFound, InternalError, RatchetError, RequestNotRun
from ratchet_mcp.execution.models import Execution, Origin, Status
from ratchet_mcp.security.principal import Principal

if TYPE_CHECKING:
    from ratchet_mcp.execution.service import Executions, Handle
    from ratchet_mcp.registry.catalog import Catalog

FAILING = (RequestStatus.FAILED, RequestStatus.TIMED_OUT, RequestStatus.CANCELLED, RequestStatus.INTERRUPTED)
STOPPING = "The server that ran this batch stopped before the run ended."
STOPPED = "an earlier request failed, and the batch stops on errors"

OnProgress = Callable[[int, int, str], None]
"""Hears of each request that has ended: how many have, of how many, and which one it was."""


@dataclass(frozen=True, slots=True)
class Asker:
    """For whom a batch runs, and which attempt of its job this is."""

    origin: Origin
    principal: Principal
    attempt: int = 1


class Running:
    """Runs the requests of a plan; `batch` is live and changes in place. What is final in it already is not run again.

    In mode sequential one runs at a time, and the first that waits goes first: by then all that it may need have ended.
    """

    def __init__(
        self,
        batch: Batch,
        plan: Plan,
        asker: Asker,
        catalog: Catalog,
        executions: Executions,
        changed: Callable[[], None],
        on_progress: OnProgress | None = None,
    ) -> None:
        self.batch = batch
        self.cancelled: str | None = None
        self._plan = plan
        self._asker = asker
        self._catalog = catalog
        self._executions = executions
        self._changed = changed
        self._on_progress = on_progress
        self._results = {result.id: result for result in batch.results}
        self._handles: dict[str, Handle] = {}
        self._running = 0
        self._tasks: TaskGroup | None = None

    async def run(self) -> None:
        """Run to the end; the batch is final afterwards. When this is cancelled, the runs end and the batch is not final."""
        self.batch.status, self.batch.finished_at = BatchStatus.RUNNING, None
        try:
            async with anyio.create_task_group() as self._tasks:
                self._start_ready()
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                for handle in self._handles.values():
                    handle.interrupt(STOPPING)
                for handle in self._handles.values():
                    await handle.wait(None)
            raise
        self.batch.status = status_of(self.batch.results, cancelled=self.cancelled is not None)
        self.batch.finished_at = datetime.now(UTC)

    def cancel(self, reason: str | None) -> None:
        """Start nothing more, and end what runs."""
        if self.cancelled is None:
            self.cancelled = reason or "The batch was cancelled."
            for handle in self._handles.values():
                handle.cancel(reason)
            self._start_ready()

    # ------------------------------------------------------------ which may start
    def _start_ready(self) -> None:
        """Start what may start, and settle what never will; again and again, because either may decide about others."""
        if self._tasks is None:
            return
        settled = True
        while settled:
            settled = False
            for request in self._plan.requests:
                result = self._results[request.id]
                if result.status is not RequestStatus.WAITING:
                    continue
                refusal = self._refusal(request)
                if refusal is not None:
                    self._end(result, *refusal)
                    settled = True
                elif self._running < self._plan.max_parallel and all(self._completed(need) for need in request.needs):
                    result.status = RequestStatus.RUNNING
                    self._running += 1
                    self._tasks.start_soon(self._run, request, result)

    def _refusal(self, request: Request) -> tuple[RequestStatus, str] | None:
        """Return why a waiting request will never run, if that is known."""
        if self.cancelled is not None:
            return RequestStatus.CANCELLED, "the batch was cancelled before it started"
        if self._plan.stop_on_error and any(each.status in FAILING for each in self._results.values()):
            return RequestStatus.SKIPPED, STOPPED
        for need in request.needs:
            needed = self._results[need]
            if needed.status.final and needed.status is not RequestStatus.COMPLETED:
                return RequestStatus.SKIPPED, f"{need} did not complete: {needed.status.value.replace('_', ' ')}"
        if request.when is not None and self._completed(request.when.id):
            why = request.when.why_not(self._results[request.when.id].output)
            if why is not None:
                return RequestStatus.SKIPPED, why
        return None

    def _completed(self, id: str) -> bool:
        return self._results[id].status is RequestStatus.COMPLETED

    # ------------------------------------------------------------ one request
    async def _run(self, request: Request, result: RequestResult) -> None:
        """Run one request; whatever happens, it becomes final and the others get their turn."""
        try:
            execution = await self._execute(request, result)
            take(result, execution)
            self._end(result, result.status)
        except RatchetError as error:
            result.error = error.to_dict()
            self._end(result, RequestStatus.CANCELLED if self.cancelled else RequestStatus.FAILED)
        except Exception as error:
            logger.opt(exception=error).error("Request {} of batch {} failed inside Ratchet", request.id, self.batch.id)
            result.error = InternalError(f"The request failed inside Ratchet: {type(error).__name__}.").to_dict()
            self._end(result, RequestStatus.FAILED)
        self._running -= 1
        self._handles.pop(request.id, None)
        self._start_ready()

    async def _execute(self, request: Request, result: RequestResult) -> Execution:
        task = await self._catalog.resolve(request.task)
        try:
            value: Any = resolve(request.input, {need: self._results[need].output for need in request.needs})
        except ReferenceMissing as error:
            raise RequestNotRun(f"The input of {request.id} cannot be made: {error}.", hint="Correct the path of the reference.") from None
        result.execution_id, result.version = str(uuid_utils.uuid7()), task.version
        self._changed()
        try:
            handle = await self._executions.start(
                task,
                value,
                origin=self._asker.origin,
                principal=self._asker.principal,
                attempt=self._asker.attempt,
                batch_id=self.batch.id,
                job_id=self.batch.job_id,
                execution_id=result.execution_id,
            )
        except RatchetError:
            result.execution_id = None
            raise
        self._handles[request.id] = handle
        if self.cancelled is not None:
            handle.cancel(self.cancelled)
        return await handle.wait(None)

    def _end(self, result: RequestResult, status: RequestStatus, reason: str | None = None) -> None:
        result.status, result.reason = status, reason
        self._changed()
        if self._on_progress is not None:
            try:
                self._on_progress(self.batch.done, len(self.batch.results), result.id)
            except Exception as error:
                logger.opt(exception=error).error("A listener to the progress of a batch failed")

    # ------------------------------------------------------------ after a crash
    async def take_up(self) -> None:
        """Go on where an earlier attempt ended: outputs of what completed are read again, everything else waits again.

        Raises `StoreFailed`.
        """
        for result in self.batch.results:
            execution = None if result.execution_id is None else await known(self._executions, result.execution_id)
            if execution is not None and execution.status is Status.COMPLETED:
                take(result, execution)
            else:
                result.status, result.execution_id, result.error, result.reason = RequestStatus.WAITING, None, None, None


def take(result: RequestResult, execution: Execution) -> None:
    """Take over how the execution of a request ended."""
    result.execution_id, result.version = execution.id, execution.version
    result.status = RequestStatus(execution.status.value)
    result.output, result.error = execution.output, execution.error
    result.duration_ms = execution.total_ms
    result.cached_from = execution.cached_from


async def known(executions: Executions, id: str) -> Execution | None:
    """Return an execution, `None` when there is none (any more)."""
    try:
        return await executions.get(id)
    except ExecutionNotFound:
        return None
