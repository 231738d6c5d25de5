"""Deliveries: rows that say what is to be sent, taken by one process at a time, and how that went."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Connection, Select, bindparam, delete, func, select, text, tuple_, update

from ratchet_mcp.store.database import Database
from ratchet_mcp.store.executions import is_id, storable
from ratchet_mcp.store.records import PENDING, DeliveryRecord
from ratchet_mcp.store.statements import BATCHES, DELIVERIES, EXECUTIONS, JOBS, OWNERS, insert_or
from ratchet_mcp.store.writer import Writer

SENDING, DELIVERED, FAILED = "sending", "delivered", "failed"
MOST_CRASHES = 3
"""How often more than it may be tried a delivery is taken over from processes that died with it."""


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries to list; what is None does not restrict. `after` is the (created_at, id) of the last row already seen."""

    task: str | None = None
    status: str | None = None
    execution_id: str | None = None
    job_id: str | None = None
    since: datetime | None = None
    after: tuple[datetime, str] | None = None


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What a delivery tells of a job. `results` are those of a batch."""

    id: str
    task: str
    version: str | None
    kind: str
    status: str
    attempts: int
    error: dict[str, Any] | None
    schedule_id: str | None
    execution_id: str | None
    created_at: datetime
    finished_at: datetime | None
    results: Any = None


@dataclass(frozen=True, slots=True)
class Taken:
    """What a look for due deliveries gave: those that are now this process's, and when the next one is due."""

    records: list[DeliveryRecord] = field(default_factory=list[DeliveryRecord])
    next_at: datetime | None = None


_BRING_FORWARD = text("""
UPDATE deliveries SET next_at = next_at - (updated_at - :now), updated_at = :now
WHERE status IN ('pending', 'sending') AND updated_at > :now
""").bindparams(bindparam("now", type_=DELIVERIES.c.updated_at.type))
COLUMNS = tuple(DeliveryRecord.__dataclass_fields__)
_ALL = select(*(DELIVERIES.c[name] for name in COLUMNS))


def add_deliveries(connection: Connection, records: Sequence[DeliveryRecord]) -> None:
    """Write new deliveries in a transaction of the caller; one whose key is there already is left as it is."""
    if not records:
        return
    named = {record.execution_id for record in records if record.execution_id is not None}
    there = set(connection.execute(select(EXECUTIONS.c.id).where(EXECUTIONS.c.id.in_(named))).scalars()) if named else set[str]()
    rows = [{**asdict(record), "execution_id": record.execution_id if record.execution_id in there else None} for record in records]
    connection.execute(insert_or(connection.dialect.name, DELIVERIES).on_conflict_do_nothing(index_elements=["key"]), rows)


class DeliveryRepository:
    """The `deliveries` table. Writes raise `StoreFailed` and `Busy`."""

    def __init__(self, database: Database, writer: Writer, owner: str) -> None:
        self._database, self._writer, self._owner = database, writer, owner

    async def add(self, records: Sequence[DeliveryRecord]) -> None:
        """Write new deliveries, all or none; one whose key is there already is left as it is."""
        await self._writer.call(lambda connection: add_deliveries(connection, records))

    async def next_due(self) -> datetime | None:
        """Return when something is to be done: the time of the next delivery, or the earliest time when one may be taken over."""
        rows = DELIVERIES.c
        waiting = select(func.min(rows.next_at)).where(rows.status == PENDING)
        orphans = select(rows.next_at).where(rows.status == SENDING, rows.owner != self._owner).limit(1)

        def look(connection: Connection) -> datetime | None:
            due = connection.execute(waiting).scalar()
            if connection.execute(orphans).first() is None:
                return due
            living = set(connection.execute(select(OWNERS.c.id)).scalars())
            left = select(rows.owner, rows.next_at).where(rows.status == SENDING)
            found = [row.next_at for row in connection.execute(left) if row.owner not in living]
            return min([*found, *([due] if due else [])], default=None)

        return await self._database.read(look)

    async def take(self, now: datetime, limit: int) -> list[DeliveryRecord]:
        """Take due deliveries, and those of dead processes, for this process; each counts an attempt."""
        return await self._writer.call(lambda connection: self._take(connection, now, limit))

    async def take_one(self, id: str, now: datetime) -> DeliveryRecord | None:
        """Take one delivery that waits, whether it is due or not; None when it does not wait."""
        return await self._writer.call(lambda connection: next(iter(self._claim(connection, [id], now)), None))

    async def bring_forward(self, now: datetime) -> int:
        """Let what waits since a time which has yet to come, because the clock was set back, wait from now on; returns how many did."""
        return await self._writer.call(lambda connection: connection.execute(_BRING_FORWARD, {"now": now}).rowcount)

    def _take(self, connection: Connection, now: datetime, limit: int) -> list[DeliveryRecord]:
        self._take_over(connection, now)
        rows = DELIVERIES.c
        due = (
            select(rows.id).where(rows.status == PENDING, rows.next_at <= now).order_by(rows.next_at, rows.id).limit(limit)
        ).with_for_update(skip_locked=True)
        return self._claim(connection, list(connection.execute(due).scalars()), now)

    def _claim(self, connection: Connection, ids: Sequence[str], now: datetime) -> list[DeliveryRecord]:
        if not ids:
            return []
        rows = DELIVERIES.c
        mine = {"status": SENDING, "owner": self._owner, "attempts": rows.attempts + 1, "updated_at": now}
        claim = update(DELIVERIES).where(rows.id.in_(ids), rows.status == PENDING).values(mine).returning(rows.id)
        taken = list(connection.execute(claim).scalars())
        query = _ALL.where(rows.id.in_(taken)).order_by(rows.next_at, rows.id)
        return [_record(row) for row in connection.execute(query)] if taken else []

    def _take_over(self, connection: Connection, now: datetime) -> None:
        """Let deliveries wait again whose process died while it sent them."""
        rows = DELIVERIES.c
        under_way = connection.execute(select(rows.id, rows.owner, rows.attempts, rows.max_attempts).where(rows.status == SENDING)).all()
        if not under_way:
            return
        living = set(connection.execute(select(OWNERS.c.id)).scalars())
        for row in under_way:
            if row.owner in living:
                continue
            given_up = row.attempts >= row.max_attempts + MOST_CRASHES
            ending: dict[str, Any] = {"status": PENDING, "next_at": now}
            if given_up:
                error = {"code": "interrupted", "message": "The server that sent this died again and again.", "retryable": True}
                ending = {"status": FAILED, "finished_at": now, "last_error": error}
            change = update(DELIVERIES).where(rows.id == row.id, rows.status == SENDING, rows.owner == row.owner)
            connection.execute(change.values(owner=None, updated_at=now, **ending))

    def settle(self, record: DeliveryRecord) -> asyncio.Future[bool]:
        """Write how an attempt of this process went; tells whether the delivery was still its own."""
        rows = DELIVERIES.c
        mine = (rows.id == record.id, rows.status == SENDING, rows.owner == self._owner, rows.attempts == record.attempts)
        names = ("status", "next_at", "target", "last_error", "receipt", "finished_at", "updated_at")
        values: dict[str, Any] = {name: getattr(record, name) for name in names}
        change = update(DELIVERIES).where(*mine).values(owner=None, **values)
        return self._writer.call(lambda connection: connection.execute(change).rowcount > 0)

    def put_back(self, record: DeliveryRecord, now: datetime) -> asyncio.Future[bool]:
        """Let a delivery wait again that this process stopped sending; the attempt does not count."""
        rows = DELIVERIES.c
        mine = (rows.id == record.id, rows.status == SENDING, rows.owner == self._owner, rows.attempts == record.attempts)
        values = {"status": PENDING, "owner": None, "next_at": now, "attempts": record.attempts - 1, "updated_at": now}
        change = update(DELIVERIES).where(*mine).values(values)
        return self._writer.call(lambda connection: connection.execute(change).rowcount > 0)

    async def again(self, id: str, now: datetime, max_attempts: int) -> bool:
        """Let a delivery that has ended be sent once more, with all its attempts; tells whether it had ended."""
        rows = DELIVERIES.c
        fresh: dict[str, Any] = {"status": PENDING, "attempts": 0, "max_attempts": max_attempts, "next_at": now, "finished_at": None}
        fresh |= {"last_error": None, "receipt": None}
        change = update(DELIVERIES).where(rows.id == id, rows.status.in_((DELIVERED, FAILED))).values(updated_at=now, **fresh)
        return await self._writer.call(lambda connection: connection.execute(change).rowcount > 0)

    async def get(self, id: str) -> DeliveryRecord | None:
        """Return one delivery, None when there is none with this id."""
        if not is_id(id):
            return None
        query = _ALL.where(DELIVERIES.c.id == id)
        row = await self._database.read(lambda connection: connection.execute(query).first())
        return None if row is None else _record(row)

    async def find(self, wanted: DeliveryFilter, limit: int) -> list[DeliveryRecord]:
        """List deliveries, newest first."""
        query = _filtered(wanted).order_by(DELIVERIES.c.created_at.desc(), DELIVERIES.c.id.desc()).limit(limit)
        return await self._database.read(lambda connection: [_record(row) for row in connection.execute(query)])

    async def job(self, id: str) -> JobFacts | None:
        """Return what a delivery tells of a job."""
        rows = JOBS.c
        names = ("id", "task", "version", "kind", "status", "attempts", "schedule_id", "execution_id", "created_at", "finished_at")
        query = select(*(rows[name] for name in names), rows.last_error.label("error")).where(rows.id == id)
        results = select(BATCHES.c.results).where(BATCHES.c.job_id == id).order_by(BATCHES.c.created_at.desc()).limit(1)

        def look(connection: Connection) -> JobFacts | None:
            row = connection.execute(query).mappings().first()
            if row is None:
                return None
            return JobFacts(**row, results=connection.execute(results).scalar() if row["kind"] == "batch" else None)

        return await self._database.read(look)

    async def prune(self, before: datetime, limit: int = 1000) -> int:
        """Remove deliveries that ended before an instant; returns how many."""
        rows = DELIVERIES.c
        old = select(rows.id).where(rows.status.in_((DELIVERED, FAILED)), rows.finished_at < before).limit(limit)
        return await self._writer.call(lambda connection: connection.execute(delete(DELIVERIES).where(rows.id.in_(old))).rowcount)


def _filtered(wanted: DeliveryFilter) -> Select[Any]:
    rows, query = DELIVERIES.c, _ALL
    for name in ("task", "status", "execution_id", "job_id"):
        value = getattr(wanted, name)
        if value is not None:
            query = query.where(rows[name] == value)
    if wanted.since is not None:
        query = query.where(rows.created_at >= wanted.since)
    if wanted.after is not None:
        query = query.where(tuple_(rows.created_at, rows.id) < tuple_(*wanted.after, types=[rows.created_at.type, rows.id.type]))
    return query


def _record(row: Any) -> DeliveryRecord:
    return DeliveryRecord(**{name: getattr(row, name) for name in COLUMNS})


def normal_id(text: str | None) -> str | None:
    """Return an id as rows have it; None when it is none."""
    try:
        return None if text is None else str(UUID(text))
    except (ValueError, AttributeError):
        return None


def storable_json(value: Any) -> Any:
    """Return JSON without what a database cannot hold in its texts."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        return {str(name): storable_json(inner) for name, inner in members.items()}
    return [storable_json(inner) for inner in cast("list[Any]", value)] if isinstance(value, list) else value
