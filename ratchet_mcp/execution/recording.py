"""Executions as rows, and rows as executions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ratchet_mcp.engine.run import LogLine
from ratchet_mcp.execution.models import Execution, Origin, Status
from ratchet_mcp.execution.values import encodable
from ratchet_mcp.store.records import ExecutionRecord, JsonText, LogRecord, TaskRecord
from ratchet_mcp.tasks.definition import Task

UNSAVED = "unsaved"
SHARED = (
    "id", "task", "version", "principal", "created_at", "started_at", "finished_at", "error", "progress", "limits", "queue_ms",
    "run_ms", "total_ms", "worker_id", "parent_id", "job_id", "batch_id", "cached_from", "attempt", "warnings",
)  # fmt: skip


def to_record(execution: Execution, *, input_json: str | None = None, output_json: str | None = None) -> ExecutionRecord:
    """Return the row of an execution; big values go in as the text that they already are."""
    values: dict[str, Any] = {name: getattr(execution, name) for name in SHARED}
    record = ExecutionRecord(status=execution.status.value, origin=execution.origin.value, http_calls=execution.http or None, **values)
    record.input = None if input_json is None else JsonText(input_json)
    record.output = None if output_json is None else JsonText(output_json)
    if record.error is not None:
        record.error = encodable(record.error)
    if record.progress is not None:
        record.progress = encodable(record.progress)
    return record


def to_execution(record: ExecutionRecord) -> Execution:
    """Return the execution of a row."""
    values: dict[str, Any] = {name: getattr(record, name) for name in SHARED}
    return Execution(
        status=Status(record.status),
        origin=Origin(record.origin),
        input=record.input,
        output=record.output,
        http=record.http_calls or [],
        **values,
    )


def task_record(task: Task) -> TaskRecord | None:
    """Return the row of a task, None for an unsaved function."""
    if task.origin == UNSAVED:
        return None
    return TaskRecord(
        uuid=str(task.uuid),
        name=task.name,
        version=task.version,
        digest=task.digest,
        title=task.title,
        description=task.description,
        origin=task.origin,
        source=task.source,
        input_schema=task.input_schema,
        output_schema=task.output_schema,
        location=task.location,
    )


def log_records(lines: list[LogLine]) -> list[LogRecord]:
    """Return the rows of log lines."""
    return [LogRecord(line.sequence, datetime.fromtimestamp(line.at, UTC), line.level, line.message) for line in lines]


def log_line(record: LogRecord) -> LogLine:
    """Return the log line of a row."""
    return LogLine(record.sequence, record.at.timestamp(), record.level, record.message)  # type: ignore[arg-type]  # only levels were written
