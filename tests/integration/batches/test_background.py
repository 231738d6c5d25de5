"""A batch as a job."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from ratchet_mcp.app import Ratchet
from ratchet_mcp.batches import running, service
from ratchet_mcp.batches.models import BatchStatus, RequestStatus
from ratchet_mcp.batches.running import known
from ratchet_mcp.errors import BatchFinished, StoreFailed
from ratchet_mcp.execution.models import Origin, Status
from ratchet_mcp.execution.service import Executions
from ratchet_mcp.jobs import outcome
from ratchet_mcp.jobs.models import JobStatus
from ratchet_mcp.store.batches import BatchRecord

FIRST = {"id": "first", "task": "add", "input": {"a": 1, "b": 2}}


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
    id = await submit(ratchet, [FIRST, {"id": "last", "task": "echo", "input": {"$from": "first"}}])
    job = await ratchet.jobs.wait(id, 30)
    assert job.status is JobStatus.COMPLETED, job.last_error
    assert "execution_id" not in job.to_dict()  # it has many, and none of this id
    batch = await (await ratchet.batches()).wait(id, 10)
    assert batch.status is BatchStatus.COMPLETED
    assert [each.output for each in batch.results] == [{"sum": 3}, {"sum": 3}]
    executions = (await ratchet.executions.find(job_id=id)).executions
    assert {each.batch_id for each in executions} == {id}


async def test_a_batch_that_did_not_complete_fails_its_job_and_is_retried_where_it_failed(ratchet: Ratchet) -> None:
    id = await submit(ratchet, [FIRST, {"id": "bad", "task": "fail", "input": {"what": "luck"}}])
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


async def test_a_batch_goes_on_when_what_it_did_could_not_be_read(ratchet: Ratchet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading what an earlier attempt did fails: the job comes back, and the server runs other batches all the same."""
    refused: list[str] = []

    async def refuse_once(executions: Executions, id: str) -> Any:
        if not refused:
            refused.append(id)
            raise StoreFailed("The database server cannot be reached.")
        return await known(executions, id)

    monkeypatch.setattr(running, "known", refuse_once)
    monkeypatch.setattr(outcome, "SOON_SECONDS", 0.05)
    id = await submit(ratchet, [FIRST, {"id": "bad", "task": "fail", "input": {"what": "luck"}}])
    assert (await ratchet.jobs.wait(id, 30)).status is JobStatus.FAILED
    await ratchet.jobs.retry(id)
    job = await ratchet.jobs.wait(id, 30)
    assert refused
    assert job.last_error is not None
    assert job.last_error["code"] == "batch_failed"
    assert (await ratchet.jobs.wait(await submit(ratchet, [FIRST]), 30)).status is JobStatus.COMPLETED


async def test_the_end_of_a_batch_is_recorded_however_long_the_store_refuses_it(ratchet: Ratchet, monkeypatch: pytest.MonkeyPatch) -> None:
    save, refused = ratchet.store.batches.save, 0

    async def refuse_for_long(record: BatchRecord) -> None:
        nonlocal refused
        if record.finished_at is not None and refused < 100:
            refused += 1
            raise StoreFailed("The database server cannot be reached.")
        await save(record)

    monkeypatch.setattr(ratchet.store.batches, "save", refuse_for_long)
    monkeypatch.setattr(service, "SAVE_AGAIN_SECONDS", 0.001)
    id = await submit(ratchet, [FIRST])
    assert (await ratchet.jobs.wait(id, 30)).status is JobStatus.COMPLETED
    assert refused == 100
    assert (await (await ratchet.batches()).get(id)).status is BatchStatus.COMPLETED


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
        id = await submit(ratchet, [FIRST])
        await ratchet.jobs.cancel(id)
    finally:
        await ratchet.jobs.resume()
    batch = await (await ratchet.batches()).get(id)
    assert batch.status is BatchStatus.CANCELLED
    assert batch.results[0].reason == "its job has ended: cancelled"
    assert (await ratchet.executions.find(batch_id=id)).executions == []
