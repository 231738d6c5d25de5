"""Schedules through MCP: made, looked at, changed, deleted; and coming true on a running server."""

from __future__ import annotations

import sqlite3
import time
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import anyio
import pytest
from mcp_caller import Caller

HTTP_SETTINGS = {"RATCHET_MCP__TOOLSETS": '["core", "jobs"]', "RATCHET_SCHEDULES__POLL_SECONDS": "0.1"}
NEVER_SOON = "0 0 29 2 *"


@pytest.fixture(scope="module", params=["http-legacy", "http-2026-07-28"])
def way(request: pytest.FixtureRequest) -> str:
    """Both eras, over HTTP."""
    return request.param


async def create(call: Caller, **given: Any) -> dict[str, Any]:
    return await call.fine("create_schedule", **{"task": "add", "cron": NEVER_SOON, "input": {"a": 1, "b": 2}, **given})


async def one(call: Caller, id: str) -> dict[str, Any]:
    (found,) = (await call.fine("list_schedules", id=id))["schedules"]
    return found


async def make_due(call: Caller, id: str) -> None:
    """Let a schedule have been due just now, in the database of the server."""
    file = (await call.fine("server_status"))["store"]["url"].removeprefix("sqlite:///")
    connection = sqlite3.connect(file, timeout=10)
    with connection:
        connection.execute("UPDATE schedules SET next_run = ? WHERE id = ?", (time.time_ns() // 1000, id.replace("-", "")))
    connection.close()


async def jobs_of(call: Caller, id: str, *, status: str) -> list[dict[str, Any]]:
    with anyio.fail_after(30):
        while True:
            jobs = (await call.fine("list_jobs", schedule_id=id))["jobs"]
            if jobs and all(job["status"] == status for job in jobs):
                return jobs
            await anyio.sleep(0.05)


async def test_a_schedule_shows_its_next_five_times_with_their_offsets(call: Caller):
    name = f"morning {uuid4()}"
    made = await create(call, cron="30 2 * * *", timezone="Europe/Berlin", name=name, missed="skip", priority="high")
    assert (made["name"], made["timezone"], made["meaning"], made["status"]) == (name, "Europe/Berlin", "At 02:30 every day", "active")
    assert made["schedule_id"] in made["hint"]
    shown = await one(call, name)
    assert shown["schedule_id"] == made["schedule_id"]
    assert (shown["missed"], shown["priority"], shown["input"]) == ("skip", "high", {"a": 1, "b": 2})
    times = [datetime.fromisoformat(each) for each in shown["next_runs"]]
    assert len(times) == 5 and times == sorted(times) and times[0] > datetime.now(UTC)
    assert all(each.utcoffset() and each.hour in (2, 3) for each in times)


async def test_a_schedule_that_is_due_runs_as_a_job_whose_result_is_found(call: Caller):
    id = (await create(call, timeout_seconds=20, retry={"attempts": 2}))["schedule_id"]
    await make_due(call, id)
    (job,) = await jobs_of(call, id, status="completed")
    assert (job["origin"], job["max_attempts"]) == ("schedule", 2)
    done = await call.fine("get_status", id=job["job_id"])
    assert (done["status"], done["output"]) == ("completed", 3)
    shown = await one(call, id)
    assert shown["last_job_id"] == job["job_id"] and shown["last_run"]
    assert datetime.fromisoformat(shown["next_runs"][0]).month == 2

    gone = await call.fine("delete_schedule", id=id)
    assert gone["deleted"] is True
    assert (await call.fine("get_status", id=job["job_id"]))["output"] == 3
    structured, text = await call.failing("delete_schedule", id=id)
    assert structured["error"]["code"] == "schedule_not_found"
    assert "list_schedules" in text


async def test_a_schedule_is_paused_changed_and_resumed(call: Caller):
    id = (await create(call))["schedule_id"]
    paused = await call.fine("update_schedule", id=id, paused=True)
    assert (paused["status"], paused["next_runs"]) == ("paused", [])
    assert id in [each["schedule_id"] for each in (await call.fine("list_schedules", paused=True, limit=100))["schedules"]]
    await make_due(call, id)
    changed = await call.fine("update_schedule", id=id, cron="@hourly", timezone="UTC", input={"a": 5, "b": 5}, name=f"sum {id}")
    assert (changed["status"], changed["cron"], changed["input"]) == ("paused", "@hourly", {"a": 5, "b": 5})
    resumed = await call.fine("update_schedule", id=f"sum {id}", paused=False, name=None, timezone=None)
    assert (resumed["status"], len(resumed["next_runs"]), resumed.get("name")) == ("active", 5, None)
    assert (await call.fine("list_jobs", schedule_id=id))["jobs"] == []


async def test_json_text_of_an_object_counts_as_the_object(call: Caller):
    made = await create(call, input='{"a": 1, "b": 1}')
    assert "taken as the object" in made["hint"]
    changed = await call.fine("update_schedule", id=made["schedule_id"], input='{"a": 2, "b": 2}')
    assert (changed["input"], "taken as the object" in changed["hint"]) == ({"a": 2, "b": 2}, True)


async def test_pages_of_schedules_are_walked_newest_first(call: Caller):
    made = [(await create(call, name=f"page {uuid4()}"))["schedule_id"] for _ in range(3)]
    first = await call.fine("list_schedules", limit=2)
    second = await call.fine("list_schedules", limit=2, cursor=first["next_cursor"])
    seen = [each["schedule_id"] for each in first["schedules"] + second["schedules"]]
    assert seen[:3] == made[::-1]


BAD = [
    pytest.param({"cron": "0 25 * * *"}, "invalid_argument", "bad hour: '25'", id="bad hour"),
    pytest.param({"cron": "*/5 * * * * *"}, "invalid_argument", "without seconds", id="seconds"),
    pytest.param({"cron": "0 0 30 2 *"}, "invalid_argument", "never comes true", id="never"),
    pytest.param({"timezone": "Europe/Berln"}, "invalid_argument", "Did you mean Europe/Berlin", id="zone"),
    pytest.param({"input": {"a": "one"}}, "input_invalid", "$.a", id="input"),
    pytest.param({"task": "ad"}, "task_not_found", "add", id="task"),
    pytest.param({"task": "add@9.9.9"}, "task_not_found", "1.0.0", id="version"),
    pytest.param({"timeout_seconds": 80_000}, "invalid_argument", "timeout_seconds", id="timeout"),
    pytest.param({"retry": {"attempts": 0}}, "invalid_argument", "attempts must be", id="retry"),
    pytest.param({"name": "/etc/passwd"}, "invalid_argument", "name must be", id="name"),
    pytest.param({"missed": "always"}, "invalid_argument", "run_once", id="missed"),
    pytest.param({"delivery": [{"kind": "nowhere"}]}, "delivery_invalid", "delivery", id="delivery"),
]


@pytest.mark.parametrize("way", ["http-2026-07-28"], indirect=True, scope="module")
@pytest.mark.parametrize(("given", "code", "says"), BAD)
async def test_what_cannot_come_true_is_refused_and_nothing_is_kept(call: Caller, given: dict[str, Any], code: str, says: str):
    before = (await call.fine("list_schedules", limit=1))["schedules"]
    structured, text = await call.failing("create_schedule", **{"task": "add", "cron": NEVER_SOON, "input": {"a": 1, "b": 2}, **given})
    assert structured["error"]["code"] == code, text
    assert says in text
    assert (await call.fine("list_schedules", limit=1))["schedules"] == before


async def test_one_name_is_one_schedule(call: Caller):
    name = f"only {uuid4()}"
    made = await create(call, name=name)
    structured, _ = await call.failing("create_schedule", task="add", cron="@daily", input={"a": 1, "b": 2}, name=name)
    assert structured["error"]["code"] == "schedule_exists"
    assert structured["error"]["details"]["schedule_id"] == made["schedule_id"]
    other = await create(call)
    structured, _ = await call.failing("update_schedule", id=other["schedule_id"], name=name)
    assert structured["error"]["code"] == "schedule_exists"
