"""The tree of the tasks that a run called."""

from __future__ import annotations

from typing import Any

import pytest

from ratchet_mcp.app import Ratchet
from ratchet_mcp.errors import ExecutionNotFound
from ratchet_mcp.execution.models import Execution, Origin, Status
from ratchet_mcp.execution.tree import Branch, tree_of
from ratchet_mcp.security.principal import LOCAL
from ratchet_mcp.tasks.loading import make_unsaved


async def run(ratchet: Ratchet, code: str) -> Execution:
    handle = await ratchet.executions.start(make_unsaved(code), {}, origin=Origin.MCP, principal=LOCAL)
    return await handle.wait(30)


def shape(branch: Branch) -> Any:
    return (branch.execution.task, [shape(child) for child in branch.children], *(["more"] if branch.more else []))


async def test_the_tree_shows_who_called_whom(ratchet: Ratchet) -> None:
    execution = await run(ratchet, "async () => { await tasks.call('parent', { a: 1, b: 2 }); await tasks.all([['add', { a: 1, b: 2 }]]) }")
    tree = await tree_of(ratchet.executions, execution)
    assert shape(tree) == ("<javascript>", [("parent", [("add", [])]), ("add", [])])
    for child in tree.children:
        assert child.execution.parent_id == execution.id
        assert child.execution.status is Status.COMPLETED


async def test_the_tree_of_a_run_that_called_nobody_is_itself(ratchet: Ratchet) -> None:
    assert shape(await tree_of(ratchet.executions, await run(ratchet, "() => 1"))) == ("<javascript>", [])


async def test_a_large_tree_is_cut_and_says_where(ratchet: Ratchet) -> None:
    execution = await run(ratchet, "async () => { await tasks.call('parent', { a: 1, b: 2 }); await tasks.call('add', { a: 1, b: 2 }) }")
    assert shape(await tree_of(ratchet.executions, execution, nodes=1)) == ("<javascript>", [("parent", [], "more")], "more")
    assert shape(await tree_of(ratchet.executions, execution, levels=1)) == ("<javascript>", [("parent", [], "more"), ("add", [])])


async def test_an_unknown_execution_has_no_tree(ratchet: Ratchet) -> None:
    with pytest.raises(ExecutionNotFound):
        await tree_of(ratchet.executions, await ratchet.executions.get("0198c1d2-0000-7000-8000-000000000000"))
