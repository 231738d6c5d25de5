"""What holds jobs back: rows of `job_controls`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, false, null, select, update

from ratchet_mcp.store.job_records import ControlRecord
from ratchet_mcp.store.statements import CONTROLS, insert_or

_ALL = select(CONTROLS).order_by(CONTROLS.c.name)


def read_controls(connection: Connection, *, lock: bool = False) -> list[ControlRecord]:
    """Return what is held back; with `lock` nobody else claims meanwhile where something is limited."""
    rows = connection.execute(_ALL).all()
    if lock and any(_limited(row) for row in rows):
        rows = connection.execute(_ALL.with_for_update()).all()
    return [_record(row) for row in rows]


def change_control(connection: Connection, name: str, now: datetime, values: Mapping[str, Any]) -> None:
    """Set columns of one row, which is made if it is missing, and removed when it says nothing any more."""
    add = insert_or(connection.dialect.name, CONTROLS)
    given = {"paused": False, **values, "name": name, "changed_at": now}
    changing = {column: add.excluded[column] for column in (*values, "changed_at")}
    connection.execute(add.values(given).on_conflict_do_update(index_elements=["name"], set_=changing))
    columns = CONTROLS.c
    empty = (columns.concurrency.is_(None), columns.rate_count.is_(None), columns.declared.is_(None))
    connection.execute(delete(CONTROLS).where(columns.name == name, columns.paused == false(), *empty))


def declare(connection: Connection, name: str, now: datetime, declared: Mapping[str, Any] | None) -> None:
    """Keep what a task says of its own limits, or that it says nothing any more."""
    if declared is not None:
        change_control(connection, name, now, {"declared": dict(declared)})
        return
    known = connection.execute(select(CONTROLS.c.name).where(CONTROLS.c.name == name, CONTROLS.c.declared.is_not(None))).first()
    if known is not None:
        connection.execute(update(CONTROLS).where(CONTROLS.c.name == name).values(declared=null()))
        change_control(connection, name, now, {})


def _limited(row: Any) -> bool:
    return row.concurrency is not None or row.rate_count is not None or row.declared is not None


def _record(row: Any) -> ControlRecord:
    rate = None if row.rate_count is None else (row.rate_count, row.rate_seconds)
    starts: Sequence[int] = row.starts or ()
    return ControlRecord(row.name, row.paused, row.concurrency, rate, row.declared, tuple(starts))
