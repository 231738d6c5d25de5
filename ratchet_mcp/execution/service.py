"""Executions: started, watched, cancelled and found again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any
from uuid import UUID

import anyio
import anyio.to_thread
import uuid_utils

from ratchet_mcp.engine.clock import RunClock
from ratchet_mcp.engine.course import Course
from ratchet_mcp.engine.observe import Observation
from ratchet_mcp.engine.run import LogLine, Pool, ProgressUpdate, RunLimits, RunRequest
from ratchet_mcp.errors import ExecutionFinished, ExecutionNotFound, Interrupted
from ratchet_mcp.execution import listing
from ratchet_mcp.execution.asking import Answers, Asking, Asks
from ratchet_mcp.execution.cache import ResultsCache
from ratchet_mcp.execution.ending import OnEnd, Planner
from ratchet_mcp.execution.fetching import Fetches, OpenEgress
from ratchet_mcp.execution.handle import Handle
from ratchet_mcp.execution.keeper import Keeper
from ratchet_mcp.execution.limits import run_limits
from ratchet_mcp.execution.live import Live
from ratchet_mcp.execution.methods import ASK, FETCH, TASKS_CALL, HostMethods
from ratchet_mcp.execution.models import Execution, ExecutionPage, Origin, Status
from ratchet_mcp.execution.nested import NestedCalls
from ratchet_mcp.execution.outcome import LARGE, check_input
from ratchet_mcp.execution.preparation import Preparation, Prepared
from ratchet_mcp.execution.recording import log_line, to_execution, to_record
from ratchet_mcp.execution.running import Runner
from ratchet_mcp.execution.values import encode_input, is_small
from ratchet_mcp.security.principal import Principal
from ratchet_mcp.settings import Settings
from ratchet_mcp.tasks.definition import Task

if TYPE_CHECKING:
    from ratchet_mcp.egress.har import Recorder
    from ratchet_mcp.egress.mocks import Mocks
    from ratchet_mcp.egress.replay import Replay
    from ratchet_mcp.egress.secrets import RunSecrets
    from ratchet_mcp.egress.service import RunNetwork
    from ratchet_mcp.registry.catalog import Catalog
    from ratchet_mcp.store.store import Store

__all__ = ["Executions", "Handle"]

POLL_SECONDS = 0.2
"""How often the row of another process' run is looked at while someone waits for it."""

CANCEL_SECONDS = 5.0
"""How long `cancel` waits for the run to end."""

STOPPING = "The server stopped before the run ended."


class Executions:
    """Every run of this server, and the history of all. An async context manager: leaving it ends and records what still runs."""

    def __init__(self, pool: Pool, store: Store, catalog: Catalog, settings: Settings, open_egress: OpenEgress | None = None) -> None:
        self._store = store
        self._settings = settings
        self._live: dict[str, Live] = {}
        self._keeper = Keeper(store, self._live.values())
        self._runner = Runner(pool, store, self._keeper, self._live)
        self._preparation = Preparation()
        self.results = ResultsCache(store.cached, settings.cache)
        self._fetches = Fetches(open_egress)
        nested = NestedCalls(self, catalog, settings.engine.call_depth)
        self._calls = HostMethods({TASKS_CALL: nested, FETCH: self._fetches, ASK: Asks(settings.mcp.answer_seconds)})
        self._tasks = anyio.create_task_group()
        self._closing = False
        self._total = 0

    def deliver_by(self, planner: Planner) -> None:
        """Let runs that end be delivered."""
        self._runner.planner = planner

    async def __aenter__(self) -> Executions:
        await self._tasks.__aenter__()
        self._tasks.start_soon(self._keeper.run)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool | None:
        self._closing = True
        with anyio.CancelScope(shield=True):
            for live in list(self._live.values()):
                live.end(Interrupted(STOPPING))
            for live in list(self._live.values()):
                await live.wait(None)
            await self._keeper.last_try()
        self._tasks.cancel_scope.cancel("the server stops")
        return await self._tasks.__aexit__(kind, error, trace)

    # ------------------------------------------------------------ starting
    async def start(
        self,
        task: Task,
        input: Any,
        *,
        origin: Origin,
        principal: Principal,
        timeout_seconds: float | None = None,
        on_progress: Callable[[ProgressUpdate], None] | None = None,
        parent: Execution | None = None,
        attempt: int = 1,
        observe: Observation | None = None,
        network: RunNetwork | None = None,
        course: Course | None = None,
        on_end: OnEnd | None = None,
        job_id: str | None = None,
        batch_id: str | None = None,
        execution_id: str | None = None,
        answers: Answers | None = None,
        fresh: bool = False,
    ) -> Handle:
        """Validate the input and start a run; the answer of `Handle.wait` is given when its rows are durable.

        A run with `observe` is looked into, and `Handle.observed` has what was seen. `network` takes the place of the network that the
        settings give the task; it is also that of the tasks which the run calls, and is closed with the run, or when it does not start.
        A run with a `course` can be repeated (`Handle.course`), or repeats another one. `on_end` hears of the end before others do.
        `job_id` and `batch_id` name the row that the run belongs to; `execution_id` is a new UUID that the caller has chosen for it.
        `answers` answers what the run, and the tasks that it calls, ask the user. A task whose results are cached may give an earlier one,
        unless the run is to be `fresh`.

        Raises `InputInvalid`, `InputTooLarge`, `TaskInvalid`, `TaskSyntaxError`, `InvalidArgument`, `Busy` and `Interrupted` (the server
        stops) before anything runs or is recorded.
        """
        try:
            return await self._start(
                task,
                input,
                origin,
                principal,
                timeout_seconds,
                on_progress,
                parent,
                attempt,
                observe,
                network,
                course,
                on_end,
                (execution_id, job_id, batch_id),
                answers,
                fresh,
            )
        except BaseException:
            if network is not None:
                await network.close()
            raise

    async def _start(
        self,
        task: Task,
        input: Any,
        origin: Origin,
        principal: Principal,
        timeout_seconds: float | None,
        on_progress: Callable[[ProgressUpdate], None] | None,
        parent: Execution | None,
        attempt: int,
        observe: Observation | None,
        network: RunNetwork | None,
        course: Course | None,
        on_end: OnEnd | None,
        ids: tuple[str | None, str | None, str | None],
        answers: Answers | None,
        fresh: bool,
    ) -> Handle:
        limits = run_limits(self._settings.limits, task_seconds=task.timeout_seconds, asked_seconds=timeout_seconds)
        prepared = await self._preparation.of(task)
        text = await self._take_input(task, input, limits)
        caller = None if parent is None else self._live.get(parent.id)
        own = network or await self._network_of(task, limits)
        live = self._make(
            task, prepared, text, limits, origin, principal, attempt, caller, parent and parent.id, on_progress, observe, own, course, ids
        )
        live.given_network, live.on_end = network, on_end
        live.asking = caller.asking if caller is not None and answers is None else Asking(answers)
        live.execution.input = input
        if task.cache is not None:
            self.results.take_part(live, task.cache, fresh=fresh)
        self._launch(live, prepared)
        return Handle(live)

    async def accept(self, task: Task, input: Any, timeout_seconds: float | None = None) -> str:
        """Check what `start` would be given, without starting it; returns the input as JSON text. Raises what `start` raises for it."""
        limits = run_limits(self._settings.limits, task_seconds=task.timeout_seconds, asked_seconds=timeout_seconds)
        await self._preparation.of(task)
        return await self._take_input(task, input, limits)

    async def network_for(
        self,
        task: Task,
        timeout_seconds: float | None = None,
        *,
        mocks: Mocks | None = None,
        replay: Replay | None = None,
        recorder: Recorder | None = None,
        secrets: RunSecrets | None = None,
    ) -> RunNetwork:
        """Return a network for one run of a task that `start` is given: mocked, replayed or recorded. Raises `NetworkDenied`."""
        limits = run_limits(self._settings.limits, task_seconds=task.timeout_seconds, asked_seconds=timeout_seconds)
        egress = await self._fetches.egress()
        return egress.for_run(task, limits, mocks=mocks, replay=replay, recorder=recorder, secrets=secrets)

    async def start_nested(self, task: Task, input: Any, *, parent: Live, seconds: float, course: Course | None = None) -> Live:
        """Start a run for a running task, as its principal and within `seconds`. Raises what `start` raises."""
        own = run_limits(self._settings.limits, task_seconds=task.timeout_seconds)
        limits = own if own.timeout_seconds <= seconds else run_limits(self._settings.limits, asked_seconds=seconds)
        prepared = await self._preparation.of(task)
        text = await self._take_input(task, input, limits)
        caller = parent.execution
        network = await self._network_of(task, limits, parent.given_network)
        live = self._make(task, prepared, text, limits, caller.origin, parent.principal, 1, parent, caller.id, None, None, network, course)
        live.given_network = None if parent.given_network is None else network
        live.asking = parent.asking
        live.execution.input = input
        if task.cache is not None:
            self.results.take_part(live, task.cache, fresh=False)
        self._launch(live, prepared)
        return live

    async def _network_of(self, task: Task, limits: RunLimits, caller: RunNetwork | None = None) -> RunNetwork | None:
        """Give a run its network before it starts, if its caller was given one, or there are secrets whose handles it has to find."""
        wanted = caller is not None or self._settings.network.secrets
        return await self._fetches.network_of(task, limits, caller) if wanted else None

    async def _take_input(self, task: Task, value: Any, limits: RunLimits) -> str:
        def take() -> str:
            text = encode_input(value, limits)
            check_input(task, value)
            return text

        if not is_small(value):
            return await anyio.to_thread.run_sync(take)
        text = encode_input(value, limits)
        if len(text) > LARGE:
            await anyio.to_thread.run_sync(check_input, task, value)
        else:
            check_input(task, value)
        return text

    def _make(
        self,
        task: Task,
        prepared: Prepared,
        text: str,
        limits: RunLimits,
        origin: Origin,
        principal: Principal,
        attempt: int,
        caller: Live | None,
        parent_id: str | None,
        on_progress: Callable[[ProgressUpdate], None] | None,
        observe: Observation | None = None,
        network: RunNetwork | None = None,
        course: Course | None = None,
        ids: tuple[str | None, str | None, str | None] = (None, None, None),
    ) -> Live:
        own_id, job_id, batch_id = ids
        execution = Execution(
            id=own_id or str(uuid_utils.uuid7()),
            task=task.name,
            version=task.version,
            status=Status.QUEUED,
            origin=origin,
            principal=principal.id,
            created_at=datetime.now(UTC),
            limits=limits.to_dict(),
            parent_id=parent_id,
            job_id=job_id,
            batch_id=batch_id,
            attempt=attempt,
        )
        told_id = execution.id if course is None or course.execution_id is None else course.execution_id
        context: dict[str, Any] = {"executionId": told_id, "task": task.name, "version": task.version, "attempt": attempt}
        if parent_id is not None:
            context["parentId"] = parent_id if caller is None else caller.request.context["executionId"]
        depth = 0 if caller is None else caller.request.depth + 1
        request = RunRequest(
            execution.id,
            prepared.key if origin is not Origin.TEST else f"test:{execution.id}",  # a test that shall kill its worker pauses nobody
            prepared.script,
            prepared.digest,
            text,
            context,
            limits,
            depth,
            task.source,
            task.code_file,
            prepared.locate,
            observe,
            None if course is None else replace(course, execution_id=told_id),
            {} if network is None else {name: network.secrets.handle(name) for name in network.secrets.names},
            RunClock(limits.timeout_seconds, None if caller is None else caller.clock),
        )
        return Live(execution, task, request, principal, self._calls, on_progress, network)

    def _launch(self, live: Live, prepared: Prepared) -> None:
        """Record that a run begins and let it run. Raises `Busy` and `Interrupted`."""
        if self._closing:
            raise Interrupted("The server is stopping.", hint="Try again when it is up.")
        record = to_record(live.execution, input_json=live.request.input_json)
        record.task_uuid = prepared.record and prepared.record.uuid
        live.watch(self._store.executions.begin(record, prepared.record))
        self._live[live.execution.id] = live
        self._total += 1
        self._keeper.wake()
        self._tasks.start_soon(self._runner.run, live)

    # ------------------------------------------------------------ looking
    def status(self) -> dict[str, Any]:
        """Return `{running, total, unrecorded}`: runs under way, runs since the start, ended runs that the store has refused so far."""
        return {"running": len(self._live), "total": self._total, "unrecorded": len(self._keeper.unrecorded)}

    async def get(self, id: str) -> Execution:
        """Return an execution: live, or as recorded by any server that shares the store. Raises `ExecutionNotFound`."""
        id = _normal(id)
        live = self._live.get(id)
        if live is not None:
            live.execution.http = live.http_calls()
            return live.execution
        unrecorded = self._keeper.unrecorded.get(id)
        if unrecorded is not None:
            return unrecorded.execution
        record = await self._store.executions.get(id)
        if record is None:
            raise ExecutionNotFound(f"No execution has the id {id!r}.")
        return to_execution(record)

    def handle(self, id: str) -> Handle | None:
        """Return the handle of a run that is under way here, None for any other."""
        live = self._live.get(_normal(id))
        return None if live is None else Handle(live)

    async def wait(self, id: str, seconds: float) -> Execution:
        """Return an execution as soon as it is final, or what it is after so many seconds. Raises `ExecutionNotFound`."""
        live = self._live.get(_normal(id))
        if live is not None:
            return await Handle(live).wait(seconds)
        execution = await self.get(id)
        with anyio.move_on_after(seconds):
            while not execution.status.final:
                await anyio.sleep(POLL_SECONDS)
                execution = await self.get(id)
        return execution

    async def logs(self, id: str, offset: int = 0, limit: int = 200) -> list[LogLine]:
        """Return log lines in order, from number `offset` on; of a live run too. Raises `ExecutionNotFound`."""
        live = self._live.get(_normal(id))
        if live is not None:
            return live.lines[offset : offset + limit]
        unrecorded = self._keeper.unrecorded.get(_normal(id))
        if unrecorded is not None:
            return unrecorded.lines[offset : offset + limit]
        records = await self._store.executions.logs(_normal(id), first=offset, limit=limit)
        if not records:
            await self.get(id)
        return [log_line(record) for record in records]

    async def find(
        self,
        *,
        task: str | None = None,
        status: Status | None = None,
        origin: Origin | None = None,
        since: datetime | None = None,
        job_id: str | None = None,
        parent_id: str | None = None,
        batch_id: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> ExecutionPage:
        """List executions, newest first. `task` is a name, `name@version` or UUID. Raises `InvalidCursor` and `InvalidArgument`."""
        filter = listing.wanted(task, status, origin, since, cursor)
        filter = replace(filter, job_id=job_id, parent_id=parent_id, batch_id=batch_id)
        size = listing.page_size(limit)
        if status is not None and not status.final:
            await self._keeper.mark_started()
        await self._written()
        records = await self._store.executions.find(filter, size + 1)
        found: list[Execution] = []
        for record in records[:size]:
            live = self._live.get(record.id)
            current = live is not None and (status is None or live.execution.status == status)
            found.append(live.execution if live is not None and current else to_execution(record))
        more = len(records) > size
        return ExecutionPage(found, listing.cursor_after(records[size - 1].created_at, records[size - 1].id) if more else None)

    async def children(self, parent_ids: Sequence[str], limit: int) -> list[Execution]:
        """List the executions that these called with `tasks.call`, in the order of their starts, without their big values."""
        await self._written()
        records = await self._store.executions.children(parent_ids, limit)
        return [live.execution if (live := self._live.get(record.id)) else to_execution(record) for record in records]

    async def _written(self) -> None:
        """Wait until the start of every run under way is in the store, so that a listing has it."""
        waiting = [live.begun for live in self._live.values() if live.begun is not None and not live.begun.done()]
        if waiting:
            self._store.executions.flush()
            await asyncio.wait(waiting)

    # ------------------------------------------------------------ ending
    async def cancel(self, id: str, reason: str | None = None) -> Execution:
        """Kill a run, also one of another server that shares the store; returns it as it is then.

        Raises `ExecutionNotFound`, and `ExecutionFinished` when it has ended by itself.
        """
        live = self._live.get(_normal(id))
        if live is not None:
            handle = Handle(live)
            handle.cancel(reason)
            return _ended_by_us(await handle.wait(CANCEL_SECONDS))
        execution = await self.get(id)
        if execution.status.final or not await self._store.executions.request_cancel(execution.id, reason):
            raise _finished(await self.get(id))
        return _ended_by_us(await self.wait(id, CANCEL_SECONDS))


def _normal(id: str) -> str:
    try:
        return str(UUID(id))
    except ValueError:
        return id


def _ended_by_us(execution: Execution) -> Execution:
    if execution.status.final and execution.status not in (Status.CANCELLED, Status.INTERRUPTED):
        raise _finished(execution)
    return execution


def _finished(execution: Execution) -> ExecutionFinished:
    return ExecutionFinished(
        f"Execution {execution.id} has already ended: {execution.status.value}.", details={"status": execution.status.value}
    )
