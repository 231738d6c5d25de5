"""Jobs on PostgreSQL while machines and their processes are killed at random and the database server crashes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import anyio
import psycopg
import pytest
from job_machines import Machines, finish_while_killed
from job_processes import SERVER, WORKER, environment
from postgres import PostgresServer, new_database, running_server

from ratchet_mcp.app import Ratchet
from ratchet_mcp.jobs.models import JobRequest
from ratchet_mcp.jobs.retry import RetryPolicy

JOBS = 2000
AGAIN = RetryPolicy(attempts=50, delay_seconds=0)
PATIENT = {
    "RATCHET_STORE__BUSY_TIMEOUT_SECONDS": "30",
    "RATCHET_STORE__OWNER_TIMEOUT_SECONDS": "4",
    "RATCHET_JOBS__MAX_CRASHES": "100",
}
RIGHT = """SELECT count(*) FROM jobs JOIN executions e ON e.id = jobs.execution_id JOIN execution_results r ON r.execution_id = e.id
    WHERE e.job_id = jobs.id AND e.status = 'completed' AND r.output::jsonb = to_jsonb((jobs.input->>'a')::int + 1)"""
"""Jobs whose outcome is a run of theirs that completed with the right output."""
MOST_RUNS = "SELECT max(runs) FROM (SELECT count(*) AS runs FROM executions GROUP BY job_id) AS by_job"


@pytest.fixture
def fragile_server(postgres_server: PostgresServer) -> Iterator[PostgresServer]:
    """A server of this test alone, because others would feel its crash; `postgres_server` has seen that there are programs for it."""
    yield from running_server()


@pytest.fixture
def fragile_url(fragile_server: PostgresServer) -> Iterator[str]:
    yield from new_database(fragile_server)


async def test_two_thousand_jobs_end_once_each_while_machines_are_killed_at_random_and_the_database_crashes(
    settings_for: partial, job_task_folder: Path, fragile_server: PostgresServer, fragile_url: str
) -> None:
    async with Ratchet.open(settings_for(fragile_url, busy_timeout_seconds=30.0), work=False) as front:
        jobs = await front.jobs.submit_many([JobRequest("add", {"a": n, "b": 1}, retry=AGAIN) for n in range(JOBS)])
        machines = Machines((SERVER, WORKER), environment(fragile_url, job_task_folder, **PATIENT))
        try:
            await finish_while_killed(front, machines, JOBS, fragile_server.restart)
        finally:
            await anyio.to_thread.run_sync(machines.end)
    with psycopg.connect(fragile_url) as database:
        assert database.execute("SELECT status, count(*) FROM jobs GROUP BY status").fetchall() == [("completed", JOBS)]
        assert {id for (id,) in database.execute("SELECT id::text FROM jobs")} == {job.id for job in jobs}
        assert database.execute(RIGHT).fetchone() == (JOBS,)
        statuses = {status for (status,) in database.execute("SELECT DISTINCT status FROM executions")}
        assert statuses <= {"completed", "interrupted", "failed"}  # `failed`: the process of a pool was killed below it
        interrupted, most = database.execute("SELECT sum(crashes), max(attempts) FROM jobs").fetchone() or (0, 0)
        assert interrupted > 0  # machines were killed while they ran jobs
        assert most <= 5
        assert (database.execute(MOST_RUNS).fetchone() or (0,))[0] <= 5
