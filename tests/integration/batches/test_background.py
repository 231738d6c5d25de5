"""A batch as a job: it goes on after a stop and after a crash with what had not completed."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from typing import Any

import anyio
import pytest

from ratchet_mcp.app import Ratchet
from ratchet_mcp.batches.models import BatchStatus, RequestStatus
from ratchet_mcp.errors import BatchFinished
from ratchet_mcp.execution.models import Origin, Status
from ratchet_mcp.jobs.models import JobStatus
from ratchet_mcp.settings import Settings

CHAIN = [
    {"id": "first", "task": "add", "input": {"a": 1, "b": 2}},
    {"id": "slow", "task": "second-try", "input": {"n": {"$from": "first", "path": "/sum"}}},
    {"id": "last", "task": "echo", "input": [{"$from": "slow", "path": "/tries"}, {"$from": "first", "path": "/sum"}]},
]
KILLED = """
import sys
import anyio
from ratchet_mcp.app import Ratchet
from ratchet_mcp.execution.models import Origin, Status
from ratchet_mcp.settings import Settings

async def main():
    settings, chain = Settings.model_validate_json(sys.argv[1]), __import__("json").loads(sys.argv[2])
    async with Ratchet.open(settings) as ratchet:
        job, _ = await ratchet.submit_batch(await (await ratchet.batches()).check(chain), origin=Origin.CLI)
        while not (await ratchet.executions.find(task="second-try", status=Status.RUNNING)).executions:
            await anyio.sleep(0.02)
        print(job.id, flush=True)
        await anyio.sleep_forever()

anyio.run(main)
"""


async def submit(ratchet: Ratchet, requests: list[dict[str, Any]], **options: Any) -> str:
    plan = await (await ratchet.batches()).check(requests, **options)
    job, batch = await ratchet.submit_batch(plan, origin=Origin.MCP)
    assert batch.id == batch.job_id == job.id
    return job.id


async def runs(ratchet: Ratchet, id: str) -> None:
    """Wait until the last request that can run does."""
    batches = await ratchet.batches()
    with anyio.fail_after(30):
        while not any(
            each.status is Status.RUNNING for each in (await ratchet.executions.find(batch_id=id, status=Status.RUNNING)).executions
        ):
            await anyio.sleep(0.02)
    assert (await batches.get(id)).status is BatchStatus.RUNNING


async def test_a_batch_runs_as_a_job(ratchet: Ratchet) -> None:
    id = await submit(ratchet, [*CHAIN[:1], {"id": "last", "task": "echo", "input": {"$from": "first"}}])
    job = await ratchet.jobs.wait(id, 30)
    assert job.status is JobStatus.COMPLETED, job.last_error
    batch = await (await ratchet.batches()).wait(id, 10)
    assert batch.status is BatchStatus.COMPLETED
    assert [each.output for each in batch.results] == [{"sum": 3}, {"sum": 3}]
    executions = (await ratchet.executions.find(job_id=id)).executions
    assert {each.batch_id for each in executions} == {id}


async def test_a_batch_goes_on_when_its_server_was_stopped(settings: Settings) -> None:
    async with Ratchet.open(settings) as one:
        id = await submit(one, CHAIN)
        await runs(one, id)
    async with Ratchet.open(settings) as other:
        await check_went_on(other, id)


async def test_a_batch_goes_on_when_its_server_was_killed(settings: Settings) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, settings.model_dump_json(), json.dumps(CHAIN), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    id = (await asyncio.wait_for(process.stdout.readline(), 30)).decode().strip()
    process.send_signal(signal.SIGKILL)
    await process.wait()
    async with Ratchet.open(settings) as other:
        await check_went_on(other, id)


async def check_went_on(ratchet: Ratchet, id: str) -> None:
    job = await ratchet.jobs.wait(id, 30)
    assert job.status is JobStatus.COMPLETED, job.last_error
    batch = await (await ratchet.batches()).get(id)
    first, slow, last = batch.results
    assert batch.status is BatchStatus.COMPLETED
    assert slow.output == {"tries": 2}
    assert last.output == [2, 3]
    executions = (await ratchet.executions.find(batch_id=id)).executions
    assert sorted(each.task for each in executions) == ["add", "echo", "second-try", "second-try"]
    assert first.execution_id in {each.id for each in executions}


async def test_a_batch_that_did_not_complete_fails_its_job_and_is_retried_where_it_failed(ratchet: Ratchet) -> None:
    id = await submit(ratchet, [*CHAIN[:1], {"id": "bad", "task": "fail", "input": {"what": "luck"}}])
    job = await ratchet.jobs.wait(id, 30)
    assert job.status is JobStatus.FAILED
    assert job.last_error is not None
    assert (job.last_error["code"], job.last_error["details"]["failed"]) == ("batch_failed", ["bad"])
    batches = await ratchet.batches()
    assert (await batches.wait(id, 10)).status is BatchStatus.PARTIAL
    await ratchet.jobs.retry(id)
    assert (await ratchet.jobs.wait(id, 30)).status is JobStatus.FAILED
    executions = (await ratchet.executions.find(batch_id=id)).executions
    assert sorted(each.task for each in executions) == ["add", "fail", "fail"]


async def test_cancelling_the_job_cancels_the_batch(ratchet: Ratchet) -> None:
    id = await submit(ratchet, [{"id": "long", "task": "forever"}, {"id": "next", "task": "echo", "depends_on": ["long"]}])
    await runs(ratchet, id)
    batches = await ratchet.batches()
    batch = await batches.cancel(id, "not needed")
    assert batch.status is BatchStatus.CANCELLED
    assert [each.status for each in batch.results] == [RequestStatus.CANCELLED, RequestStatus.CANCELLED]
    assert (await ratchet.jobs.get(id)).status is JobStatus.CANCELLED
    with pytest.raises(BatchFinished):
        await batches.cancel(id)


async def test_a_batch_whose_job_is_cancelled_before_it_starts_never_runs(ratchet: Ratchet) -> None:
    await ratchet.jobs.pause()
    try:
        id = await submit(ratchet, CHAIN[:1])
        await ratchet.jobs.cancel(id)
    finally:
        await ratchet.jobs.resume()
    batch = await (await ratchet.batches()).get(id)
    assert batch.status is BatchStatus.CANCELLED
    assert batch.results[0].reason == "its job has ended: cancelled"
    assert (await ratchet.executions.find(batch_id=id)).executions == []
