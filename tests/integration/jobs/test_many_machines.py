"""Machines that share nothing but a PostgreSQL database: two `ratchet worker` processes, and a front that runs no jobs itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from job_tasks import job_settings, write_job_tasks

from ratchet_mcp.app import Ratchet
from ratchet_mcp.jobs.models import Job, JobRequest, JobStatus
from ratchet_mcp.jobs.retry import RetryPolicy

LIMIT_SECONDS = 60
"""Only to turn a hang into a failure."""


class Machines:
    """`ratchet worker` processes."""

    def __init__(self, url: str, tasks: Path, folder: Path) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RATCHET_")}
        self._environment = {
            **kept,
            "RATCHET_STORE__URL": url,
            "RATCHET_STORE__HEARTBEAT_SECONDS": "0.2",
            "RATCHET_STORE__BUSY_TIMEOUT_SECONDS": "30",
            "RATCHET_REGISTRY__BUNDLED": "false",
            "RATCHET_REGISTRY__SOURCES": json.dumps([{"name": "ours", "uri": str(tasks)}]),
            "RATCHET_SERVER__SHUTDOWN_GRACE_SECONDS": "0.2",
            "RATCHET_ENGINE__MIN_WORKERS": "1",
            "RATCHET_ENGINE__MAX_WORKERS": "1",
        }
        self._folder = folder
        self._started = 0
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> subprocess.Popen[bytes]:
        """Start a further machine; it begins with work as soon as it can."""
        self._started += 1
        with (self._folder / f"worker-{self._started}.log").open("wb") as log:
            command = (sys.executable, "-m", "ratchet_mcp.cli.main", "worker")
            process = subprocess.Popen(command, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def with_pid(self, pid: int) -> subprocess.Popen[bytes]:
        """Return the machine of a process id."""
        return next(process for process in self.processes if process.pid == pid)

    def end(self) -> None:
        """Kill what still runs."""
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_job_tasks(tmp_path_factory.mktemp("tasks"))


@pytest.fixture(scope="module")
def machines(module_postgres_url: str, tasks: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """Two machines for all tests of this module."""
    started = Machines(module_postgres_url, tasks, tmp_path_factory.mktemp("machines"))
    started.start()
    started.start()
    yield started
    started.end()


@pytest.fixture(scope="module")
async def front(module_postgres_url: str, tasks: Path, machines: Machines) -> AsyncIterator[Ratchet]:
    """What a `ratchet serve --no-worker` holds."""
    async with Ratchet.open(job_settings(tasks, module_postgres_url, busy_timeout_seconds=30.0), work=False) as ratchet:
        yield ratchet


async def ended(front: Ratchet, *jobs: Job) -> list[Job]:
    with anyio.fail_after(LIMIT_SECONDS):
        found = [await front.jobs.wait(job.id, LIMIT_SECONDS) for job in jobs]
    assert all(job.status.final for job in found)
    return found


async def output(front: Ratchet, job: Job) -> Any:
    assert job.execution_id is not None
    return (await front.executions.get(job.execution_id)).output


async def owner_of(front: Ratchet, job: Job) -> str:
    """Wait until a job runs, and return whose it is."""
    with anyio.fail_after(LIMIT_SECONDS):
        while True:
            found = await front.jobs.get(job.id)
            if found.status is JobStatus.RUNNING and found.owner is not None:
                return found.owner
            await anyio.sleep(0.02)


async def pid_of(front: Ratchet, owner: str) -> int:
    from sqlalchemy import select

    from ratchet_mcp.store.statements import OWNERS

    statement = select(OWNERS.c.pid).where(OWNERS.c.id == owner)
    return await front.store._database.read(lambda connection: connection.execute(statement).scalar_one())


async def test_the_front_runs_nothing_and_the_machines_share_the_work(front: Ratchet) -> None:
    first = await front.jobs.submit(JobRequest("forever"))
    one = await owner_of(front, first)  # that machine is busy now
    second = await front.jobs.submit(JobRequest("forever"))
    other = await owner_of(front, second)
    assert len({front.store.owner, one, other}) == 3
    for job in (first, second):
        cancelled = await front.jobs.cancel(job.id, "seen enough")
        assert (cancelled.status, cancelled.cancel_reason) == (JobStatus.CANCELLED, "seen enough")
    found = await front.executions.find(job_id=first.id)
    assert [each.status.value for each in found.executions] == ["cancelled"]  # it was killed there, not only forgotten here


async def test_a_job_of_a_machine_that_is_killed_runs_again_on_another(front: Ratchet, machines: Machines) -> None:
    job = await front.jobs.submit(JobRequest("forever"))
    owner = await owner_of(front, job)
    with anyio.fail_after(LIMIT_SECONDS):
        while not (await front.executions.find(job_id=job.id)).executions:  # its run is recorded a moment after its claim
            await anyio.sleep(0.05)
    machines.with_pid(await pid_of(front, owner)).send_signal(signal.SIGKILL)
    machines.start()
    with anyio.fail_after(LIMIT_SECONDS):
        while (again := await front.jobs.get(job.id)).owner in (owner, None):
            await anyio.sleep(0.05)
    assert (again.status, again.attempts, again.crashes) == (JobStatus.RUNNING, 2, 1)
    assert (await front.jobs.cancel(job.id)).status is JobStatus.CANCELLED
    found = await front.executions.find(job_id=job.id)
    assert sorted(each.status.value for each in found.executions) == ["cancelled", "interrupted"]


async def test_attempts_go_on_across_machines_and_each_knows_its_number(front: Ratchet) -> None:
    retry = RetryPolicy.from_dict({"attempts": 3, "delay": 0, "on": "any"})
    job = await front.jobs.submit(JobRequest("flaky", {"good": 3}, retry=retry))
    (done,) = await ended(front, job)
    assert (done.status, done.attempts, done.failures) == (JobStatus.COMPLETED, 3, 2)
    assert await output(front, done) == 3


async def test_a_paused_queue_waits_on_all_machines_and_goes_on_when_it_is_resumed(front: Ratchet) -> None:
    await front.jobs.pause("add")
    held = await front.jobs.submit(JobRequest("add", {"a": 1, "b": 2}))
    (other,) = await ended(front, await front.jobs.submit(JobRequest("whoami")))
    assert other.status is JobStatus.COMPLETED
    assert (await front.jobs.get(held.id)).status is JobStatus.QUEUED
    await front.jobs.resume("add")
    (done,) = await ended(front, held)
    assert await output(front, done) == 3


async def test_a_machine_that_is_told_to_stop_gives_its_job_back_and_ends_well(front: Ratchet, machines: Machines) -> None:
    job = await front.jobs.submit(JobRequest("forever"))
    owner = await owner_of(front, job)
    machine = machines.with_pid(await pid_of(front, owner))
    machine.send_signal(signal.SIGTERM)
    assert await anyio.to_thread.run_sync(machine.wait, LIMIT_SECONDS) == 0
    with anyio.fail_after(LIMIT_SECONDS):
        while (again := await front.jobs.get(job.id)).owner in (owner, None):
            await anyio.sleep(0.05)
    assert (again.status, again.crashes) == (JobStatus.RUNNING, 0)
    await front.jobs.cancel(job.id)
