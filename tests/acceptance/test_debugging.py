"""debug_task by the SDK's own client, over every transport and in both protocol eras, and `ratchet debug` in a terminal."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import command_line
import pytest
from jsonschema import Draft202012Validator
from mcp import Client


async def debug(client: Client, **arguments: Any) -> dict[str, Any]:
    with anyio.fail_after(60):
        schema = next(tool.output_schema for tool in (await client.list_tools()).tools if tool.name == "debug_task")
        result = await client.call_tool("debug_task", arguments)
    assert schema is not None
    Draft202012Validator(schema).validate(result.structured_content)
    assert result.structured_content is not None
    assert json.loads(result.content[-1].text) == result.structured_content
    assert result.is_error is ("status" not in result.structured_content)
    return result.structured_content


async def test_an_agent_sees_the_variables_at_a_line_and_where_a_task_threw(connect: Callable[[], Client], way: str) -> None:
    async with connect() as client:
        seen = await debug(client, task="breaks", input={}, breakpoints=[3, 5], expressions=["nothing", "typeof input"])
        assert seen["status"] == "failed"
        assert seen["error"]["code"] == "task_error"
        assert seen["console"] == ["[info] before", "[warn] careful"]
        assert [snapshot["line"] for snapshot in seen["snapshots"]] == [3, 5]
        assert seen["snapshots"][1]["code"] == "return nothing.length;"
        assert seen["snapshots"][1]["locals"] == {"nothing": None, "input": {}}
        assert seen["snapshots"][1]["stack"] == ["main:5"]
        assert seen["snapshots"][1]["expressions"] == [
            {"expression": "nothing", "value": None},
            {"expression": "typeof input", "value": "object"},
        ]
        assert (seen["at_throw"]["line"], seen["at_throw"]["locals"]["nothing"]) == (5, None)
        assert seen["hits"] == {"3": 1, "5": 1}

        fine = await debug(client, task="add", input={"a": 1, "b": 2}, breakpoints=[1, 9])
        assert (fine["status"], fine["output"]) == ("completed", 3)
        assert fine["unreachable"] == [9] and "No code on line 9" in fine["hint"]

        for wrong in ({"task": "nobody"}, {"task": "add", "input": {"a": "x"}}, {"task": "add", "breakpoints": [0]}):
            refused = await debug(client, **wrong)
            assert refused["error"]["code"] in ("task_not_found", "input_invalid", "invalid_argument")
        refused = await debug(client, task="add", input={"a": 1, "b": 2}, breakpoints=[1], expressions=["import('fs')"])
        assert refused["error"]["code"] == "invalid_argument"


@pytest.mark.parametrize("way", ["stdio-2026-07-28"], indirect=True)
async def test_long_results_are_cut_with_a_note(
    connect: Callable[[], Client], way: str, environment: dict[str, str], tasks_folder: Path
) -> None:
    environment["RATCHET_MCP__RESULT_TOKENS"] = "1500"
    async with connect() as client:
        seen = await debug(client, task="chatty", input={}, breakpoints=[1], expressions=["'y'.repeat(400)", "input"], max_snapshots=50)
        assert len(json.dumps(seen)) < 7_000
        assert "left out" in json.dumps(seen)


# ---------------------------------------------------------------- the command line
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def ratchet(environment: dict[str, str], tmp_path: Path) -> Run:
    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return command_line.ratchet("debug", *arguments, env=environment, cwd=tmp_path)

    return run


def test_the_terminal_shows_the_source_around_each_hit_and_the_output(ratchet: Run, tasks_folder: Path) -> None:
    done = ratchet(
        "--from-fs", tasks_folder / "add", "--input-json", '{"a": 2, "b": 3}', "--break", 1, "--break", 7, "--expr", "input.a * 2"
    )
    assert done.returncode == 0, done.stderr
    assert "line 1, hit 1, in main" in done.stdout
    assert "> 1 | function main(input) { return input.a + input.b; }" in done.stdout
    assert "  input.a * 2 = 4" in done.stdout
    assert '  input = {"a": 2, "b": 3}' in done.stdout
    assert "Line 7 holds no code" in done.stdout
    assert done.stdout.endswith("output\n5\n")


def test_a_task_that_fails_is_shown_where_it_threw_and_ends_with_1(ratchet: Run) -> None:
    done = ratchet("--task", "breaks", "--break", 4)
    assert done.returncode == 1
    assert "thrown at line 5: TypeError: can't access property" in done.stdout
    assert "  nothing = null" in done.stdout
    assert "[info] before\n[warn] careful\n" in done.stderr
    assert "error[task_error]" in done.stderr


def test_json_holds_the_execution_and_what_was_seen(ratchet: Run) -> None:
    done = ratchet("--task", "breaks", "--break", 5, "--json")
    assert done.returncode == 1
    record = json.loads(done.stdout)
    assert (record["status"], record["origin"]) == ("failed", "cli")
    assert record["snapshots"][0]["locals"] == {"nothing": None, "input": {}}
    assert record["at_throw"]["line"] == 5
    assert [line["message"] for line in record["logs"]] == ["before", "careful"]


@pytest.mark.parametrize(
    ("arguments", "status", "names"),
    [
        ((), 2, "--from-fs"),
        (("--task", "add", "--break", "0"), 2, "--break"),
        (("--task", "add", "--input-json", "{", "--break", "1"), 1, "not JSON"),
        (("--task", "add", "--input-json", '{"a": 1, "b": 2}', "--expr", "1 +"), 1, "not an expression"),
        (("--task", "nobody"), 1, "task_not_found"),
    ],
)
def test_wrong_usage_is_told(ratchet: Run, arguments: tuple[str, ...], status: int, names: str) -> None:
    done = ratchet(*arguments)
    assert done.returncode == status
    assert names in done.stderr
    assert done.stdout == ""


def test_a_task_cannot_move_the_cursor_of_a_terminal(ratchet: Run, environment: dict[str, str], tmp_path: Path, tasks_folder: Path) -> None:
    task = tmp_path / "evil"
    task.mkdir()
    for file in (tasks_folder / "echo").glob("*.json"):
        (task / file.name).write_bytes(file.read_bytes())
    (task / "main.js").write_text("() => {\n  const text = '\\x1b[2J\\u202e', o = { ['\\x1b]0;x\\x07']: 1 };\n  throw new Error(text);\n}")
    done = ratchet("--from-fs", task, "--break", 3)
    assert done.returncode == 1
    assert "\x1b" not in done.stdout + done.stderr
    assert "\u202e" not in done.stdout + done.stderr
