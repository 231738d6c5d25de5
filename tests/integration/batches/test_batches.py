"""Several requests as one: in their order, with each other's outputs, and what happens when one fails."""

from __future__ import annotations

import itertools
from typing import Any

import anyio
import pytest

from ratchet_mcp.app import Ratchet
from ratchet_mcp.batches.models import Batch, BatchStatus, RequestResult, RequestStatus
from ratchet_mcp.errors import BatchFinished, BatchInvalid, BatchNotFound
from ratchet_mcp.execution.models import Origin, Status
from ratchet_mcp.security.principal import LOCAL
from ratchet_mcp.settings import Settings


async def run(ratchet: Ratchet, *requests: dict[str, Any], on_progress: Any = None, **options: Any) -> Batch:
    batches = await ratchet.batches()
    plan = await batches.check([*requests], **options)
    batch = await batches.start(plan, origin=Origin.MCP, principal=LOCAL, on_progress=on_progress)
    with anyio.fail_after(60):
        return await batches.wait(batch.id, None)


def by_id(batch: Batch) -> dict[str, RequestResult]:
    return {result.id: result for result in batch.results}


def add(id: str, a: Any, b: Any, **more: Any) -> dict[str, Any]:
    return {"id": id, "task": "add", "input": {"a": a, "b": b}, **more}


async def started(ratchet: Ratchet, *requests: dict[str, Any], **options: Any) -> Batch:
    """Start a batch and wait until its first request runs."""
    batches = await ratchet.batches()
    batch = await batches.start(await batches.check([*requests], **options), origin=Origin.MCP, principal=LOCAL)
    with anyio.fail_after(30):
        while True:
            id = next((each.execution_id for each in batch.results if each.execution_id), None)
            if id is not None and id in {each.id for each in (await ratchet.executions.find(status=Status.RUNNING)).executions}:
                return batch
            await anyio.sleep(0.02)


async def test_outputs_go_into_later_inputs(ratchet: Ratchet) -> None:
    batch = await run(
        ratchet,
        add("last", {"$from": "first", "path": "/sum"}, {"$from": "second", "path": "/sum"}),
        add("first", 1, 2),
        add("second", {"$from": "first", "path": "/sum"}, 10),
        {"id": "literal", "task": "echo", "input": {"$literal": {"$from": "first"}}},
    )
    assert batch.status is BatchStatus.COMPLETED
    results = by_id(batch)
    assert [each.id for each in batch.results] == ["last", "first", "second", "literal"]
    assert results["last"].output == {"sum": 16}
    assert results["literal"].output == {"$from": "first"}
    for result in batch.results:
        execution = await ratchet.executions.get(str(result.execution_id))
        assert execution.batch_id == batch.id
        assert execution.output == result.output


async def test_a_finished_batch_is_found_again_with_its_outputs(ratchet: Ratchet) -> None:
    batch = await run(ratchet, add("a", 1, 2), {"id": "b", "task": "fail", "input": {"what": "way"}})
    again = await (await ratchet.batches()).get(batch.id)
    assert again.status is BatchStatus.PARTIAL
    assert by_id(again)["a"].output == {"sum": 3}
    assert by_id(again)["b"].error == by_id(batch)["b"].error
    assert again.finished_at == batch.finished_at


async def test_those_that_need_a_failed_request_are_skipped_and_the_others_run(ratchet: Ratchet) -> None:
    batch = await run(
        ratchet,
        {"id": "bad", "task": "fail", "input": {"what": "luck"}},
        add("needs", {"$from": "bad"}, 1),
        add("later", 1, 1, depends_on=["needs"]),
        add("free", 1, 1),
    )
    results = by_id(batch)
    assert batch.status is BatchStatus.PARTIAL
    assert results["bad"].status is RequestStatus.FAILED
    assert results["bad"].error is not None
    assert "no luck" in results["bad"].error["message"]
    assert (results["needs"].status, results["needs"].reason) == (RequestStatus.SKIPPED, "bad did not complete: failed")
    assert (results["later"].status, results["later"].reason) == (RequestStatus.SKIPPED, "needs did not complete: skipped")
    assert results["free"].status is RequestStatus.COMPLETED


async def test_conditions_choose_a_branch(ratchet: Ratchet) -> None:
    batch = await run(
        ratchet,
        add("sum", 2, 3),
        add("big", 0, 0, when={"from": "sum", "path": "/sum", "op": ">", "value": 10}),
        add("small", 0, 1, when={"from": "sum", "path": "/sum", "op": "<=", "value": 10}),
    )
    results = by_id(batch)
    assert batch.status is BatchStatus.COMPLETED
    assert (results["big"].status, results["big"].reason) == (RequestStatus.SKIPPED, "sum/sum is 5, not > 10")
    assert results["small"].output == {"sum": 1}


async def test_a_reference_to_nothing_fails_its_request_alone(ratchet: Ratchet) -> None:
    batch = await run(ratchet, add("a", 1, 2), add("b", {"$from": "a", "path": "/total"}, 1), add("c", {"$from": "a", "path": ""}, 1))
    results = by_id(batch)
    assert results["b"].error is not None
    assert results["b"].error["code"] == "request_not_run"
    assert "the output of a has nothing at /total" in results["b"].error["message"]
    assert results["c"].error is not None
    assert results["c"].error["code"] == "input_invalid"
    assert results["c"].execution_id is None


async def test_mode_sequential_runs_one_after_the_other(ratchet: Ratchet) -> None:
    ended: list[str] = []
    batch = await run(
        ratchet,
        *(add(str(number), number, 0) for number in range(5)),
        mode="sequential",
        on_progress=lambda done, total, id: ended.append(f"{done} of {total}: {id}"),
    )
    assert ended == ["1 of 5: 0", "2 of 5: 1", "3 of 5: 2", "4 of 5: 3", "5 of 5: 4"]
    executions = [await ratchet.executions.get(str(each.execution_id)) for each in batch.results]
    for one, other in itertools.pairwise(executions):
        assert one.finished_at is not None
        assert one.finished_at <= other.created_at


async def test_no_more_run_at_the_same_time_than_asked_for(ratchet: Ratchet) -> None:
    batch = await started(ratchet, *({"id": str(number), "task": "forever"} for number in range(4)), mode="parallel", max_parallel=2)
    assert [each.status for each in batch.results].count(RequestStatus.RUNNING) == 2
    cancelled = await (await ratchet.batches()).cancel(batch.id, "enough")
    assert cancelled.status is BatchStatus.CANCELLED


async def test_stop_on_error_starts_nothing_more(ratchet: Ratchet) -> None:
    batch = await run(
        ratchet, {"id": "bad", "task": "fail", "input": {}}, add("a", 1, 1), add("b", 1, 1), max_parallel=1, stop_on_error=True
    )
    assert batch.status is BatchStatus.FAILED
    assert [each.status.value for each in batch.results] == ["failed", "skipped", "skipped"]
    assert by_id(batch)["a"].reason == "an earlier request failed, and the batch stops on errors"


async def test_cancel_ends_what_runs_and_starts_nothing_more(ratchet: Ratchet) -> None:
    batches = await ratchet.batches()
    batch = await started(ratchet, {"id": "long", "task": "forever"}, add("next", 1, 1, depends_on=["long"]))
    cancelled = await batches.cancel(batch.id, "not needed")
    results = by_id(cancelled)
    assert cancelled.status is BatchStatus.CANCELLED
    assert results["long"].status is RequestStatus.CANCELLED
    assert results["next"].reason == "the batch was cancelled before it started"
    execution = await ratchet.executions.get(str(results["long"].execution_id))
    assert execution.status is Status.CANCELLED
    with pytest.raises(BatchFinished):
        await batches.cancel(batch.id)


async def test_another_server_sees_a_batch_and_can_cancel_it(ratchet: Ratchet, settings: Settings) -> None:
    batch = await started(ratchet, {"id": "long", "task": "forever"})
    async with Ratchet.open(settings) as other:
        batches = await other.batches()
        assert (await batches.get(batch.id)).status is BatchStatus.RUNNING
        cancelled = await batches.cancel(batch.id, "from elsewhere")
        assert cancelled.status is BatchStatus.CANCELLED
        assert by_id(cancelled)["long"].status is RequestStatus.CANCELLED


async def test_a_batch_is_interrupted_when_its_server_stops(settings: Settings, ratchet: Ratchet) -> None:
    async with Ratchet.open(settings) as other:
        batch = await started(other, {"id": "long", "task": "forever"}, add("next", 1, 1, depends_on=["long"]))
    again = await (await ratchet.batches()).get(batch.id)
    assert again.status is BatchStatus.INTERRUPTED
    assert [each.status.value for each in again.results] == ["interrupted", "interrupted"]


async def test_everything_wrong_is_told_before_anything_runs(ratchet: Ratchet) -> None:
    batches = await ratchet.batches()
    before = len((await ratchet.executions.find(limit=500)).executions)
    with pytest.raises(BatchInvalid) as refused:
        await batches.check(
            [
                add("a", "one", 2),
                {"id": "b", "task": "ad", "input": {}},
                add("c", 1, 2, depends_on=["nobody"]),
                {"id": "d", "task": "echo", "input": float("nan")},
            ],
            max_parallel=0,
        )
    told = {each["path"]: each["message"] for each in refused.value.details["violations"]}
    assert set(told) == {"$.max_parallel", "$.requests[0].input.a", "$.requests[1].task", "$.requests[2]", "$.requests[3].input"}
    assert "Near: add" in told["$.requests[1].task"]
    assert len((await ratchet.executions.find(limit=500)).executions) == before


async def test_ten_thousand_requests_are_refused_by_the_limit_that_is_told(ratchet: Ratchet) -> None:
    with pytest.raises(BatchInvalid, match=r"10,000 requests; at most 20 are allowed \(batches.max_requests\)"):
        await (await ratchet.batches()).check([add(str(number), 1, 1) for number in range(10_000)])


async def test_an_input_that_is_nested_too_deeply_is_refused(ratchet: Ratchet) -> None:
    deep: Any = {"$from": "a"}
    for _ in range(3000):
        deep = [deep]
    with pytest.raises(BatchInvalid, match="levels deep"):
        await (await ratchet.batches()).check([add("a", 1, 1), {"id": "b", "task": "echo", "input": deep}])


@pytest.mark.parametrize("id", ["nobody", "0198c1d2-0000-7000-8000-000000000000"])
async def test_an_unknown_batch_is_told(ratchet: Ratchet, id: str) -> None:
    batches = await ratchet.batches()
    for ask in (batches.get, batches.cancel):
        with pytest.raises(BatchNotFound):
            await ask(id)


async def test_what_can_be_run_can_be_kept(ratchet: Ratchet) -> None:
    odd = {"large": 2**70, "nothing": "\u0000", "ä": [1.0, -0.0, None]}
    batch = await run(ratchet, {"id": "a", "task": "echo", "input": odd}, {"id": "b", "task": "echo", "input": [{"$from": "a"}]})
    assert batch.status is BatchStatus.COMPLETED
    again = await (await ratchet.batches()).get(batch.id)
    assert by_id(again)["b"].output == by_id(batch)["b"].output == [{"large": 2.0**70, "nothing": "\u0000", "ä": [1, 0, None]}]
    job, _ = await ratchet.submit_batch(
        await (await ratchet.batches()).check([{"id": "a", "task": "echo", "input": odd}]), origin=Origin.MCP
    )
    assert (await ratchet.jobs.wait(job.id, 30)).status.value == "completed"


@pytest.mark.parametrize("value", ["\ud800", 2**70, "deep"], ids=["half-a-pair", "too-large", "deep"])
async def test_a_condition_that_cannot_be_kept_is_refused(ratchet: Ratchet, value: Any) -> None:
    if value == "deep":
        value = []
        for _ in range(3000):
            value = [value]
    when = {"from": "a", "op": "==", "value": value}
    with pytest.raises(BatchInvalid, match="cannot be written as JSON"):
        await (await ratchet.batches()).check([add("a", 1, 1), add("b", 1, 1, when=when)])


async def test_inputs_that_are_too_large_together_are_refused(ratchet: Ratchet) -> None:
    requests = [{"id": str(number), "task": "echo", "input": "x" * 3_500_000} for number in range(5)]
    with pytest.raises(BatchInvalid, match=r"17,500,010 bytes together; 4 times limits.input_bytes is allowed"):
        await (await ratchet.batches()).check(requests)
