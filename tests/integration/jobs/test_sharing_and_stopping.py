"""Processes that share one file: what one of them starts another can see, cancel and finish; servers that stop, and some that die."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from job_processes import SERVER, STDIO, WORKER, environment, start, until, until_ended
from sqlalchemy import update

from ratchet_mcp.app import Ratchet
from ratchet_mcp.execution.models import Origin, Status
from ratchet_mcp.jobs.models import JobRequest, JobStatus
from ratchet_mcp.jobs.retry import RetryPolicy
from ratchet_mcp.security.principal import LOCAL
from ratchet_mcp.store.statements import JOBS

HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ratchet.db"


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that a test starts; what it leaves is killed."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait(30)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()


async def change(ratchet: Ratchet, id: str, **values: object) -> None:
    """Set columns of a job's row."""
    statement = update(JOBS).where(JOBS.c.id == id).values(**values)
    await ratchet.store._writer.call(lambda connection: connection.execute(statement).rowcount)  # pyright: ignore[reportPrivateUsage]


async def test_a_process_that_runs_no_jobs_waits_for_and_cancels_those_of_another(settings_for: partial, url: str) -> None:
    settings = settings_for(url)
    async with Ratchet.open(settings, work=False) as front, Ratchet.open(settings) as back:
        quick = await front.jobs.submit(JobRequest("add", {"a": 1, "b": 2}))
        assert (await front.jobs.wait(quick.id, 30)).status is JobStatus.COMPLETED
        slow = await front.jobs.submit(JobRequest("forever"))
        running = await until(front, slow.id, JobStatus.RUNNING)
        assert running.owner == back.store.owner
        with anyio.fail_after(2):
            cancelled = await front.jobs.cancel(slow.id, "from elsewhere")
        assert (cancelled.status, cancelled.cancel_reason) == (JobStatus.CANCELLED, "from elsewhere")
        (execution,) = (await front.executions.find(job_id=slow.id)).executions
        assert execution.status is Status.CANCELLED


async def test_a_job_that_another_process_cancels_while_its_attempt_fails_is_not_tried_again(
    settings_for: partial, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(url)
    async with Ratchet.open(settings, work=False) as front, Ratchet.open(settings) as back:
        settle = back.store.jobs.settle

        async def asked_just_before(id: str, *arguments: Any, **options: Any) -> Any:
            monkeypatch.setattr(back.store.jobs, "settle", settle)
            await back.store.jobs.cancel(id, "too late for the watch")  # by the row only, as another process does
            return await settle(id, *arguments, **options)

        monkeypatch.setattr(back.store.jobs, "settle", asked_just_before)
        slow = RetryPolicy(attempts=2, delay_seconds=3600, max_delay_seconds=3600, on=("any",))
        job = await front.jobs.submit(JobRequest("fail", retry=slow))
        ended = await front.jobs.wait(job.id, 30)
        assert (ended.status, ended.cancel_reason, ended.attempts) == (JobStatus.CANCELLED, "too late for the watch", 1)
        assert "too late for the watch" in (ended.last_error or {})["message"]
        assert (await front.jobs.counts())["scheduled"] == 0


async def test_a_server_that_stops_gives_its_jobs_back_and_the_next_one_finishes_them(settings_for: partial, url: str) -> None:
    settings = settings_for(url)
    async with Ratchet.open(settings) as first:
        job = await first.jobs.submit(JobRequest("second-time"))
        waits = await first.jobs.submit_many([JobRequest("second-time") for _ in range(3)])
        await until(first, job.id, JobStatus.RUNNING)
    async with Ratchet.open(settings) as second:
        job = await second.jobs.wait(job.id, 30)
        assert (job.status, job.attempts, job.failures, job.crashes) == (JobStatus.COMPLETED, 2, 0, 0)
        executions = (await second.executions.find(job_id=job.id)).executions
        assert [(each.attempt, each.status) for each in executions] == [(2, Status.COMPLETED), (1, Status.INTERRUPTED)]
        for other in waits:  # those that had not begun wait for their first attempt
            if (await second.jobs.get(other.id)).attempts == 1:
                await second.jobs.cancel(other.id)


async def test_a_job_waits_for_a_process_that_knows_its_task(settings_for: partial, url: str) -> None:
    settings = settings_for(url)
    stranger = settings.model_copy(update={"registry": settings.registry.model_copy(update={"sources": []})})
    async with Ratchet.open(settings, work=False) as front, Ratchet.open(stranger):
        job = await front.jobs.submit(JobRequest("add", {"a": 1, "b": 2}))
        turned_away = await until(front, job.id, JobStatus.SCHEDULED)
        assert turned_away.last_error is not None
        assert turned_away.last_error["code"] == "task_not_found"
        async with Ratchet.open(settings):
            job = await front.jobs.wait(job.id, 30)
        assert (job.status, job.failures, job.last_error) == (JobStatus.COMPLETED, 0, None)
    async with Ratchet.open(settings, work=False) as front:
        job = await front.jobs.submit(JobRequest("add", {"a": 1, "b": 2}))
    async with Ratchet.open(stranger) as ratchet:  # there is nobody else now
        assert (await ratchet.jobs.wait(job.id, 30)).status is JobStatus.FAILED


async def test_what_a_dead_process_had_completed_is_not_run_again(settings_for: partial, url: str) -> None:
    settings = settings_for(url)
    async with Ratchet.open(settings, work=False) as ratchet:
        job = await ratchet.jobs.submit(JobRequest("add", {"a": 1, "b": 2}))
        task = await ratchet.catalog.resolve("add")
        handle = await ratchet.executions.start(task, {"a": 1, "b": 2}, origin=Origin.JOB, principal=LOCAL, job_id=job.id)
        await handle.wait(None)
        await change(ratchet, job.id, crashes=1, attempts=1)
    async with Ratchet.open(settings) as ratchet:
        job = await ratchet.jobs.wait(job.id, 30)
        assert (job.status, job.execution_id) == (JobStatus.COMPLETED, handle.id)
        assert len((await ratchet.executions.find(job_id=job.id)).executions) == 1


async def test_a_job_that_brings_down_every_process_is_given_up(settings_for: partial, url: str) -> None:
    settings = settings_for(url)
    async with Ratchet.open(settings, work=False) as ratchet:
        job = await ratchet.jobs.submit(JobRequest("add", {"a": 1, "b": 2}))
        await change(ratchet, job.id, crashes=3)
        asked = await ratchet.jobs.submit(JobRequest("add", {"a": 1, "b": 2}))
        await change(ratchet, asked.id, crashes=1, cancel_requested_at=job.created_at, cancel_reason="enough")
    async with Ratchet.open(settings) as ratchet:
        job = await ratchet.jobs.wait(job.id, 30)
        assert job.status is JobStatus.FAILED
        assert job.last_error is not None
        assert (job.last_error["code"], job.last_error["details"]) == ("job_crashed", {"crashes": 3})
        assert (await ratchet.jobs.wait(asked.id, 30)).status is JobStatus.CANCELLED  # it was asked to, and its process died


async def test_the_jobs_of_a_worker_that_is_killed_are_finished_by_another(
    settings_for: partial, url: str, job_task_folder: Path, processes: list[subprocess.Popen[bytes]]
) -> None:
    async with Ratchet.open(settings_for(url), work=False) as front:
        job = await front.jobs.submit(JobRequest("second-time"))
        processes.append(start(WORKER, environment(url, job_task_folder)))
        await until(front, job.id, JobStatus.RUNNING)
        processes[0].kill()
        await until_ended(processes[0])
        async with Ratchet.open(settings_for(url)):
            job = await front.jobs.wait(job.id, 30)
    assert (job.status, job.attempts, job.failures, job.crashes) == (JobStatus.COMPLETED, 2, 0, 1)


async def test_a_worker_lets_jobs_finish_at_the_first_signal_and_gives_the_rest_back_at_the_second(
    settings_for: partial, url: str, job_task_folder: Path, processes: list[subprocess.Popen[bytes]]
) -> None:
    async with Ratchet.open(settings_for(url), work=False) as front:
        short, endless = await front.jobs.submit_many([JobRequest("sleep", {"ms": 700}), JobRequest("forever")])
        processes.append(start(WORKER, environment(url, job_task_folder, RATCHET_SERVER__SHUTDOWN_GRACE_SECONDS="60")))
        for job in (short, endless):
            await until(front, job.id, JobStatus.RUNNING)
        processes[0].send_signal(signal.SIGTERM)
        assert (await front.jobs.wait(short.id, 30)).status is JobStatus.COMPLETED
        later = await front.jobs.submit(JobRequest("add", {"a": 1, "b": 2}))
        assert (await front.jobs.wait(later.id, 0.3)).status is JobStatus.QUEUED
        processes[0].send_signal(signal.SIGTERM)
        assert await until_ended(processes[0]) == 0
        job = await front.jobs.get(endless.id)
        assert (job.status, job.crashes, job.attempts) == (JobStatus.QUEUED, 0, 1)


def test_a_worker_that_cannot_start_says_why_and_ends(job_task_folder: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    variables = environment(f"sqlite:///{blocked}/ratchet.db", job_task_folder)
    process = start(WORKER, variables, stderr=subprocess.PIPE)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 1
    assert str(blocked) in told.decode()
    assert "Traceback" not in told.decode()


@pytest.mark.parametrize("command", [SERVER, STDIO], ids=["http", "stdio"])
async def test_a_server_lets_jobs_finish_before_it_stops(
    settings_for: partial, url: str, job_task_folder: Path, processes: list[subprocess.Popen[bytes]], command: tuple[str, ...]
) -> None:
    async with Ratchet.open(settings_for(url), work=False) as front:
        job = await front.jobs.submit(JobRequest("sleep", {"ms": 700}))
        variables = environment(url, job_task_folder, RATCHET_SERVER__SHUTDOWN_GRACE_SECONDS="60")
        processes.append(start(command, variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        await until(front, job.id, JobStatus.RUNNING)
        processes[0].send_signal(signal.SIGTERM)
        assert await until_ended(processes[0]) == 0
        job = await front.jobs.get(job.id)
        assert (job.status, job.attempts) == (JobStatus.COMPLETED, 1)


async def test_a_stdio_server_that_its_client_ends_gives_its_jobs_back(
    settings_for: partial, url: str, job_task_folder: Path, processes: list[subprocess.Popen[bytes]]
) -> None:
    async with Ratchet.open(settings_for(url), work=False) as front:
        job = await front.jobs.submit(JobRequest("second-time"))
        processes.append(start(STDIO, environment(url, job_task_folder), stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        assert processes[0].stdin is not None
        processes[0].stdin.write(json.dumps(HELLO).encode() + b"\n")
        processes[0].stdin.flush()
        await until(front, job.id, JobStatus.RUNNING)
        processes[0].stdin.close()
        assert await until_ended(processes[0]) == 0
        job = await front.jobs.get(job.id)
        assert (job.status, job.crashes, job.owner) == (JobStatus.QUEUED, 0, None)
        async with Ratchet.open(settings_for(url)):
            assert (await front.jobs.wait(job.id, 30)).status is JobStatus.COMPLETED


async def test_a_stdio_server_that_is_told_not_to_runs_no_jobs(
    settings_for: partial, url: str, job_task_folder: Path, processes: list[subprocess.Popen[bytes]]
) -> None:
    async with Ratchet.open(settings_for(url), work=False) as front:
        job = await front.jobs.submit(JobRequest("add", {"a": 1, "b": 2}))
        processes.append(start((*STDIO, "--no-worker"), environment(url, job_task_folder), stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        stdin, stdout = processes[0].stdin, processes[0].stdout
        assert stdin is not None
        assert stdout is not None
        call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "server_status", "arguments": {}}}
        for message in (HELLO, {"jsonrpc": "2.0", "method": "notifications/initialized"}, call):
            stdin.write(json.dumps(message).encode() + b"\n")
        stdin.flush()
        answers = [json.loads(await anyio.to_thread.run_sync(stdout.readline)) for _ in range(2)]
        assert answers[1]["result"]["structuredContent"]["jobs"]["working"] is False
        assert (await front.jobs.get(job.id)).status is JobStatus.QUEUED
