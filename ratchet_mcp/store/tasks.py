"""The tasks that have been run, as they were."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import func, select

from ratchet_mcp.store.compiled import Row
from ratchet_mcp.store.database import Database
from ratchet_mcp.store.records import TaskRecord
from ratchet_mcp.store.statements import TASKS, keep_task

ROWS = UUID("6f1c7a3e-4c57-5c0b-9d0e-6a1f2b6f3a10")
"""Namespace of the ids of task rows."""


def task_row_id(record: TaskRecord) -> str:
    """Return the id of a task's row, which follows from what identifies its content."""
    return _row_id(record.uuid, record.name, record.version, record.digest)


@lru_cache(maxsize=2048)
def _row_id(*facts: str) -> str:
    return str(uuid5(ROWS, "\n".join(facts)))


class TaskRepository:
    """The `tasks` table."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keep = keep_task(database.location.backend)

    def row(self, record: TaskRecord) -> Row:
        """Return the write that keeps a task, for the transaction of its first execution."""
        now = datetime.now(UTC)
        values: dict[str, Any] = {name: getattr(record, name) for name in TaskRecord.__slots__}
        values.update(id=task_row_id(record), created_at=now, updated_at=now)
        return self._keep, values

    async def count(self) -> int:
        """Return how many contents of tasks have run."""
        return await self._database.read(lambda connection: connection.execute(select(func.count()).select_from(TASKS)).scalar_one())

    async def of_content(self, uuid: str, name: str, version: str, digest: str) -> TaskRecord | None:
        """Return one content of a version, if it has ever run. Raises `StoreFailed`."""
        return await self.get(_row_id(uuid, name, version, digest))

    async def get(self, row_id: str) -> TaskRecord | None:
        """Return a task as it was when it ran."""
        row = await self._database.read(lambda connection: connection.execute(select(TASKS).where(TASKS.c.id == row_id)).first())
        if row is None:
            return None
        return TaskRecord(**{name: getattr(row, name) for name in TaskRecord.__slots__})
