"""What the guide for authors says is so: its code runs, its globals exist, its JSON is what the loader reads."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ratchet_mcp.app import Ratchet
from ratchet_mcp.delivery import destinations
from ratchet_mcp.egress.mocks import Mocks
from ratchet_mcp.errors import from_dict
from ratchet_mcp.execution.models import Execution, Origin, Status
from ratchet_mcp.mcp.guide import ESSENTIALS, guide, section
from ratchet_mcp.mcp.tools import ALL
from ratchet_mcp.security.principal import LOCAL
from ratchet_mcp.settings import Limits, NetworkSettings, SecretSettings, Settings, StoreSettings
from ratchet_mcp.tasks.loading import make_unsaved
from ratchet_mcp.tasks.metadata import read_metadata
from ratchet_mcp.tasks.network import read_network
from ratchet_mcp.tasks.problems import Problems
from ratchet_mcp.tasks.question import Question
from ratchet_mcp.tasks.schema import compile_schema
from ratchet_mcp.tasks.testcase import read_tests
from ratchet_mcp.testing.answers import MockedAnswers
from ratchet_mcp.testing.compare import compare

GUIDE = guide(Limits())
SECRET = SecretSettings(name="REPORT_TOKEN", env="NO_SUCH_VARIABLE", hosts=["api.example.com"])
INPUTS: list[tuple[str, Any, Any]] = [
    ("weekday", {"day": "2026-01-31"}, {"weekday": "Saturday"}),
    ("tasks.call", {"csv": "a,b\n1,2\n"}, {"rows": 1, "parts": 2}),
    ("halved", {"n": 4}, {"halved": 2}),
    ("doubled", {"n": 4}, {"doubled": 8}),
]
"""A word that tells an example from the others, an input for it, and its output."""


ABSENT = {"WebAssembly", "SharedArrayBuffer", "Atomics", "WeakRef", "FinalizationRegistry"}
"""What the documents name because it is not there."""

LANGUAGE = set(
    """
    undefined NaN Infinity eval Function isFinite isNaN parseFloat parseInt decodeURI decodeURIComponent encodeURI encodeURIComponent escape
    unescape Object Array ArrayBuffer BigInt BigInt64Array BigUint64Array Boolean DataView Date Error AggregateError EvalError RangeError
    ReferenceError SyntaxError TypeError URIError Float32Array Float64Array Int8Array Int16Array Int32Array Uint8Array Uint8ClampedArray
    Uint16Array Uint32Array Intl Iterator JSON Map Math Number Promise Proxy Reflect RegExp Set String Symbol WeakMap WeakSet
    """.split()
)
"""The globals of ECMAScript, which the documents name together."""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
async def ratchet() -> AsyncIterator[Ratchet]:
    settings = Settings(store=StoreSettings(url="sqlite://"), network=NetworkSettings(secrets=[SECRET]))
    async with Ratchet.open(settings) as ratchet:
        yield ratchet


async def run(ratchet: Ratchet, code: str, value: Any) -> Execution:
    return await (await ratchet.run_javascript(code, value, origin=Origin.TEST)).wait(20)


@pytest.mark.parametrize(
    "code",
    [
        *(block for block in blocks("js") if "fetch(" not in block and "ask(" not in block),
        *re.findall(r"`(function main.*?)`", section(ESSENTIALS)),
    ],
)
async def test_every_piece_of_code_runs(ratchet: Ratchet, code: str):
    value, output = next(((value, output) for word, value, output in INPUTS if word in code), ({"numbers": [1, 2]}, {"total": 3}))
    execution = await run(ratchet, code, value)
    assert (execution.status, execution.output) == (Status.COMPLETED, output), execution.error


async def test_every_piece_of_code_that_fetches_passes_the_tests_beside_it(ratchet: Ratchet):
    weather, report = (block for block in blocks("js") if "fetch(" in block)
    problems = Problems()
    [raw] = [json.loads(block) for block in blocks("json") if '"mock"' in block]
    cases = read_tests(raw, "tests/network.json", "network", problems)
    assert not problems and len(cases) == 3
    for case in cases:
        task = make_unsaved(weather if "city" in case.input else report)
        network = (await ratchet.egress()).for_run(task, mocks=Mocks.read(case.mock))
        handle = await ratchet.executions.start(task, case.input, origin=Origin.TEST, principal=LOCAL, network=network)
        execution = await handle.wait(20)
        error = from_dict(execution.error) if execution.error else None
        assert compare(case, output=execution.output, error=error) == []
        assert network.mocks is not None and network.mocks.unused == []


async def test_the_code_that_asks_gets_the_answers_beside_it(ratchet: Ratchet):
    [code] = (block for block in blocks("js") if "ask(" in block)
    [mock] = re.findall(r'`"mock": (\{ "answers".*?)`', GUIDE)
    for reason in ("old", "declined"):
        answers = MockedAnswers.read(json.loads(mock))
        if reason == "declined":
            await answers.answer(Question.read({"message": "Sure?"}), "first")
        handle = await ratchet.executions.start(
            make_unsaved(code), {"files": ["a", "b"]}, origin=Origin.TEST, principal=LOCAL, answers=answers
        )
        execution = await handle.wait(20)
        assert (execution.output or execution.failure["details"]["code"]) in ({"deleted": 2, "reason": "old"}, "ask_declined")
        assert (execution.status is Status.COMPLETED) == (reason == "old")


async def test_every_global_is_there_and_no_other(ratchet: Ratchet):
    errors = set(re.findall(r"`([A-Z]\w+Error)`", section("Errors")))
    await check_globals(ratchet, globals_in(section("What is there")) | errors)


@pytest.mark.parametrize(("document", "heading"), [("docs/tasks.md", "Globals"), ("README.md", "What a task can use")])
async def test_the_documents_name_every_global(ratchet: Ratchet, document: str, heading: str):
    text = (Path(__file__).parents[3] / document).read_text(encoding="utf-8")
    _, _, after = text.partition(f"\n## {heading}\n")
    await check_globals(ratchet, globals_in(after.partition("\n## ")[0]))


def globals_in(text: str) -> set[str]:
    """Return the names of globals in code spans: `fetch`, `crypto.randomUUID()`."""
    named = re.findall(r"`([A-Za-z]+)(?:\.[a-zA-Z/.]+)?(?:\([^`]*\))?`", text)
    return set(named) - ABSENT


async def check_globals(ratchet: Ratchet, named: set[str]):
    names = (await run(ratchet, "() => Object.getOwnPropertyNames(globalThis)", {})).output
    assert set(names) - LANGUAGE == named - LANGUAGE
    for name in ABSENT:
        assert name not in names


def test_its_schema_tests_and_metadata_are_read_without_a_problem():
    schema, tests, network, _, delivery, metadata = (json.loads(block) for block in blocks("json"))
    assert read_network(network["network"]).secrets == ("REPORT_TOKEN",)
    assert compile_schema(schema).violations({"text": "to be"}) == []
    wrong = destinations.Problems()
    assert [each.kind for each in destinations.read_destinations(delivery["delivery"], wrong)] == ["file", "webhook"], wrong.found
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
