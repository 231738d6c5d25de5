"""Every tool, by the SDK's own client, over every transport and in both protocol eras, on real workers and a real database."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest
from mcp import MCPError
from mcp.types import INVALID_PARAMS
from mcp_caller import Caller


async def test_the_life_of_an_execution(call: Caller, way: str):
    listed = await call.fine("list_tasks", query="add", tags=["acceptance"])
    assert [task["name"] for task in listed["tasks"]] == ["add"]

    shown = await call.fine("get_task", task="add")
    assert "input.a + input.b" in shown["source"]
    assert shown["versions"] == ["1.0.0"]

    done = await call.fine("execute_task", task="add@1.0.0", input={"a": 2, "b": 3})
    assert (done["status"], done["output"], done["task"], done["version"]) == ("completed", 5, "add", "1.0.0")
    assert done["limits"]["timeout_seconds"] > 0
    assert done["duration_ms"] >= 0 and done["queue_ms"] >= 0

    stored = await call.fine("get_status", id=done["execution_id"])
    assert (stored["status"], stored["output"], stored["origin"]) == ("completed", 5, "mcp")

    history = await call.fine("list_executions", task="add", limit=1)
    assert history["executions"][0]["execution_id"] == done["execution_id"]

    status = await call.fine("server_status")
    assert status["isolation"] and status["workers"]

    output = await call.client.read_resource(f"execution://{done['execution_id']}/output")
    assert output.contents[0].text == "5"


async def test_a_failed_run_tells_what_failed_where_and_what_was_printed(call: Caller, way: str):
    structured, text = await call.failing("execute_task", task="breaks", input={})
    assert structured["status"] == "failed"
    assert structured["error"]["code"] == "task_error"
    assert "main.js:5" in text
    assert "> 5 |" in text
    assert "[warn] careful" in text
    assert structured["execution_id"]
    error = await call.client.read_resource(f"execution://{structured['execution_id']}/error")
    assert json.loads(error.contents[0].text)["code"] == "task_error"
    logs = await call.client.read_resource(f"execution://{structured['execution_id']}/logs")
    assert logs.contents[0].text == "[info] before\n[warn] careful\n"


async def test_progress_of_a_task_becomes_progress_of_the_request(connect, way: str):
    updates: list[tuple[float, float | None, str | None]] = []

    async def take(progress: float, total: float | None, message: str | None) -> None:
        updates.append((progress, total, message))

    async with connect() as client:
        result = await client.call_tool("execute_task", {"task": "steps", "input": {}}, progress_callback=take)
        assert result.structured_content["output"] == "all steps"
        await client.list_tools()  # a round trip later, every notification is here
    # A worker thins out reports that follow each other closely, and always sends the last one.
    assert updates[0][0] == 0
    assert updates[-1] == (100, 100, "work: at 100")
    assert [progress for progress, _, _ in updates] == sorted({progress for progress, _, _ in updates})


async def test_a_client_that_cancels_its_call_kills_the_run(connect, way: str):
    begun = anyio.Event()

    async def take(progress: float, total: float | None, message: str | None) -> None:
        begun.set()

    async with connect() as client, anyio.create_task_group() as calls:
        calls.start_soon(lambda: client.call_tool("execute_task", {"task": "never", "input": {}}, progress_callback=take))
        with anyio.fail_after(60):
            await begun.wait()
        calls.cancel_scope.cancel()
        with anyio.CancelScope(shield=True), anyio.fail_after(60):
            newest = (await client.call_tool("list_executions", {"task": "never", "limit": 1})).structured_content["executions"][0]
            ended = await client.call_tool("get_status", {"id": newest["execution_id"], "wait_seconds": 10})
    assert ended.structured_content["status"] == "cancelled"
    assert "client" in ended.structured_content["error"]["message"] + str(ended.structured_content["error"].get("details"))


@pytest.mark.parametrize("way", ["stdio-legacy"], indirect=True)
class TestOneWay:
    """What does not depend on the transport."""

    async def test_a_run_that_outlasts_the_wait_goes_on_and_is_asked_for(self, call: Caller):
        running = await call.fine("execute_task", task="pause", input={"ms": 300}, wait_seconds=0)
        assert running["status"] in ("queued", "running")
        assert f'get_status(id="{running["execution_id"]}"' in running["hint"]
        ended = await call.fine("get_status", id=running["execution_id"], wait_seconds=20)
        assert (ended["status"], ended["output"]) == ("completed", "rested")

    async def test_a_run_is_stopped_by_its_id_only_once(self, call: Caller):
        running = await call.fine("execute_task", task="never", input={}, wait_seconds=0)
        stopped = await call.fine("cancel_execution", id=running["execution_id"], reason="enough")
        ended = await call.fine("get_status", id=stopped["execution_id"], wait_seconds=10)
        assert ended["status"] == "cancelled"
        assert "enough" in json.dumps(ended["error"])
        structured, _ = await call.failing("cancel_execution", id=running["execution_id"])
        assert structured["error"]["code"] == "execution_finished"

    async def test_an_input_that_does_not_fit_names_its_paths_and_runs_nothing(self, call: Caller):
        before = await call.fine("list_executions", task="add")
        structured, text = await call.failing("execute_task", task="add", input={"a": "two"})
        assert structured["error"]["code"] == "input_invalid"
        assert "$.a" in text and "b" in text
        assert await call.fine("list_executions", task="add") == before

    async def test_a_string_that_holds_the_object_is_taken_with_a_hint(self, call: Caller):
        done = await call.fine("execute_task", task="add", input='{"a": 1, "b": 2}')
        assert done["output"] == 3
        assert "Pass the object itself" in done["hint"]

    async def test_a_string_stays_a_string_where_the_task_takes_anything(self, call: Caller):
        assert (await call.fine("execute_task", task="echo", input='{"a": 1}'))["output"] == '{"a": 1}'

    async def test_no_input_is_an_empty_object_and_null_is_null(self, call: Caller):
        assert (await call.fine("execute_task", task="echo"))["output"] == {}
        assert (await call.fine("execute_task", task="echo", input=None))["output"] is None

    async def test_an_unknown_task_is_told_with_near_names(self, call: Caller):
        structured, text = await call.failing("execute_task", task="ehco")
        assert structured["error"]["code"] == "task_not_found"
        assert "echo" in text

    async def test_a_run_over_its_time_is_told_with_the_limit(self, call: Caller):
        structured, text = await call.failing("execute_task", task="never", input={}, timeout_seconds=0.3)
        assert (structured["status"], structured["error"]["code"]) == ("timed_out", "timeout")
        assert "begun" in text
        assert structured["limits"]["timeout_seconds"] == 0.3

    async def test_an_unsaved_function_runs_in_the_same_sandbox(self, call: Caller):
        done = await call.fine("run_javascript", code="(input) => input.map((n) => n * 2)", input=[1, 2])
        assert (done["output"], done["task"]) == ([2, 4], "<javascript>")
        structured, text = await call.failing("run_javascript", code="function main( {")
        assert structured["error"]["code"] == "syntax_error"
        assert "|" in text

    @pytest.mark.parametrize("output", ["'\\ud800'", "1e20", "'\\u0000'", "'😀'", "({ a: { b: [null, true] } })"])
    async def test_odd_values_reach_the_client(self, call: Caller, output: str):
        assert (await call.fine("run_javascript", code=f"() => {output}"))["status"] == "completed"

    async def test_a_long_output_is_cut_and_read_on_in_pieces(self, call: Caller):
        length = 150_000
        result = await call("execute_task", task="long", input={"length": length})
        structured = result.structured_content
        assert "output" not in structured and structured["output_truncated"]
        assert structured["output_bytes"] == length + 2
        assert sum(len(block.text) for block in result.content) <= 80_000
        text, offset = "", 0
        while offset is not None:
            page = await call.fine("get_status", id=structured["execution_id"], include=["output"], offset=offset)
            text, offset = text + page["output_text"], page.get("next_offset")
        assert json.loads(text) == "x" * length
        whole = await call.client.read_resource(f"execution://{structured['execution_id']}/output")
        assert whole.contents[0].text == text

    async def test_logs_are_read_in_pages(self, call: Caller):
        done = await call.fine("execute_task", task="chatty", input={})
        everything = await call.fine("get_status", id=done["execution_id"])
        assert everything["logs_total"] == 500
        assert everything["logs"][-1] == {"level": "info", "message": "line 499"}
        lines, offset = [], 0
        while offset is not None:
            page = await call.fine("get_status", id=done["execution_id"], include=["logs"], offset=offset, limit=150)
            lines += [line["message"] for line in page["logs"]]
            offset = page.get("next_offset")
        assert lines == [f"line {number}" for number in range(500)]

    async def test_lists_are_read_in_pages(self, call: Caller):
        made = {(await call.fine("execute_task", task="echo", input=number))["execution_id"] for number in range(5)}
        seen, cursor = [], None
        while True:
            page = await call.fine("list_executions", limit=2, **({"cursor": cursor} if cursor else {}))
            seen += [row["execution_id"] for row in page["executions"]]
            if (cursor := page.get("next_cursor")) is None:
                break
        assert len(seen) == len(set(seen)) and made <= set(seen)
        names, cursor = [], None
        while True:
            page = await call.fine("list_tasks", detail="names", limit=3, **({"cursor": cursor} if cursor else {}))
            names += [task["name"] for task in page["tasks"]]
            if (cursor := page.get("next_cursor")) is None:
                break
        assert len(names) == len(set(names)) == page["total"]
        assert {"add", "echo", "text-statistics"} <= set(names)

    async def test_executions_are_filtered(self, call: Caller):
        now = datetime.now(UTC).isoformat()
        await call.fine("execute_task", task="echo", input=1)
        await call.failing("execute_task", task="breaks", input={})
        failed = (await call.fine("list_executions", status="failed", since=now))["executions"]
        assert [row["task"] for row in failed] == ["breaks"]
        assert failed[0]["error"]["code"] == "task_error"
        assert (await call.fine("list_executions", since="2999-01-01T00:00:00Z"))["executions"] == []
        assert len((await call.fine("list_executions", origin="mcp", since=now))["executions"]) == 2

    async def test_every_bundled_task_is_shown_whole(self, call: Caller):
        page = await call.fine("list_tasks", detail="names", limit=200)
        for task in page["tasks"]:
            shown = await call.fine("get_task", task=f"{task['name']}@{task['version']}")
            assert {"source", "tests", "versions", "input_schema", "output_schema"} <= shown.keys() or "hint" in shown

    async def test_inputs_that_are_too_large_or_too_deep_are_told_and_the_next_call_runs(self, call: Caller):
        structured, text = await call.failing("execute_task", task="echo", input="x" * 10_000_000)
        assert structured["error"]["code"] == "input_too_large"
        assert len(text) < 5_000
        deep: Any = 1
        for _ in range(150):
            deep = [deep]
        structured, _ = await call.failing("execute_task", task="echo", input=deep)
        assert structured["error"]["code"] == "input_too_large"
        assert (await call.fine("execute_task", task="echo", input=1))["output"] == 1

    async def test_bad_cursors_are_protocol_errors(self, call: Caller):
        for tool in ("list_tasks", "list_executions"):
            with pytest.raises(MCPError) as caught:
                await call(tool, cursor="not-a-cursor")
            assert caught.value.code == INVALID_PARAMS

    async def test_an_unknown_execution_is_a_tool_error_and_its_resource_a_protocol_error(self, call: Caller):
        for tool in ("get_status", "cancel_execution"):
            structured, _ = await call.failing(tool, id="0198c1d2-0000-7000-8000-000000000000")
            assert structured["error"]["code"] == "execution_not_found"
        with pytest.raises(MCPError) as caught:
            await call.client.read_resource("execution://nobody/output")
        assert caught.value.code == INVALID_PARAMS

    async def test_schemas_of_all_tasks_fit_into_results(self, call: Caller):
        page = await call.fine("list_tasks", detail="schemas", limit=200)
        assert all("input_schema" in task for task in page["tasks"])
        assert len(json.dumps(page)) < 80_000
