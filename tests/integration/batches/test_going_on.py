"""A batch that is a job goes on after a stop and after a crash with what had not completed. No other server may work here."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from typing import Any

import anyio

from ratchet_mcp.app import Ratchet
from ratchet_mcp.batches.models import BatchStatus
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
        while (await ratchet.store.batches.get(job.id)).results[0]["status"] != "completed":
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


async def first_is_written(ratchet: Ratchet, id: str) -> bool:
    record = await ratchet.store.batches.get(id)
    return record is not None and record.results[0]["status"] == "completed"


async def runs(ratchet: Ratchet, id: str) -> None:
    """Wait until the last request that can run does, and what ended before is written down."""
    batches = await ratchet.batches()
    with anyio.fail_after(30):
        while not any(
            each.status is Status.RUNNING for each in (await ratchet.executions.find(batch_id=id, status=Status.RUNNING)).executions
        ):
            await anyio.sleep(0.02)
        while not await first_is_written(ratchet, id):
            await anyio.sleep(0.02)
    assert (await batches.get(id)).status is BatchStatus.RUNNING


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
