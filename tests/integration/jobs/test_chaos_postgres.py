"""Jobs on PostgreSQL while a machine is killed and the database server crashes."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import anyio
import pytest
from job_processes import WORKER, environment, start
from postgres import PostgresServer, new_database, running_server
from sqlalchemy import func, select

from ratchet_mcp.app import Ratchet
from ratchet_mcp.jobs.models import JobRequest
from ratchet_mcp.jobs.retry import RetryPolicy
from ratchet_mcp.store.statements import EXECUTIONS, JOBS

LIMIT_SECONDS = 120
"""Only to turn a hang into a failure."""
COUNT = 2000
AGAIN = RetryPolicy(attempts=50, delay_seconds=0)


@pytest.fixture
def fragile_server(postgres_server: PostgresServer) -> Iterator[PostgresServer]:
    """A server of this test alone, because others would feel its crash; `postgres_server` has seen that there are programs for it."""
    yield from running_server()


@pytest.fixture
def fragile_url(fragile_server: PostgresServer) -> Iterator[str]:
    yield from new_database(fragile_server)


async def test_every_job_ends_once_while_a_machine_is_killed_and_the_database_crashes(
    settings_for: partial, job_task_folder: Path, fragile_server: PostgresServer, fragile_url: str
) -> None:
    patient = {
        "RATCHET_STORE__BUSY_TIMEOUT_SECONDS": "30",
        "RATCHET_JOBS__MAX_CRASHES": "100",
        "RATCHET_STORE__OWNER_TIMEOUT_SECONDS": "4",
        "RATCHET_ENGINE__MAX_WORKERS": "1",
    }
    variables = environment(fragile_url, job_task_folder, **patient)
    async with Ratchet.open(settings_for(fragile_url, busy_timeout_seconds=30.0), work=False) as front:
        machines = [start(WORKER, variables), start(WORKER, variables)]

        async def until(waiting: int) -> None:
            with anyio.fail_after(LIMIT_SECONDS):
                while sum((await front.jobs.counts()).values()) > waiting:
                    await anyio.sleep(0.05)

        try:
            jobs = await front.jobs.submit_many([JobRequest("add", {"a": n, "b": 1}, retry=AGAIN) for n in range(COUNT)])
            await until(COUNT * 4 // 5)
            machines[0].send_signal(signal.SIGKILL)
            machines.append(start(WORKER, variables))
            await until(COUNT // 2)
            await anyio.to_thread.run_sync(fragile_server.restart)
            await until(0)
        finally:
            for machine in machines:
                machine.kill()
                machine.wait(30)

        ids = [job.id for job in jobs]
        by_status = select(JOBS.c.status, func.count()).where(JOBS.c.id.in_(ids)).group_by(JOBS.c.status)
        of_jobs = select(EXECUTIONS.c.job_id, EXECUTIONS.c.id, EXECUTIONS.c.status).where(EXECUTIONS.c.job_id.in_(ids))
        named = select(JOBS.c.id, JOBS.c.execution_id).where(JOBS.c.id.in_(ids))
        database = front.store._database
        assert await database.read(lambda connection: dict(tuple(row) for row in connection.execute(by_status))) == {"completed": COUNT}
        runs = await database.read(lambda connection: connection.execute(of_jobs).all())
        assert {run.status for run in runs} <= {"completed", "interrupted"}
        outcomes = await database.read(lambda connection: dict(tuple(row) for row in connection.execute(named)))
        ended = {run.id: run.job_id for run in runs if run.status == "completed"}
        assert all(ended[execution] == job for job, execution in outcomes.items())  # the outcome is a run that completed, of this job
        assert max(Counter(run.job_id for run in runs).values()) <= 5
