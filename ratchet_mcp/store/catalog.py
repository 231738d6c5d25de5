"""What sources offer and offered, and which tasks may run, as the database remembers it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select

from ratchet_mcp.store.database import Database
from ratchet_mcp.store.records import CatalogRecord
from ratchet_mcp.store.revisions import ACCEPTED, bump, read_revisions
from ratchet_mcp.store.revisions import SWITCHES as REVISION
from ratchet_mcp.store.statements import CATALOG, SWITCHES, insert_or
from ratchet_mcp.store.writer import Writer

_KEY = ("source", "name", "version")
_BATCH = 500


class CatalogRepository:
    """The tables `catalog` and `task_switches`."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database, self._writer = database, writer

    async def all(self) -> list[CatalogRecord]:
        """Return what all sources offer and offered; what is gone has `removed_at`."""
        return await self._database.read(_all)

    async def validated_digest(self, source: str, name: str, version: str) -> str | None:
        """Return the digest of the content that was last loaded of a version that is still offered. Raises `StoreFailed`."""
        here = (CATALOG.c.source == source, CATALOG.c.name == name, CATALOG.c.version == version)
        query = select(CATALOG.c.digest).where(*here, CATALOG.c.validated_at.is_not(None), CATALOG.c.removed_at.is_(None))
        return await self._database.read(lambda connection: connection.execute(query).scalar())

    async def save(self, records: Sequence[CatalogRecord]) -> None:
        """Write records, new or changed, in batches, so that others write in between. Raises `StoreFailed`, `Busy`."""
        for start in range(0, len(records), _BATCH):
            batch = records[start : start + _BATCH]
            await self._writer.call(lambda connection, batch=batch: _save(connection, batch))

    async def disabled(self) -> frozenset[str]:
        """Return the names of the tasks that may not run."""
        query = select(SWITCHES.c.name).where(SWITCHES.c.enabled.is_(False))
        return await self._database.read(lambda connection: frozenset(str(row.name) for row in connection.execute(query)))

    async def set_enabled(self, name: str, enabled: bool) -> None:
        """Remember whether a task may run. Raises `StoreFailed`, `Busy`."""
        await self._writer.call(lambda connection: _switch(connection, name, enabled))

    async def tell_accepted(self) -> None:
        """Let other servers know that digests stand here whose content was accepted. Raises `StoreFailed`, `Busy`."""
        await self._writer.call(lambda connection: bump(connection, ACCEPTED))

    async def revisions(self) -> dict[str, int]:
        """Return the counters `authored`, `switches` and `accepted`: one read tells whether another server has changed something."""
        return await self._database.read(read_revisions)


def _all(connection: Connection) -> list[CatalogRecord]:
    columns = [CATALOG.c[name] for name in CatalogRecord.__slots__]
    return [CatalogRecord(*row) for row in connection.execute(select(*columns))]


def _save(connection: Connection, records: Sequence[CatalogRecord]) -> None:
    add = insert_or(connection.dialect.name, CATALOG)
    changing = [column.name for column in CATALOG.c if column.name not in (*_KEY, "created_at")]
    kept = add.on_conflict_do_update(index_elements=list(_KEY), set_={name: add.excluded[name] for name in changing})
    rows: list[dict[str, Any]] = [asdict(record) for record in records]
    connection.execute(kept, rows)


def _switch(connection: Connection, name: str, enabled: bool) -> None:
    add = insert_or(connection.dialect.name, SWITCHES).values(name=name, enabled=enabled, changed_at=datetime.now(UTC))
    changed = {column: add.excluded[column] for column in ("enabled", "changed_at")}
    connection.execute(add.on_conflict_do_update(index_elements=["name"], set_=changed))
    bump(connection, REVISION)
