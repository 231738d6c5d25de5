"""The `batches` table: what each batch was asked for, and how its requests have ended so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select, update

from ratchet_mcp.store.database import Database
from ratchet_mcp.store.executions import is_id, storable
from ratchet_mcp.store.statements import BATCHES, insert_or
from ratchet_mcp.store.writer import Writer

UNFINISHED = ("queued", "running")


@dataclass(slots=True)
class BatchRecord:
    """One batch. `plan` and `results` are JSON, on the way in `plan` may be `JsonText`; `owner` is the process that runs it."""

    id: str
    status: str
    principal: str
    origin: str
    created_at: datetime
    plan: Any
    results: list[dict[str, Any]]
    job_id: str | None = None
    owner: str | None = None
    cancel_requested_at: datetime | None = None
    cancel_reason: str | None = None
    finished_at: datetime | None = field(default=None)


_COLUMNS = tuple(BatchRecord.__slots__)


class BatchRepository:
    """Batches, written through the group-commit writer. Awaitables of writes resolve after COMMIT; they raise `StoreFailed`, `Busy`."""

    def __init__(self, database: Database, writer: Writer, owner: str) -> None:
        self._database, self._writer, self._owner = database, writer, owner

    async def add(self, record: BatchRecord) -> None:
        """Keep a batch; one that is there already stays as it is."""
        values = {name: getattr(record, name) for name in _COLUMNS}

        def write(connection: Connection) -> None:
            add = insert_or(connection.dialect.name, BATCHES).values(values)
            connection.execute(add.on_conflict_do_nothing(index_elements=["id"]))

        await self._writer.call(write)

    async def begin(self, id: str) -> None:
        """Say that this process runs a batch; also one that another process ran, or that has failed and is tried again."""
        mine = {"status": "running", "owner": self._owner, "finished_at": None, "cancel_requested_at": None, "cancel_reason": None}
        change = update(BATCHES).where(BATCHES.c.id == id, BATCHES.c.status != "completed").values(mine)
        await self._writer.call(lambda connection: connection.execute(change).rowcount)

    async def save(self, record: BatchRecord) -> bool:
        """Record how a batch stands, if it is still this process' to run; tells whether it is."""
        values = {"status": record.status, "results": record.results, "finished_at": record.finished_at}
        if record.cancel_reason is not None:
            values["cancel_reason"] = storable(record.cancel_reason)
        mine = update(BATCHES).where(BATCHES.c.id == record.id, BATCHES.c.owner == self._owner, BATCHES.c.status.in_(UNFINISHED))
        return await self._writer.call(lambda connection: connection.execute(mine.values(values)).rowcount > 0)

    async def get(self, id: str) -> BatchRecord | None:
        """Return a batch, None when there is none with this id."""
        if not is_id(id):
            return None
        statement = select(*(BATCHES.c[name] for name in _COLUMNS)).where(BATCHES.c.id == id)
        row = await self._database.read(lambda connection: connection.execute(statement).first())
        return None if row is None else BatchRecord(*row)

    async def request_cancel(self, id: str, reason: str | None) -> bool:
        """Ask the process that runs a batch to end it; tells whether there was something to end."""
        change = (
            update(BATCHES)
            .where(BATCHES.c.id == id, BATCHES.c.status.in_(UNFINISHED))
            .values(cancel_requested_at=datetime.now(UTC), cancel_reason=reason and storable(reason))
        )
        return await self._writer.call(lambda connection: connection.execute(change).rowcount > 0)

    async def cancel_requests(self) -> dict[str, str | None]:
        """Return the batches of this process that someone asked to cancel, with the reasons."""
        rows = BATCHES.c
        statement = select(rows.id, rows.cancel_reason).where(
            rows.status == "running", rows.owner == self._owner, rows.cancel_requested_at.is_not(None)
        )

        def read(connection: Connection) -> dict[str, str | None]:
            return {row.id: row.cancel_reason for row in connection.execute(statement)}

        return await self._database.read(read)
