"""Watches processor time and memory of runs that last, and ends those that are over a limit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from ratchet_mcp import errors
from ratchet_mcp.engine.active import ActiveRun
from ratchet_mcp.engine.process import WorkerProcess
from ratchet_mcp.engine.usage import measure

INTERVAL = 0.025
"""Seconds between two looks: a run can fill its memory in a tenth of a second, and dies then. It sleeps while nothing runs."""


class Watchdog:
    """Looks at busy workers every `INTERVAL` seconds as long as there are any."""

    def __init__(self, workers: Callable[[], Iterable[WorkerProcess]]) -> None:
        self._workers = workers
        self._timer: asyncio.TimerHandle | None = None

    def wake(self) -> None:
        """Look soon; a run has started."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(INTERVAL, self._look)

    def close(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        busy = [(worker, worker.active) for worker in self._workers() if worker.active is not None and not worker.active.ended.done()]
        for worker, active in busy:
            if active.seconds >= INTERVAL:
                self._check(worker, active)
        if busy:
            self.wake()

    @staticmethod
    def _check(worker: WorkerProcess, active: ActiveRun) -> None:
        usage = measure(worker.pid)
        if usage is None:
            return
        active.memory_peak_mb = max(active.memory_peak_mb, usage.memory_mb)
        if active.cpu_base is None:
            active.cpu_base = usage.cpu_seconds
        limit = active.request.limits.cpu_seconds
        if usage.cpu_seconds - active.cpu_base > limit:
            active.fail(
                errors.CpuLimit(
                    f"The run used more than cpu_seconds = {limit:g} of processor time and was killed.",
                    hint="Look for a loop that does not end, or raise limits.cpu_seconds in the settings.",
                    details={"cpu_seconds": limit},
                )
            )
            worker.kill()
