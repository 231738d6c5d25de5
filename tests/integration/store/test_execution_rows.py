"""Executions, tasks and log lines go in and come back, on each database."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import uuid_utils

from ratchet_mcp.store.records import ExecutionFilter, ExecutionRecord, JsonText, LogRecord, TaskRecord
from ratchet_mcp.store.store import Store
from ratchet_mcp.store.tasks import task_row_id

NOW = datetime(2026, 5, 4, 3, 2, 1, 123456, tzinfo=UTC)
TASK = TaskRecord(
    uuid="7b1e9c5e-7d1c-4a53-9a55-0f2d4f8c1a01",
    name="add",
    version="1.0.0",
    digest="d1",
    title="Add",
    description="Adds.",
    origin="bundled",
    source="(i) => i.a + i.b",
    input_schema={"type": "object", "required": ["a", "b"]},
    output_schema={"type": "number"},
)


def execution(**values: object) -> ExecutionRecord:
    base = ExecutionRecord(
        id=str(uuid_utils.uuid7()), task="add", version="1.0.0", status="queued", origin="mcp", principal="local", created_at=NOW
    )
    return replace(base, **values)  # type: ignore[arg-type]


def completed(record: ExecutionRecord, **values: object) -> ExecutionRecord:
    times = {"started_at": NOW, "finished_at": NOW + timedelta(microseconds=1), "queue_ms": 0.5, "run_ms": 1.25, "total_ms": 2.0}
    return replace(record, status="completed", worker_id="w1", **times, **values)  # type: ignore[arg-type]


async def test_a_completed_execution_comes_back_as_it_was(store: Store) -> None:
    record = execution(input=JsonText('{"b":2,"a":1.0,"text":"\\u0000 ü 😀"}'), limits={"timeout_seconds": 30.0}, task_uuid=TASK.uuid)
    await store.executions.begin(record, TASK)
    done = completed(record, output=JsonText('{"z":[1,{"y":null}],"a":1e3}'), warnings=["slow"], progress={"progress": 1, "step": "end"})
    await store.executions.finish(done, [LogRecord(0, NOW, "info", "hello"), LogRecord(1, NOW, "error", "tschüß")])
    found = await store.executions.get(record.id)
    assert found is not None
    assert (found.status, found.worker_id, found.warnings, found.progress) == ("completed", "w1", ["slow"], {"progress": 1, "step": "end"})
    assert found.input == {"b": 2, "a": 1.0, "text": "\0 ü 😀"}
    assert list(found.input) == ["b", "a", "text"]
    assert found.output == {"z": [1, {"y": None}], "a": 1000.0}
    assert (found.created_at, found.started_at, found.finished_at) == (NOW, NOW, NOW + timedelta(microseconds=1))
    assert (found.queue_ms, found.run_ms, found.total_ms, found.limits) == (0.5, 1.25, 2.0, {"timeout_seconds": 30.0})
    assert found.owner == store.owner
    assert found.task_id == task_row_id(TASK)
    assert [line.message for line in await store.executions.logs(record.id)] == ["hello", "tschüß"]


async def test_the_whole_error_comes_back_and_a_listing_shows_its_code_and_message(store: Store) -> None:
    error = {"code": "task_error", "message": "x" * 2000, "retryable": False, "details": {"line": 3}}
    record = execution()
    await store.executions.begin(record)
    await store.executions.finish(replace(completed(record), status="failed", error=error))
    found = await store.executions.get(record.id)
    listed = await store.executions.find(ExecutionFilter(), 10)
    assert found is not None
    assert found.error == error
    assert listed[0].error == {"code": "task_error", "message": "x" * 500, "retryable": False}


async def test_a_task_is_kept_as_it_was_when_it_first_ran(store: Store) -> None:
    changed = replace(TASK, digest="d2", source="(i) => 0")
    for task in (TASK, TASK, changed):
        await store.executions.begin(execution(), task)
    assert await store.tasks.count() == 2
    assert await store.tasks.get(task_row_id(TASK)) == TASK
    assert await store.tasks.get(task_row_id(changed)) == changed


async def test_pages_follow_each_other_without_gaps_when_times_are_equal(store: Store) -> None:
    records = [execution(created_at=NOW + timedelta(microseconds=number // 4)) for number in range(20)]
    await asyncio.gather(*(store.executions.begin(record) for record in records))
    seen: list[str] = []
    after = None
    while page := await store.executions.find(ExecutionFilter(after=after), 3):
        seen += [record.id for record in page]
        after = (page[-1].created_at, page[-1].id)
    expected = sorted(records, key=lambda record: (record.created_at, record.id), reverse=True)
    assert seen == [record.id for record in expected]


async def test_filters_restrict_the_listing(store: Store) -> None:
    wanted = execution(task="other", version="2.0.0", origin="cli", task_uuid=TASK.uuid, created_at=NOW + timedelta(hours=1))
    for record in (wanted, execution(), execution(status="running")):
        await store.executions.begin(record)
    for filter in (
        ExecutionFilter(task="other"),
        ExecutionFilter(task="other", version="2.0.0"),
        ExecutionFilter(task_uuid=TASK.uuid),
        ExecutionFilter(origin="cli"),
        ExecutionFilter(since=NOW + timedelta(minutes=1)),
        ExecutionFilter(task="other", status="queued"),
    ):
        assert [record.id for record in await store.executions.find(filter, 10)] == [wanted.id]
    assert await store.executions.find(ExecutionFilter(task="other", version="1.0.0"), 10) == []


async def test_log_lines_are_read_from_any_line_on(store: Store) -> None:
    record = execution()
    await store.executions.begin(record)
    await store.executions.append_logs(record.id, [LogRecord(number, NOW, "info", f"line {number}") for number in range(10)])
    lines = await store.executions.logs(record.id, first=4, limit=3)
    assert [(line.sequence, line.at, line.level, line.message) for line in lines] == [(n, NOW, "info", f"line {n}") for n in (4, 5, 6)]


async def test_text_that_a_column_cannot_hold_is_replaced(store: Store) -> None:
    record = execution()
    await store.executions.begin(record)
    await store.executions.finish(
        replace(completed(record), status="failed", error={"code": "task_error", "message": "a\0b", "retryable": False}),
        [LogRecord(0, NOW, "info", "nul \0 half \ud800")],
    )
    assert (await store.executions.logs(record.id))[0].message == "nul \ufffd half \ufffd"
    assert (await store.executions.find(ExecutionFilter(), 1))[0].error == {"code": "task_error", "message": "a\ufffdb", "retryable": False}


async def test_one_bad_row_fails_alone(store: Store) -> None:
    records = [execution() for _ in range(5)]
    twice = replace(records[2])
    results = await asyncio.gather(*(store.executions.begin(record) for record in [*records, twice]), return_exceptions=True)
    assert [type(result).__name__ for result in results] == ["NoneType"] * 5 + ["StoreFailed"]
    assert len(await store.executions.find(ExecutionFilter(), 10)) == 5


async def test_a_run_that_ends_before_its_start_was_written_is_one_row_with_everything(store: Store) -> None:
    record = execution()
    begun = store.executions.begin(record)
    ended = store.executions.finish(completed(record), begun=begun)
    await ended
    assert begun.done() and store.status()["commits"] == 1 and store.status()["rows_written"] == 3  # execution, input, result
    later = execution()
    begun = store.executions.begin(later)
    await begun
    await store.executions.finish(completed(later), begun=begun)
    one, other = [await store.executions.get(each.id) for each in (record, later)]
    assert one is not None and other is not None
    assert replace(one, id="", input=None, created_at=other.created_at) == replace(other, id="", input=None)


async def test_what_is_no_id_is_simply_not_found(store: Store) -> None:
    for text in ("", "nonsense", "' OR 1=1", "00000000-0000-0000-0000-000000000000"):
        assert await store.executions.get(text) is None
        assert await store.executions.logs(text) == []


async def test_a_request_to_cancel_reaches_the_owner_until_the_run_ends(store: Store) -> None:
    record = execution(status="running")
    await store.executions.begin(record)
    assert await store.executions.request_cancel(record.id, "too slow")
    assert await store.executions.cancel_requests() == {record.id: "too slow"}
    await store.executions.finish(completed(record))
    assert await store.executions.cancel_requests() == {}
    assert not await store.executions.request_cancel(record.id, None)


async def test_the_status_names_the_database_without_its_user(store: Store) -> None:
    await store.executions.begin(execution())
    status = store.status()
    assert status["backend"] in ("sqlite", "postgresql")
    assert status["rows_written"] == 2
    assert "@" not in status["url"]
