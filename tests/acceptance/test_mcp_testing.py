"""`test_task`, by the SDK's own client in both protocol eras, on real workers."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from jsonschema import Draft202012Validator
from mcp import Client, StdioServerParameters

from .conftest import environment_in

CODE = """function main(input) {
  console.log('got ' + input.n);
  if (input.n < 0) {
    throw new DataError('negative');
  }
  return { twice: input.n * 2 };
}
"""
TESTS: dict[str, Any] = {
    "good": {"input": {"n": 2}, "expected_output": {"twice": 4}},
    "wrong": {"input": {"n": 2}, "expected_output": {"twice": 5}},
    "negative": {"input": {"n": -1}, "expected_error": {"message_contains": "negative"}},
}
Ask = Callable[..., Any]


@pytest.fixture(scope="module", params=["legacy", "2026-07-28"])
def era(request: pytest.FixtureRequest) -> Any:
    return request.param


def write(folder: Path, name: str, code: str, tests: dict[str, Any]) -> None:
    (folder / name / "tests").mkdir(parents=True)
    (folder / name / "metadata.json").write_text(json.dumps({"name": name, "version": "1.0.0", "description": "For tests."}))
    (folder / name / "main.js").write_text(code)
    for test, content in tests.items():
        (folder / name / "tests" / f"{test}.json").write_text(json.dumps(content))


@pytest.fixture(scope="module")
async def client(era: Any, tmp_path_factory: pytest.TempPathFactory, tasks_folder: Path) -> AsyncIterator[Client]:
    """A server that serves tasks with tests, and answers after two seconds at the latest."""
    folder = tmp_path_factory.mktemp("testing")
    tasks = folder / "tasks"
    write(tasks, "twice", CODE, TESTS)
    write(tasks, "disabled", CODE, TESTS)
    waiting = "(input) => new Promise((resolve) => setTimeout(() => resolve(1), input.ms))"
    write(tasks, "waiting", waiting, {"short": {"input": {"ms": 0}}, "slow": {"input": {"ms": 20000}}})
    write(tasks, "untested", "() => 1", {})
    sources = json.dumps([{"name": "acceptance", "uri": str(tasks)}])
    environment = environment_in(folder, tasks_folder)
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "ratchet_mcp.mcp.stdio_main"],
        env={**environment, "RATCHET_REGISTRY__SOURCES": sources, "RATCHET_MCP__WAIT_SECONDS": "2"},
    )
    async with Client(server, mode=era) as connected:
        yield connected


@pytest.fixture
async def ask(client: Client) -> Ask:
    schemas = {tool.name: tool.output_schema for tool in (await client.list_tools()).tools}

    async def call(failed: bool = False, **arguments: Any) -> dict[str, Any]:
        with anyio.fail_after(60):
            result = await client.call_tool("test_task", arguments)
        assert result.is_error is failed, result.content
        Draft202012Validator(schemas["test_task"]).validate(result.structured_content)
        assert result.structured_content is not None
        return result.structured_content

    return call


async def test_a_failing_test_is_information_and_no_error_of_the_call(ask: Ask) -> None:
    report = await ask(task="twice")
    assert (report["task"], report["passed"], report["total"], report["failed"]) == ("twice@1.0.0", False, 3, 1)
    good, negative, wrong = report["tests"]
    assert (good["name"], good["passed"], negative["passed"], wrong["passed"]) == ("good", True, True, False)
    assert set(good) == {"name", "passed", "duration_ms"}
    assert wrong["differences"] == [{"path": "$.twice", "message": "expected 5, got 4"}]
    assert '-  "twice": 5\n+  "twice": 4' in wrong["diff"]
    assert wrong["console"] == ["[info] got 2"] and wrong["execution_id"]
    assert report["coverage"] == {"percent": 100, "lines": 4, "never_run": ""}
    assert "edit_task" in report["hint"]


async def test_tests_are_named_or_come_with_the_call(ask: Ask) -> None:
    named = await ask(task="twice", tests=["goo*"])
    assert named["passed"] and [test["name"] for test in named["tests"]] == ["good"]
    assert named["coverage"]["never_run"] == "4" and "coverage.never_run" in named["hint"]
    given = await ask(task="twice", tests=["good", {"name": "mine", "input": {"n": 3}, "expected_output": {"twice": 6}}], coverage=False)
    assert given["passed"] and [test["name"] for test in given["tests"]] == ["good", "mine"] and "coverage" not in given


async def test_what_cannot_be_tested_is_an_error_that_says_what_to_do(ask: Ask) -> None:
    unknown = await ask(failed=True, task="twice", tests=["goood"])
    assert unknown["error"]["code"] == "invalid_argument" and 'did you mean "good"' in unknown["error"]["message"]
    assert "no tests" in (await ask(failed=True, task="untested"))["error"]["message"]
    bad = await ask(failed=True, task="twice", tests=[{"inptu": 1}])
    assert bad["error"]["details"]["violations"][0]["path"] == "$.tests[0].inptu"
    assert (await ask(failed=True, task="twyce"))["error"]["code"] == "task_not_found"
    assert (await ask(failed=True, task="twice", tests=[]))["error"]["code"] == "invalid_argument"


async def test_an_error_of_a_run_has_its_line(ask: Ask) -> None:
    [test] = (await ask(task="twice", tests=[{"input": {"n": -1}, "expected_output": {}}]))["tests"]
    assert test["error"]["code"] == "task_error" and test["error"]["details"]["line"] == 4
    assert "> 4 |" in test["error"]["details"]["frame"] and "differences" not in test


async def test_tests_that_take_too_long_for_a_call_are_named_as_not_run(ask: Ask) -> None:
    report = await ask(task="waiting", coverage=False)
    assert (report["passed"], report["failed"], report["not_run"]) == (False, 0, 1)
    assert [(test["name"], test.get("not_run", False)) for test in report["tests"]] == [("short", False), ("slow", True)]


async def test_progress_tells_how_many_tests_have_ended(client: Client) -> None:
    told: list[str | None] = []

    async def take(progress: float, total: float | None, message: str | None) -> None:
        told.append(message)

    await client.call_tool("test_task", {"task": "twice"}, progress_callback=take)
    await client.list_tools(cache_mode="refresh")  # a round trip later, every notification is here
    assert told[-1] == "3 of 3 tests"


async def test_a_disabled_task_is_tested_and_debugged_so_that_it_can_be_mended(client: Client) -> None:
    assert not (await client.call_tool("edit_task", {"task": "disabled", "enabled": False})).is_error
    refused = await client.call_tool("execute_task", {"task": "disabled", "input": {"n": 1}})
    assert refused.is_error
    assert "enabled: true" in refused.content[0].text  # type: ignore[union-attr]  # a text
    tested = await client.call_tool("test_task", {"task": "disabled", "tests": ["good"]})
    assert (tested.structured_content or {})["passed"] is True
    seen = await client.call_tool("debug_task", {"task": "disabled", "input": {"n": 1}, "breakpoints": [6]})
    assert (seen.structured_content or {})["output"] == {"twice": 2}
