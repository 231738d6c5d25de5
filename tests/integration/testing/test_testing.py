"""Testing tasks with real workers and a real store."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import anyio
import pytest

from ratchet_mcp.app import Ratchet
from ratchet_mcp.egress.mocks import Mocks
from ratchet_mcp.errors import TaskSyntaxError
from ratchet_mcp.execution.models import Origin, Status
from ratchet_mcp.security.principal import LOCAL
from ratchet_mcp.settings import EngineSettings, Limits, RegistrySettings, Settings, StoreSettings
from ratchet_mcp.tasks.definition import Task
from ratchet_mcp.tasks.loading import make_unsaved
from ratchet_mcp.tasks.problems import Problems
from ratchet_mcp.tasks.testcase import TestCase, read_tests
from ratchet_mcp.testing.report import TestReport, TestResult

SIGN = """function main(input) {
  console.log('got ' + JSON.stringify(input));
  if (typeof input.n !== 'number') {
    throw new DataError('n is no number');
  }
  if (input.n < 0) {
    return { sign: 'minus', n: input.n };
  }
  return { sign: 'plus', n: input.n };
}
"""


def cases(*raw: dict[str, Any]) -> list[TestCase]:
    problems = Problems()
    found = read_tests(list(raw), "tests", "test", problems)
    assert problems.found == []
    return found


def task(code: str, *raw: dict[str, Any], **changes: Any) -> Task:
    return replace(make_unsaved(code), name="sample", version="1.0.0", origin="folder", tests=tuple(cases(*raw)), **changes)


@pytest.fixture(scope="module")
async def ratchet() -> AsyncIterator[Ratchet]:
    settings = Settings(
        store=StoreSettings(url="sqlite://"),
        registry=RegistrySettings(bundled=True),
        engine=EngineSettings(max_workers=3),
        limits=Limits(timeout_seconds=20, memory_mb=64),
    )
    async with Ratchet.open(settings) as opened:
        yield opened


def states(report: TestReport) -> list[tuple[str, str]]:
    return [(result.name, result.state) for result in report.results]


async def test_each_test_says_whether_it_passed_and_what_differs(ratchet: Ratchet) -> None:
    tested = task(
        SIGN,
        {"name": "plus", "input": {"n": 1}, "expected_output": {"sign": "plus"}},
        {"name": "wrong", "input": {"n": 2}, "expected_output": {"sign": "minus", "n": 2}},
        {"name": "fails", "input": {}, "expected_error": {"code": "task_error", "message_contains": "no number"}},
        {"name": "exact", "input": {"n": 3}, "expected_output": {"n": 3}, "match": "exact"},
        {"name": "schema", "input": {"n": 3}, "expected_output": {"required": ["sum"]}, "match": "schema"},
    )
    report = await ratchet.testing.run(tested)
    assert states(report) == [("plus", "passed"), ("wrong", "failed"), ("fails", "passed"), ("exact", "failed"), ("schema", "failed")]
    assert (report.task, report.passed, report.failed, report.ok) == ("sample@1.0.0", 2, 3, False)
    wrong = report.results[1]
    assert [each.to_dict() for each in wrong.differences] == [{"path": "$.sign", "message": 'expected "minus", got "plus"'}]
    assert '-  "sign": "minus"\n+  "sign": "plus"' in wrong.diff
    assert wrong.actual == {"sign": "plus", "n": 2}
    assert [line.message for line in wrong.lines] == ['got {"n":2}']
    assert report.results[0].lines == [] and report.results[0].duration_ms > 0
    assert report.results[4].diff == "" and report.results[4].differences[0].path == "$.sum"
    json.dumps(report.to_dict())


async def test_runs_of_tests_are_executions_of_the_origin_test(ratchet: Ratchet) -> None:
    report = await ratchet.testing.run(task(SIGN, {"input": {"n": 1}}))
    execution = await ratchet.executions.get(report.results[0].execution_id or "")
    assert (execution.origin, execution.status, execution.task) == (Origin.TEST, Status.COMPLETED, "sample")


async def test_an_unexpected_error_is_shown_with_its_line(ratchet: Ratchet) -> None:
    report = await ratchet.testing.run(task(SIGN, {"input": {}, "expected_output": {}}))
    [result] = report.results
    assert result.error is not None and result.error["details"]["line"] == 4
    assert result.differences[0].message.startswith("the run failed with task_error: DataError: n is no number")
    assert [line.message for line in result.lines] == ["got {}"]


async def test_an_input_that_breaks_the_schema_is_a_failed_test_or_an_expected_one(ratchet: Ratchet) -> None:
    tested = task(
        SIGN,
        {"name": "refused", "input": {"n": "x"}, "expected_error": {"code": "input_invalid"}},
        {"name": "failed", "input": {"n": "x"}},
        input_schema={"type": "object", "properties": {"n": {"type": "number"}}},
    )
    report = await ratchet.testing.run(tested)
    assert states(report) == [("refused", "passed"), ("failed", "failed")]
    assert report.results[1].execution_id is None


@pytest.mark.parametrize(
    ("code", "limit"),
    [
        ("() => { for (;;); }", "timeout"),
        ("() => { const kept = []; for (;;) kept.push(new Array(100000).fill(1.5)); }", "memory_limit"),
        ("() => { for (;;) console.log('x'.repeat(1000)); }", "log_limit"),
        ("() => 'x'.repeat(10000000)", "output_too_large"),
        ("() => new Promise(() => {})", "never_settles"),
    ],
)
@pytest.mark.parametrize("coverage", [False, True])
async def test_a_run_that_ends_by_a_limit_is_a_failed_test_and_the_others_go_on(
    ratchet: Ratchet, code: str, limit: str, coverage: bool
) -> None:
    choosing = f"(input) => input.bad ? ({code})() : 'fine'"
    tested = task(
        choosing, {"name": "bad", "input": {"bad": 1}}, {"name": "good", "input": {}, "expected_output": "fine"}, timeout_seconds=1.0
    )
    report = await ratchet.testing.run(tested, coverage=coverage, parallel=1)
    assert states(report) == [("bad", "failed"), ("good", "passed")]
    assert report.results[0].error is not None and report.results[0].error["code"] == limit


async def test_results_stand_in_the_order_of_the_tests_however_they_end(ratchet: Ratchet) -> None:
    waits = "async (input) => { await new Promise((resolve) => setTimeout(resolve, input.ms)); return input.ms; }"
    tested = task(waits, *({"name": f"t{ms}", "input": {"ms": ms}} for ms in (300, 0, 100, 1)))
    ended: list[str] = []
    report = await ratchet.testing.run(tested, parallel=3, on_result=lambda result: ended.append(result.name))
    assert [result.name for result in report.results] == ["t300", "t0", "t100", "t1"]
    assert sorted(ended) == sorted(result.name for result in report.results)
    assert ended[0] != "t300"


@pytest.mark.parametrize(("asked", "most"), [(1, 1), (2, 2), (100, 3), (None, 3)])
async def test_never_more_tests_run_at_once_than_asked_and_than_there_are_workers(ratchet: Ratchet, asked: int | None, most: int) -> None:
    tested = task("async () => { await new Promise((resolve) => setTimeout(resolve, 50)); }", *({"input": {}} for _ in range(6)))
    running: list[int] = []

    def look(result: TestResult) -> None:
        running.append(ratchet.executions.status()["running"])

    await ratchet.testing.run(tested, parallel=asked, on_result=look)
    assert max(running) < most, "the test that ended is no longer among those that run"
    assert most == 1 or max(running) > 0


async def test_lines_that_no_test_runs_are_told(ratchet: Ratchet) -> None:
    one = await ratchet.testing.run(task(SIGN, {"input": {"n": 1}}), coverage=True)
    assert one.coverage is not None
    assert one.coverage.missed == [4, 7]
    assert one.coverage.missed_ranges == "4, 7"
    both = await ratchet.testing.run(
        task(SIGN, {"input": {"n": 1}}, {"input": {"n": -1}}, {"input": {}, "should_fail": True}), coverage=True
    )
    assert both.ok and both.coverage is not None and both.coverage.percent == 100


async def test_without_coverage_there_is_none(ratchet: Ratchet) -> None:
    assert (await ratchet.testing.run(task(SIGN, {"input": {"n": 1}}))).coverage is None


async def test_tests_that_come_with_the_call_are_run_instead(ratchet: Ratchet) -> None:
    report = await ratchet.testing.run(task(SIGN, {"name": "own", "input": {}}), tests=cases({"name": "mine", "input": {"n": 1}}))
    assert states(report) == [("mine", "passed")]


async def test_a_task_may_call_another_in_its_tests(ratchet: Ratchet) -> None:
    calling = "async (input) => await tasks.call('text-statistics', input)"
    report = await ratchet.testing.run(task(calling, {"input": {"text": "one two"}, "expected_output": {"words": 2}}), coverage=True)
    assert report.ok, report.to_dict()


async def test_code_that_cannot_be_parsed_is_told_once(ratchet: Ratchet) -> None:
    with pytest.raises(TaskSyntaxError):
        await ratchet.testing.run(task("function main( {", {"input": {}}, {"input": {}}))


async def test_what_has_not_ended_in_time_is_not_run_and_is_killed(ratchet: Ratchet) -> None:
    waits = "(input) => new Promise((resolve) => setTimeout(() => resolve(1), input.ms))"
    tested = task(
        waits, {"name": "short", "input": {"ms": 0}}, {"name": "long", "input": {"ms": 15000}}, {"name": "next", "input": {"ms": 0}}
    )
    report = await ratchet.testing.run(tested, parallel=1, seconds=2)
    assert states(report) == [("short", "passed"), ("long", "not_run"), ("next", "not_run")]
    assert not report.ok and report.failed == 0
    await no_run_is_left(ratchet)


async def test_cancelling_kills_what_runs(ratchet: Ratchet) -> None:
    begun = anyio.Event()
    tested = task("(input) => input.ms ? new Promise((r) => setTimeout(r, input.ms)) : 1", {"input": {}}, {"input": {"ms": 15000}})
    async with anyio.create_task_group() as group:

        async def run() -> None:
            await ratchet.testing.run(tested, parallel=1, on_result=lambda _: begun.set())

        group.start_soon(run)
        await begun.wait()
        group.cancel_scope.cancel()
    await no_run_is_left(ratchet)


async def no_run_is_left(ratchet: Ratchet) -> None:
    with anyio.fail_after(10):
        while ratchet.executions.status()["running"]:
            await anyio.sleep(0.02)


WEATHER = """async (input) => {
  const r = await fetch('https://api.example.com/v1?city=' + input.city);
  return r.ok ? (await r.json()).degrees : r.status;
}"""
PARIS = {"url": "api.example.com/v1", "query": {"city": "Paris"}, "responses": [{"body": {"degrees": 21}}]}


def weather(city: str, expected: Any, mock: Any = None) -> dict[str, Any]:
    return {"name": city, "input": {"city": city}, "expected_output": expected} | ({} if mock is None else {"mock": mock})


async def test_mocks_answer_for_the_network(ratchet: Ratchet) -> None:
    down = {"http": {"url": "api.example.com", "response": {"status": 503}}}
    report = await ratchet.testing.run(task(WEATHER, weather("Paris", 21, {"http": [PARIS]}), weather("Rome", 503, down)))
    assert report.ok, report.to_dict()
    execution = await ratchet.executions.get(str(report.results[0].execution_id))
    assert [(call["source"], call["status"]) for call in execution.http] == [("mock", 200)]


async def test_each_test_has_its_mocks_to_itself(ratchet: Ratchet) -> None:
    twice = "async () => [(await fetch('https://a.example/')).status, (await fetch('https://a.example/')).status]"
    mock = {"http": {"url": "a.example", "responses": [{"status": 500}, {"status": 200}]}}
    cases = [{"name": str(number), "input": {}, "expected_output": [500, 200], "match": "exact", "mock": mock} for number in range(6)]
    assert (await ratchet.testing.run(task(twice, *cases))).passed == 6


@pytest.mark.parametrize(
    ("mock", "said"),
    [
        (None, "The test mocks no request, but the task made one: GET https://api.example.com/v1?city=Rome"),
        ({"http": [PARIS]}, "The closest is mock.http[0] (any method api.example.com/v1): url.query.city"),
    ],
)
async def test_a_request_that_no_mock_answers_fails_the_test(ratchet: Ratchet, mock: Any, said: str) -> None:
    [result] = (await ratchet.testing.run(task(WEATHER, weather("Rome", 21, mock)))).results
    assert result.state == "failed" and result.error is not None
    assert result.error["details"]["code"] == "mock_missing" and said in result.error["message"]


async def test_a_test_may_ask_for_the_live_network(ratchet: Ratchet) -> None:
    code = "async () => { try { await fetch('http://127.0.0.1:1/') } catch (e) { return e.code } }"
    case = {"name": "live", "input": {}, "expected_output": "network_denied", "mock": {"network": "live", "http": []}}
    assert (await ratchet.testing.run(task(code, case))).ok


async def test_mocks_that_answered_nothing_are_told(ratchet: Ratchet) -> None:
    report = await ratchet.testing.run(task("() => 1", {"input": {}, "expected_output": 1, "mock": {"http": [PARIS]}}))
    assert report.ok and report.results[0].note == "No request was answered by mock.http[0]."


async def test_mocks_for_all_tests_answer_what_a_test_does_not_mock_itself(ratchet: Ratchet) -> None:
    others = Mocks.read([{"url": "api.example.com", "response": {"body": {"degrees": 5}}}], "mocks.json", name="mocks.json")
    tested = task(WEATHER, weather("Paris", 21, {"http": PARIS}), weather("Rome", 5), weather("Oslo", 5, {"http": PARIS}))
    assert (await ratchet.testing.run(tested, mocks=others)).passed == 3


async def test_a_mock_that_is_none_fails_its_test_and_says_where(ratchet: Ratchet) -> None:
    wrong, right = (
        await ratchet.testing.run(task(WEATHER, weather("Rome", 1, {"http": {"urls": "x"}}), weather("Paris", 21, {"http": PARIS})))
    ).results
    assert right.passed and not wrong.passed and wrong.error is not None
    assert wrong.error["code"] == "task_invalid" and ".mock.http[0].urls" in json.dumps(wrong.error["details"])


async def test_a_long_output_is_compared_but_not_kept(ratchet: Ratchet) -> None:
    tested = task("() => ({ text: 'x'.repeat(100000), n: 1 })", {"input": {}, "expected_output": {"n": 2}}, {"input": {}})
    failed, passed = (await ratchet.testing.run(tested)).results
    assert (failed.actual, passed.actual, passed.passed) == (None, None, True)
    assert '-  "n": 2\n+  "n": 1' in failed.diff and "too long" in (failed.note or "")


async def test_a_hundred_tests_share_workers(ratchet: Ratchet) -> None:
    tested = task(SIGN, *({"input": {"n": number}, "expected_output": {"n": number}} for number in range(100)))
    report = await ratchet.testing.run(tested, coverage=True, parallel=1)
    assert report.ok and report.passed == 100
    workers = {(await ratchet.executions.get(result.execution_id or "")).worker_id for result in report.results}
    assert len(workers) < 5  # on a slow machine another one takes over while the first still tidies up


async def test_tests_that_kill_workers_pause_neither_the_tests_nor_the_task(ratchet: Ratchet) -> None:
    bomb = "(input) => { const kept = []; while (input.kill) kept.push(new Array(100000).fill(1.5)); return 'alive'; }"
    killing = task(bomb, *({"input": {"kill": True}, "expected_error": {"code": "memory_limit"}} for _ in range(4)))
    report = await ratchet.testing.run(killing)
    assert report.ok, report.to_dict()
    handle = await ratchet.executions.start(killing, {}, origin=Origin.CLI, principal=LOCAL)
    assert (await handle.wait(20)).output == "alive"
