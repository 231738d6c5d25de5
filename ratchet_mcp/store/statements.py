"""The statements of the hot path, built once so that the writer can group their rows."""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy import BindParameter, Select, Table, TextualSelect, bindparam, insert, text, update
from sqlalchemy.dialects import postgresql, sqlite

from ratchet_mcp.store import tables
from ratchet_mcp.store.compiled import Write


def table(row: type[tables.Table]) -> Table:
    """Return the SQLAlchemy table of a row class."""
    return cast("Table", row.__table__)  # type: ignore[attr-defined]  # SQLModel sets it on classes with table=True


EXECUTIONS = table(tables.ExecutionRow)
INPUTS = table(tables.ExecutionInputRow)
RESULTS = table(tables.ExecutionResultRow)
LOG_LINES = table(tables.LogLineRow)
TASKS = table(tables.TaskRow)
OWNERS = table(tables.OwnerRow)
AUTHORED = table(tables.AuthoredTaskRow)
CATALOG = table(tables.CatalogRow)
SWITCHES = table(tables.SwitchRow)
REVISIONS = table(tables.RevisionRow)
JOBS = table(tables.JobRow)
SCHEDULES = table(tables.ScheduleRow)
CONTROLS = table(tables.ControlRow)
BATCHES = table(tables.BatchRow)
DELIVERIES = table(tables.DeliveryRow)
CACHED_RESULTS = table(tables.CachedResultRow)

BEGIN_COLUMNS = (
    "id",
    "task_id",
    "job_id",
    "parent_id",
    "batch_id",
    "task",
    "version",
    "task_uuid",
    "status",
    "origin",
    "principal",
    "attempt",
    "owner",
    "created_at",
    "limits",
)
FINISH_COLUMNS = (
    "status",
    "worker_id",
    "started_at",
    "finished_at",
    "queue_ms",
    "run_ms",
    "total_ms",
    "error_code",
    "error_message",
    "progress",
    "warnings",
    "cancel_reason",
    "cached_from",
)
STARTED_COLUMNS = ("status", "started_at", "progress")


def _insert(into: Table, columns: tuple[str, ...], rank: int) -> Write:
    return Write(insert(into).inline(), columns, rank)


def _update_execution(columns: tuple[str, ...], rank: int) -> Write:
    change = update(EXECUTIONS).where(EXECUTIONS.c.id == bindparam("row_id", type_=EXECUTIONS.c.id.type))
    return Write(change.values({name: bindparam(name) for name in columns}), (*columns, "row_id"), rank)


BEGIN = _insert(EXECUTIONS, BEGIN_COLUMNS, 1)
WHOLE = _insert(EXECUTIONS, tuple(dict.fromkeys(BEGIN_COLUMNS + FINISH_COLUMNS)), 1)
INPUT = _insert(INPUTS, ("execution_id", "input"), 2)
LOGS = _insert(LOG_LINES, ("execution_id", "sequence", "at", "level", "message"), 3)
STARTED = _update_execution(STARTED_COLUMNS, 4)
FINISH = _update_execution(FINISH_COLUMNS, 5)
DELIVERY = _insert(DELIVERIES, tuple(DELIVERIES.c.keys()), 7)
RESULT = _insert(RESULTS, ("execution_id", "output", "error", "http_calls"), 6)


def insert_or(dialect: str, into: Table) -> Any:
    """Return an INSERT that can say what happens to a row that is there already."""
    return postgresql.insert(into) if dialect == "postgresql" else sqlite.insert(into)


def keep_task(dialect: str) -> Write:
    """Return the statement that writes a task's row, or refreshes what may differ while its content is the same."""
    add = insert_or(dialect, TASKS)
    changing = ("title", "description", "origin", "location", "updated_at")
    kept = add.on_conflict_do_update(index_elements=["id"], set_={name: add.excluded[name] for name in changing})
    return Write(kept, tuple(TASKS.c.keys()), 0)


def indexed(statement: Select[Any], index: str) -> TextualSelect:
    """Return a statement for SQLite that reads its one table by this index and no other.

    SQLite keeps no statistics of our tables, and takes an index with an equality for more selective than one that gives the order.
    """
    compiled = statement.compile(dialect=sqlite.dialect(paramstyle="named"))
    source = f"FROM {statement.get_final_froms()[0]}"
    hinted = str(compiled).replace(f"{source} ", f"{source} INDEXED BY {index} ", 1).replace("LIMIT :most OFFSET :param_1", "LIMIT :most")
    binds: dict[str, BindParameter[Any]] = compiled.binds  # type: ignore[attr-defined]  # SQLCompiler has it
    given = [bindparam(name, type_=bind.type) for name, bind in binds.items() if f":{name}" in hinted]
    return text(hinted).bindparams(*given).columns(*statement.selected_columns)
