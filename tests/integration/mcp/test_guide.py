"""What the guide for authors says is so: its code runs, its globals exist, its JSON is what the loader reads."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ratchet_mcp.app import Ratchet
from ratchet_mcp.execution.models import Execution, Origin, Status
from ratchet_mcp.mcp.guide import ESSENTIALS, guide, section
from ratchet_mcp.mcp.tools import ALL
from ratchet_mcp.settings import Limits, Settings, StoreSettings
from ratchet_mcp.tasks.metadata import read_metadata
from ratchet_mcp.tasks.problems import Problems
from ratchet_mcp.tasks.schema import compile_schema
from ratchet_mcp.tasks.testcase import read_tests

GUIDE = guide(Limits())
INPUTS: list[tuple[str, Any, Any]] = [
    ("weekday", {"day": "2026-01-31"}, {"weekday": "Saturday"}),
    ("tasks.call", {"csv": "a,b\n1,2\n"}, {"rows": 1, "parts": 2}),
    ("halved", {"n": 4}, {"halved": 2}),
    ("doubled", {"n": 4}, {"doubled": 8}),
]
"""A word that tells an example from the others, an input for it, and its output."""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
async def ratchet() -> AsyncIterator[Ratchet]:
    async with Ratchet.open(Settings(store=StoreSettings(url="sqlite://"))) as ratchet:
        yield ratchet


async def run(ratchet: Ratchet, code: str, value: Any) -> Execution:
    return await (await ratchet.run_javascript(code, value, origin=Origin.TEST)).wait(20)


@pytest.mark.parametrize("code", [*blocks("js"), *re.findall(r"`(function main.*?)`", section(ESSENTIALS))])
async def test_every_piece_of_code_runs(ratchet: Ratchet, code: str):
    value, output = next(((value, output) for word, value, output in INPUTS if word in code), ({"numbers": [1, 2]}, {"total": 3}))
    execution = await run(ratchet, code, value)
    assert (execution.status, execution.output) == (Status.COMPLETED, output), execution.error


async def test_every_global_is_there(ratchet: Ratchet):
    names = set(re.findall(r"`([A-Za-z]+)(?:\.[a-zA-Z/.]+)?(?:\([^`]*\))?`", section("What is there"))) | set(
        re.findall(r"`([A-Z]\w+Error)`", section("Errors"))
    )
    names -= {"WebAssembly", "clear"}
    assert {"console", "tasks", "crypto", "HttpError", "reportProgress"} <= names
    execution = await run(ratchet, f"() => {json.dumps(sorted(names))}.filter((name) => typeof globalThis[name] === 'undefined')", {})
    assert execution.output == [], execution.error


def test_its_schema_tests_and_metadata_are_read_without_a_problem():
    schema, tests, metadata = (json.loads(block) for block in blocks("json"))
    assert compile_schema(schema).violations({"text": "to be"}) == []
    problems = Problems()
    cases = read_tests(tests, "tests/all.json", "all", problems)
    read = read_metadata(metadata, "metadata.json", "word-count", problems, Limits())
    assert not problems, problems.found
    assert {case.match for case in cases} == {"subset", "exact", "schema"}
    assert any(case.expected_error for case in cases) and any(case.should_fail for case in cases)
    assert (read.expose, read.annotations.read_only) == ("tool", True)


def test_it_names_only_tools_that_exist():
    tools = {tool.name for tool in ALL}
    named = set(re.findall(r"`([a-z]+_(?:tasks?|javascript|templates|status|executions))`", GUIDE))
    assert named <= tools and {"create_task", "test_task", "debug_task", "edit_task", "execute_task"} <= named


def test_the_limits_are_those_in_force():
    assert "| memory | 64 MiB |" in guide(Limits(memory_mb=64))
