"""Executions and their log lines, written through the group-commit writer and read in threads."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, false, select, tuple_, update
from sqlalchemy.engine import Row as ResultRow

from ratchet_mcp.errors import CODES, RatchetError
from ratchet_mcp.store.compiled import Row
from ratchet_mcp.store.database import Database
from ratchet_mcp.store.records import UNFINISHED, ExecutionFilter, ExecutionRecord, LogRecord, TaskRecord
from ratchet_mcp.store.statements import (
    BEGIN,
    BEGIN_COLUMNS,
    DELIVERY,
    EXECUTIONS,
    FINISH,
    FINISH_COLUMNS,
    INPUT,
    INPUTS,
    LOG_LINES,
    LOGS,
    RESULT,
    RESULTS,
    STARTED,
    STARTED_COLUMNS,
    WHOLE,
)
from ratchet_mcp.store.tasks import TaskRepository, task_row_id
from ratchet_mcp.store.writer import Writer

MESSAGE_LENGTH = 500
"""How much of an error's message stays in the row that listings read."""

LISTED = (
    "id", "task_id", "job_id", "parent_id", "batch_id", "cached_from", "task", "version", "task_uuid", "status", "origin",
    "principal", "attempt", "owner",
    "worker_id", "created_at", "started_at", "finished_at", "queue_ms", "run_ms", "total_ms", "cancel_requested_at", "cancel_reason",
)  # fmt: skip
DETAILED = ("limits", "progress", "warnings")
_SUMMARY = select(*(EXECUTIONS.c[name] for name in LISTED), EXECUTIONS.c.error_code, EXECUTIONS.c.error_message)
_WHOLE = (
    _SUMMARY.add_columns(
        *(EXECUTIONS.c[name] for name in DETAILED), INPUTS.c.input, RESULTS.c.output, RESULTS.c.error, RESULTS.c.http_calls
    )
    .outerjoin(INPUTS, INPUTS.c.execution_id == EXECUTIONS.c.id)
    .outerjoin(RESULTS, RESULTS.c.execution_id == EXECUTIONS.c.id)
)


class ExecutionRepository:
    """The `executions` table and those that hang on it. Awaitables of writes resolve after COMMIT.

    A full queue raises `Busy` when something begins; what has begun may always go on.
    """

    def __init__(self, database: Database, writer: Writer, tasks: TaskRepository, owner: str) -> None:
        self._database = database
        self._writer = writer
        self._tasks = tasks
        self._owner = owner
        self._kept: set[str] = set()

    def begin(self, record: ExecutionRecord, task: TaskRecord | None = None) -> asyncio.Future[None]:
        """Record that an execution was asked for; sets `owner`, and `task_id` when the task is given. Its first time keeps the task too."""
        record.owner = self._owner
        rows: list[Row] = []
        if task is not None:
            record.task_id = task_row_id(task)
            if record.task_id not in self._kept:
                rows.append(self._tasks.row(task))
        rows.append((BEGIN, {name: getattr(record, name) for name in BEGIN_COLUMNS}))
        rows.append((INPUT, {"execution_id": record.id, "input": record.input}))
        future = self._writer.submit(*rows, soon=True)
        if len(rows) > 2 and record.task_id is not None:
            self._remember(record.task_id, future)
        return future

    def flush(self) -> None:
        """Let starts that were held back for a moment be written now."""
        self._writer.flush()

    def started(self, record: ExecutionRecord, logs: Sequence[LogRecord] = ()) -> asyncio.Future[None]:
        """Record how far a long execution is: its status, when it started, its progress, and new log lines."""
        values = {name: getattr(record, name) for name in STARTED_COLUMNS}
        values["row_id"] = record.id
        return self._writer.submit_always((STARTED, values), *_log_rows(record.id, logs))

    def finish(
        self, record: ExecutionRecord, logs: Sequence[LogRecord] = (), *, begun: asyncio.Future[None] | None = None
    ) -> asyncio.Future[None]:
        """Record how an execution ended, with the log lines that are not written yet.

        `begun` is what `begin` returned: while its rows still wait, one row is written instead of an insert and an update.
        """
        error = record.error
        values: dict[str, Any] = {name: getattr(record, name, None) for name in FINISH_COLUMNS}
        values["error_code"] = error.get("code") if error else None
        values["error_message"] = storable(str(error.get("message", "")))[:MESSAGE_LENGTH] if error else None
        further: tuple[Row, ...] = (
            (RESULT, {"execution_id": record.id, "output": record.output, "error": error, "http_calls": record.http_calls}),
            *_log_rows(record.id, logs),
            *((DELIVERY, asdict(delivery)) for delivery in record.deliveries),
        )

        def whole(rows: tuple[Row, ...]) -> tuple[Row, ...]:
            return (*((WHOLE, row | values) if write is BEGIN else (write, row) for write, row in rows), *further)

        if begun is not None and self._writer.amend(begun, whole):
            return begun
        values["row_id"] = record.id
        return self._writer.submit_always((FINISH, values), *further)

    def append_logs(self, execution_id: str, lines: Sequence[LogRecord]) -> asyncio.Future[None]:
        """Write log lines of one execution, all or none."""
        return self._writer.submit_always(*_log_rows(execution_id, lines))

    async def get(self, execution_id: str) -> ExecutionRecord | None:
        """Return one execution with its values, None when there is none with this id."""
        if not is_id(execution_id):
            return None
        statement = _WHOLE.where(EXECUTIONS.c.id == execution_id)
        row = await self._database.read(lambda connection: connection.execute(statement).first())
        return None if row is None else _record(row, DETAILED)

    async def find(self, wanted: ExecutionFilter, limit: int) -> list[ExecutionRecord]:
        """List executions, newest first, without their big values."""
        statement = _filtered(wanted).order_by(EXECUTIONS.c.created_at.desc(), EXECUTIONS.c.id.desc()).limit(limit)
        return await self._database.read(lambda connection: [_record(row) for row in connection.execute(statement)])

    async def children(self, parent_ids: Sequence[str], limit: int) -> list[ExecutionRecord]:
        """List the executions that these called, in the order of their starts, without their big values."""
        statement = _SUMMARY.where(EXECUTIONS.c.parent_id.in_(parent_ids)).order_by(EXECUTIONS.c.created_at, EXECUTIONS.c.id).limit(limit)
        return await self._database.read(lambda connection: [_record(row) for row in connection.execute(statement)])

    async def logs(self, execution_id: str, *, first: int = 0, limit: int = 200) -> list[LogRecord]:
        """Return log lines in order, from the sequence number `first` on."""
        if not is_id(execution_id):
            return []
        lines = LOG_LINES.c
        statement = (
            select(lines.sequence, lines.at, lines.level, lines.message)
            .where(lines.execution_id == execution_id, lines.sequence >= first)
            .order_by(lines.sequence)
            .limit(limit)
        )
        return await self._database.read(lambda connection: [LogRecord(*row) for row in connection.execute(statement)])

    async def request_cancel(self, execution_id: str, reason: str | None) -> bool:
        """Ask the process that runs an execution to end it; tells whether there was something to end."""
        change = (
            update(EXECUTIONS)
            .where(EXECUTIONS.c.id == execution_id, EXECUTIONS.c.status.in_(UNFINISHED))
            .values(cancel_requested_at=datetime.now(UTC), cancel_reason=reason and storable(reason))
        )
        return await self._writer.call(lambda connection: connection.execute(change).rowcount > 0)

    async def cancel_requests(self) -> dict[str, str | None]:
        """Return the unfinished executions of this process that someone asked to cancel, with the reasons."""
        rows = EXECUTIONS.c
        statement = select(rows.id, rows.cancel_reason).where(
            rows.status.in_(UNFINISHED), rows.owner == self._owner, rows.cancel_requested_at.is_not(None)
        )

        def read(connection: Connection) -> dict[str, str | None]:
            return {row.id: row.cancel_reason for row in connection.execute(statement)}

        return await self._database.read(read)

    def _remember(self, task_id: str, future: asyncio.Future[None]) -> None:
        def committed(done: asyncio.Future[None]) -> None:
            if not done.cancelled() and done.exception() is None:
                self._kept.add(task_id)

        future.add_done_callback(committed)


def is_id(text: str) -> bool:
    """Tell whether a text can be the id of a row."""
    try:
        UUID(text)
    except (ValueError, AttributeError, TypeError):
        return False
    return True


def storable(text: str) -> str:
    """Replace what a text column cannot hold: lone surrogates, and NUL, which PostgreSQL refuses."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")


def _log_rows(execution_id: str, lines: Sequence[LogRecord]) -> list[Row]:
    return [
        (
            LOGS,
            {
                "execution_id": execution_id,
                "sequence": line.sequence,
                "at": line.at,
                "level": line.level,
                "message": storable(line.message),
            },
        )
        for line in lines
    ]


def _filtered(wanted: ExecutionFilter) -> Select[Any]:
    rows = EXECUTIONS.c
    statement = _SUMMARY
    for name in ("job_id", "parent_id", "batch_id"):
        value = getattr(wanted, name)
        if value is not None:
            statement = statement.where(rows[name] == value if is_id(value) else false())
    for name in ("task", "version", "task_uuid", "status", "origin"):
        value = getattr(wanted, name)
        if value is not None:
            statement = statement.where(rows[name] == value)
    if wanted.since is not None:
        statement = statement.where(rows.created_at >= wanted.since)
    if wanted.after is not None:
        statement = statement.where(tuple_(rows.created_at, rows.id) < tuple_(*wanted.after, types=[rows.created_at.type, rows.id.type]))
    return statement


def _record(row: ResultRow[Any], more: tuple[str, ...] = ()) -> ExecutionRecord:
    values = dict(zip(row._fields, row, strict=True))  # pyright: ignore[reportPrivateUsage]  # public since SQLAlchemy follows namedtuple
    record = ExecutionRecord(**{name: values[name] for name in LISTED})
    for name in more:
        if values[name] is not None:
            setattr(record, name, values[name])
    if more:
        record.input, record.output, record.error = values["input"], values["output"], values["error"]
        record.http_calls = values["http_calls"]
    if record.error is None:
        record.error = _brief_error(values["error_code"], values["error_message"])
    return record


def _brief_error(code: str | None, message: str | None) -> dict[str, Any] | None:
    if code is None:
        return None
    kind = CODES.get(code, RatchetError)
    return {"code": code, "message": message or "", "retryable": kind.retryable}
