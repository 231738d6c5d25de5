"""Questions of runs, on their way to the user of the client that waits for the run, in both protocol eras.

On handshake connections each question is a request to the client while the call waits. From 2026-07-28 on the call ends with
`input_required`; the run stays as it is, and the client's repetition of the call brings the answers to it.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import anyio
from mcp.shared.exceptions import MCPError
from mcp.types import ElicitRequest, ElicitRequestFormParams
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from ratchet_mcp.errors import AnswerInvalid, CannotAsk
from ratchet_mcp.execution.asking import Answer, Answers, Nobody, read_answer
from ratchet_mcp.execution.questions import OpenQuestion, OpenQuestions
from ratchet_mcp.mcp.elicitation import asked, can_ask, responses, unsealed
from ratchet_mcp.tasks.visible import visible

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ratchet_mcp.app import Ratchet
    from ratchet_mcp.execution.handle import Handle
    from ratchet_mcp.execution.models import Execution
    from ratchet_mcp.mcp.tools.spec import Call

MAX_MESSAGE = 6_000
CANNOT = Nobody("the client that runs the task has not declared that it can ask its user (MCP elicitation).")
RUN = "run"


def answers_for(call: Call) -> Answers:
    """Return who answers the questions of a run that this call starts."""
    return OpenQuestions() if can_ask(call.context) else CANNOT


async def continued(call: Call) -> str | None:
    """Return the id of the run that a repeated call goes on with, None for a first call. Raises `MCPError` for a state that is not ours."""
    if call.context.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        return None
    state = await unsealed(call)
    with suppress(ValueError):
        parsed: Any = None if state is None else json.loads(state)
        if isinstance(parsed, dict):
            id: Any = parsed.get(RUN)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
            return id if isinstance(id, str) else None
    return None


def open_questions(ratchet: Ratchet, id: str) -> list[str]:
    """Return the messages of the questions that a run under way waits for."""
    handle = ratchet.executions.handle(id)
    questions = None if handle is None else handle.asking.answers
    return [visible(one.message, MAX_MESSAGE) for one in questions.open] if isinstance(questions, OpenQuestions) else []


def bring(questions: OpenQuestions, given: Mapping[str, Any]) -> None:
    """Hand answers to the questions that are open; others are ignored, and one that does not fit leaves its question open."""
    for key, response in given.items():
        answer = read_answer(response)
        if answer is not None:
            with suppress(AnswerInvalid):
                questions.give(key, answer)


async def attend(call: Call, handle: Handle, seconds: float) -> Execution:
    """Wait for the end of a run as `Handle.wait` does, and put its questions to the user meanwhile, which takes no time of the `seconds`.

    Raises `Asked` in the modern era.
    """
    questions = handle.asking.answers
    if not isinstance(questions, OpenQuestions) or not can_ask(call.context):
        return await handle.wait(seconds)
    modern = call.context.protocol_version in MODERN_PROTOCOL_VERSIONS
    if modern and await continued(call) == handle.id:
        bring(questions, responses(call))
    deadline = anyio.current_time() + seconds
    while not handle.execution.status.final and anyio.current_time() < deadline:
        if modern and questions.open:
            raise await _asked(call, handle, questions.open)
        waiting = next((one for one in questions.open if not one.attended), None)
        if waiting is not None:
            began = anyio.current_time()
            await _ask(call, questions, waiting)
            deadline += anyio.current_time() - began
            continue
        with handle.when_ended(questions.poke), anyio.CancelScope(deadline=deadline):
            await questions.news()
    return await handle.wait(max(0.0, deadline - anyio.current_time()))


async def until_news(handle: Handle, seconds: float) -> None:
    """Wait until a run has ended, or has asked something, or so many seconds."""
    questions = handle.asking.answers
    if not isinstance(questions, OpenQuestions):
        await handle.wait(seconds)
        return
    with handle.when_ended(questions.poke), anyio.move_on_after(seconds):
        while not handle.ended and not questions.open:
            await questions.news()
    await handle.wait(0)


async def _ask(call: Call, questions: OpenQuestions, one: OpenQuestion) -> None:
    """Put one question to the user by a request to the client, until it is answered or nobody waits for the answer any more."""
    one.attended = True
    try:
        async with anyio.create_task_group() as asking:
            asking.start_soon(_until_closed, one, asking.cancel_scope)
            answer = await _request(call, one)
            if isinstance(answer, Answer):
                with suppress(AnswerInvalid):
                    questions.give(one.key, answer)
            else:
                questions.refuse(one.key, answer)
            asking.cancel_scope.cancel()
    finally:
        one.attended = False


async def _until_closed(one: OpenQuestion, scope: anyio.CancelScope) -> None:
    await one.closed.wait()
    scope.cancel()


async def _request(call: Call, one: OpenQuestion) -> Answer | CannotAsk:
    try:
        result = await call.context.session.elicit_form(
            visible(one.message, MAX_MESSAGE), _form(one.question.schema), related_request_id=call.context.request_id
        )
    except (MCPError, ValidationError) as error:
        why = error.message if isinstance(error, MCPError) else "its answer was none"
        reason = f"the client could not ask its user ({why[:200]})."
        return CannotAsk(f"The question was not put to the user: {reason}", details={"reason": reason, "question": one.question.message})
    return Answer(result.action, dict(result.content) if result.content is not None else None)


async def _asked(call: Call, handle: Handle, open: list[OpenQuestion]) -> Exception:
    return await asked(call, {one.key: elicitation(one) for one in open}, json.dumps({RUN: handle.id}))


def elicitation(one: OpenQuestion) -> ElicitRequest:
    """Return a question as a request for the client."""
    return request_of(one.message, one.question.schema)


def request_of(message: str, schema: Mapping[str, Any]) -> ElicitRequest:
    """Return a question as a request for the client."""
    return ElicitRequest(params=ElicitRequestFormParams(message=visible(message, MAX_MESSAGE), requested_schema=_form(schema)))


def _form(schema: Mapping[str, Any]) -> dict[str, Any]:
    form = {name: value for name, value in {"type": "object", **schema}.items() if name != "additionalProperties"}
    return _shown(form)


def _shown(value: Any) -> Any:
    """Return a schema whose texts for people hold nothing that cannot be seen; names and values stay as they are."""
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return {
            name: visible(each, MAX_MESSAGE) if name in ("title", "description") and isinstance(each, str) else _shown(each)
            for name, each in items
        }
    return [_shown(each) for each in cast("list[Any]", value)] if isinstance(value, list) else value
