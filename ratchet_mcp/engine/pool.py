"""The pool of workers: who runs what, when; which workers start, and which end."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from contextlib import suppress
from types import TracebackType
from typing import Any

import anyio
import orjson
from loguru import logger

from ratchet_mcp import errors
from ratchet_mcp.engine import selection
from ratchet_mcp.engine.active import MAX_OPEN_CALLS, ActiveRun
from ratchet_mcp.engine.breaker import Breaker
from ratchet_mcp.engine.depth import nested_deeper
from ratchet_mcp.engine.frames import Violation
from ratchet_mcp.engine.process import WorkerProcess
from ratchet_mcp.engine.run import OnStart, RunHost, RunOutcome, RunRequest
from ratchet_mcp.engine.usage import measure
from ratchet_mcp.engine.watchdog import Watchdog
from ratchet_mcp.settings.engine import EngineSettings, Limits

STRENGTH = {"none": 0, "partial": 1, "full": 2}


def required_isolation(settings: EngineSettings) -> str:
    """Return the least isolation to accept on this platform."""
    return settings.isolation or ("full" if sys.platform == "linux" else "partial")


class WorkerPool:
    """An elastic pool of confined worker processes; an asynchronous context manager.

    At most `max_workers` runs at a time hold a slot. A run that waits for a task it called gives its slot back meanwhile, so
    chains of calls cannot starve themselves; such parents may keep up to `max_waiting_parents` further processes.
    """

    def __init__(self, settings: EngineSettings, limits: Limits) -> None:
        self._settings = settings
        self._limits = limits
        self._workers: dict[str, WorkerProcess] = {}
        self._idle: list[WorkerProcess] = []
        self._queue: deque[asyncio.Future[WorkerProcess]] = deque()
        self._resuming: deque[asyncio.Future[None]] = deque()
        self._active = 0
        self._parked = 0
        self._starting = 0
        self._started = 0
        self._failures = 0
        self._restarts = 0
        self._closing = False
        self._breaker = Breaker(settings)
        self._watchdog = Watchdog(lambda: self._workers.values())
        self._tasks = anyio.create_task_group()
        self._choose = selection.strategy(settings.selection, settings.max_tasks_per_worker)

    # ------------------------------------------------------------ life
    async def __aenter__(self) -> WorkerPool:
        await self._tasks.__aenter__()
        try:
            first = await self._start_worker()
            self._check_isolation(first)
        except BaseException as error:
            self._closing = True
            self._tasks.cancel_scope.cancel()
            await self._tasks.__aexit__(type(error), error, error.__traceback__)
            raise
        self._add_idle(first)
        self._tasks.start_soon(self._maintain)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._closing = True
        with anyio.CancelScope(shield=True):
            await self._stop_all()
        self._tasks.cancel_scope.cancel()
        await self._tasks.__aexit__(None, None, None)

    async def _stop_all(self) -> None:
        workers = list(self._workers.values())
        for worker in workers:
            if worker.active is None:
                worker.stop()
            else:
                worker.active.fail(errors.Interrupted("The server stopped while the run was under way."))
                worker.kill()
        for waiter in self._queue:
            if not waiter.done():
                waiter.set_exception(errors.Interrupted("The server stopped before the run could start."))
        async with anyio.create_task_group() as group:
            for worker in workers:
                group.start_soon(worker.wait_closed, 1.0)

    def _check_isolation(self, worker: WorkerProcess) -> None:
        wanted = required_isolation(self._settings)
        if STRENGTH[worker.isolation] < STRENGTH[wanted]:
            worker.kill()
            raise errors.IsolationInsufficient(
                f"Workers on this machine are confined only to the level '{worker.isolation}', but '{wanted}' is required. "
                f"Missing: {'; '.join(worker.missing)}.",
                hint="Install what is missing, or accept less with engine.isolation: partial (RATCHET_ENGINE__ISOLATION=partial).",
                details={"isolation": worker.isolation, "required": wanted, "missing": worker.missing},
            )

    # ------------------------------------------------------------ running
    async def run(self, request: RunRequest, host: RunHost, on_start: OnStart | None = None) -> RunOutcome:
        """Run to the end; errors are in the outcome. Cancelling this call kills the run."""
        queued = time.perf_counter()
        try:
            self._breaker.check(request.key)
            worker = await self._lease()
        except errors.RatchetError as error:
            return RunOutcome(error=error, queue_ms=(time.perf_counter() - queued) * 1000)
        queue_ms = (time.perf_counter() - queued) * 1000
        active = ActiveRun(request, host, worker.id)
        timer = asyncio.get_running_loop().call_later(request.limits.timeout_seconds, self._expire, worker, active)
        try:
            if on_start is not None:
                on_start()
            worker.execute(active)
            self._watchdog.wake()
            outcome = await active.ended
        except BaseException:
            active.recycle = True
            worker.kill()
            raise
        finally:
            timer.cancel()
            active.cancel_calls()
            self._release(worker, active)
        outcome.queue_ms = queue_ms
        self._count(request.key, outcome)
        return outcome

    def _count(self, key: str, outcome: RunOutcome) -> None:
        if isinstance(outcome.error, errors.WorkerCrashed | errors.MemoryLimit):
            self._breaker.died(key)
        elif outcome.error is None:
            self._breaker.survived(key)

    @staticmethod
    def _expire(worker: WorkerProcess, active: ActiveRun) -> None:
        seconds = active.request.limits.timeout_seconds
        active.fail(
            errors.TimedOut(f"The run took longer than timeout_seconds = {seconds:g} and was killed.", details={"timeout_seconds": seconds})
        )
        worker.kill()

    # ------------------------------------------------------------ slots
    async def _lease(self) -> WorkerProcess:
        if self._closing:
            raise errors.Interrupted("The server is stopping.")
        if self._idle and not self._queue and not self._resuming and self._active < self._settings.max_workers:
            return self._take()
        if len(self._queue) >= self._settings.queue_limit:
            raise errors.QueueFull(
                f"{len(self._queue)} runs are waiting already (engine.queue_limit).", details={"limit": self._settings.queue_limit}
            )
        waiter: asyncio.Future[WorkerProcess] = asyncio.get_running_loop().create_future()
        self._queue.append(waiter)
        if self._failures >= self._settings.max_restarts:
            self._failures = 0  # somebody asks again, so it is worth another try
        self._dispatch()
        try:
            with anyio.fail_after(self._settings.queue_wait_seconds):
                return await waiter
        except TimeoutError:
            raise errors.QueueTimeout(
                f"No worker became free within engine.queue_wait_seconds = {self._settings.queue_wait_seconds:g}; "
                f"{self._active} runs hold the {self._settings.max_workers} slots.",
                details={"queued": len(self._queue), "running": self._active},
            ) from None
        except BaseException:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._give_back(waiter.result())
            raise
        finally:
            with suppress(ValueError):
                self._queue.remove(waiter)

    def _take(self) -> WorkerProcess:
        worker = self._idle.pop(self._choose(self._idle))
        self._active += 1
        self._balance()
        return worker

    def _give_back(self, worker: WorkerProcess) -> None:
        self._active -= 1
        self._idle.append(worker)
        self._dispatch()

    def _release(self, worker: WorkerProcess, active: ActiveRun) -> None:
        if active.holds_slot:
            self._active -= 1
        else:
            self._parked -= 1
        active.holds_slot = False
        worker.release()
        if worker.dead or active.recycle or worker.runs >= self._settings.max_tasks_per_worker:
            self._retire(worker)
        else:
            self._idle.append(worker)
        self._dispatch()

    def _dispatch(self) -> None:
        """Hand free slots out: first to parents whose child has ended, then to the queue."""
        while self._active < self._settings.max_workers:
            if self._resuming:
                parent = self._resuming.popleft()
                if not parent.done():
                    self._active += 1
                    parent.set_result(None)
            elif self._queue and self._idle:
                waiter = self._queue.popleft()
                if not waiter.done():
                    waiter.set_result(self._take())
            else:
                break
        self._balance()

    # ------------------------------------------------------------ host calls
    def _on_call(self, worker: WorkerProcess, frame: dict[str, Any]) -> None:
        active = worker.active
        if active is None or active.ended.done():
            return
        if len(active.calls) >= MAX_OPEN_CALLS or frame["call"] in active.calls:
            raise Violation("too many host calls, or one twice")
        if len(frame["arguments"]) > 2 * self._limits.input_bytes or nested_deeper(frame["arguments"], self._limits.json_depth + 2):
            failure = errors.InputTooLarge(
                "The arguments of the call are too large or nested too deeply (limits.input_bytes, limits.json_depth)."
            )
            worker.send("host_result", id=frame["id"], call=frame["call"], ok=False, value=orjson.dumps(failure.to_dict()).decode())
            return
        active.calls[frame["call"]] = anyio.CancelScope()
        self._tasks.start_soon(self._answer, worker, active, frame)

    async def _answer(self, worker: WorkerProcess, active: ActiveRun, frame: dict[str, Any]) -> None:
        with active.calls[frame["call"]]:
            try:
                self._park(active)
                ok, value = True, await active.host.call(frame["method"], orjson.loads(frame["arguments"]))
            except errors.RatchetError as error:
                ok, value = False, error.to_dict()
            except orjson.JSONDecodeError:
                ok, value = False, errors.InvalidArgument("The arguments of the call are not JSON.").to_dict()
            except Exception:
                logger.exception("the host failed to answer {}", frame["method"])
                ok, value = False, errors.InternalError("The call failed inside Ratchet; the server's log has the details.").to_dict()
            await self._unpark(active)
            if worker.active is active:
                worker.send("host_result", id=frame["id"], call=frame["call"], ok=ok, value=orjson.dumps(value).decode())
        active.calls.pop(frame["call"], None)

    def _park(self, active: ActiveRun) -> None:
        active.open_calls += 1
        if not active.holds_slot or active.ended.done():
            return
        if self._parked >= self._settings.max_waiting_parents:
            raise errors.QueueFull(
                f"{self._parked} runs wait for tasks they called (engine.max_waiting_parents).", details={"limit": self._parked}
            )
        active.holds_slot = False
        self._active -= 1
        self._parked += 1
        self._dispatch()

    async def _unpark(self, active: ActiveRun) -> None:
        active.open_calls -= 1
        if active.open_calls > 0 or active.holds_slot or active.ended.done():
            return
        slot: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._resuming.append(slot)
        self._dispatch()
        try:
            await slot
        except BaseException:
            if slot.done() and not slot.cancelled():
                self._active -= 1
            raise
        if active.ended.done():  # the run was killed while it waited for its slot
            self._active -= 1
            self._dispatch()
        else:
            active.holds_slot = True
            self._parked -= 1

    # ------------------------------------------------------------ processes
    def _balance(self) -> None:
        """Start as many workers as the runs under way and waiting need, and the spare."""
        if self._closing:
            return
        busy = min(self._active + len(self._queue), self._settings.max_workers)
        wanted = max(self._settings.min_workers, busy) + self._parked + self._settings.spare_workers
        while len(self._workers) + self._starting < wanted and self._failures < self._settings.max_restarts and self._starting < 2:
            self._starting += 1
            self._tasks.start_soon(self._start_in_background)

    async def _start_in_background(self) -> None:
        try:
            if self._failures:
                await anyio.sleep(self._settings.restart_delay_seconds * 2 ** (self._failures - 1))
            worker = await self._start_worker()
        except errors.RatchetError as error:
            self._failures += 1
            if self._failures >= self._settings.max_restarts:
                self._refuse_waiting(error)
            return
        finally:
            self._starting -= 1
            if self._failures:
                self._balance()
        self._failures = 0
        self._add_idle(worker)

    def _refuse_waiting(self, error: errors.RatchetError) -> None:
        while self._queue:
            waiter = self._queue.popleft()
            if not waiter.done():
                waiter.set_exception(error)

    async def _start_worker(self) -> WorkerProcess:
        self._started += 1
        worker = WorkerProcess(f"w{self._started}", self._limits, self._on_call, self._on_exit)
        self._workers[worker.id] = worker
        try:
            await worker.start(self._settings)
        except BaseException:
            self._workers.pop(worker.id, None)
            raise
        return worker

    def _add_idle(self, worker: WorkerProcess) -> None:
        if worker.dead or self._closing:
            self._retire(worker)
            return
        worker.release()
        self._idle.append(worker)
        self._dispatch()

    def _retire(self, worker: WorkerProcess) -> None:
        self._workers.pop(worker.id, None)
        self._restarts += 1
        if worker.dead:
            worker.kill()
        else:
            worker.stop()

    def _on_exit(self, worker: WorkerProcess) -> None:
        if worker in self._idle:
            self._idle.remove(worker)
        if self._workers.pop(worker.id, None) is not None and not self._closing:
            self._restarts += 1
            self._balance()

    async def _maintain(self) -> None:
        """Ping idle workers, and let those end that are not needed."""
        settings = self._settings
        pause = min(settings.ping_interval_seconds, settings.ping_timeout_seconds, settings.idle_seconds) / 2
        while True:
            await anyio.sleep(pause)
            now = time.monotonic()
            for worker in list(self._idle):
                if worker.pinged_at is not None and now - worker.pinged_at > settings.ping_timeout_seconds:
                    worker.kill()
                elif worker.pinged_at is None and now - worker.heard_at > settings.ping_interval_seconds:
                    worker.ping()
            kept = settings.min_workers + settings.spare_workers
            oldest = min(self._idle, key=lambda worker: worker.idle_since, default=None)
            if oldest is not None and len(self._workers) > kept and now - oldest.idle_since > settings.idle_seconds:
                self._idle.remove(oldest)
                self._retire(oldest)

    # ------------------------------------------------------------ looking
    def status(self) -> dict[str, Any]:
        """Return `{isolation, missing, workers: [{id, pid, state, runs, memory_mb}], queued, running, waiting, restarts, breakers}`."""
        workers = list(self._workers.values())
        ready = [worker for worker in workers if worker.ready]
        weakest = min(ready, key=lambda worker: STRENGTH[worker.isolation], default=None)
        return {
            "isolation": weakest.isolation if weakest else "none",
            "missing": weakest.missing if weakest else [],
            "workers": [self._describe(worker) for worker in workers],
            "max_workers": self._settings.max_workers,
            "queued": len(self._queue),
            "running": self._active,
            "waiting": self._parked,
            "restarts": self._restarts,
            "breakers": self._breaker.status(),
        }

    def _describe(self, worker: WorkerProcess) -> dict[str, Any]:
        if worker.active is not None:
            state = "busy" if worker.active.holds_slot else "waiting"
        else:
            state = "idle" if worker in self._idle else "starting"
        usage = measure(worker.pid)
        return {
            "id": worker.id,
            "pid": worker.pid,
            "state": state,
            "runs": worker.runs,
            "memory_mb": round(usage.memory_mb, 1) if usage else None,
        }
