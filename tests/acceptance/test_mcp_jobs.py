"""Background jobs through MCP: asked for, watched, cancelled, tried again, paused and limited."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from mcp_caller import Caller

HTTP_SETTINGS = {"RATCHET_MCP__TOOLSETS": '["core", "jobs"]'}


@pytest.fixture(scope="module", params=["http-legacy", "http-2026-07-28"])
def way(request: pytest.FixtureRequest) -> str:
    """Both eras, over HTTP."""
    return request.param


async def submit(call: Caller, task: str, input: Any, **how: Any) -> dict[str, Any]:
    return await call.fine("execute_task", task=task, input=input, background=True, **how)


async def ended(call: Caller, id: str) -> dict[str, Any]:
    return await call.fine("get_status", id=id, wait_seconds=25)


async def test_a_job_answers_at_once_and_its_result_is_found_by_its_id(call: Caller):
    job = await submit(call, "add", {"a": 2, "b": 3})
    assert job["status"] in ("queued", "running", "completed")
    assert job["job_id"] in job["hint"]
    done = await ended(call, job["job_id"])
    assert (done["status"], done["output"], done["job_id"], done["attempts"]) == ("completed", 5, job["job_id"], 1)
    run = await call.fine("get_status", id=done["execution_id"])
    assert (run["status"], run["output"]) == ("completed", 5)


async def test_a_failed_job_tells_what_failed_and_can_be_tried_again(call: Caller):
    job = await submit(call, "breaks", {}, retry={"attempts": 2, "delay": 0, "on": "any"})
    done = await ended(call, job["job_id"])
    assert (done["status"], done["attempts"], done["error"]["code"]) == ("failed", 2, "task_error")
    assert [line["message"] for line in done["logs"]] == ["before", "careful"]
    dead = await call.fine("list_jobs", status="failed", task="breaks", limit=1)
    assert dead["jobs"][0]["job_id"] == job["job_id"]
    assert dead["jobs"][0]["last_error"]["code"] == "task_error"
    again = await call.fine("retry_job", id=job["job_id"])
    assert again["retried"] == 1
    assert (await ended(call, job["job_id"]))["attempts"] > 2
    assert (await call.fine("retry_job", all_failed=True, task="breaks"))["retried"] >= 1


async def test_a_job_waits_until_its_time_and_can_be_cancelled(call: Caller):
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    job = await submit(call, "add", {"a": 1, "b": 1}, run_at=later, priority="low")
    assert (job["status"], job["priority"]) == ("scheduled", "low")
    gone = await call.fine("cancel_job", id=job["job_id"], reason="changed my mind")
    assert (gone["status"], gone["cancel_reason"]) == ("cancelled", "changed my mind")
    structured, _ = await call.failing("cancel_job", id=job["job_id"])
    assert structured["error"]["code"] == "job_finished"


async def test_a_running_job_is_cancelled_by_its_id(call: Caller):
    job = await submit(call, "never", {})
    gone = await call.fine("cancel_execution", id=job["job_id"])
    assert gone["status"] == "cancelled"
    assert (await ended(call, job["job_id"]))["status"] == "cancelled"


async def test_one_unique_key_is_one_job(call: Caller):
    key = f"key of {id(call)}"
    first = await submit(call, "add", {"a": 1, "b": 2}, unique_key=key)
    second = await submit(call, "add", {"a": 1, "b": 2}, unique_key=key)
    assert second["job_id"] == first["job_id"]
    assert second["reused"]


async def test_a_paused_task_waits_and_runs_when_it_is_resumed(call: Caller):
    paused = await call.fine("pause_jobs", task="add")
    assert {"task": "add", "paused": True} in paused["controls"]
    job = await submit(call, "add", {"a": 4, "b": 4})
    assert (await call.fine("get_status", id=job["job_id"]))["status"] == "queued"
    await call.fine("resume_jobs", task="add")
    assert (await ended(call, job["job_id"]))["output"] == 8


async def test_limits_of_a_task_are_set_shown_and_lifted(call: Caller):
    limited = await call.fine("limit_jobs", task="steps", concurrency=1, rate="600/m")
    assert next(each for each in limited["controls"] if each["task"] == "steps")["concurrency"] == 1
    jobs = [await submit(call, "steps", {}) for _ in range(3)]
    assert {(await ended(call, job["job_id"]))["status"] for job in jobs} == {"completed"}
    lifted = await call.fine("limit_jobs", task="steps")
    assert "steps" not in [each["task"] for each in lifted["controls"]]
    assert "queued" in (await call.fine("queue_status"))["counts"]


@pytest.mark.parametrize(
    ("how", "code", "words"),
    [
        pytest.param({"run_at": "2020-01-01T00:00:00Z"}, "invalid_argument", "in the past", id="a time that has passed"),
        pytest.param({"retry": {"attempts": 0}}, "invalid_argument", "attempts", id="no attempts"),
        pytest.param({"retry": {"tries": 3}}, "invalid_argument", "tries", id="an unknown key of retry"),
        pytest.param({"priority": "asap"}, "invalid_argument", "priority", id="an unknown priority"),
        pytest.param({"record": True}, "invalid_argument", "recorded", id="a recording"),
        pytest.param({"input": {"a": "x"}}, "input_invalid", "a", id="an input that does not fit"),
        pytest.param({"task": "no-such-task"}, "task_not_found", "no-such-task", id="an unknown task"),
    ],
)
async def test_what_cannot_become_a_job_is_refused_at_once(call: Caller, how: dict[str, Any], code: str, words: str):
    structured, text = await call.failing("execute_task", **{"task": "add", "input": {"a": 1, "b": 1}, "background": True, **how})
    assert structured["error"]["code"] == code
    assert words in text


async def test_what_only_jobs_have_is_refused_without_background(call: Caller):
    structured, text = await call.failing("execute_task", task="add", input={"a": 1, "b": 1}, priority="high")
    assert structured["error"]["code"] == "invalid_argument"
    assert "background" in text


async def test_an_unknown_id_is_neither_execution_nor_job(call: Caller):
    for tool in ("get_status", "cancel_execution"):
        structured, _ = await call.failing(tool, id="0198c1d2-0000-7000-8000-000000000000")
        assert structured["error"]["code"] == "execution_not_found"
    structured, _ = await call.failing("cancel_job", id="nonsense")
    assert structured["error"]["code"] == "job_not_found"
    structured, _ = await call.failing("retry_job")
    assert structured["error"]["code"] == "invalid_argument"


async def test_a_page_of_jobs_leads_to_the_next(call: Caller):
    for number in range(4):
        await submit(call, "add", {"a": number, "b": 0})
    first = await call.fine("list_jobs", limit=2)
    second = await call.fine("list_jobs", limit=2, cursor=first["next_cursor"])
    ids = [job["job_id"] for page in (first, second) for job in page["jobs"]]
    assert len(set(ids)) == len(ids) == 4
