"""Questions in tests, in recordings and in replays: the answers come from files."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from ratchet_mcp.app import Ratchet
from ratchet_mcp.authoring.lint.mocks import check_mocks
from ratchet_mcp.errors import TaskInvalid
from ratchet_mcp.execution.asking import Answer
from ratchet_mcp.execution.models import Execution, Origin, Status
from ratchet_mcp.execution.questions import OpenQuestions
from ratchet_mcp.security.principal import LOCAL
from ratchet_mcp.settings import RegistrySettings, Settings, SourceSettings, StoreSettings
from ratchet_mcp.tasks.definition import Task
from ratchet_mcp.tasks.loading import make_unsaved
from ratchet_mcp.tasks.problems import Problems
from ratchet_mcp.tasks.testcase import read_tests
from ratchet_mcp.testing.answers import MockedAnswers
from ratchet_mcp.testing.report import TestResult

NAME = "{ type: 'object', properties: { name: { type: 'string', minLength: 2 } }, required: ['name'] }"
HELLO = f"async () => (await ask('Who are you?', {NAME})).content.name"
TWO = f"async () => {{ const who = (await ask('Who?', {NAME})).content.name; try {{ await ask('Sure?') }} catch (e) {{ return [who, e.code] }} }}"


@pytest.fixture(scope="module")
async def ratchet(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ratchet]:
    folder = tmp_path_factory.mktemp("answers")
    child = folder / "tasks" / "child"
    child.mkdir(parents=True)
    (child / "metadata.json").write_text(json.dumps({"name": "child", "version": "1.0.0", "description": "Asks."}))
    (child / "main.js").write_text(HELLO)
    settings = Settings(
        store=StoreSettings(url=f"sqlite:///{folder}/ratchet.db"),
        registry=RegistrySettings(bundled=False, sources=[SourceSettings(name="ours", uri=str(folder / "tasks"))]),
    )
    async with Ratchet.open(settings) as opened:
        yield opened


def task(code: str, *tests: dict[str, Any]) -> Task:
    found = read_tests([{"name": "one", "input": {}, **each} for each in tests], "tests/one.json", "test", Problems())
    return replace(make_unsaved(code), name="sample", version="1.0.0", origin="folder", tests=tuple(found))


async def outcome_of(ratchet: Ratchet, code: str, **case: Any) -> TestResult:
    return (await ratchet.testing.run(task(code, case))).results[0]


async def test_a_test_answers_in_the_order_of_the_questions(ratchet: Ratchet) -> None:
    answers = [{"content": {"name": "Ada"}}, {"action": "decline"}]
    result = await outcome_of(ratchet, TWO, expected_output=["Ada", "ask_declined"], mock={"answers": answers})
    assert result.passed and result.note is None


async def test_an_answer_may_say_which_question_it_is_for(ratchet: Ratchet) -> None:
    answers = [{"action": "cancel", "message_contains": "Sure"}, {"content": {"name": "Ada"}, "message_contains": "Who"}]
    assert (await outcome_of(ratchet, TWO, expected_output=["Ada", "ask_declined"], mock={"answers": answers})).passed


async def test_a_called_task_is_answered_by_the_test_of_its_caller(ratchet: Ratchet) -> None:
    mock = {"answers": [{"content": {"name": "Ada"}}]}
    assert (await outcome_of(ratchet, "async () => await tasks.call('child', {})", expected_output="Ada", mock=mock)).passed


async def test_a_question_without_an_answer_fails_the_test_and_says_what_to_add(ratchet: Ratchet) -> None:
    result = await outcome_of(ratchet, HELLO, expected_output="Ada")
    assert not result.passed and result.error is not None
    assert result.error["details"]["code"] == "answer_missing" and "mock.answers" in result.error["hint"]


async def test_an_answer_that_no_question_had_is_told(ratchet: Ratchet) -> None:
    mock = {"answers": [{"content": {"name": "Ada"}}, {"content": {"name": "Eve"}}]}
    result = await outcome_of(ratchet, HELLO, expected_output="Ada", mock=mock)
    assert result.passed and result.note is not None and "mock.answers[1]" in result.note


async def test_an_answer_that_does_not_fit_the_question_fails_the_test(ratchet: Ratchet) -> None:
    result = await outcome_of(ratchet, HELLO, expected_output="Ada", mock={"answers": [{"content": {"name": "A"}}]})
    assert not result.passed and result.error is not None and result.error["details"]["code"] == "answer_invalid"


async def test_answers_of_a_mock_file_stand_behind_those_of_the_test(ratchet: Ratchet) -> None:
    sample = task(TWO, {"expected_output": ["Ada", "ask_declined"], "mock": {"answers": [{"content": {"name": "Ada"}}]}})
    behind = MockedAnswers.read({"answers": [{"action": "decline"}]})
    assert (await ratchet.testing.run(sample, answers=behind)).ok
    assert behind.unused == ["mock.answers[0]"]  # each test has them afresh


@pytest.mark.parametrize(
    ("answers", "path"),
    [
        ({}, "$.answers"),
        ([7], "$.answers[0]"),
        ([{"contents": {}}], "$.answers[0].contents"),
        ([{"action": "perhaps"}], "$.answers[0].action"),
        ([{"action": "decline", "content": {}}], "$.answers[0].content"),
        ([{"content": "Ada"}], "$.answers[0].content"),
        ([{"message_contains": 1}], "$.answers[0].message_contains"),
    ],
)
def test_a_mistake_in_the_answers_is_named(answers: Any, path: str) -> None:
    with pytest.raises(TaskInvalid) as caught:
        MockedAnswers.read({"answers": answers})
    assert caught.value.details["problems"][0]["path"] == path
    found = list(check_mocks(task(HELLO, {"mock": {"answers": answers}})))
    assert [each.code for each in found] == ["invalid-test"] and "answer" in str(found[0].suggestion)


# ---------------------------------------------------------------- recordings
async def recorded(ratchet: Ratchet, code: str, *answers: Answer) -> Execution:
    """Record a run whose questions get some answers."""
    questions = OpenQuestions()
    handle = await ratchet.recordings.start(make_unsaved(code), {}, origin=Origin.CLI, answers=questions)
    with anyio.fail_after(60):
        for answer in answers:
            while not questions.open:
                await questions.news()
            questions.give(questions.open[0].key, answer)
        return await handle.wait(None)


async def replayed(ratchet: Ratchet, id: str, code: str) -> tuple[Execution, dict[str, Any]]:
    found = await ratchet.recordings.of(id)
    replaying = await ratchet.replays.start(found, make_unsaved(code), origin=Origin.CLI, principal=LOCAL)
    execution = await replaying.handle.wait(60)
    return execution, replaying.report(execution).to_dict()


@pytest.mark.parametrize(
    ("code", "answers"),
    [
        (HELLO, [Answer("accept", {"name": "Ada"})]),
        (TWO, [Answer("accept", {"name": "Ada"}), Answer("cancel")]),
        ("async () => await tasks.call('child', {})", [Answer("accept", {"name": "Ada"})]),
        (HELLO, [Answer("decline")]),
    ],
    ids=["accept", "cancel", "child", "decline"],
)
async def test_a_replay_gives_the_recorded_answers_and_asks_nobody(ratchet: Ratchet, code: str, answers: list[Answer]) -> None:
    run = await recorded(ratchet, code, *answers)
    execution, report = await replayed(ratchet, run.id, code)
    assert report["same"], report
    assert (execution.status, execution.output) == (run.status, run.output)


async def test_a_replay_that_asks_something_else_says_so(ratchet: Ratchet) -> None:
    run = await recorded(ratchet, HELLO, Answer("accept", {"name": "Ada"}))
    execution, report = await replayed(ratchet, run.id, HELLO.replace("Who are you?", "What is your name?"))
    assert execution.status is Status.FAILED and not report["same"]
    assert execution.error is not None and execution.error["details"]["code"] == "answer_missing"


def test_a_mock_file_of_another_kind_has_no_answers(tmp_path: Path) -> None:
    assert MockedAnswers.read([{"url": "example.com"}]).unused == []
    assert MockedAnswers.read(None).unused == []
