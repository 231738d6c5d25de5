"""Questions of running tasks, answered by the SDK's own client in both protocol eras."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any, cast

import anyio
import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp.types import INVALID_PARAMS, ElicitResult, ErrorData, InputRequiredResult

NAME = "{ type: 'object', properties: { name: { type: 'string', minLength: 2 } }, required: ['name'] }"
HELLO = f"async () => {{ console.log('begun'); const a = await ask('Who are you?', {NAME}); return `Hello, ${{a.content.name}}!`; }}"
TWICE = f"async () => [(await ask('First?', {NAME})).content.name, (await ask('Second?', {NAME})).content.name]"
BOTH = f"async () => (await Promise.all([ask('One?', {NAME}), ask('Two?', {NAME})])).map((each) => each.content.name)"
SURE = "async () => { try { return (await ask('Sure?')).action; } catch (error) { return [error.name, error.code]; } }"
ERAS = ["legacy", "2026-07-28"]
RUN = "run_javascript"


class User:
    """Answers each question with the next of some answers, and remembers what was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = [ElicitResult(action="accept", content=each) if isinstance(each, dict) else each for each in answers]
        self.asked: list[str] = []
        self.schemas: list[Any] = []

    async def __call__(self, context: Any, params: Any) -> Any:
        self.asked.append(params.message)
        self.schemas.append(params.requested_schema)
        answer = self.answers.pop(0)
        return await answer() if callable(answer) else answer


def named(name: str) -> dict[str, str]:
    return {"name": name}


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    return request.param


Connecting = Callable[..., Client]


@pytest.fixture
def connecting(http_server: Any, era: str) -> Connecting:
    """Return what makes a new client of the module's HTTP server, with a user behind it or not."""
    return lambda user=None: Client(f"{http_server.address}/mcp", mode=cast("Any", era), elicitation_callback=user)


async def structured(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    with anyio.fail_after(60):
        return cast("dict[str, Any]", (await client.call_tool(tool, arguments)).structured_content)


async def test_the_answer_continues_the_same_run(connecting: Connecting):
    user = User(named("Ada"))
    async with connecting(user) as client:
        result = await structured(client, RUN, code=HELLO)
        assert (result["status"], result["output"]) == ("completed", "Hello, Ada!")
        assert user.asked == ["Who are you?"]
        assert user.schemas[0]["required"] == ["name"]
        status = await structured(client, "get_status", id=result["execution_id"])
        assert [line["message"] for line in status["logs"]] == ["begun"]
        listed = await structured(client, "list_executions", limit=2)
        assert listed["executions"][0]["execution_id"] == result["execution_id"]


@pytest.mark.parametrize("era", ERAS)
async def test_questions_are_answered_over_stdio(era: str, environment: dict[str, str]):
    user = User(named("Ada"), named("Eve"))
    server = StdioServerParameters(command=sys.executable, args=["-m", "ratchet_mcp.mcp.stdio_main"], env=environment)
    async with Client(server, mode=cast("Any", era), elicitation_callback=cast("Any", user)) as client:
        assert (await structured(client, RUN, code=TWICE))["output"] == ["Ada", "Eve"]
    assert user.asked == ["First?", "Second?"]


async def test_questions_at_the_same_time_are_all_answered(connecting: Connecting):
    user = User(named("Ada"), named("Ada"))
    async with connecting(user) as client:
        assert (await structured(client, RUN, code=BOTH))["output"] == ["Ada", "Ada"]
    assert sorted(user.asked) == ["One?", "Two?"]


@pytest.mark.parametrize(("action", "told"), [("accept", "accept"), ("decline", ["AskDeclined", "ask_declined"])])
async def test_a_yes_or_no_comes_back_as_the_user_said(connecting: Connecting, action: Any, told: Any):
    async with connecting(User(ElicitResult(action=action))) as client:
        assert (await structured(client, RUN, code=SURE))["output"] == told


async def test_a_client_that_cannot_ask_is_told_what_to_do(connecting: Connecting):
    async with connecting() as client:
        result = await structured(client, RUN, code=HELLO)
    assert result["status"] == "failed" and result["error"]["details"]["code"] == "cannot_ask"
    assert "elicitation" in result["error"]["message"] and "mock.answers" in result["error"]["hint"]


async def test_a_client_that_fails_to_ask_counts_as_one_that_cannot(http_server: Any):
    user = User(ErrorData(code=-32603, message="no screen"))
    async with Client(f"{http_server.address}/mcp", mode="legacy", elicitation_callback=cast("Any", user)) as client:
        result = await structured(client, RUN, code=HELLO)
    assert result["error"]["details"]["code"] == "cannot_ask" and "no screen" in result["error"]["message"]


async def test_an_answer_that_does_not_fit_is_asked_for_again_with_what_was_wrong(connecting: Connecting):
    user = User(named("A"), named("Ada"))
    async with connecting(user) as client:
        assert (await structured(client, RUN, code=HELLO))["output"] == "Hello, Ada!"
    assert user.asked[0] == "Who are you?" and "$.name" in user.asked[1]


async def test_answers_that_never_fit_end_as_an_error_of_the_task(connecting: Connecting):
    user = User(*[named("A")] * 3)
    async with connecting(user) as client:
        result = await structured(client, RUN, code=HELLO)
    assert len(user.asked) == 3 and result["error"]["details"]["code"] == "answer_invalid"


async def test_a_run_that_asks_after_its_call_was_answered_asks_through_get_status(connecting: Connecting):
    user = User(named("Ada"))
    async with connecting(user) as client:
        begun = await structured(client, "execute_task", task="asks-later", input={}, wait_seconds=0)
        assert begun["status"] in ("queued", "running")
        with anyio.fail_after(60):
            while "questions" not in (looked := await structured(client, "get_status", id=begun["execution_id"])):
                await anyio.sleep(0.02)
        assert looked["questions"] == ["Who are you?"] and "wait_seconds" in looked["hint"]
        result = await structured(client, "get_status", id=begun["execution_id"], wait_seconds=25)
    assert result["output"] == "Hello, Ada!"


async def test_progress_is_told_before_and_after_the_answer(connecting: Connecting):
    told: list[float] = []

    async def take(progress: float, total: float | None, message: str | None) -> None:
        told.append(progress)

    code = f"async () => {{ reportProgress(10); const a = await ask('Who?', {NAME}); reportProgress(90); return a.content.name }}"
    async with connecting(User(named("Ada"))) as client:
        with anyio.fail_after(60):
            result = await client.call_tool(RUN, {"code": code}, progress_callback=take)
            while len(told) < 2:
                await anyio.sleep(0.01)
    assert cast("Any", result.structured_content)["output"] == "Ada" and told == [10, 90]


async def test_a_task_that_is_called_asks_the_user_of_its_caller(connecting: Connecting):
    async with connecting(User(named("Ada"))) as client:
        result = await structured(client, RUN, code="async () => await tasks.call('asks-later', {})")
    assert result["output"] == "Hello, Ada!"


async def test_every_kind_of_value_reaches_the_client_with_texts_that_can_be_seen(connecting: Connecting):
    properties = {
        "mail": {"type": "string", "format": "email", "title": "Ma\u202eil", "default": "a@example.com"},
        "code": {"type": "string", "pattern": "^[a-z]+$", "description": "Lower\u0007 case"},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "news": {"type": "boolean", "default": True},
        "size": {"type": "string", "enum": ["s", "l"], "enumNames": ["Small", "Large"]},
        "colour": {"type": "string", "oneOf": [{"const": "#f00", "title": "Red"}]},
        "tags": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}, "maxItems": 2},
        "days": {"type": "array", "items": {"anyOf": [{"const": "mo", "title": "Monday"}]}},
    }
    content = {"mail": "b@example.com", "code": "x", "age": 3, "news": False, "size": "l", "colour": "#f00", "tags": ["a"], "days": ["mo"]}
    schema = json.dumps({"type": "object", "properties": properties, "additionalProperties": False})
    user = User(content)
    async with connecting(user) as client:
        result = await structured(client, RUN, code=f"async () => (await ask('All\\u0000 \\u202eof it?', {schema})).content")
    assert result["output"] == content
    assert user.asked == ["All of it?"]
    shown = user.schemas[0]["properties"]
    assert (shown["mail"]["title"], shown["code"]["description"]) == ("Mail", "Lower case")
    assert set(shown) == set(properties)


async def test_debug_task_says_that_it_cannot_ask(connecting: Connecting):
    async with connecting(User()) as client:
        result = await structured(client, "debug_task", task="asks-later", input={}, breakpoints=[1])
    assert result["status"] == "failed" and result["error"]["details"]["code"] == "cannot_ask"


async def test_when_a_client_vanishes_over_a_question_another_one_can_answer_it(http_server: Any):
    asked = anyio.Event()

    async def never() -> None:
        asked.set()
        await anyio.sleep_forever()

    user = User(never)
    address = f"{http_server.address}/mcp"
    async with anyio.create_task_group() as tasks:

        async def run() -> None:
            async with Client(address, mode="legacy", elicitation_callback=cast("Any", user)) as client:
                await client.call_tool("execute_task", {"task": "asks-later", "input": {}})

        tasks.start_soon(run)
        with anyio.fail_after(60):
            await asked.wait()
        tasks.cancel_scope.cancel()
    async with Client(address, mode="2026-07-28", elicitation_callback=cast("Any", User(named("Ada")))) as client:
        listed = await structured(client, "list_executions", task="asks-later", limit=1)
        status = await structured(client, "get_status", id=listed["executions"][0]["execution_id"], wait_seconds=25)
    assert status["output"] == "Hello, Ada!"


class TestSealedState:
    """What a client of 2026-07-28 sends back continues the run that asked, and no other."""

    @pytest.fixture
    def client(self, http_server: Any) -> Client:
        return Client(f"{http_server.address}/mcp", mode="2026-07-28", elicitation_callback=cast("Any", User()))

    async def ask(self, client: Client, code: str = HELLO) -> tuple[dict[str, Any], str]:
        asked = await client.session.call_tool(RUN, {"code": code}, allow_input_required=True)
        assert isinstance(asked, InputRequiredResult) and asked.request_state and asked.input_requests
        return dict(asked.input_requests), asked.request_state

    def answers(self, requests: dict[str, Any], name: str = "Ada") -> dict[str, Any]:
        return {key: ElicitResult(action="accept", content=cast("Any", named(name))) for key in requests}

    async def test_a_state_that_was_used_gives_the_same_result_and_starts_nothing(self, client: Client):
        async with client:
            requests, state = await self.ask(client)
            answers = self.answers(requests)
            first = await client.call_tool(RUN, {"code": HELLO}, input_responses=answers, request_state=state)
            again = self.answers(requests, "Eve")
            second = await client.call_tool(RUN, {"code": HELLO}, input_responses=again, request_state=state)
        assert first.structured_content == second.structured_content
        assert cast("Any", first.structured_content)["output"] == "Hello, Ada!"

    async def test_two_answers_at_the_same_time_are_one(self, client: Client):
        async with client:
            requests, state = await self.ask(client)
            outputs: list[str] = []

            async def answer(name: str) -> None:
                given = self.answers(requests, name)
                result = await client.call_tool(RUN, {"code": HELLO}, input_responses=given, request_state=state)
                outputs.append(cast("Any", result.structured_content)["output"])

            async with anyio.create_task_group() as answering:
                answering.start_soon(answer, "Ada")
                answering.start_soon(answer, "Eve")
        assert len(set(outputs)) == 1 and len(outputs) == 2

    @pytest.mark.parametrize("change", ["state", "arguments"])
    async def test_a_state_of_another_call_is_refused(self, client: Client, change: str):
        async with client:
            requests, state = await self.ask(client)
            code = SURE if change == "arguments" else HELLO
            state = state[:-4] + ("AAAA" if state[-4:] != "AAAA" else "BBBB") if change == "state" else state
            with pytest.raises(MCPError) as caught:
                await client.session.call_tool(RUN, {"code": code}, input_responses=self.answers(requests), request_state=state)
        assert caught.value.code == INVALID_PARAMS

    async def test_answers_without_the_state_start_a_run_of_their_own(self, client: Client):
        async with client:
            requests, _ = await self.ask(client)
            asked = await client.session.call_tool(RUN, {"code": HELLO}, input_responses=self.answers(requests), allow_input_required=True)
        assert isinstance(asked, InputRequiredResult)

    async def test_the_state_tells_the_client_nothing(self, client: Client):
        async with client:
            _, state = await self.ask(client)
            listed = await structured(client, "list_executions", limit=1)
        assert listed["executions"][0]["execution_id"] not in state


async def test_a_cancelled_run_that_asked_tells_so_when_the_answer_comes(http_server: Any):
    async with Client(f"{http_server.address}/mcp", mode="2026-07-28", elicitation_callback=cast("Any", User())) as client:
        asked = await client.session.call_tool(RUN, {"code": HELLO}, allow_input_required=True)
        assert isinstance(asked, InputRequiredResult) and asked.input_requests
        listed = await structured(client, "list_executions", limit=1)
        await structured(client, "cancel_execution", id=listed["executions"][0]["execution_id"])
        answers = {key: ElicitResult(action="accept", content=cast("Any", named("Ada"))) for key in asked.input_requests}
        result = await client.call_tool(RUN, {"code": HELLO}, input_responses=answers, request_state=asked.request_state)
    assert cast("Any", result.structured_content)["status"] == "cancelled"


async def test_an_answer_after_kill_9_tells_that_the_run_was_interrupted_and_starts_nothing(start_http: Any):
    server = start_http()
    async with Client(f"{server.address}/mcp", mode="2026-07-28", elicitation_callback=cast("Any", User())) as client:
        asked = await client.session.call_tool(RUN, {"code": HELLO}, allow_input_required=True)
        assert isinstance(asked, InputRequiredResult) and asked.input_requests
        server.process.kill()
        await anyio.to_thread.run_sync(server.process.wait)
    server = start_http()
    async with Client(f"{server.address}/mcp", mode="2026-07-28", elicitation_callback=cast("Any", User())) as client:
        answers = {key: ElicitResult(action="accept", content=cast("Any", named("Ada"))) for key in asked.input_requests}
        result = await client.call_tool(RUN, {"code": HELLO}, input_responses=answers, request_state=asked.request_state)
        listed = await structured(client, "list_executions", limit=5)
    assert cast("Any", result.structured_content)["status"] == "interrupted"
    assert len(listed["executions"]) == 1
