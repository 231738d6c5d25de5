"""The tasks that were made through Ratchet, as the database keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, delete, select

from ratchet_mcp.store.database import Database
from ratchet_mcp.store.records import AuthoredHead, AuthoredTask
from ratchet_mcp.store.revisions import AUTHORED as REVISION
from ratchet_mcp.store.revisions import bump, read_revisions
from ratchet_mcp.store.statements import AUTHORED, insert_or
from ratchet_mcp.store.writer import Writer

HEAD_FILES = ("metadata.json", "meta.yaml", "meta.yml")
_CHANGING = ("uuid", "digest", "head", "files", "principal", "updated_at")


class AuthoredRepository:
    """The `authored_tasks` table. Each write counts the revision, by which other servers notice it."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database, self._writer = database, writer

    async def put(self, task: AuthoredTask) -> None:
        """Keep one version of a task; one that is there already is replaced and keeps its `created_at`. Raises `StoreFailed`, `Busy`."""
        await self.put_all([task])

    async def put_all(self, tasks: Sequence[AuthoredTask], *, new: bool = False) -> list[str]:
        """Keep several versions in one transaction. With `new` nothing is kept when one of them is there already; returns those."""
        return await self._writer.call(lambda connection: _put_all(connection, tasks, new=new))

    async def remove(self, name: str, version: str | None = None) -> list[str]:
        """Remove one version, or all; returns the versions that were there. Raises `StoreFailed`, `Busy`."""
        return await self._writer.call(lambda connection: _remove(connection, name, version))

    async def all(self) -> list[AuthoredTask]:
        """Return all tasks with their files."""
        return await self._database.read(lambda connection: [_task(row) for row in connection.execute(select(AUTHORED).order_by("name"))])

    async def get(self, name: str, version: str) -> AuthoredTask | None:
        """Return one version with its files."""
        return await self._database.read(lambda connection: _get(connection, name, version))

    async def revision(self) -> int:
        """Return a number that grows with each write of any server."""
        return await self._database.read(lambda connection: read_revisions(connection).get(REVISION, 0))

    def get_now(self, name: str, version: str) -> AuthoredTask | None:
        """Return one version with its files, on a thread of the caller. Raises `StoreFailed`."""
        return self._database.read_now(lambda connection: _get(connection, name, version))

    def heads_now(self) -> list[AuthoredHead]:
        """Return what a listing needs of each task, without code, on a thread of the caller. Raises `StoreFailed`."""
        columns = (AUTHORED.c.name, AUTHORED.c.version, AUTHORED.c.digest, AUTHORED.c.head, AUTHORED.c.updated_at)
        query = select(*columns).order_by(AUTHORED.c.name, AUTHORED.c.version)
        return self._database.read_now(lambda connection: [AuthoredHead(*row) for row in connection.execute(query)])


def _put(connection: Connection, task: AuthoredTask, *, new: bool = False) -> bool:
    """Write a row; with `new`, tells whether it was not there."""
    head = {name: task.files[name] for name in HEAD_FILES if name in task.files}
    add = insert_or(connection.dialect.name, AUTHORED).values(**asdict(task), head=head)
    key = ["name", "version"]
    if new:
        added = connection.execute(add.on_conflict_do_nothing(index_elements=key).returning(AUTHORED.c.name))
        return added.first() is not None  # an INSERT's rowcount is not kept for every driver
    connection.execute(add.on_conflict_do_update(index_elements=key, set_={name: add.excluded[name] for name in _CHANGING}))
    return True


def _put_all(connection: Connection, tasks: Sequence[AuthoredTask], *, new: bool) -> list[str]:
    with connection.begin_nested() as writing:
        there = [f"{task.name}@{task.version}" for task in tasks if not _put(connection, task, new=new)]
        if there:
            writing.rollback()
        elif tasks:
            bump(connection, REVISION)
    return there


def _remove(connection: Connection, name: str, version: str | None) -> list[str]:
    chosen = AUTHORED.c.name == name
    if version is not None:
        chosen &= AUTHORED.c.version == version
    versions = [str(row.version) for row in connection.execute(select(AUTHORED.c.version).where(chosen))]
    if versions:
        connection.execute(delete(AUTHORED).where(chosen))
        bump(connection, REVISION)
    return versions


def _get(connection: Connection, name: str, version: str) -> AuthoredTask | None:
    row = connection.execute(select(AUTHORED).where(AUTHORED.c.name == name, AUTHORED.c.version == version)).first()
    return None if row is None else _task(row)


def _task(row: Any) -> AuthoredTask:
    return AuthoredTask(**{name: getattr(row, name) for name in AuthoredTask.__slots__})
