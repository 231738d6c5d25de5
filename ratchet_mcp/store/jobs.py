"""Jobs: submitted and settled through the group-commit writer, claimed in one transaction, read in threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Label,
    Select,
    Update,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal_column,
    null,
    select,
    text,
    tuple_,
    update,
)

from ratchet_mcp.store.compiled import Write
from ratchet_mcp.store.database import Database
from ratchet_mcp.store.deliveries import add_deliveries
from ratchet_mcp.store.executions import is_id, storable
from ratchet_mcp.store.job_claims import claim
from ratchet_mcp.store.job_controls import change_control, declare, read_controls
from ratchet_mcp.store.job_records import COLUMNS, LISTED, WAITING, Cancelling, ControlRecord, JobFilter, JobRecord, Waiting
from ratchet_mcp.store.records import DeliveryRecord
from ratchet_mcp.store.statements import EXECUTIONS, JOBS, OWNERS, indexed, insert_or
from ratchet_mcp.store.types import from_microseconds
from ratchet_mcp.store.writer import Writer

T = TypeVar("T")
Clock = Callable[[], datetime]

ADD = Write(insert(JOBS).inline(), COLUMNS, 1)
_SOME = select(*(JOBS.c[name] for name in LISTED))
_WHOLE = select(*(JOBS.c[name] for name in COLUMNS))
_SCHEDULED = JOBS.c.status == literal_column("'scheduled'")
_QUEUED = JOBS.c.status == literal_column("'queued'")
_RUNNING = JOBS.c.status == literal_column("'running'")
_UNENDED = {"queued": _QUEUED, "scheduled": _SCHEDULED, "running": _RUNNING}
_LOOK = select(exists().where(_QUEUED).label("queued"))
_NEXT = select(func.min(JOBS.c.run_at)).where(_SCHEDULED)
_LOOK_AT_ONCE = """SELECT EXISTS (SELECT 1 FROM jobs INDEXED BY ix_jobs_claim WHERE status = 'queued'),
    (SELECT run_at FROM jobs INDEXED BY ix_jobs_due WHERE status = 'scheduled' ORDER BY run_at LIMIT 1)"""
"""Every process asks this twice a second, so it is asked as cheaply as can be."""
_DUE = select(JOBS.c.id).where(_SCHEDULED, JOBS.c.run_at <= bindparam("now")).order_by(JOBS.c.run_at).limit(bindparam("most"))
_DUE_OF = {"postgresql": _DUE.with_for_update(skip_locked=True), "sqlite": indexed(_DUE, "ix_jobs_due")}
_BRING_FORWARD = text("""
UPDATE jobs SET run_at = run_at - (updated_at - :now), updated_at = :now
WHERE status = 'scheduled' AND attempts > 0 AND updated_at > :now
""").bindparams(bindparam("now", type_=JOBS.c.updated_at.type))
_WANTED = select(JOBS.c.id, JOBS.c.cancel_reason).where(
    _RUNNING, JOBS.c.owner == bindparam("owner"), JOBS.c.cancel_requested_at.is_not(None)
)
SETTLED: dict[str, Any] = {"status": None, "failures": 0, "execution_id": None, "last_error": None}
"""What every end of an attempt sets, and to what if it is not said."""


def _settling(*columns: str) -> Update:
    ours = update(JOBS).where(
        JOBS.c.id == bindparam("row_id"), _RUNNING, JOBS.c.owner == bindparam("by"), JOBS.c.attempts == bindparam("attempt")
    )
    return ours.values({name: bindparam(name, type_=JOBS.c[name].type) for name in (*SETTLED, "updated_at", *columns)})


_END = _settling("finished_at")
_WANTED_STILL = JOBS.c.cancel_requested_at.is_(None)
"""What someone asked to cancel while its attempt ended does not wait for another one."""
_AGAIN_AT = _settling("run_at").where(_WANTED_STILL).values(owner=null())
_AGAIN_NOW = _settling().where(_WANTED_STILL).values(owner=null())
AGAIN: dict[str, Any] = {
    "status": "queued",
    "failures": 0,
    "crashes": 0,
    "owner": None,
    "cancel_requested_at": None,
    "cancel_reason": None,
    "finished_at": None,
}
"""What a dead letter is set to when it is to run again. `attempts` goes on counting: it tells one attempt from all others."""


def _counted(name: str, condition: ColumnElement[bool], most: int) -> Label[int]:
    """Count in a part of one statement, which sees all of a moment: a job that changes meanwhile is neither missed nor counted twice."""
    some = select(JOBS.c.id).where(condition).limit(most).subquery()
    return select(func.count()).select_from(some).scalar_subquery().label(name)


def utc_now() -> datetime:
    """Return the time of this machine."""
    return datetime.now(UTC)


class JobRepository:
    """The `jobs` and `job_controls` tables. Awaitables of writes resolve after COMMIT; all raise `StoreFailed`.

    Whether something is due is decided by the database's clock on a server, which many machines share, and by ours on SQLite.
    """

    def __init__(self, database: Database, writer: Writer, owner: str) -> None:
        self._database = database
        self._writer = writer
        self._owner = owner
        self.clock: Clock = utc_now

    # ------------------------------------------------------------ submitting
    def add(self, records: Sequence[JobRecord]) -> asyncio.Future[None]:
        """Write jobs, all or none. Raises `Busy` when too much waits to be written."""
        return self._writer.submit(*((ADD, _values(record)) for record in records))

    def add_unique(self, records: Sequence[JobRecord], agree: Callable[[JobRecord, JobRecord], None]) -> asyncio.Future[list[JobRecord]]:
        """Write jobs, all or none, except those whose unique key is taken; returns for each the job that is there.

        `agree` is given each job and the one that is there; when it raises, nothing is written.
        """

        def work(connection: Connection) -> list[JobRecord]:
            found = [_add_or_find(connection, record) for record in records]
            for record, there in zip(records, found, strict=True):
                agree(record, there)
            return found

        return self._writer.call(work)

    def adopt(self, record: JobRecord, execution_id: str) -> asyncio.Future[None]:
        """Write the job of an execution that is under way."""

        def work(connection: Connection) -> None:
            connection.execute(insert(JOBS).values(_values(record)))
            connection.execute(update(EXECUTIONS).where(EXECUTIONS.c.id == execution_id).values(job_id=record.id))

        return self._writer.call(work)

    # ------------------------------------------------------------ handing out
    def claim(self, most: int, without: Collection[str] = ()) -> asyncio.Future[list[JobRecord]]:
        """Take up to `most` queued jobs for this process, in order; what is paused or at a limit stays."""
        return self._writer.join(lambda connection: claim(connection, self._owner, most, self.now(connection), without=without))

    def take(self, id: str) -> asyncio.Future[list[JobRecord]]:
        """Take one job if it is queued and may start now: a list with it, or without."""
        return self._writer.join(lambda connection: claim(connection, self._owner, 1, self.now(connection), [id]))

    async def look(self) -> Waiting:
        """Tell whether there is something to do, now or later, without taking it."""

        def read(connection: Connection) -> Waiting:
            if connection.dialect.name == "sqlite":
                queued, due = connection.exec_driver_sql(_LOOK_AT_ONCE).one()
                return Waiting(bool(queued), None if due is None else from_microseconds(due), self.now(connection))
            return Waiting(bool(connection.execute(_LOOK).scalar()), connection.execute(_NEXT).scalar(), self.now(connection))

        return await self._database.read(read)

    def promote(self, most: int = 1000) -> asyncio.Future[list[str]]:
        """Queue scheduled jobs that are due, the oldest first; returns their ids."""

        def work(connection: Connection) -> list[str]:
            now = self.now(connection)
            due = [row.id for row in connection.execute(_DUE_OF[connection.dialect.name], {"now": now, "most": most})]
            if due:
                connection.execute(update(JOBS).where(JOBS.c.id.in_(due), _SCHEDULED).values(status="queued", updated_at=now))
            return due

        return self._writer.call(work)

    def bring_forward(self) -> asyncio.Future[int]:
        """Let the pauses between attempts that began at a time which has yet to come begin now; returns how many did.

        That is what they look like when the clock was set back meanwhile. A time that a user asked for stays as it is.
        """
        return self._writer.join(lambda connection: connection.execute(_BRING_FORWARD, {"now": self.now(connection)}).rowcount)

    def settle(
        self, id: str, attempt: int, values: Mapping[str, Any], *, delay: float = 0.0, deliveries: Sequence[DeliveryRecord] = ()
    ) -> asyncio.Future[bool]:
        """End this process' attempt of a job; tells whether it still was this process' to end. If so, `deliveries` are written with it.

        A scheduled job runs after `delay` seconds. One that someone asked to cancel can only end: it is not given back.
        """
        which = {"row_id": id, "by": self._owner, "attempt": attempt}

        def work(connection: Connection) -> bool:
            now = self.now(connection)
            if values["status"] == "scheduled":
                change, times = _AGAIN_AT, {"run_at": now + timedelta(seconds=delay)}
            elif values["status"] == "queued":
                change, times = _AGAIN_NOW, {}
            else:
                change, times = _END, {"finished_at": now}
            ours = connection.execute(change, {**which, **SETTLED, **values, **times, "updated_at": now}).rowcount > 0
            if ours and deliveries:
                add_deliveries(connection, deliveries)
            return ours

        return self._writer.join(work, soon=True)

    # ------------------------------------------------------------ changing
    def cancel(self, id: str, reason: str | None) -> asyncio.Future[Cancelling | None]:
        """Cancel a waiting job, or ask the process that runs it to; None when there is no such job. What has ended stays as it is."""

        def work(connection: Connection) -> Cancelling | None:
            now = self.now(connection)
            asked = {"cancel_requested_at": now, "cancel_reason": reason and storable(reason), "updated_at": now}
            waiting = update(JOBS).where(JOBS.c.id == id, JOBS.c.status.in_(WAITING))
            ended = connection.execute(waiting.values(**asked, status="cancelled", finished_at=now)).rowcount > 0
            if not ended:
                running = update(JOBS).where(JOBS.c.id == id, _RUNNING, JOBS.c.cancel_requested_at.is_(None))
                connection.execute(running.values(**asked))
            row = connection.execute(_WHOLE.where(JOBS.c.id == id)).mappings().first()
            return None if row is None else Cancelling(JobRecord.of_row(row), ended)

        return self._writer.call(work)

    async def cancel_requests(self) -> dict[str, str | None]:
        """Return the running jobs of this process that someone asked to cancel, with the reasons."""

        def read(connection: Connection) -> dict[str, str | None]:
            return {row.id: row.cancel_reason for row in connection.execute(_WANTED, {"owner": self._owner})}

        return await self._database.read(read)

    def retry(self, id: str) -> asyncio.Future[JobRecord | None]:
        """Queue a job that failed or was cancelled again; returns it, None when it is not one."""

        def work(connection: Connection) -> JobRecord | None:
            now = self.now(connection)
            ended = update(JOBS).where(JOBS.c.id == id, JOBS.c.status.in_(("failed", "cancelled")))
            if connection.execute(ended.values(**AGAIN, run_at=now, updated_at=now)).rowcount == 0:
                return None
            return JobRecord.of_row(connection.execute(_WHOLE.where(JOBS.c.id == id)).mappings().one())

        return self._writer.call(work)

    def retry_failed(self, task: str | None, since: datetime | None, most: int) -> asyncio.Future[list[JobRecord]]:
        """Queue failed jobs again, the oldest first; returns them."""
        dead = select(JOBS.c.id).where(JOBS.c.status == "failed").order_by(JOBS.c.created_at, JOBS.c.id).limit(most)
        if task is not None:
            dead = dead.where(JOBS.c.task == task)
        if since is not None:
            dead = dead.where(JOBS.c.finished_at >= since)

        def work(connection: Connection) -> list[JobRecord]:
            now = self.now(connection)
            ids = [row.id for row in connection.execute(dead.with_for_update(skip_locked=True))]
            retried: list[JobRecord] = []
            for some in _chunks(ids):
                connection.execute(update(JOBS).where(JOBS.c.id.in_(some)).values(**AGAIN, run_at=now, updated_at=now))
                retried += [JobRecord.of_row(row) for row in connection.execute(_SOME.where(JOBS.c.id.in_(some))).mappings()]
            return retried

        return self._writer.call(work)

    def remove_finished(self, before: datetime, most: int = 500) -> asyncio.Future[int]:
        """Remove jobs that ended before a time; returns how many."""
        final = JOBS.c.status.in_(("completed", "failed", "cancelled"))
        old = select(JOBS.c.id).where(final, JOBS.c.created_at < before, JOBS.c.finished_at < before).limit(most)

        def work(connection: Connection) -> int:
            ids = [row.id for row in connection.execute(old)]
            return connection.execute(delete(JOBS).where(JOBS.c.id.in_(ids), final)).rowcount if ids else 0

        return self._writer.call(work)

    # ------------------------------------------------------------ holding back
    async def controls(self) -> list[ControlRecord]:
        """Return what is held back."""
        return await self._database.read(read_controls)

    def control(self, name: str, values: Mapping[str, Any]) -> asyncio.Future[None]:
        """Set `paused`, `concurrency`, `rate_count` and `rate_seconds` of a task, or of all jobs (`*`)."""
        return self._writer.call(lambda connection: change_control(connection, name, self.now(connection), values))

    def declare(self, name: str, declared: Mapping[str, Any] | None) -> asyncio.Future[None]:
        """Keep what a task says of its own limits."""
        return self._writer.call(lambda connection: declare(connection, name, self.now(connection), declared))

    # ------------------------------------------------------------ looking
    async def get(self, id: str) -> JobRecord | None:
        """Return one job with its values, None when there is none with this id."""
        if not is_id(id):
            return None
        statement = _WHOLE.where(JOBS.c.id == id)
        row = await self._database.read(lambda connection: connection.execute(statement).mappings().first())
        return None if row is None else JobRecord.of_row(row)

    async def find(self, wanted: JobFilter, limit: int) -> list[JobRecord]:
        """List jobs, newest first, without their big values."""
        statement = _filtered(wanted).order_by(JOBS.c.created_at.desc(), JOBS.c.id.desc()).limit(limit)
        return await self._database.read(lambda connection: [JobRecord.of_row(row) for row in connection.execute(statement).mappings()])

    async def alone(self) -> bool:
        """Tell whether no other process uses the database."""
        others = select(OWNERS.c.id).where(OWNERS.c.id != self._owner).limit(1)
        return await self._database.read(lambda connection: connection.execute(others).first() is None)

    async def counts(self, most: int) -> dict[str, int]:
        """Return how many jobs are queued, scheduled and running; counting ends at `most`."""
        statement = select(*(_counted(name, condition, most) for name, condition in _UNENDED.items()))
        return await self._database.read(lambda connection: dict(connection.execute(statement).mappings().one()))

    def now(self, connection: Connection) -> datetime:
        """Return the time by which it is decided what is due; on a server asked for once in a transaction."""
        if connection.dialect.name != "postgresql":
            return self.clock()
        transaction = connection.get_transaction()
        known: tuple[Any, datetime] | None = connection.info.get("now")
        if known is not None and transaction is not None and known[0] is transaction:
            return known[1]
        now = connection.execute(select(func.clock_timestamp())).scalar_one()
        connection.info["now"] = (connection.get_transaction(), now)
        return now


def put_back(connection: Connection, orphaned: Any, now: datetime, *, crashed: bool) -> int:
    """Queue running jobs that `orphaned` means again, which nobody runs any more; returns how many."""
    change = update(JOBS).where(_RUNNING, orphaned)
    values = {"status": "queued", "owner": None, "updated_at": now, "crashes": JOBS.c.crashes + int(crashed)}
    return connection.execute(change.values(**values)).rowcount


def _add_or_find(connection: Connection, record: JobRecord) -> JobRecord:
    add = insert_or(connection.dialect.name, JOBS).values(_values(record)).on_conflict_do_nothing(index_elements=["unique_key"])
    if connection.execute(add.returning(JOBS.c.id)).first() is not None:
        return record
    return JobRecord.of_row(connection.execute(_WHOLE.where(JOBS.c.unique_key == record.unique_key)).mappings().one())


def _values(record: JobRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in COLUMNS}


def _filtered(wanted: JobFilter) -> Select[Any]:
    statement = _SOME
    for name in ("task", "version", "status", "schedule_id"):
        value = getattr(wanted, name)
        if value is not None:
            statement = statement.where(JOBS.c[name] == value)
    if wanted.since is not None:
        statement = statement.where(JOBS.c.created_at >= wanted.since)
    if wanted.after is not None:
        columns = (JOBS.c.created_at, JOBS.c.id)
        statement = statement.where(tuple_(*columns) < tuple_(*wanted.after, types=[column.type for column in columns]))
    return statement


def _chunks(ids: Sequence[str], size: int = 500) -> list[Sequence[str]]:
    return [ids[first : first + size] for first in range(0, len(ids), size)]
