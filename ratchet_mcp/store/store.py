"""The store: one database, opened, migrated and looked after."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import anyio
import anyio.to_thread
from loguru import logger
from sqlalchemy import Connection
from uuid_utils.compat import uuid7

from ratchet_mcp.errors import StoreFailed
from ratchet_mcp.settings import StoreSettings
from ratchet_mcp.store.authored import AuthoredRepository
from ratchet_mcp.store.batches import BatchRepository
from ratchet_mcp.store.cached import CachedRepository
from ratchet_mcp.store.catalog import CatalogRepository
from ratchet_mcp.store.database import Database
from ratchet_mcp.store.deliveries import DeliveryRepository
from ratchet_mcp.store.executions import ExecutionRepository
from ratchet_mcp.store.failures import describe, unreachable
from ratchet_mcp.store.job_questions import JobQuestionRepository
from ratchet_mcp.store.jobs import JobRepository
from ratchet_mcp.store.migrate import migrate
from ratchet_mcp.store.outage import Outage, forget_old
from ratchet_mcp.store.owners import Owner
from ratchet_mcp.store.schedules import ScheduleRepository
from ratchet_mcp.store.shared_queue import SharedQueue
from ratchet_mcp.store.tasks import TaskRepository
from ratchet_mcp.store.writer import Writer


class Store:
    """What is remembered. `owner` names this process in it, `url` is the database's without credentials."""

    def __init__(self, database: Database, writer: Writer, owner: str) -> None:
        self.owner = owner
        self.url = database.location.shown
        self.tasks = TaskRepository(database)
        self.executions = ExecutionRepository(database, writer, self.tasks, owner)
        self.batches = BatchRepository(database, writer, owner)
        self.cached = CachedRepository(database, writer)
        self.authored = AuthoredRepository(database, writer)
        self.registry = CatalogRepository(database, writer)
        self.jobs = JobRepository(database, writer, owner)
        self.shared_queue = SharedQueue(database, writer, self.jobs, owner) if database.location.backend == "postgresql" else None
        """What many machines share, on PostgreSQL."""
        self.job_questions = JobQuestionRepository(database, writer, owner)
        self.schedules = ScheduleRepository(database, writer)
        self.backend = database.location.backend
        """`sqlite` or `postgresql`."""
        self.read_only = database.location.read_only
        """Whether it can be read but not written."""
        self.deliveries = DeliveryRepository(database, writer, owner)
        self.private = database.location.memory
        """Whether no other process can reach it."""
        self._database = database
        self._writer = writer

    @classmethod
    def open(cls, settings: StoreSettings) -> AbstractAsyncContextManager[Store]:
        """Open the database: apply missing migrations, end what dead processes left running, start the writer.

        A database server that is gone is waited for, up to `busy_timeout_seconds`. Raises `StoreFailed`, which names the database, when it
        cannot be used.
        """
        return _open(settings)

    def status(self) -> dict[str, Any]:
        """Return `{backend, url, read_only, durability, pending, rows_written, commits, size_bytes, last_failure}`."""
        return {
            "backend": self._database.location.backend,
            "url": self.url,
            "read_only": self._database.location.read_only,
            "durability": self._database.settings.durability,
            "pending": self._writer.pending,
            "rows_written": self._writer.rows_written,
            "commits": self._writer.commits,
            "size_bytes": self._database.size(),
            "last_failure": self._writer.last_failure,
        }


@asynccontextmanager
async def _open(settings: StoreSettings) -> AsyncGenerator[Store]:
    owner = Owner(str(uuid7()), settings.owner_timeout_seconds)
    database = await _patiently(settings, owner)
    pulse = _rest if database.location.read_only else owner.beat
    writer = Writer(database, pulse, settings.heartbeat_seconds, limit=settings.queue_size)
    try:
        yield Store(database, writer, owner.id)
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(_close, database, writer, owner)


async def _patiently(settings: StoreSettings, owner: Owner) -> Database:
    """Prepare the database; a server that is gone for a moment is waited for, as later."""
    outage = Outage(settings.busy_timeout_seconds)
    while True:
        try:
            database = await anyio.to_thread.run_sync(_prepare, settings, owner)
        except StoreFailed as error:
            pause = outage.pause(error) if unreachable(error) else None
            if pause is None:
                raise
            await anyio.sleep(pause)
        else:
            outage.over()
            return database


def _prepare(settings: StoreSettings, owner: Owner) -> Database:
    database = Database.at(settings)
    try:
        migrate(database)
        if database.location.read_only:
            logger.warning("The database can only be read, so that nothing can run: {}", database.location.shown)
            return database
        with database.guard, database.connect() as connection, connection.begin():
            interrupted = owner.register(connection)
            forget_old(connection)
    except Exception as error:
        database.close()
        raise describe(error, database.location.shown) from error
    if interrupted:
        logger.warning("{} executions of a server that had stopped are now interrupted", interrupted)
    return database


def _rest(connection: Connection) -> None:
    """Do nothing: a database that can only be read is not told that we live."""


def _close(database: Database, writer: Writer, owner: Owner) -> None:
    if not writer.close(database.settings.busy_timeout_seconds * 2 + 5):
        logger.error("The store's writer did not end; rows may be missing")
        return
    try:
        if not database.location.read_only:
            with database.guard, database.connect() as connection, connection.begin():
                owner.leave(connection)
    except Exception as error:
        logger.warning("The store could not be left cleanly: {}", describe(error, database.location.shown))
    database.close()
