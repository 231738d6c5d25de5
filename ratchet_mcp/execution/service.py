"""Executions: started by whoever asks for one, or by a running task."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

import anyio

from ratchet_mcp.engine.course import Course
from ratchet_mcp.engine.observe import Observation
from ratchet_mcp.engine.run import Pool, ProgressUpdate, RunLimits
from ratchet_mcp.errors import Interrupted
from ratchet_mcp.execution.accepting import take_input
from ratchet_mcp.execution.asking import Answers, Asking, Asks
from ratchet_mcp.execution.cache import ResultsCache
from ratchet_mcp.execution.ending import OnEnd, Planner
from ratchet_mcp.execution.fetching import Fetches, OpenEgress
from ratchet_mcp.execution.handle import Handle
from ratchet_mcp.execution.history import History
from ratchet_mcp.execution.limits import run_limits
from ratchet_mcp.execution.live import Live
from ratchet_mcp.execution.methods import ASK, FETCH, TASKS_CALL, HostMethods
from ratchet_mcp.execution.models import Execution, Origin
from ratchet_mcp.execution.nested import NestedCalls
from ratchet_mcp.execution.orders import Order, make
from ratchet_mcp.execution.preparation import Preparation, Prepared
from ratchet_mcp.execution.recording import to_record
from ratchet_mcp.execution.running import Runner
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

STOPPING = "The server stopped before the run ended."


class Executions(History):
    """Every run of this server, and the history of all. An async context manager: leaving it ends and records what still runs."""

    def __init__(self, pool: Pool, store: Store, catalog: Catalog, settings: Settings, open_egress: OpenEgress | None = None) -> None:
        super().__init__(store)
        self._settings = settings
        self._runner = Runner(pool, store, self._keeper, self._live)
        self._preparation = Preparation()
        self.results = ResultsCache(store.cached, settings.cache)
        self._fetches = Fetches(open_egress)
        nested = NestedCalls(self, catalog, settings.engine.call_depth)
        self._calls = HostMethods({TASKS_CALL: nested, FETCH: self._fetches, ASK: Asks(settings.mcp.answer_seconds)})
        self._tasks = anyio.create_task_group()
        self._closing = False

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
        caller = None if parent is None else self._live.get(parent.id)
        ids = (None if parent is None else parent.id, execution_id, job_id, batch_id)
        order = Order(origin, principal, attempt, caller, *ids, observe, course, on_progress)
        try:
            limits = run_limits(self._settings.limits, task_seconds=task.timeout_seconds, asked_seconds=timeout_seconds)
            live, prepared = await self._make(order, task, input, limits, network)
            live.given_network, live.on_end = network, on_end
            live.asking = caller.asking if caller is not None and answers is None else Asking(answers)
            self._launch(live, prepared, fresh=fresh)
        except BaseException:
            if network is not None:
                await network.close()
            raise
        return Handle(live)

    async def accept(self, task: Task, input: Any, timeout_seconds: float | None = None) -> str:
        """Check what `start` would be given, without starting it; returns the input as JSON text. Raises what `start` raises for it."""
        limits = run_limits(self._settings.limits, task_seconds=task.timeout_seconds, asked_seconds=timeout_seconds)
        await self._preparation.of(task)
        return await take_input(task, input, limits)

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
        caller = parent.execution
        order = Order(caller.origin, parent.principal, 1, parent, caller.id, course=course)
        live, prepared = await self._make(order, task, input, limits, None, parent.given_network)
        live.given_network = None if parent.given_network is None else live.network
        live.asking = parent.asking
        self._launch(live, prepared, fresh=False)
        return live

    async def _make(
        self, order: Order, task: Task, input: Any, limits: RunLimits, network: RunNetwork | None, of_caller: RunNetwork | None = None
    ) -> tuple[Live, Prepared]:
        prepared = await self._preparation.of(task)
        text = await take_input(task, input, limits)
        own = network or await self._network_of(task, limits, of_caller)
        live = make(order, task, prepared, text, limits, own, self._calls)
        live.execution.input = input
        return live, prepared

    async def _network_of(self, task: Task, limits: RunLimits, caller: RunNetwork | None = None) -> RunNetwork | None:
        """Give a run its network before it starts, if its caller was given one, or there are secrets whose handles it has to find."""
        wanted = caller is not None or self._settings.network.secrets
        return await self._fetches.network_of(task, limits, caller) if wanted else None

    def _launch(self, live: Live, prepared: Prepared, *, fresh: bool) -> None:
        """Record that a run begins and let it run. Raises `Busy` and `Interrupted`."""
        if live.task.cache is not None:
            self.results.take_part(live, live.task.cache, fresh=fresh)
        if self._closing:
            raise Interrupted("The server is stopping.", hint="Try again when it is up.")
        record = to_record(live.execution, input_json=live.request.input_json)
        record.task_uuid = prepared.record and prepared.record.uuid
        live.watch(self._store.executions.begin(record, prepared.record))
        self._live[live.execution.id] = live
        self._total += 1
        self._keeper.wake()
        self._tasks.start_soon(self._runner.run, live)
