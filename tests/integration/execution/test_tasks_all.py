"""`tasks.all`: a task runs several others at the same time."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from ratchet_mcp.app import Ratchet
from ratchet_mcp.execution.models import Execution, Origin, Status
from ratchet_mcp.security.principal import LOCAL
from ratchet_mcp.tasks.loading import make_unsaved


async def run(ratchet: Ratchet, code: str, value: Any = None, **options: Any) -> Execution:
    task = make_unsaved(code)
    handle = await ratchet.executions.start(task, {} if value is None else value, origin=Origin.MCP, principal=LOCAL, **options)
    return await handle.wait(30)


async def children_of(ratchet: Ratchet, id: str) -> list[Execution]:
    return (await ratchet.executions.find(parent_id=id, limit=500)).executions


async def running_children(ratchet: Ratchet, id: str, count: int) -> None:
    with anyio.fail_after(30):
        while [child.status for child in await children_of(ratchet, id)].count(Status.RUNNING) < count:
            await anyio.sleep(0.02)


async def test_outputs_come_in_the_order_of_the_calls(ratchet: Ratchet) -> None:
    code = "async () => await tasks.all([['add', { a: 1, b: 2 }], { task: 'add@1.0.0', input: { a: 3, b: 4 } }, ['echo']], { max_parallel: 3 })"
    execution = await run(ratchet, code)
    assert execution.status is Status.COMPLETED, execution.error
    assert execution.output[:2] == [3, 7]
    assert execution.output[2]["input"] == {}
    assert len(await children_of(ratchet, execution.id)) == 3


async def test_many_calls_share_few_places(ratchet: Ratchet) -> None:
    execution = await run(ratchet, "async () => await tasks.all(Array.from({ length: 40 }, (_, n) => ['add', { a: n, b: n }]))")
    assert execution.output == [2 * number for number in range(40)]


async def test_nothing_to_call_gives_nothing(ratchet: Ratchet) -> None:
    assert (await run(ratchet, "async () => await tasks.all([])")).output == []


async def test_they_run_at_the_same_time_but_no_more_than_max_parallel(ratchet: Ratchet) -> None:
    task = make_unsaved("async () => await tasks.all([['forever'], ['forever'], ['forever']], { max_parallel: 2 })")
    handle = await ratchet.executions.start(task, {}, origin=Origin.MCP, principal=LOCAL)
    await running_children(ratchet, handle.id, 2)
    assert len(await children_of(ratchet, handle.id)) == 2
    handle.cancel("seen enough")
    await handle.wait(30)
    children = await children_of(ratchet, handle.id)
    assert [child.status for child in children] == [Status.CANCELLED, Status.CANCELLED]


async def test_the_first_error_is_the_error_and_ends_the_others(ratchet: Ratchet) -> None:
    code = """async () => {
        try { await tasks.all([['forever'], ['add', { a: 'x' }], ['add', { a: 1, b: 2 }]], { max_parallel: 2 }); }
        catch (error) { return [error.name, error.code, await tasks.call('add', { a: 1, b: 1 })]; } }"""
    execution = await run(ratchet, code)
    assert execution.output == ["TaskCallError", "input_invalid", 2], execution.error
    by_task = {child.task: child for child in await children_of(ratchet, execution.id)}
    assert set(by_task) == {"forever", "add"}
    ended = await ratchet.executions.wait(by_task["forever"].id, 10)
    assert ended.status is Status.CANCELLED
    assert ended.error is not None
    assert "gave the call up" in ended.error["message"]


async def test_an_error_that_is_not_caught_fails_the_caller(ratchet: Ratchet) -> None:
    execution = await run(ratchet, "async () => await tasks.all([['nobody'], ['forever']])")
    assert execution.status is Status.FAILED
    assert execution.error is not None
    assert "nobody" in execution.error["message"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("'add'", "a list of calls is expected"),
        ("[['add', {}, 1]]", "entry 0 is [name, input]"),
        ("[['add'], 5]", "entry 1 is [name, input]"),
        ("[[5]]", "entry 0 needs the name"),
        ("[{ input: {} }]", "entry 0 needs the name"),
        ("[['add']], { max_parallel: 0 }", "max_parallel is a whole number from 1 to 100"),
        ("[['add']], { max_parallel: '2' }", "max_parallel is a whole number"),
        ("[['add', { n: NaN }]]", "NaN"),
    ],
)
async def test_wrong_arguments_are_told_and_nothing_runs(ratchet: Ratchet, arguments: str, message: str) -> None:
    execution = await run(ratchet, f"async () => {{ try {{ await tasks.all({arguments}) }} catch (e) {{ return e.message }} }}")
    assert execution.status is Status.COMPLETED, execution.error
    assert message in execution.output
    assert await children_of(ratchet, execution.id) == []


async def test_a_recorded_run_is_repeated_in_the_same_order(ratchet: Ratchet) -> None:
    code = """async () => {
        const order = [];
        const random = await tasks.all([['chance', { n: 3 }], ['chance', { n: 1 }], ['chance', { n: 2 }], ['chance', { n: 1 }]], { max_parallel: 3 });
        try { await tasks.all([['forever'], ['nobody']]); } catch (e) { order.push(e.code); }
        return [random, order, await tasks.call('chance', { n: 1 }), Math.random(), Date.now()]; }"""
    task = make_unsaved(code)
    handle = await ratchet.recordings.start(task, {}, origin=Origin.CLI)
    recorded = await handle.wait(30)
    assert recorded.status is Status.COMPLETED, recorded.error
    found = await ratchet.recordings.of(recorded.id)
    for _ in range(2):
        replay = await ratchet.replays.start(found, task, origin=Origin.CLI)
        repeated = await replay.handle.wait(30)
        assert repeated.output == recorded.output
