"""Schedules, and the one transaction in which they come true."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from ratchet_mcp.store.database import Database
from ratchet_mcp.store.executions import is_id, storable
from ratchet_mcp.store.job_records import COLUMNS as JOB_COLUMNS
from ratchet_mcp.store.job_records import JobRecord
from ratchet_mcp.store.schedule_records import COLUMNS, Firing, ScheduleFilter, ScheduleRecord
from ratchet_mcp.store.statements import JOBS, SCHEDULES, insert_or
from ratchet_mcp.store.writer import Writer

Clock = Callable[[], datetime]
FIRED = ("next_run", "last_run", "last_job_id", "last_error", "failures")
"""What firing may change of a schedule."""
_ROWS = SCHEDULES.c
_WHOLE = select(*(_ROWS[name] for name in COLUMNS))
_NEXT_DUE = select(func.min(_ROWS.next_run)).where(_ROWS.active)
_FIRE = (
    update(SCHEDULES)
    .where(_ROWS.id == bindparam("row_id", type_=_ROWS.id.type))
    .values({name: bindparam(name, type_=_ROWS[name].type) for name in FIRED})
)


class ScheduleRepository:
    """The `schedules` table. Awaitables of writes resolve after COMMIT; all raise `StoreFailed`."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database, self._writer = database, writer
        self.clock: Clock | None = None
        """What time it is, in place of the database server's clock, or this machine's on SQLite."""

    # ------------------------------------------------------------ looking
    async def now(self) -> datetime:
        """Return the time by which it is decided what is due: the database server's, which many machines share, or ours."""
        return await self._database.read(self._now)

    async def look(self) -> tuple[datetime, datetime | None]:
        """Return the time, and when the next schedule is due; None when none ever is."""
        return await self._database.read(lambda connection: (self._now(connection), connection.execute(_NEXT_DUE).scalar()))

    async def due(self, now: datetime, after: ScheduleRecord | None, most: int) -> list[ScheduleRecord]:
        """Return active schedules that are due, those that are due longest first, from the one after `after` on."""
        return await self._page(_ROWS.active & (_ROWS.next_run <= now), after, most)

    async def ahead(self, of: datetime, after: ScheduleRecord | None, most: int) -> list[ScheduleRecord]:
        """Return active schedules that are not due yet, from the one after `after` on."""
        return await self._page(_ROWS.active & (_ROWS.next_run > of), after, most)

    async def get(self, key: str) -> ScheduleRecord | None:
        """Return the schedule with this id or name."""
        statement = _WHOLE.where(_ROWS.id == str(UUID(key)) if is_id(key) else _ROWS.name == storable(key))
        row = await self._database.read(lambda connection: connection.execute(statement).mappings().first())
        return None if row is None else ScheduleRecord.of_row(row)

    async def find(self, wanted: ScheduleFilter, limit: int) -> list[ScheduleRecord]:
        """List schedules, newest first."""
        statement = _WHOLE.order_by(_ROWS.created_at.desc(), _ROWS.id.desc()).limit(limit)
        if wanted.task is not None:
            statement = statement.where(_ROWS.task == storable(wanted.task))
        if wanted.active is not None:
            statement = statement.where(_ROWS.active == wanted.active)
        if wanted.after is not None:
            columns = (_ROWS.created_at, _ROWS.id)
            statement = statement.where(tuple_(*columns) < tuple_(*wanted.after, types=[column.type for column in columns]))
        return await self._records(statement)

    async def names(self, most: int) -> list[str]:
        """Return names of schedules, for suggestions."""
        statement = select(_ROWS.name).where(_ROWS.name.is_not(None)).order_by(_ROWS.name).limit(most)
        return await self._database.read(lambda connection: [row.name for row in connection.execute(statement)])

    # ------------------------------------------------------------ changing
    def add(self, record: ScheduleRecord, most: int) -> asyncio.Future[ScheduleRecord | int | None]:
        """Write a schedule. Returns None; or the schedule that has its name; or how many there are, when that is `most` or more."""

        def work(connection: Connection) -> ScheduleRecord | int | None:
            count = connection.execute(select(func.count()).select_from(SCHEDULES)).scalar_one()
            if count >= most:
                return count
            add = insert_or(connection.dialect.name, SCHEDULES).values({name: getattr(record, name) for name in COLUMNS})
            written = connection.execute(add.on_conflict_do_nothing(index_elements=["name"]).returning(_ROWS.id)).first()
            return None if written is not None else _named(connection, record.name)

        return self._writer.call(work)

    def change(self, record: ScheduleRecord, values: Mapping[str, Any]) -> asyncio.Future[ScheduleRecord | bool]:
        """Change a schedule that is as it was read. Tells whether it was; or returns another one that has the new name."""

        def work(connection: Connection) -> ScheduleRecord | bool:
            other = _named(connection, values["name"]) if values.get("name") is not None else None
            if other is not None and other.id != record.id:
                return other
            same = (_ROWS.id == record.id) & (_ROWS.updated_at == record.updated_at)
            try:
                with connection.begin_nested():
                    return connection.execute(update(SCHEDULES).where(same).values(**values)).rowcount > 0
            except IntegrityError:  # another machine has just given that name away
                return _named(connection, values["name"]) or False

        return self._writer.call(work)

    def remove(self, id: str) -> asyncio.Future[bool]:
        """Remove a schedule; tells whether it was there. Its jobs stay, and forget it."""
        return self._writer.call(lambda connection: connection.execute(delete(SCHEDULES).where(_ROWS.id == id)).rowcount > 0)

    def fire(self, firings: Sequence[Firing]) -> asyncio.Future[list[JobRecord]]:
        """Let schedules come true, in one transaction: those that are still as they were read move on, and their jobs are written.

        A job whose unique key is taken is left out. Returns the jobs that were written. Machines that do this at the same time share
        the work: what one has locked, the others pass over.
        """

        def work(connection: Connection) -> list[JobRecord]:
            untouched = _untouched(connection, firings)
            jobs = [job for firing in untouched for job in firing.jobs]
            there = _there_already(connection, jobs)
            new = [job for job in jobs if job.unique_key not in there]
            if untouched:
                connection.execute(_FIRE, [_moved(firing, there) for firing in untouched])
            if new:
                add = insert_or(connection.dialect.name, JOBS).on_conflict_do_nothing(index_elements=["unique_key"])
                connection.execute(add, [{name: getattr(job, name) for name in JOB_COLUMNS} for job in new])
            return new

        return self._writer.call(work)

    # ------------------------------------------------------------ within
    def _now(self, connection: Connection) -> datetime:
        if self.clock is not None:
            return self.clock()
        if connection.dialect.name == "postgresql":
            return connection.execute(select(func.clock_timestamp())).scalar_one()
        return datetime.now(UTC)

    async def _page(self, which: ColumnElement[bool], after: ScheduleRecord | None, most: int) -> list[ScheduleRecord]:
        columns = (_ROWS.next_run, _ROWS.id)
        if after is not None:
            which &= tuple_(*columns) > tuple_(after.next_run, after.id, types=[column.type for column in columns])
        return await self._records(_WHOLE.where(which).order_by(*columns).limit(most))

    async def _records(self, statement: Any) -> list[ScheduleRecord]:
        return await self._database.read(
            lambda connection: [ScheduleRecord.of_row(row) for row in connection.execute(statement).mappings()]
        )


def _named(connection: Connection, name: str | None) -> ScheduleRecord | None:
    row = connection.execute(_WHOLE.where(_ROWS.name == name)).mappings().first()
    return None if row is None else ScheduleRecord.of_row(row)


def _untouched(connection: Connection, firings: Sequence[Firing]) -> list[Firing]:
    """Lock the schedules, and return the firings of those that are as they were read."""
    ids = [firing.schedule.id for firing in firings]
    locked = select(_ROWS.id, _ROWS.next_run, _ROWS.updated_at, _ROWS.active).where(_ROWS.id.in_(ids))
    states = {row.id: row for row in connection.execute(locked.with_for_update(skip_locked=True))}
    return [firing for firing in firings if _same(firing.schedule, states.get(firing.schedule.id))]


def _same(read: ScheduleRecord, now: Any) -> bool:
    return now is not None and now.active and (now.next_run, now.updated_at) == (read.next_run, read.updated_at)


def _moved(firing: Firing, there: Mapping[str | None, str]) -> dict[str, Any]:
    values = {name: firing.values.get(name, getattr(firing.schedule, name)) for name in FIRED}
    if firing.jobs:
        last = firing.jobs[-1]
        values["last_job_id"] = there.get(last.unique_key, last.id)
    return {"row_id": firing.schedule.id, **values}


def _there_already(connection: Connection, jobs: Sequence[JobRecord]) -> dict[str | None, str]:
    """Return the ids of the jobs that have the unique keys of these, by their keys."""
    if not jobs:
        return {}
    taken = select(JOBS.c.unique_key, JOBS.c.id).where(JOBS.c.unique_key.in_([job.unique_key for job in jobs]))
    return {row.unique_key: row.id for row in connection.execute(taken)}
