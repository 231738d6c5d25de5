"""Debugging tasks with real workers and a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import anyio
import pytest

from ratchet_mcp.app import Ratchet
from ratchet_mcp.errors import InputInvalid, InvalidArgument
from ratchet_mcp.execution.models import Origin, Status
from ratchet_mcp.settings import EngineSettings, RegistrySettings, Settings, StoreSettings
from ratchet_mcp.tasks.definition import Task
from ratchet_mcp.tasks.loading import make_unsaved

DOUBLE = """function main(input) {
  const out = [];
  for (const n of input.items) {
    out.push(n * 2);
  }
  console.log('doubled');

  if (out.length > 2) throw new RangeError('too many');
  return out;
}
"""


def task(code: str, **changes: object) -> Task:
    return replace(make_unsaved(code), name="sample", version="1.0.0", origin="folder", **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
async def ratchet() -> AsyncIterator[Ratchet]:
    settings = Settings(
        store=StoreSettings(url="sqlite://"), registry=RegistrySettings(bundled=False), engine=EngineSettings(max_workers=2)
    )
    async with Ratchet.open(settings) as opened:
        yield opened


async def test_a_run_is_told_with_what_was_seen_its_output_and_its_console(ratchet: Ratchet) -> None:
    report = await ratchet.debugging.run(task(DOUBLE), {"items": [1, 2]}, [4], ["out.length"])
    assert (report.execution.status, report.execution.output) == (Status.COMPLETED, [2, 4])
    assert [line.message for line in report.lines] == ["doubled"]
    assert report.hits == {4: 2}
    body = report.to_dict()
    assert body["snapshots"][1] == {
        "line": 4,
        "column": 5,
        "code": "out.push(n * 2);",
        "function": "main",
        "hit": 2,
        "expressions": [{"expression": "out.length", "value": 1}],
        "locals": {"n": 2, "out": [2], "input": {"items": [1, 2]}},
        "arguments": body["snapshots"][1]["arguments"],
        "stack": [{"function": "main", "line": 4, "column": 5}],
    }
    assert body["snapshots"][1]["arguments"][0] == {"items": [1, 2]}


async def test_a_debugged_run_is_recorded_as_any_other(ratchet: Ratchet) -> None:
    report = await ratchet.debugging.run(task(DOUBLE), {"items": [1]}, origin=Origin.MCP)
    stored = await ratchet.executions.get(report.execution.id)
    assert (stored.status, stored.output, stored.origin) == (Status.COMPLETED, [2], Origin.MCP)
    assert [line.message for line in await ratchet.executions.logs(report.execution.id)] == ["doubled"]


async def test_a_run_that_fails_is_told_with_the_variables_where_it_threw(ratchet: Ratchet) -> None:
    report = await ratchet.debugging.run(task(DOUBLE), {"items": [1, 2, 3]})
    assert report.execution.status is Status.FAILED
    assert report.execution.error is not None and report.execution.error["details"]["line"] == 8
    thrown = report.to_dict()["at_throw"]
    assert (thrown["line"], thrown["error"], thrown["locals"]["out"]) == (8, "RangeError: too many", [2, 4, 6])


async def test_lines_that_cannot_be_watched_and_lines_that_never_ran_are_named(ratchet: Ratchet) -> None:
    report = await ratchet.debugging.run(task(DOUBLE), {"items": []}, [4, 7, 99, 7])
    body = report.to_dict()
    assert body["moved"] == {"7": 8}
    assert (body["unreachable"], body["nearest"]) == ([99], [8, 9, 10])
    assert report.hits == {4: 0, 8: 1}


async def test_what_cannot_be_observed_or_run_is_refused_before_anything_runs(ratchet: Ratchet) -> None:
    total = ratchet.executions.status()["total"]
    with pytest.raises(InvalidArgument):
        await ratchet.debugging.run(task(DOUBLE), {"items": []}, [0])
    with pytest.raises(InvalidArgument):
        await ratchet.debugging.run(task(DOUBLE), {"items": []}, [4], ["import('fs')"])
    with pytest.raises(InputInvalid):
        await ratchet.debugging.run(task(DOUBLE, input_schema={"type": "object"}), [])
    assert ratchet.executions.status()["total"] == total


async def test_a_debugged_run_ends_after_the_seconds_it_was_given(ratchet: Ratchet) -> None:
    report = await ratchet.debugging.run(task("() => {\n  for (;;)\n    ;\n}"), {}, [3], seconds=0.3)
    assert report.execution.status is Status.TIMED_OUT
    assert report.execution.limits["timeout_seconds"] == 0.3
    assert report.hits is None


async def test_who_stops_waiting_for_a_debugged_run_kills_it(ratchet: Ratchet) -> None:
    started = anyio.Event()
    code = "() => { reportProgress(1, 'on'); return new Promise((r) => setTimeout(r, 1e6)); }"
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:

            async def run() -> None:
                await ratchet.debugging.run(task(code), {}, on_progress=lambda _: started.set())

            group.start_soon(run)
            await started.wait()
            group.cancel_scope.cancel()
        page = await ratchet.executions.find(limit=1)
        execution = await ratchet.executions.wait(page.executions[0].id, 20)
    assert execution.status is Status.CANCELLED
    assert ratchet.pool.status()["running"] == 0


async def test_a_called_task_is_not_looked_into(ratchet: Ratchet) -> None:
    report = await ratchet.debugging.run(
        task("async () => {\n  try { await tasks.call('nobody') } catch (e) { return e.code }\n}"), {}, [2]
    )
    assert report.execution.output == "task_not_found"
    assert len(report.observed.snapshots) == 1
