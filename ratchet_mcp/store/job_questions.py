"""The columns `questions` and `answers` of jobs: what a run waits for, and what its users said, across processes and restarts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, literal_column, select, update

from ratchet_mcp.store.database import Database
from ratchet_mcp.store.statements import JOBS
from ratchet_mcp.store.writer import Writer

_RUNNING = JOBS.c.status == literal_column("'running'")


class JobQuestionRepository:
    """Questions of the jobs that this process (`owner`) runs, and answers to any. Awaitables of writes resolve after COMMIT."""

    def __init__(self, database: Database, writer: Writer, owner: str) -> None:
        self._database = database
        self._writer = writer
        self._owner = owner

    def put(self, id: str, questions: list[dict[str, Any]] | None) -> asyncio.Future[None]:
        """Say which questions of a job that runs here are open now."""
        change = update(JOBS).where(JOBS.c.id == id, _RUNNING, JOBS.c.owner == self._owner)

        def work(connection: Connection) -> None:
            connection.execute(change.values(questions=questions))

        return self._writer.call(work)

    def add_answers(self, id: str, answers: Mapping[str, Any]) -> asyncio.Future[bool]:
        """Keep answers, the first to each question; tells whether the job runs or waits to."""
        wanted = select(JOBS.c.answers).where(JOBS.c.id == id, JOBS.c.finished_at.is_(None)).with_for_update()

        def work(connection: Connection) -> bool:
            row = connection.execute(wanted).first()
            if row is None:
                return False
            merged: dict[str, Any] = {**answers, **(row.answers or {})}
            connection.execute(update(JOBS).where(JOBS.c.id == id).values(answers=merged))
            return True

        return self._writer.call(work)

    async def answers(self, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return the answers that were kept for these jobs."""
        wanted = select(JOBS.c.id, JOBS.c.answers).where(JOBS.c.id.in_(ids), JOBS.c.answers.is_not(None))
        return await self._database.read(lambda connection: {row.id: row.answers for row in connection.execute(wanted)})
