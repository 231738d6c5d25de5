"""The pool: takes runs, queues them, gives them to workers, and ends those that are over a limit."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, cast

import anyio

from ratchet_mcp import errors
from ratchet_mcp.engine.active import ActiveRun
from ratchet_mcp.engine.breaker import Breaker
from ratchet_mcp.engine.calls import HostCalls
from ratchet_mcp.engine.clock import RunClock
from ratchet_mcp.engine.fleet import Fleet
from ratchet_mcp.engine.observers import Observers
from ratchet_mcp.engine.process import FETCH_BYTES, WorkerProcess
from ratchet_mcp.engine.run import OnStart, RunHost, RunOutcome, RunRequest
from ratchet_mcp.engine.slots import Slots
from ratchet_mcp.engine.watchdog import Watchdog
from ratchet_mcp.settings.engine import EngineSettings, Limits


@dataclass(slots=True)
class Waiter:
    """A run that waits for a slot and a worker, or for the slot only: debugging workers are started for their run."""

    future: asyncio.Future[WorkerProcess | None]
    slot_only: bool = False


class WorkerPool:
    """An elastic pool of confined worker processes; an asynchronous context manager.

    At most `max_workers` runs at a time hold a slot. A run that waits for a task it called gives its slot back meanwhile, so
    chains of calls cannot starve themselves; such parents may keep up to `max_waiting_parents` further processes. `fetch_bytes` is the
    size of the largest body that a task may send.
    """

    def __init__(self, settings: EngineSettings, limits: Limits, *, fetch_bytes: int = FETCH_BYTES) -> None:
        self._settings = settings
        self._queue: deque[Waiter] = deque()
        self._tasks = anyio.create_task_group()
        self._closing = False
        self._breaker = Breaker(settings)
        self._slots = Slots(settings.max_workers, settings.max_waiting_parents, settings.max_waiting_questions, self._dispatch)
        self._calls = HostCalls(limits, self._slots, self._tasks, fetch_bytes=fetch_bytes)
        self._fleet = Fleet(
            settings, limits, self._tasks, self._calls.on_call, self._dispatch, self._refuse_waiting, fetch_bytes=fetch_bytes
        )
        self._observers = Observers(settings, limits, self._calls.on_call, fetch_bytes=fetch_bytes)
        self._watchdog = Watchdog(lambda: [*self._fleet.workers, *self._observers.workers])

    # ------------------------------------------------------------ life
    async def __aenter__(self) -> WorkerPool:
        await self._tasks.__aenter__()
        try:
            await self._fleet.open()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._close()

    async def _close(self) -> None:
        self._closing = True
        self._refuse_waiting(errors.Interrupted("The server stopped before the run could start."))
        self._watchdog.close()
        self._fleet.interrupt()
        self._observers.interrupt()
        self._tasks.cancel_scope.cancel()
        with suppress(asyncio.CancelledError):
            await self._tasks.__aexit__(None, None, None)
        with anyio.CancelScope(shield=True):
            await self._fleet.wait_closed()
            await self._observers.wait_closed()

    # ------------------------------------------------------------ running
    async def run(self, request: RunRequest, host: RunHost, on_start: OnStart | None = None) -> RunOutcome:
        """Run to the end; errors are in the outcome. Cancelling this call kills the run."""
        queued = time.perf_counter()
        try:
            self._breaker.check(request.key)
            worker = await (self._lease() if request.observe is None else self._lease_observer(request.digest))
        except errors.RatchetError as error:
            return RunOutcome(error=error, queue_ms=(time.perf_counter() - queued) * 1000)
        queue_ms = (time.perf_counter() - queued) * 1000
        active = ActiveRun(request, host, worker.id)
        clock = request.clock or RunClock(request.limits.timeout_seconds)
        clock.start(lambda: self._expire(worker, active))
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
            clock.end()
            active.cancel_calls()
            self._slots.release(active)
            if worker.debugging:
                self._observers.put_used(worker, request.digest, recycle=active.recycle)
            else:
                self._fleet.put_used(worker, recycle=active.recycle)
            self._dispatch()
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

    # ------------------------------------------------------------ waiting for a worker
    async def _lease(self) -> WorkerProcess:
        if self._closing:
            raise errors.Interrupted("The server is stopping.")
        if not self._queue and self._slots.free and self._fleet.has_idle:
            return self._take()
        return cast("WorkerProcess", await self._wait(Waiter(asyncio.get_running_loop().create_future())))

    async def _lease_observer(self, digest: str) -> WorkerProcess:
        """Take a slot, and a debugging worker for it."""
        if self._closing:
            raise errors.Interrupted("The server is stopping.")
        if not self._queue and self._slots.free:
            self._slots.take()
        else:
            await self._wait(Waiter(asyncio.get_running_loop().create_future(), slot_only=True))
        try:
            return await self._observers.take(digest)
        except BaseException:
            self._slots.put_back()
            self._dispatch()
            raise

    async def _wait(self, waiter: Waiter) -> WorkerProcess | None:
        if len(self._queue) >= self._settings.queue_limit:
            raise errors.QueueFull(
                f"{len(self._queue)} runs are waiting already (engine.queue_limit).",
                hint="Try again later, or raise engine.queue_limit.",
                details={"limit": self._settings.queue_limit},
            )
        future = waiter.future
        self._queue.append(waiter)
        timer = asyncio.get_running_loop().call_later(self._settings.queue_wait_seconds, self._give_up, waiter)
        self._fleet.try_again()
        self._dispatch()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                worker = future.result()
                if worker is not None:
                    self._fleet.put(worker)
                self._slots.put_back()
                self._dispatch()
            raise
        finally:
            timer.cancel()
            if not future.done() or future.cancelled() or future.exception() is not None:
                with suppress(ValueError):
                    self._queue.remove(waiter)

    def _give_up(self, waiter: Waiter) -> None:
        if not waiter.future.done():
            waiter.future.set_exception(self._queue_timeout())

    def _queue_timeout(self) -> errors.QueueTimeout:
        return errors.QueueTimeout(
            f"No worker became free within engine.queue_wait_seconds = {self._settings.queue_wait_seconds:g}; "
            f"{self._slots.running} runs hold the {self._settings.max_workers} slots.",
            details={"queued": len(self._queue), "running": self._slots.running},
        )

    def _take(self) -> WorkerProcess:
        worker = self._fleet.take()
        self._slots.take()
        self._balance()
        return worker

    def _dispatch(self) -> None:
        """Hand free slots and idle workers out to the queue, and see that there are workers enough."""
        while self._slots.free and self._queue and (self._queue[0].slot_only or self._fleet.has_idle):
            waiter = self._queue.popleft()
            if waiter.future.done():
                continue
            if waiter.slot_only:
                self._slots.take()
                waiter.future.set_result(None)
            else:
                waiter.future.set_result(self._take())
        self._balance()

    def _balance(self) -> None:
        running, parked = self._slots.running, self._slots.parked
        if self._observers.busy:
            running, parked = running - self._observers.holding, parked - self._observers.waiting
        busy = min(running + len(self._queue), self._settings.max_workers)
        self._fleet.want(max(self._settings.min_workers, busy) + parked + self._settings.spare_workers)

    def _refuse_waiting(self, error: errors.RatchetError) -> None:
        while self._queue:
            waiter = self._queue.popleft()
            if not waiter.future.done():
                waiter.future.set_exception(error)

    # ------------------------------------------------------------ looking
    def status(self) -> dict[str, Any]:
        """Return `{isolation, missing, workers: [{id, pid, state, runs, memory_mb}], queued, running, waiting, restarts, breakers}`."""
        status = self._fleet.status()
        return {
            **status,
            "workers": [*status["workers"], *self._observers.status()],
            "max_workers": self._settings.max_workers,
            "queued": len(self._queue),
            "running": self._slots.running,
            "waiting": self._slots.parked,
            "breakers": self._breaker.status(),
        }
