"""Tasks of SEP-2663 between principals and processes: what is told to whom, and who may answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from mcp import MCPError
from mcp.types import INVALID_PARAMS

from ratchet_mcp.app import Ratchet
from ratchet_mcp.errors import AnswerInvalid
from ratchet_mcp.execution.asking import Answer
from ratchet_mcp.execution.models import Origin
from ratchet_mcp.execution.questions import OpenQuestions
from ratchet_mcp.execution.service import Handle
from ratchet_mcp.jobs.models import Job, JobRequest, JobStatus
from ratchet_mcp.jobs.retry import RetryPolicy
from ratchet_mcp.mcp.tasks_extension.service import TasksExtension
from ratchet_mcp.mcp.tools.execute import TOOLS
from ratchet_mcp.mcp.tools.spec import Call
from ratchet_mcp.security.principal import LOCAL, Principal
from ratchet_mcp.settings import RegistrySettings, Settings, StoreSettings

NAME = "{ type: 'object', properties: { name: { type: 'string', minLength: 2 } }, required: ['name'] }"
HELLO = f"async () => (await ask('Who\\u0000 are you?', {NAME})).content.name"
EXECUTE = next(tool for tool in TOOLS if tool.name == "execute_task")


class Up:
    """Services that are up."""

    def __init__(self, ratchet: Ratchet) -> None:
        self.ratchet = ratchet

    async def get(self) -> Ratchet:
        return self.ratchet

    up = get


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
async def two(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Ratchet, Ratchet]]:
    """Two processes' worth of services on one database; the second runs no jobs."""
    file = f"sqlite:///{tmp_path_factory.mktemp('store')}/ratchet.db"
    url = file if request.param == "sqlite" else request.getfixturevalue("module_postgres_url")
    settings = Settings(store=StoreSettings(url=url), registry=RegistrySettings(bundled=False))
    async with Ratchet.open(settings) as one, Ratchet.open(settings, work=False) as other:
        yield one, other


async def adopted(ratchet: Ratchet, code: str = HELLO, principal: Principal = LOCAL, **request: Any) -> tuple[Job, Handle]:
    """Start a run and make it a task, as a call does."""
    handle = await ratchet.run_javascript(code, {}, origin=Origin.MCP, principal=principal, answers=OpenQuestions())
    asked = JobRequest(
        "", origin=Origin.MCP, principal=principal, code=code, retry=RetryPolicy(attempts=1), call={"tool": "run_javascript"}
    )
    return await ratchet.jobs.adopt(handle, handle.task, request=replace(asked, **request)), handle


def extension(ratchet: Ratchet, principal: Principal = LOCAL, settings: Settings | None = None) -> tuple[TasksExtension, Call]:
    context: Any = SimpleNamespace(request=None, protocol_version="2026-07-28", params={})
    call = Call(Up(ratchet), settings or ratchet.settings, context, principal)

    async def tool_of(name: str) -> Any:
        return EXECUTE

    return TasksExtension(lambda context: call, tool_of), call


async def asked(ratchet: Ratchet, id: str) -> list[dict[str, Any]]:
    """Return the open questions of a job as soon as there are any."""
    with anyio.fail_after(30):
        while not (found := ratchet.jobs.asking.open_questions(await ratchet.jobs.get(id))):
            await anyio.sleep(0.02)
    return found


async def test_a_task_of_somebody_else_is_unknown(two: tuple[Ratchet, Ratchet]) -> None:
    job, handle = await adopted(two[0], principal=Principal("somebody"))
    tasks, call = extension(two[0])
    with pytest.raises(MCPError) as caught:
        await tasks.find(call, job.id)
    assert caught.value.code == INVALID_PARAMS and not await tasks.knows(call, job.id)
    tasks, call = extension(two[0], Principal("somebody"))
    assert (await tasks.find(call, job.id)).id == job.id
    handle.cancel()
    await two[0].jobs.wait(job.id, 30)


async def test_another_process_shows_the_question_and_takes_the_answer(two: tuple[Ratchet, Ratchet]) -> None:
    one, other = two
    job, handle = await adopted(one)
    (question,) = await asked(other, job.id)
    assert question["message"].startswith("Who") and question["schema"]["required"] == ["name"]
    tasks, call = extension(other)
    view = await tasks.detailed(call, await other.jobs.get(job.id))
    assert view["status"] == "input_required" and list(view["inputRequests"]) == [question["key"]]
    with pytest.raises(AnswerInvalid):
        await other.jobs.asking.answer(await other.jobs.get(job.id), {question["key"]: Answer("accept", {"name": "A"})})
    await other.jobs.asking.answer(await other.jobs.get(job.id), {question["key"]: Answer("accept", {"name": "Ada"})})
    answered = await other.jobs.get(job.id)
    assert other.jobs.asking.open_questions(answered) == []
    await other.jobs.asking.answer(answered, {question["key"]: Answer("accept", {"name": "Eve"})})
    assert (await handle.wait(30)).output == "Ada"
    done = await other.jobs.wait(job.id, 30)
    assert (await tasks.detailed(call, done))["result"]["structuredContent"]["output"] == "Ada"


async def test_a_task_is_forgotten_when_its_time_is_up_but_not_while_it_runs(two: tuple[Ratchet, Ratchet]) -> None:
    job, handle = await adopted(two[0])
    short = two[0].settings.model_copy(update={"mcp": two[0].settings.mcp.model_copy(update={"task_ttl_seconds": 0.0})})
    tasks, call = extension(two[0], settings=short)
    assert await tasks.knows(call, job.id)
    handle.cancel()
    await two[0].jobs.wait(job.id, 30)
    assert not await tasks.knows(call, job.id)


async def test_a_task_whose_run_tells_nothing_has_failed(two: tuple[Ratchet, Ratchet]) -> None:
    job, _ = await adopted(two[0], "() => 1")
    done = await two[0].jobs.wait(job.id, 30)
    tasks, call = extension(two[0])
    crashed = replace(done, status=JobStatus.FAILED, last_error={"code": "job_crashed", "message": "It crashed."})
    for given in (crashed, replace(crashed, execution_id=None), replace(crashed, execution_id="0198c1d2-0000-7000-8000-000000000000")):
        view = await tasks.detailed(call, given)
        assert (view["status"], view["error"]["code"], view["error"]["message"]) == ("failed", -32603, "It crashed.")
        assert "result" not in view


async def test_a_background_job_has_nobody_to_ask(two: tuple[Ratchet, Ratchet]) -> None:
    job = await two[0].jobs.submit(JobRequest("", code=HELLO))
    done = await two[0].jobs.wait(job.id, 30)
    assert done.status is JobStatus.FAILED and done.last_error is not None
    assert done.last_error["details"]["code"] == "cannot_ask"


async def test_a_job_that_runs_again_finds_the_answers_that_it_was_given(two: tuple[Ratchet, Ratchet]) -> None:
    job, handle = await adopted(two[0], f"{HELLO.removesuffix('.content.name')}.content.missing.name")
    (question,) = await asked(two[0], job.id)
    await two[0].jobs.asking.answer(await two[0].jobs.get(job.id), {question["key"]: Answer("accept", {"name": "Ada"})})
    assert (await two[0].jobs.wait(job.id, 30)).status is JobStatus.FAILED
    await two[0].jobs.retry(job.id)
    again = await two[0].jobs.wait(job.id, 30)
    assert again.status is JobStatus.FAILED and again.attempts == 2 and again.last_error is not None
    assert again.last_error["details"]["name"] == "TypeError" and handle.id != again.execution_id
