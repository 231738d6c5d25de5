"""The debugging workers. They look into what they run, and never run anything else.

Each is confined as ordinary workers are. It is thrown away after its run, except that runs of the same content which follow each other
within `KEEP_SECONDS` share one: a hundred tests with coverage need not start a hundred processes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import anyio

from ratchet_mcp import errors
from ratchet_mcp.engine.fleet import check_isolation
from ratchet_mcp.engine.process import FETCH_BYTES, WorkerProcess
from ratchet_mcp.engine.usage import measure
from ratchet_mcp.settings.engine import EngineSettings, Limits

KEEP_SECONDS = 2.0
STOPPING = "The server is stopping."


class Observers:
    """Starts, keeps and ends debugging workers. How many run at a time, the slots of the pool say."""

    def __init__(
        self,
        settings: EngineSettings,
        limits: Limits,
        on_call: Callable[[WorkerProcess, dict[str, Any]], None],
        *,
        fetch_bytes: int = FETCH_BYTES,
    ) -> None:
        self._settings = settings
        self._fetch_bytes = fetch_bytes
        self._limits = limits
        self._on_call = on_call
        self._started = 0
        self._processes: set[WorkerProcess] = set()
        self._taken: set[WorkerProcess] = set()
        self._kept: dict[WorkerProcess, tuple[str, asyncio.TimerHandle]] = {}
        self._closing = False

    @property
    def workers(self) -> list[WorkerProcess]:
        """All debugging workers that run or are kept."""
        return [*self._taken, *self._kept]

    @property
    def busy(self) -> bool:
        """Tell whether any of them runs."""
        return bool(self._taken)

    @property
    def holding(self) -> int:
        """How many of them hold a slot."""
        return sum(1 for worker in self._taken if worker.active is None or worker.active.holds_slot)

    @property
    def waiting(self) -> int:
        """How many of them wait for a task that was called, without a slot."""
        return len(self._taken) - self.holding

    async def take(self, digest: str) -> WorkerProcess:
        """Return a worker for one run of this content. Raises `WorkerStartFailed`, `IsolationInsufficient` and `Interrupted`."""
        for worker, (kept_for, timer) in list(self._kept.items()):
            if kept_for == digest and not worker.dead:
                timer.cancel()
                del self._kept[worker]
                self._taken.add(worker)
                return worker
        if self._closing:
            raise errors.Interrupted(STOPPING)
        if len(self.workers) >= self._settings.max_workers:
            self._end_oldest()
        self._started += 1
        worker = WorkerProcess(
            f"d{self._started}", self._limits, self._on_call, self._on_exit, fetch_bytes=self._fetch_bytes, debugging=True
        )
        self._taken.add(worker)
        self._processes.add(worker)
        try:
            await worker.start(self._settings)
            check_isolation(self._settings, worker)
        except BaseException as error:
            worker.kill()
            self._taken.discard(worker)
            if self._closing and isinstance(error, errors.WorkerStartFailed):
                raise errors.Interrupted(STOPPING) from error
            raise
        return worker

    def put_used(self, worker: WorkerProcess, digest: str, *, recycle: bool) -> None:
        """Give a worker back after a run."""
        self._taken.discard(worker)
        if worker.dead or recycle or self._closing or worker.runs >= self._settings.max_tasks_per_worker:
            worker.kill()
            return
        worker.release()
        self._kept[worker] = (digest, asyncio.get_running_loop().call_later(KEEP_SECONDS, self._end, worker))

    def interrupt(self) -> None:
        """Begin to end all of them; runs that are under way end as interrupted."""
        self._closing = True
        for worker in self.workers:
            if worker.active is not None:
                worker.active.fail(errors.Interrupted("The server stopped while the run was under way."))
            self._end(worker)

    async def wait_closed(self) -> None:
        """Wait for the end of all processes."""
        async with anyio.create_task_group() as group:
            for worker in list(self._processes):
                group.start_soon(worker.wait_closed, 1.0)

    def status(self) -> list[dict[str, Any]]:
        """Return each worker's state, runs and memory, as the fleet does."""
        return [self._describe(worker) for worker in self.workers]

    def _describe(self, worker: WorkerProcess) -> dict[str, Any]:
        state = "kept" if worker in self._kept else "starting"
        if worker.active is not None:
            state = "busy" if worker.active.holds_slot else "waiting"
        usage = measure(worker.pid)
        memory_mb = round(usage.memory_mb, 1) if usage else None
        return {"id": worker.id, "pid": worker.pid, "state": state, "runs": worker.runs, "memory_mb": memory_mb, "debugging": True}

    def _end_oldest(self) -> None:
        oldest = next(iter(self._kept), None)
        if oldest is not None:
            self._end(oldest)

    def _end(self, worker: WorkerProcess) -> None:
        if worker in self._kept:
            self._kept.pop(worker)[1].cancel()
        worker.kill()

    def _on_exit(self, worker: WorkerProcess) -> None:
        self._processes.discard(worker)
        if worker in self._kept:
            self._kept.pop(worker)[1].cancel()
