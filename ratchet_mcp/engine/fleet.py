"""The worker processes: how many there are, which are idle, which start and which end."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import anyio
import anyio.abc
from loguru import logger

from ratchet_mcp import errors
from ratchet_mcp.engine import selection
from ratchet_mcp.engine.process import FETCH_BYTES, WorkerProcess
from ratchet_mcp.engine.usage import measure
from ratchet_mcp.settings.engine import EngineSettings, Limits

STRENGTH = {"none": 0, "partial": 1, "full": 2}
MAX_STARTING = 2
"""Workers that may start at the same time."""


def required_isolation(settings: EngineSettings) -> str:
    """Return the least isolation to accept on this platform."""
    return settings.isolation or ("full" if sys.platform == "linux" else "partial")


def check_isolation(settings: EngineSettings, worker: WorkerProcess) -> None:
    """End a worker that is not confined well enough. Raises `IsolationInsufficient`."""
    wanted = required_isolation(settings)
    if STRENGTH[worker.isolation] >= STRENGTH[wanted]:
        return
    worker.kill()
    raise errors.IsolationInsufficient(
        f"Workers on this machine are confined only to the level '{worker.isolation}', but '{wanted}' is required. "
        f"Missing: {'; '.join(worker.missing)}.",
        hint="Install what is missing, or accept less with engine.isolation: partial (RATCHET_ENGINE__ISOLATION=partial).",
        details={"isolation": worker.isolation, "required": wanted, "missing": worker.missing},
    )


class Fleet:
    """Starts, keeps, pings and ends workers.

    `on_idle` is told when a worker became available, `on_refusal` when workers fail to start again and again.
    """

    def __init__(
        self,
        settings: EngineSettings,
        limits: Limits,
        tasks: anyio.abc.TaskGroup,
        on_call: Callable[[WorkerProcess, dict[str, Any]], None],
        on_idle: Callable[[], None],
        on_refusal: Callable[[errors.RatchetError], None],
        *,
        fetch_bytes: int = FETCH_BYTES,
    ) -> None:
        self._settings = settings
        self._limits = limits
        self._tasks = tasks
        self._on_call = on_call
        self._on_idle = on_idle
        self._on_refusal = on_refusal
        self._fetch_bytes = fetch_bytes
        self._choose = selection.strategy(settings.selection, settings.max_tasks_per_worker)
        self._workers: dict[str, WorkerProcess] = {}
        self._processes: set[WorkerProcess] = set()  # also those that are on their way out
        self._idle: list[WorkerProcess] = []
        self._starting = 0
        self._started = 0
        self._failures = 0
        self._wanted = 0
        self._closing = False
        self.restarts = 0

    # ------------------------------------------------------------ life
    async def open(self) -> None:
        """Start the first worker and see whether it is confined well enough; one that dies at once has a second try.

        Raises `IsolationInsufficient` and `WorkerStartFailed`.
        """
        first = self._hire()
        try:
            await first.start(self._settings)
        except errors.WorkerStartFailed as error:
            if not first.fell_over:
                raise
            logger.warning("The first worker died while it started; starting another one: {}", error.message)
            self._workers.pop(first.id)
            first = self._hire()
            await first.start(self._settings)
        check_isolation(self._settings, first)
        self._offer(first)
        self._tasks.start_soon(self._maintain)

    def interrupt(self) -> None:
        """Begin to end all workers; runs that are under way end as interrupted."""
        self._closing = True
        for worker in self.workers:
            if worker.active is None:
                worker.stop()
            else:
                worker.active.fail(errors.Interrupted("The server stopped while the run was under way."))
                worker.kill()

    async def wait_closed(self) -> None:
        """Wait for the end of all processes; kill those that do not end by themselves."""
        async with anyio.create_task_group() as group:
            for worker in list(self._processes):
                group.start_soon(worker.wait_closed, 1.0)

    @property
    def workers(self) -> list[WorkerProcess]:
        """All workers, also those that are starting."""
        return list(self._workers.values())

    # ------------------------------------------------------------ idle workers
    @property
    def has_idle(self) -> bool:
        """Tell whether a worker is free."""
        return bool(self._idle)

    def take(self) -> WorkerProcess:
        """Take one of the free workers, by the strategy of the settings."""
        return self._idle.pop(self._choose(self._idle))

    def put(self, worker: WorkerProcess) -> None:
        """Give a worker back that has run nothing."""
        self._idle.append(worker)

    def put_used(self, worker: WorkerProcess, *, recycle: bool) -> None:
        """Give a worker back after a run; it ends when it is spent, dead or not to be trusted."""
        worker.release()
        if worker.dead or recycle or worker.runs >= self._settings.max_tasks_per_worker:
            self._retire(worker)
        else:
            self._idle.append(worker)

    # ------------------------------------------------------------ starting
    def want(self, count: int) -> None:
        """Have at least `count` workers, started in the background."""
        self._wanted = count
        if self._closing or self._failures >= self._settings.max_restarts:
            return
        while len(self._workers) < count and self._starting < MAX_STARTING:
            self._starting += 1
            self._tasks.start_soon(self._start_in_background, self._hire())

    def try_again(self) -> None:
        """Forget failed starts; somebody asks for a worker, so it is worth another try."""
        if self._failures >= self._settings.max_restarts:
            self._failures = 0

    async def _start_in_background(self, worker: WorkerProcess) -> None:
        try:
            if self._failures:
                await anyio.sleep(self._settings.restart_delay_seconds * 2 ** (self._failures - 1))
            await worker.start(self._settings)
        except errors.RatchetError as error:
            self._workers.pop(worker.id, None)
            self._failures += 1
            if self._failures >= self._settings.max_restarts:
                self._on_refusal(error)
        else:
            self._failures = 0
            self._offer(worker)
        finally:
            self._starting -= 1
        self.want(self._wanted)

    def _hire(self) -> WorkerProcess:
        self._started += 1
        worker = WorkerProcess(f"w{self._started}", self._limits, self._on_call, self._on_exit, fetch_bytes=self._fetch_bytes)
        self._workers[worker.id] = worker
        self._processes.add(worker)
        return worker

    def _offer(self, worker: WorkerProcess) -> None:
        if worker.dead or self._closing:
            self._retire(worker)
            return
        worker.release()
        self._idle.append(worker)
        self._on_idle()

    # ------------------------------------------------------------ ending
    def _retire(self, worker: WorkerProcess) -> None:
        if self._workers.pop(worker.id, None) is not None:
            self.restarts += 1
        if worker.active is not None or worker.dead:
            worker.kill()
        else:
            worker.stop()

    def _on_exit(self, worker: WorkerProcess) -> None:
        self._processes.discard(worker)
        if worker in self._idle:
            self._idle.remove(worker)
        if worker.ready_once and worker.active is None and self._workers.pop(worker.id, None) is not None and not self._closing:
            self.restarts += 1
            self.want(self._wanted)

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
            oldest = min(self._idle, key=lambda worker: worker.idle_since, default=None)
            kept = settings.min_workers + settings.spare_workers
            if oldest is not None and len(self._workers) > kept and now - oldest.idle_since > settings.idle_seconds:
                self._idle.remove(oldest)
                self._retire(oldest)

    # ------------------------------------------------------------ looking
    def status(self) -> dict[str, Any]:
        """Return the isolation in force, and each worker's state, runs and memory."""
        ready = [worker for worker in self._workers.values() if worker.ready]
        weakest = min(ready, key=lambda worker: STRENGTH[worker.isolation], default=None)
        return {
            "isolation": weakest.isolation if weakest else "none",
            "missing": weakest.missing if weakest else [],
            "workers": [self._describe(worker) for worker in self._workers.values()],
            "restarts": self.restarts,
        }

    def _describe(self, worker: WorkerProcess) -> dict[str, Any]:
        if worker.active is not None:
            state = "busy" if worker.active.holds_slot else "waiting"
        else:
            state = "idle" if worker in self._idle else "starting"
        usage = measure(worker.pid)
        memory_mb = round(usage.memory_mb, 1) if usage else None
        return {"id": worker.id, "pid": worker.pid, "state": state, "runs": worker.runs, "memory_mb": memory_mb}
