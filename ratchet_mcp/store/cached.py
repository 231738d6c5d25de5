"""Outputs that may be given again. All processes that share the database share them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select, update

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

    async def put(self, entry: CachedResult, *, most: int, counted: bool) -> int | None:
        """Keep an entry in the place of an older one of its key.

        When `counted`, count what all entries take, remove expired ones, and then those that were not used for longest until at most
        `most` bytes are left; returns the bytes then.
        """
        return await self._writer.call(lambda connection: _put(connection, entry, most if counted else None))

    async def purge(self, task: str | None = None, version: str | None = None) -> int:
        """Remove all entries, or those of a task, or of a version of it; returns how many."""
        statement = delete(CACHED_RESULTS)
        if task is not None:
            statement = statement.where(_ROWS.task == task)
        if version is not None:
            statement = statement.where(_ROWS.version == version)
        return await self._writer.call(lambda connection: connection.execute(statement).rowcount)

    async def totals(self, now: datetime) -> list[tuple[str, int, int]]:
        """Return task, entries that have not expired and their bytes, the largest first."""
        size = func.sum(_ROWS.bytes)
        query = select(_ROWS.task, func.count(), size).where(_ROWS.expires_at > now).group_by(_ROWS.task).order_by(size.desc(), _ROWS.task)
        return await self._database.read(lambda connection: [(row[0], int(row[1]), int(row[2])) for row in connection.execute(query)])


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
        oldest = connection.execute(select(_ROWS.key, _ROWS.bytes).order_by(_ROWS.used_at, _ROWS.key).limit(STEP)).all()
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
