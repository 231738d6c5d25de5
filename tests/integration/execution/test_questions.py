"""Questions that running tasks put to their users: who is asked, what comes back, and what waits meanwhile."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest

from ratchet_mcp.app import Ratchet
from ratchet_mcp.errors import AnswerInvalid
from ratchet_mcp.execution.asking import MOST_OPEN, MOST_QUESTIONS, Answer, Answers
from ratchet_mcp.execution.models import Execution, Origin, Status
from ratchet_mcp.execution.questions import MOST_TRIES, OpenQuestion, OpenQuestions
from ratchet_mcp.execution.service import Handle
from ratchet_mcp.security.principal import Principal
from ratchet_mcp.settings import EngineSettings, McpSettings, RegistrySettings, Settings, StoreSettings
from ratchet_mcp.tasks.loading import make_unsaved

ME = Principal("me")
NAME = "{ type: 'object', properties: { name: { type: 'string', minLength: 1 } }, required: ['name'] }"
ASKS = f"async () => await ask('Who are you?', {NAME})"
CATCHES = (
    "async () => { try { return await ask('Sure?') } catch (e) { return [e.name, e instanceof Error, e.code, e.data.action ?? null] } }"
)


class Saying:
    """Answers at once, the same to each question."""

    def __init__(self, answer: Answer) -> None:
        self.answer_, self.asked = answer, list[str]()

    async def answer(self, question: Any, key: str) -> Answer:
        self.asked.append(question.message)
        return self.answer_


async def start(ratchet: Ratchet, code: str, answers: Answers | None = None, **options: Any) -> Handle:
    task = make_unsaved(code, limits=ratchet.settings.limits)
    return await ratchet.executions.start(task, {}, origin=Origin.MCP, principal=ME, answers=answers, **options)


async def run(ratchet: Ratchet, code: str, answers: Answers | None = None, **options: Any) -> Execution:
    return await (await start(ratchet, code, answers, **options)).wait(60)


async def first(questions: OpenQuestions, count: int = 1) -> OpenQuestion:
    with anyio.fail_after(30):
        while len(questions.open) < count:
            await questions.news()
    return questions.open[0]


async def test_an_answer_reaches_the_task_with_what_was_asked_for_only(ratchet: Ratchet) -> None:
    questions = OpenQuestions()
    handle = await start(ratchet, ASKS, questions)
    one = await first(questions)
    assert one.message == "Who are you?" and one.question.schema["required"] == ["name"]
    assert questions.give(one.key, Answer("accept", {"name": "Ada", "more": 1}))
    execution = await handle.wait(60)
    assert (execution.status, execution.output) == (Status.COMPLETED, {"action": "accept", "content": {"name": "Ada"}})


@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_a_user_who_does_not_answer_is_an_error_that_a_task_can_catch(ratchet: Ratchet, action: Any) -> None:
    execution = await run(ratchet, CATCHES, Saying(Answer(action)))
    assert execution.output == ["AskDeclined", True, "ask_declined", action]


async def test_a_run_that_nobody_watches_cannot_ask_and_says_what_to_do(ratchet: Ratchet) -> None:
    execution = await run(ratchet, ASKS)
    assert execution.status is Status.FAILED and execution.error is not None
    assert execution.error["details"]["code"] == "cannot_ask"
    assert "nobody can be asked" in execution.error["message"] and "run-once" in execution.error["hint"]


async def test_a_question_without_a_schema_is_a_yes_or_no(ratchet: Ratchet) -> None:
    assert (await run(ratchet, CATCHES, Saying(Answer("accept")))).output == {"action": "accept", "content": {}}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("ask()", "not a plain text|undefined|message"),
        ("ask('')", "needs a message"),
        ("ask('x'.repeat(5000))", "at most 4000"),
        ("ask('Q', 7)", "an object"),
        ("ask('Q', { type: 'object' })", "properties"),
        ("ask('Q', { type: 'object', properties: { a: { type: 'object' } } })", "$.properties.a.type"),
        ("ask('Q', { type: 'object', properties: { a: { $ref: '#' } } })", "$.properties.a.type"),
        ("ask('Q', { type: 'object', properties: { a: { type: 'string', oneOf: [{ type: 'string' }] } } })", "$.properties.a.oneOf"),
        ("ask('Q', { type: 'object', properties: { a: { type: 'array', items: { type: 'string' } } } })", "$.properties.a.items"),
        ("ask('Q', { type: 'object', properties: { a: { type: 'string', pattern: '(' } } })", "pattern"),
        ("ask('Q', { type: 'object', properties: {}, required: ['b'] })", "$.required"),
        ("ask('Q', { type: 'object', properties: {}, title: 'x'.repeat(70000) })", "characters of JSON"),
    ],
)
async def test_what_cannot_be_asked_is_refused_by_name(ratchet: Ratchet, call: str, words: str) -> None:
    answers = Saying(Answer("accept"))
    code = f"async () => {{ try {{ await {call}; return ['asked'] }} catch (e) {{ return [e.name, e.code, e.message] }} }}"
    output: Any = (await run(ratchet, code, answers)).output
    if output != ["asked"]:
        assert output[:2] == ["TypeError", "invalid_question"]
        assert any(word in output[2] for word in words.split("|")), output[2]
    else:
        assert answers.asked == ["undefined"]


async def test_every_kind_of_value_that_elicitation_knows_can_be_asked_for(ratchet: Ratchet) -> None:
    properties = {
        "mail": {"type": "string", "format": "email", "title": "Mail", "default": "a@example.com"},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "share": {"type": "number"},
        "news": {"type": "boolean", "default": True},
        "size": {"type": "string", "enum": ["s", "l"], "enumNames": ["Small", "Large"]},
        "colour": {"type": "string", "oneOf": [{"const": "#f00", "title": "Red"}]},
        "tags": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}, "maxItems": 2},
        "days": {"type": "array", "items": {"anyOf": [{"const": "mo", "title": "Monday"}]}},
    }
    content = {"mail": "b@example.com", "age": 3, "share": 0.5, "news": False, "size": "l", "colour": "#f00", "tags": ["a"], "days": ["mo"]}
    code = f"async () => (await ask('All?', {{ type: 'object', properties: {json.dumps(properties)} }})).content"
    assert (await run(ratchet, code, Saying(Answer("accept", content)))).output == content


async def test_an_answer_that_does_not_fit_leaves_the_question_open_and_the_third_is_told_to_the_task(ratchet: Ratchet) -> None:
    questions = OpenQuestions()
    handle = await start(ratchet, ASKS, questions)
    one = await first(questions)
    for number in range(1, MOST_TRIES + 1):
        with pytest.raises(AnswerInvalid) as caught:
            questions.give(one.key, Answer("accept", {"name": ""}))
        assert caught.value.details["violations"][0]["path"] == "$.name"
        assert bool(questions.open) is (number < MOST_TRIES)
    assert "$.name" in one.message
    execution = await handle.wait(60)
    assert execution.error is not None and execution.error["details"]["code"] == "answer_invalid"


async def test_the_first_answer_counts_and_later_ones_find_no_question(ratchet: Ratchet) -> None:
    questions = OpenQuestions()
    handle = await start(ratchet, ASKS, questions)
    key = (await first(questions)).key
    assert questions.give(key, Answer("accept", {"name": "Ada"}))
    assert not questions.give(key, Answer("accept", {"name": "Eve"}))
    assert not questions.give("another", Answer("accept", {"name": "Eve"}))
    assert (await handle.wait(60)).output["content"] == {"name": "Ada"}
    assert not questions.give(key, Answer("decline"))


async def test_the_time_of_a_run_stands_still_while_it_waits_for_its_user(ratchet: Ratchet) -> None:
    questions = OpenQuestions()
    parent = f"async () => (await tasks.call('echo', {{}})) && (await ask('Who?', {NAME})).content.name"
    handle = await start(ratchet, parent, questions, timeout_seconds=1.0)
    one = await first(questions)
    await anyio.sleep(1.2)  # longer than the run may take
    assert not handle.execution.status.final
    questions.give(one.key, Answer("accept", {"name": "Ada"}))
    assert (await handle.wait(60)).output == "Ada"


async def test_after_the_answer_the_time_goes_on(ratchet: Ratchet) -> None:
    code = f"async () => {{ await ask('Who?', {NAME}); await new Promise((r) => setTimeout(r, 1e6)) }}"
    execution = await run(ratchet, code, Saying(Answer("accept", {"name": "Ada"})), timeout_seconds=0.3)
    assert execution.status is Status.TIMED_OUT


async def test_a_child_asks_the_user_of_its_caller_and_both_clocks_stand_still(asking: Ratchet) -> None:
    questions = OpenQuestions()
    handle = await start(asking, "async () => await tasks.call('asks', {})", questions, timeout_seconds=1.0)
    one = await first(questions)
    await anyio.sleep(1.2)  # longer than either run may take
    questions.give(one.key, Answer("accept", {"name": "Ada"}))
    assert (await handle.wait(60)).output == {"action": "accept", "content": {"name": "Ada"}}


async def test_a_cancelled_run_takes_its_questions_with_it(ratchet: Ratchet) -> None:
    questions = OpenQuestions()
    handle = await start(ratchet, ASKS, questions)
    one = await first(questions)
    handle.cancel("no longer wanted")
    assert (await handle.wait(60)).status is Status.CANCELLED
    with anyio.fail_after(30):
        await one.closed.wait()
    assert questions.open == []


async def test_no_answer_in_time_is_an_error_of_the_task(asking: Ratchet) -> None:
    execution = await run(
        asking, "async () => { try { await ask('Q') } catch (e) { return [e.name, e.code, e.data.seconds] } }", OpenQuestions()
    )
    assert execution.output == ["TimeoutError", "answer_timeout", 2]


async def test_what_a_user_was_asked_for_is_kept_in_no_cache(asking: Ratchet) -> None:
    answers = [Saying(Answer("accept", {"name": name})) for name in ("Ada", "Eve")]
    task = await asking.catalog.resolve("cached")
    outputs: list[Any] = []
    for each in answers:
        handle = await asking.executions.start(task, {}, origin=Origin.MCP, principal=ME, answers=each)
        outputs.append((await handle.wait(60)).output["content"]["name"])
    assert outputs == ["Ada", "Eve"]


async def test_a_run_asks_a_bounded_number_of_questions(ratchet: Ratchet) -> None:
    code = f"async () => {{ for (let n = 0; n < {MOST_QUESTIONS}; n++) await ask('Q' + n); try {{ await ask('more') }} catch (e) {{ return e.code }} }}"
    answers = Saying(Answer("accept"))
    assert (await run(ratchet, code, answers)).output == "too_many_questions"
    assert len(answers.asked) == MOST_QUESTIONS


async def test_a_thousand_questions_at_once_are_ten_and_nine_hundred_and_ninety_errors(ratchet: Ratchet) -> None:
    code = "async () => { const all = await Promise.allSettled(Array.from({ length: 1000 }, (_, n) => ask('Q' + n)));"
    code += " return all.map((each) => each.status === 'fulfilled' ? 'answered' : each.reason.code) }"
    questions = OpenQuestions()
    handle = await start(ratchet, code, questions)
    with anyio.fail_after(30):
        while len(handle.asking.told) < 1000 - MOST_OPEN:
            await anyio.sleep(0.01)
    for one in questions.open:
        questions.give(one.key, Answer("accept"))
    output: Any = (await handle.wait(60)).output
    assert [output.count(outcome) for outcome in ("answered", "too_many_questions")] == [MOST_OPEN, 1000 - MOST_OPEN]


async def test_runs_that_wait_for_users_hold_no_slot_and_leave_calls_their_room(asking: Ratchet) -> None:
    waiting = [OpenQuestions() for _ in range(2)]
    handles = [await start(asking, ASKS, questions) for questions in waiting]
    for questions in waiting:
        await first(questions)
    assert asking.pool.status()["running"] == 0
    refused = await run(asking, "async () => { try { await ask('Q') } catch (e) { return [e.code, e.message] } }", OpenQuestions())
    assert refused.output[0] == "queue_full" and "max_waiting_questions" in refused.output[1]
    assert (await run(asking, "async () => await tasks.call('one', {})")).output == 1
    for questions, handle in zip(waiting, handles, strict=True):
        questions.give(questions.open[0].key, Answer("accept", {"name": "Ada"}))
        assert (await handle.wait(60)).status is Status.COMPLETED


@pytest.fixture(scope="module")
async def asking(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A server with one slot, room for two questions, and two seconds for an answer."""
    folder = tmp_path_factory.mktemp("tasks")
    for name, code in {"asks": ASKS, "one": "() => 1", "cached": ASKS}.items():
        (folder / name).mkdir()
        facts = {
            "name": name,
            "version": "1.0.0",
            "uuid": f"0198c1d2-0000-7000-8000-{len(name):012x}",
            "title": name,
            "description": "For tests.",
        }
        (folder / name / "metadata.json").write_text(
            json.dumps(facts | {"timeout_seconds": 1.0} | ({"cache": {"ttl": "1h"}} if name == "cached" else {}))
        )
        (folder / name / "main.js").write_text(code)
        for schema in ("input", "output"):
            (folder / name / f"{schema}.schema.json").write_text("{}")
    settings = Settings(
        store=StoreSettings(url="sqlite://"),
        registry=RegistrySettings(bundled=False, sources=[{"name": "ours", "uri": str(folder)}]),  # type: ignore[list-item]
        engine=EngineSettings(max_workers=1, max_waiting_questions=2),
        mcp=McpSettings(answer_seconds=2),
    )
    async with Ratchet.open(settings) as opened:
        yield opened
