"""Machines that run jobs and are killed, whole or inside."""

from __future__ import annotations

import random
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

import anyio
import psutil
from job_processes import start

from ratchet_mcp.app import Ratchet

LIMIT_SECONDS = 180
"""Only to turn a hang into a failure."""
KILLS = [True, False] * 4
"""What is killed: a whole machine, or a process of its pool."""


class Machines:
    """A process for each command, and the processes of their pools. `killed` counts what was killed; the choices are always the same."""

    def __init__(self, commands: Sequence[tuple[str, ...]], variables: dict[str, str]) -> None:
        self._commands = commands
        self._variables = variables
        self._chance = random.Random(5)
        self._running = [start(command, variables) for command in commands]
        self.killed = 0

    def revive(self) -> None:
        """Start again what has ended."""
        for number, process in enumerate(self._running):
            if process.poll() is not None:
                self._running[number] = start(self._commands[number], self._variables)

    def kill(self, *, whole: bool) -> None:
        """Kill one of the machines, or a process of its pool; one that has just been started, and has no pool yet, is spared."""
        pools = [(process, inside) for process in self._running if (inside := _inside(process))]
        if not pools:
            return
        process, inside = self._chance.choice(pools)
        if whole:
            process.kill()
            process.wait(30)
        else:
            with suppress(psutil.NoSuchProcess):
                self._chance.choice(inside).kill()
        self.killed += 1

    def end(self) -> None:
        """Tell all of them to stop, and kill those that do not."""
        for process in self._running:
            process.send_signal(signal.SIGTERM)
        for process in self._running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait(30)


def _inside(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.Error:
        return []


async def finish_while_killed(ratchet: Ratchet, machines: Machines, jobs: int, half_way: Callable[[], object] | None = None) -> None:
    """Let machines finish the queue while they are killed, at moments that depend on how many jobs are left."""
    chance = random.Random(5)
    whole = chance.sample(KILLS, len(KILLS))
    moments = sorted(chance.sample(range(jobs // 10, jobs * 9 // 10), len(KILLS)), reverse=True)
    with anyio.fail_after(LIMIT_SECONDS):
        while left := sum((await ratchet.jobs.counts()).values()):
            machines.revive()
            if machines.killed < len(KILLS) and left <= moments[machines.killed]:
                await anyio.to_thread.run_sync(partial(machines.kill, whole=whole[machines.killed]))
            if half_way is not None and left <= jobs // 2:
                await anyio.to_thread.run_sync(half_way)
                half_way = None
            await anyio.sleep(0.05)
    assert half_way is None
    assert machines.killed >= len(KILLS) / 2
