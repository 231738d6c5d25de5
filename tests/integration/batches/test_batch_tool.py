"""`batch_execute`, and what get_status and cancel_execution say of batches, by the SDK's own client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest
import uuid_utils
from mcp import Client
from mcp_caller import Caller
from sqlalchemy import update

from ratchet_mcp.lazy import LazyRatchet
from ratchet_mcp.mcp.server import build
from ratchet_mcp.settings import McpSettings, Settings
from ratchet_mcp.store.statements import JOBS


@pytest.fixture(scope="module")
def settings(tasks_of_batches: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """One database is enough here, and results may be short."""
    from ratchet_mcp.settings import EngineSettings, RegistrySettings, SourceSettings, StoreSettings

    return Settings(
        store=StoreSettings(url=f"sqlite:///{tmp_path_factory.mktemp('store')}/ratchet.db"),
        registry=RegistrySettings(bundled=False, sources=[SourceSettings(name="ours", uri=str(tasks_of_batches))]),
        engine=EngineSettings(max_workers=2),
        mcp=McpSettings(result_tokens=1500),
    )


@pytest.fixture(scope="module")
async def app(settings: Settings) -> AsyncIterator[LazyRatchet]:
    async with LazyRatchet(settings) as lazy:
        yield lazy


@pytest.fixture
async def ask(app: LazyRatchet, settings: Settings) -> AsyncIterator[Caller]:
    async with Client(build(app, settings), mode="legacy") as client:
        yield await Caller.of(client)


def add(id: str, a: Any, b: Any, **more: Any) -> dict[str, Any]:
    return {"id": id, "task": "add", "input": {"a": a, "b": b}, **more}


async def test_a_batch_answers_with_each_outcome(ask: Caller) -> None:
    answer = await ask.fine("batch_execute", requests=[add("a", 1, 2), add("b", {"$from": "a", "path": "/sum"}, 4)])
    assert (answer["status"], answer["done"], answer["total"]) == ("completed", 2, 2)
    assert [(each["id"], each["status"], each["output"]) for each in answer["results"]] == [
        ("a", "completed", {"sum": 3}),
        ("b", "completed", {"sum": 7}),
    ]
    later = await ask.fine("get_status", id=answer["batch_id"])
    assert later == answer


async def test_progress_counts_the_requests(ask: Caller) -> None:
    told: list[tuple[float, float | None, str | None]] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total, message))

    requests = [add("one", 1, 1), add("two", 1, 1), add("three", 1, 1)]
    await ask.client.call_tool("batch_execute", {"requests": requests, "mode": "sequential"}, progress_callback=on_progress)
    await ask.client.list_tools(cache_mode="refresh")  # a round trip later, every notification is here
    assert told == [(1, 3, "1 of 3: one"), (2, 3, "2 of 3: two"), (3, 3, "3 of 3: three")]


async def test_all_problems_are_one_error(ask: Caller) -> None:
    answer, text = await ask.failing("batch_execute", requests=[add("a", {"$from": "b"}, 1), add("b", {"$from": "a"}, 1), {"id": "c"}])
    assert answer["error"]["code"] == "batch_invalid"
    assert "$.requests[2].task" in text
    answer, text = await ask.failing("batch_execute", requests=[add("a", {"$from": "b"}, 1), add("b", {"$from": "a"}, 1)])
    assert 'circle: "a" needs "b" needs "a"' in text or 'circle: "b" needs "a" needs "b"' in text


async def test_ten_thousand_requests_are_refused(ask: Caller) -> None:
    answer, text = await ask.failing("batch_execute", requests=[add(str(number), 1, 1) for number in range(10_000)])
    assert "at most 100 are allowed (batches.max_requests)" in text
    assert answer["error"]["details"]["limit"] == 100


async def test_a_batch_of_which_nothing_completed_is_a_failure_with_its_reasons(ask: Caller) -> None:
    answer, text = await ask.failing("batch_execute", requests=[{"id": "x", "task": "fail", "input": {"what": "luck"}}])
    assert answer["status"] == "failed"
    assert "x (fail@1.0.0): task_error" in text
    assert "no luck" in text
    partial = await ask.fine("batch_execute", requests=[{"id": "x", "task": "fail", "input": {}}, add("y", 1, 1)])
    assert partial["status"] == "partial"


async def test_outputs_that_do_not_fit_are_cut_and_can_be_read(ask: Caller) -> None:
    requests = [{"id": str(number), "task": "echo", "input": '"x' * (4000 if number % 2 else 10)} for number in range(6)]
    result = await ask("batch_execute", requests=requests)
    answer = result.structured_content
    assert len(result.content[0].text) <= 6000
    whole = [each for each in answer["results"] if "output" in each]
    cut = [each for each in answer["results"] if each.get("output_truncated")]
    assert (len(whole), len(cut)) == (3, 3)
    assert cut[0]["output_bytes"] == 12_002
    assert cut[0]["output_preview"].startswith('"\\"x')
    assert "get_status" in answer["hint"]
    page = await ask.fine("get_status", id=cut[0]["execution_id"], include=["output"], offset=0)
    assert page["output_text"].startswith('"\\"x')


async def test_results_that_do_not_fit_are_read_page_by_page(ask: Caller) -> None:
    requests = [add(f"request-{number:03}", number, 0) for number in range(60)]
    result = await ask("batch_execute", requests=requests, max_parallel=8)
    assert len(result.content[0].text) <= 6000
    answer = result.structured_content
    seen = [each["id"] for each in answer["results"]]
    while "next_offset" in answer:
        answer = await ask.fine("get_status", id=answer["batch_id"], offset=answer["next_offset"])
        seen += [each["id"] for each in answer["results"]]
    assert seen == [each["id"] for each in requests]


async def test_a_long_batch_goes_on_after_its_call_and_can_be_cancelled(ask: Caller) -> None:
    answer = await ask.fine("batch_execute", requests=[{"id": "long", "task": "forever"}, add("b", 1, 1)], wait_seconds=0)
    assert answer["status"] == "running"
    assert answer["batch_id"] in answer["hint"]
    status = await ask.fine("get_status", id=answer["batch_id"], wait_seconds=0.1)
    assert status["status"] == "running"
    ended = await ask.fine("cancel_execution", id=answer["batch_id"], reason="enough")
    assert ended["status"] == "cancelled"
    _refused, text = await ask.failing("cancel_execution", id=answer["batch_id"])
    assert "already ended" in text


async def test_cancelling_the_call_cancels_the_batch(ask: Caller, app: LazyRatchet) -> None:
    ratchet = await app.get()
    with anyio.move_on_after(20) as scope:
        async with anyio.create_task_group() as tasks:

            async def call() -> None:
                await ask.client.call_tool("batch_execute", {"requests": [{"id": "long", "task": "forever"}]})

            tasks.start_soon(call)
            while True:
                page = await ratchet.executions.find(task="forever", limit=1)
                if page.executions and page.executions[0].status.value == "running":
                    break
                await anyio.sleep(0.02)
            execution = page.executions[0]
            tasks.cancel_scope.cancel()
    assert not scope.cancelled_caught
    ended = await ratchet.executions.wait(execution.id, 20)
    assert ended.status.value == "cancelled"
    batch = await (await ratchet.batches()).wait(str(execution.batch_id), 20)
    assert batch.status.value == "cancelled"


async def test_in_the_background_it_is_a_job(ask: Caller) -> None:
    answer = await ask.fine("batch_execute", requests=[add("a", 1, 2)], background=True)
    assert answer["job_id"] == answer["batch_id"]
    ended = await ask.fine("get_status", id=answer["job_id"], wait_seconds=25)
    assert (ended["status"], ended["attempts"], ended["results"][0]["output"]) == ("completed", 1, {"sum": 3})


async def test_get_status_shows_the_tasks_that_a_run_called(ask: Caller) -> None:
    code = "async () => (await tasks.all([['add', { a: 1, b: 2 }], ['echo', 5]]))[1]"
    ran = await ask.fine("run_javascript", code=code)
    status = await ask.fine("get_status", id=ran["execution_id"], include=["children"])
    assert sorted((each["task"], each["status"]) for each in status["children"]) == [("add", "completed"), ("echo", "completed")]
    assert "output" not in status


async def test_an_id_of_nothing_is_told(ask: Caller) -> None:
    _, text = await ask.failing("get_status", id="0198c1d2-0000-7000-8000-000000000000")
    assert "No execution, job or batch has the id" in text


async def test_a_cached_result_says_so_and_a_fresh_run_is_none(ask: Caller) -> None:
    first = await ask.fine("execute_task", task="chance")
    again = await ask.fine("execute_task", task="chance")
    assert again["output"] == first["output"]
    assert again["cached"]["execution_id"] == first["execution_id"]
    assert (await ask.fine("get_status", id=again["execution_id"]))["cached"] == again["cached"]
    fresh = await ask.fine("execute_task", task="chance", fresh=True)
    assert fresh["output"] != first["output"]
    assert "cached" not in fresh
    refused, _ = await ask.failing("execute_task", task="chance", fresh=True, background=True)
    assert refused["error"]["code"] == "invalid_argument"


async def test_an_author_says_how_long_results_are_given_again(ask: Caller) -> None:
    parts = {
        "description": "A number.",
        "code": "() => Math.random()",
        "input_schema": {"type": "object"},
        "output_schema": {"type": "number"},
    }
    await ask.fine("create_task", name="lucky", cache={"ttl": "1h"}, **parts)
    first, second = [await ask.fine("execute_task", task="lucky") for _ in range(2)]
    assert second["output"] == first["output"]
    refused, _ = await ask.failing("edit_task", task="lucky", cache={"ttl": "often"})
    assert "cache.ttl" in str(refused)


async def test_a_job_is_told_of_whose_run_nothing_is_recorded(app: LazyRatchet, ask: Caller) -> None:
    ratchet = await app.get()
    job = await ask.fine("execute_task", task="add", input={"a": 1, "b": 2}, background=True)
    assert (await ask.fine("get_status", id=job["job_id"], wait_seconds=25))["output"] == {"sum": 3}
    gone = str(uuid_utils.uuid7())
    statement = update(JOBS).where(JOBS.c.id == job["job_id"]).values(execution_id=gone)
    await ratchet.store._writer.call(lambda connection: connection.execute(statement).rowcount)  # pyright: ignore[reportPrivateUsage]
    told = await ask.fine("get_status", id=job["job_id"])
    assert (told["status"], told["execution_id"], "output" in told) == ("completed", gone, False)
    assert "no longer kept" in told["hint"]
