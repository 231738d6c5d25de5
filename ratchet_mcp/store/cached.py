"""Outputs that may be given again. All processes that share the database share them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, bindparam, delete, func, select, update

from ratchet_mcp.store.clock import DIFFERENCE
from ratchet_mcp.store.compiled import Write
from ratchet_mcp.store.database import Database
from ratchet_mcp.store.statements import CACHED_RESULTS, insert_or
from ratchet_mcp.store.writer import Writer

OVERHEAD = 256
"""What an entry takes besides its output, in bytes."""
GOAL = 0.9
"""Part of the limit that is left full when room is made, so that not every entry makes room."""
STEP = 200
"""Entries that are removed at a time."""

MARKED = timedelta(days=1)
"""For how long a purge is remembered: no run that was under way then takes longer."""
NOBODY = str(UUID(int=0))

_ROWS = CACHED_RESULTS.c
_COLUMNS = tuple(_ROWS.keys())
_USED = Write(
    update(CACHED_RESULTS).where(_ROWS.key == bindparam("row_key")).values(used_at=bindparam("used_at")), ("used_at", "row_key"), 9
)


@dataclass(frozen=True, slots=True)
class CachedResult:
    """An output and where it came from. `output` is a JSON value, on the way in it may be `JsonText`; `bytes` is what it counts for."""

    key: str
    task: str
    version: str
    digest: str
    execution_id: str
    output: Any
    bytes: int
    created_at: datetime
    expires_at: datetime
    used_at: datetime


class CachedRepository:
    """The `cached_results` table. Its users say what time it is. Writes raise `StoreFailed` and `Busy`."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database, self._writer = database, writer

    async def get(self, key: str, now: datetime) -> CachedResult | None:
        """Return an entry that has not expired."""
        query = select(CACHED_RESULTS).where(_ROWS.key == key, _ROWS.expires_at > now)
        row = await self._database.read(lambda connection: connection.execute(query).first())
        return None if row is None else CachedResult(**{name: getattr(row, name) for name in _COLUMNS})

    def used(self, key: str, now: datetime) -> None:
        """Note that an entry was used; nobody waits for that, and it may get lost."""
        future = self._writer.submit((_USED, {"row_key": key, "used_at": now}), soon=True)
        future.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def put(self, entry: CachedResult, began: datetime, *, most: int, counted: bool) -> tuple[bool, int | None]:
        """Keep an entry in the place of an older one of its key, unless it was purged since its run began; tells whether it is kept.

        When `counted`, count what all entries take, remove expired ones, and then those that were not used for longest until at most
        `most` bytes are left; returns the bytes then, too.
        """

        def work(connection: Connection) -> tuple[bool, int | None]:
            if _purged(connection, entry, began):
                return False, None
            return True, _put(connection, entry, most if counted else None)

        return await self._writer.call(work)

    async def purge(self, now: datetime, task: str | None = None, version: str | None = None) -> int:
        """Remove all entries, or those of a task, or of a version of it, also of runs under way in any process; returns how many."""
        statement = delete(CACHED_RESULTS).where(_ROWS.bytes > 0)
        if task is not None:
            statement = statement.where(_ROWS.task == task)
        if version is not None:
            statement = statement.where(_ROWS.version == version)
        name = _mark(task, version)
        mark = CachedResult(name, task or "", version or "", "", NOBODY, None, 0, now, now + MARKED, now)

        def work(connection: Connection) -> int:
            _put(connection, mark, None)
            return connection.execute(statement).rowcount

        return await self._writer.call(work)

    async def totals(self, now: datetime) -> list[tuple[str, int, int]]:
        """Return task, entries that have not expired and their bytes, the largest first."""
        size = func.sum(_ROWS.bytes)
        query = (
            select(_ROWS.task, func.count(), size)
            .where(_ROWS.expires_at > now, _ROWS.bytes > 0)
            .group_by(_ROWS.task)
            .order_by(size.desc(), _ROWS.task)
        )
        return await self._database.read(lambda connection: [(row[0], int(row[1]), int(row[2])) for row in connection.execute(query)])


def _mark(task: str | None, version: str | None) -> str:
    """Return the key of the row that tells of the latest purge of these; those of results are hexadecimal."""
    return f"purged {task or '*'}@{version or '*'}"


def _purged(connection: Connection, entry: CachedResult, began: datetime) -> bool:
    marks = [_mark(None, None), _mark(entry.task, None), _mark(entry.task, entry.version)]
    query = select(_ROWS.key).where(_ROWS.key.in_(marks), _ROWS.created_at > began, _ROWS.created_at <= entry.created_at + DIFFERENCE)
    return connection.execute(query.limit(1)).first() is not None


def _put(connection: Connection, entry: CachedResult, most: int | None) -> int | None:
    add = insert_or(connection.dialect.name, CACHED_RESULTS).values({name: getattr(entry, name) for name in _COLUMNS})
    connection.execute(
        add.on_conflict_do_update(index_elements=["key"], set_={name: add.excluded[name] for name in _COLUMNS if name != "key"})
    )
    return None if most is None else _make_room(connection, entry.used_at, most)


def _make_room(connection: Connection, now: datetime, most: int) -> int:
    connection.execute(delete(CACHED_RESULTS).where(_ROWS.expires_at <= now))
    total = int(connection.execute(select(func.coalesce(func.sum(_ROWS.bytes), 0))).scalar_one())
    if total <= most:
        return total
    goal = int(most * GOAL)
    while total > goal:
        oldest = connection.execute(
            select(_ROWS.key, _ROWS.bytes).where(_ROWS.bytes > 0).order_by(_ROWS.used_at, _ROWS.key).limit(STEP)
        ).all()
        if not oldest:
            break
        going: list[str] = []
        for key, size in oldest:
            if total <= goal:
                break
            going.append(key)
            total -= int(size)
        connection.execute(delete(CACHED_RESULTS).where(_ROWS.key.in_(going)))
    return total
