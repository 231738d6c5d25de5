"""Executions from the request to the row, with real workers and a real file."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import anyio
import pytest

from ratchet_mcp.app import Ratchet
from ratchet_mcp.engine.run import ProgressUpdate
from ratchet_mcp.errors import (
    ExecutionFinished,
    ExecutionNotFound,
    InputInvalid,
    InputTooLarge,
    InvalidArgument,
    InvalidCursor,
    TaskSyntaxError,
)
from ratchet_mcp.execution.models import Execution, Origin, Status
from ratchet_mcp.execution.service import Handle
from ratchet_mcp.security.principal import Principal

ME = Principal("me")


async def start(ratchet: Ratchet, task: str, value: Any = None, **options: Any) -> Handle:
    return await ratchet.execute(task, {} if value is None else value, **{"origin": Origin.MCP, "principal": ME, **options})


async def run(ratchet: Ratchet, task: str, value: Any = None, **options: Any) -> Execution:
    return await (await start(ratchet, task, value, **options)).wait(60)


async def until_started(handle: Handle) -> None:
    with anyio.fail_after(30):
        while handle.execution.progress is None:
            await anyio.sleep(0.005)


async def test_a_completed_run_is_recorded_as_it_was_answered(ratchet: Ratchet) -> None:
    execution = await run(ratchet, "add", {"a": 1, "b": 2}, origin=Origin.CLI)
    assert (execution.status, execution.output, execution.error) == (Status.COMPLETED, 3, None)
    assert (execution.task, execution.version, execution.origin, execution.principal) == ("add", "1.0.0", Origin.CLI, "me")
    assert await ratchet.executions.get(execution.id) == execution
    assert execution.started_at is not None
    assert execution.finished_at is not None
    assert execution.created_at <= execution.started_at <= execution.finished_at


async def test_a_task_sees_its_context(ratchet: Ratchet) -> None:
    execution = await run(ratchet, "echo", [1])
    context = {"executionId": execution.id, "task": "echo", "version": "1.0.0", "attempt": 1}
    assert execution.output == {"input": [1], "context": context}


async def test_an_input_that_breaks_the_schema_runs_and_records_nothing(ratchet: Ratchet) -> None:
    before = await ratchet.executions.find(task="add", limit=500)
    with pytest.raises(InputInvalid) as caught:
        await start(ratchet, "add", {"a": 1, "b": "two"})
    assert caught.value.details["violations"][0]["path"] == "$.b"
    assert await ratchet.executions.find(task="add", limit=500) == before


@pytest.mark.parametrize(("value", "error"), [({"a": math.nan}, InputInvalid), ("x" * (5 << 20), InputTooLarge)])
async def test_an_input_that_cannot_cross_is_refused(ratchet: Ratchet, value: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        await start(ratchet, "echo", value)


async def test_code_that_cannot_be_parsed_is_refused_before_it_is_recorded(ratchet: Ratchet) -> None:
    with pytest.raises(TaskSyntaxError):
        await ratchet.run_javascript("(input) => {", {}, origin=Origin.MCP)


async def test_an_output_that_breaks_the_schema_fails_the_run_and_is_shown(ratchet: Ratchet) -> None:
    execution = await run(ratchet, "liar")
    assert execution.status is Status.FAILED
    assert execution.error is not None
    assert execution.error["code"] == "output_invalid"
    assert execution.error["details"]["output"] == {"count": "many"}
    assert execution.error["details"]["violations"][0]["path"] == "$.count"
    assert (await ratchet.executions.get(execution.id)).error == execution.error


async def test_large_values_go_both_ways(ratchet: Ratchet) -> None:
    sent = await run(ratchet, "echo", {"rows": [{"number": number, "text": "x" * 20} for number in range(20_000)]})
    made = await run(ratchet, "big", {"size": 100_000})
    assert len(sent.output["input"]["rows"]) == 20_000
    assert made.output == list(range(100_000))


async def test_an_error_of_the_task_is_recorded_with_its_logs(ratchet: Ratchet) -> None:
    code = "() => { console.log('one'); console.error('two'); throw new RangeError('no') }"
    execution = await (await ratchet.run_javascript(code, origin=Origin.MCP)).wait(60)
    stored = await ratchet.executions.get(execution.id)
    assert stored.status is Status.FAILED
    assert stored.error is not None
    assert stored.error["details"]["name"] == "RangeError"
    lines = await ratchet.executions.logs(execution.id)
    assert [(line.sequence, line.level, line.message) for line in lines] == [(0, "info", "one"), (1, "error", "two")]
    assert await ratchet.executions.logs(execution.id, offset=1, limit=5) == lines[1:]


async def test_a_busy_loop_times_out(ratchet: Ratchet) -> None:
    execution = await run(ratchet, "busy", timeout_seconds=0.2)
    assert (execution.status, execution.limits["timeout_seconds"]) == (Status.TIMED_OUT, 0.2)
    assert execution.error is not None
    assert execution.error["code"] == "timeout"


async def test_more_time_than_allowed_is_refused(ratchet: Ratchet) -> None:
    with pytest.raises(InvalidArgument, match="300"):
        await start(ratchet, "busy", timeout_seconds=301)


async def test_a_run_that_takes_longer_than_the_wait_is_seen_running_with_its_logs_and_progress(ratchet: Ratchet) -> None:
    updates: list[ProgressUpdate] = []
    handle = await start(ratchet, "forever", on_progress=updates.append)
    assert (await handle.wait(0)).status in (Status.QUEUED, Status.RUNNING)
    await until_started(handle)
    seen = await ratchet.executions.wait(handle.id, 0.01)
    assert (seen.status, seen.progress and seen.progress["step"]) == (Status.RUNNING, "half")
    assert [update.progress for update in updates] == [0.5]
    assert [line.message for line in await ratchet.executions.logs(handle.id)] == ["started"]
    page = await ratchet.executions.find(status=Status.RUNNING)
    assert handle.id in [execution.id for execution in page.executions]
    handle.cancel()
    assert (await handle.wait(30)).status is Status.CANCELLED


async def test_the_row_of_a_long_run_is_kept_up_to_date(ratchet: Ratchet) -> None:
    handle = await start(ratchet, "forever")
    with anyio.fail_after(30):
        while (record := await ratchet.store.executions.get(handle.id)) is None or record.progress is None:
            await anyio.sleep(0.02)
    assert (record.status, record.progress["step"]) == ("running", "half")
    handle.cancel("enough")
    await handle.wait(30)
    assert len(await ratchet.store.executions.logs(handle.id)) == 1


async def test_a_cancelled_run_says_why(ratchet: Ratchet) -> None:
    handle = await start(ratchet, "busy")
    execution = await ratchet.executions.cancel(handle.id, "changed my mind")
    assert execution.status is Status.CANCELLED
    assert execution.error is not None
    assert execution.error["details"]["reason"] == "changed my mind"
    with pytest.raises(ExecutionFinished):
        await ratchet.executions.cancel(handle.id)


async def test_who_waits_for_a_finished_run_gets_it_at_once(ratchet: Ratchet) -> None:
    execution = await run(ratchet, "add", {"a": 1, "b": 1})
    with anyio.fail_after(30):
        assert (await ratchet.executions.wait(execution.id, 3600)).output == 2


@pytest.mark.parametrize("id", ["nonsense", "01a1fc84-ddec-7601-8e59-8461947ddaa4"])
async def test_an_unknown_execution_is_not_found(ratchet: Ratchet, id: str) -> None:
    for call in (ratchet.executions.get, ratchet.executions.logs, ratchet.executions.cancel):
        with pytest.raises(ExecutionNotFound):
            await call(id)
    with pytest.raises(ExecutionNotFound):
        await ratchet.executions.wait(id, 1)


async def test_the_history_is_listed_page_by_page(ratchet: Ratchet) -> None:
    ids = [(await run(ratchet, "echo", number)).id for number in range(7)]
    seen: list[str] = []
    cursor = None
    while len(seen) < 7:
        page = await ratchet.executions.find(task="echo", limit=3, cursor=cursor)
        seen += [execution.id for execution in page.executions]
        cursor = page.next_cursor
        assert cursor is not None or len(seen) >= 7
    assert seen[:7] == ids[::-1]
    with pytest.raises(InvalidCursor):
        await ratchet.executions.find(cursor="nonsense")


async def test_a_task_calls_another_one_as_its_child(ratchet: Ratchet) -> None:
    parent = await run(ratchet, "parent", {"a": 2, "b": 3})
    child = (await ratchet.executions.find(task="add", limit=1)).executions[0]
    assert parent.output == {"sum": 5}
    assert (child.parent_id, child.principal, child.origin, child.status) == (parent.id, "me", Origin.MCP, Status.COMPLETED)


async def test_the_error_of_a_called_task_reaches_its_caller(ratchet: Ratchet) -> None:
    caught = await run(ratchet, "careful-parent")
    uncaught = await run(ratchet, "failing-parent")
    assert caught.output[1] == "task_not_found"
    assert uncaught.error is not None
    assert uncaught.error["details"]["code"] == "input_invalid"


async def test_calls_end_at_the_allowed_depth(ratchet: Ratchet) -> None:
    execution = await run(ratchet, "endless")
    assert execution.error is not None
    assert "engine.call_depth = 3" in execution.error["message"]
    page = await ratchet.executions.find(task="endless", limit=50)
    assert len(page.executions) == 4


async def test_a_called_task_ends_with_its_caller(ratchet: Ratchet) -> None:
    handle = await start(ratchet, "waiting-parent")
    with anyio.fail_after(30):
        while not (children := [live for live in ratchet.executions._live.values() if live.execution.parent_id == handle.id]):
            await anyio.sleep(0.005)
        await until_started(Handle(children[0]))
        handle.cancel()
        assert (await handle.wait(None)).status is Status.CANCELLED
        assert (await ratchet.executions.wait(children[0].execution.id, 30)).status is Status.CANCELLED


async def test_a_called_task_has_no_more_time_than_its_caller_has_left(ratchet: Ratchet) -> None:
    execution = await run(ratchet, "waiting-parent", timeout_seconds=1)
    assert execution.status is Status.TIMED_OUT
    child = (await ratchet.executions.find(task="forever", limit=1)).executions[0]
    child = await ratchet.executions.wait(child.id, 30)
    assert child.limits["timeout_seconds"] <= 1
    assert child.status in (Status.TIMED_OUT, Status.CANCELLED)


async def test_many_callers_at_once_all_get_their_own_answer(ratchet: Ratchet) -> None:
    executions = await asyncio.gather(*(run(ratchet, "add", {"a": number, "b": 1}) for number in range(200)))
    assert [execution.output for execution in executions] == [number + 1 for number in range(200)]
    assert ratchet.executions.status()["running"] == 0


async def test_a_run_that_has_just_started_is_listed(ratchet: Ratchet) -> None:
    handle = await ratchet.run_javascript("() => new Promise((done) => setTimeout(done, 50))", origin=Origin.MCP)
    page = await ratchet.executions.find(limit=1)
    assert [execution.id for execution in page.executions] == [handle.id]
    await handle.wait(None)
