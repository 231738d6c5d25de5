"""Jobs while everything around them fails: processes killed at random, the database locked, the disk full."""

from __future__ import annotations

import resource
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import anyio
import pytest
from job_machines import Machines, finish_while_killed
from job_processes import SERVER, WORKER, environment

from ratchet_mcp.app import Ratchet
from ratchet_mcp.errors import StoreFailed
from ratchet_mcp.jobs.models import Job, JobRequest, JobStatus
from ratchet_mcp.jobs.retry import RetryPolicy

JOBS = 2000
AGAIN = RetryPolicy(attempts=50, delay_seconds=0)


async def test_two_thousand_jobs_end_once_each_while_processes_are_killed_at_random(
    settings_for: partial, tmp_path: Path, job_task_folder: Path
) -> None:
    url = f"sqlite:///{tmp_path}/ratchet.db"
    async with Ratchet.open(settings_for(url), work=False) as front:
        await front.jobs.submit_many([JobRequest("add", {"a": number, "b": 1}, retry=AGAIN) for number in range(JOBS)])
        machines = Machines((SERVER, WORKER), environment(url, job_task_folder, RATCHET_JOBS__MAX_CRASHES="100"))
        try:
            await finish_while_killed(front, machines, JOBS)
        finally:
            await anyio.to_thread.run_sync(machines.end)
    with closing(sqlite3.connect(tmp_path / "ratchet.db")) as database:
        ended = database.execute("SELECT status, count(*) FROM jobs GROUP BY status").fetchall()
        assert ended == [("completed", JOBS)]
        right = """SELECT count(*) FROM jobs JOIN executions e ON e.id = jobs.execution_id JOIN execution_results r ON r.execution_id = e.id
            WHERE e.job_id = jobs.id AND e.status = 'completed' AND r.output = json_extract(jobs.input, '$.a') + 1"""
        assert database.execute(right).fetchone() == (JOBS,)
        assert database.execute("SELECT count(*) FROM executions WHERE status IN ('queued', 'running')").fetchone() == (0,)
        assert database.execute("SELECT max(attempts) FROM jobs").fetchone()[0] > 1


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold the database as another process would that writes and does not come to an end."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")


@contextmanager
def full_disk(file: Path) -> Iterator[None]:
    """Let no file of this process grow any more, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.with_name(file.name + "-wal").stat().st_size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("trouble", [locked, full_disk], ids=["locked", "full"])
async def test_jobs_under_way_survive_a_database_that_takes_nothing_for_a_while(settings_for: partial, tmp_path: Path, trouble) -> None:
    file = tmp_path / "ratchet.db"
    async with Ratchet.open(settings_for(f"sqlite:///{file}", busy_timeout_seconds=0.2)) as ratchet:
        accepted: list[Job] = []
        jobs = await ratchet.jobs.submit_many([JobRequest("sleep", {"ms": 50}) for _ in range(30)])
        await ratchet.jobs.wait(jobs[1].id, 30)
        with trouble(file):
            until, refused = time.monotonic() + 2, 0
            while time.monotonic() < until:
                try:
                    accepted.append(await ratchet.jobs.submit(JobRequest("add", {"a": 1, "b": 2})))
                except StoreFailed as error:
                    refused += 1
                    assert error.retryable
                await anyio.sleep(0.1)
            assert refused
        done = [await ratchet.jobs.wait(job.id, 60) for job in (*jobs, *accepted)]
        assert {job.status for job in done} == {JobStatus.COMPLETED}
        assert not any(job.failures or job.crashes for job in done)
        assert await ratchet.jobs.counts() == {"queued": 0, "scheduled": 0, "running": 0}
        assert {job.id for job in (await ratchet.jobs.find(task="add")).jobs} == {job.id for job in accepted}
