"""PgQueuer on connections of our own: its queries are coroutines that wait only for their driver, and ours answers at once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from functools import cache
from typing import Any, NoReturn, Self, TypeVar

import psycopg
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder, QuerySchedulerBuilder
from pgqueuer.core.tm import TaskManager
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.ports.driver import Driver, NotifyCallback
from pgqueuer.queries import Queries
from psycopg import sql
from psycopg.rows import dict_row

T = TypeVar("T")

PREFIX = "ratchet_"
"""Before the names of PgQueuer's tables: somebody else may use it in the same database."""
CHANNEL = "ratchet_entries"


@cache
def names() -> DBSettings:
    """Return how PgQueuer's things are called in the database, whatever the environment says.

    Its tables are unlogged: the rows of `jobs` are what must survive a crash of the server.
    """
    return DBSettings(
        prefix=PREFIX,
        db_schema=None,
        channel=CHANNEL,  # pyright: ignore[reportArgumentType]  # a NewType of str
        function=f"{PREFIX}fn_pgqueuer_changed",
        statistics_table=f"{PREFIX}pgqueuer_statistics",
        queue_status_type=f"{PREFIX}pgqueuer_status",
        queue_table=f"{PREFIX}pgqueuer",
        queue_table_log=f"{PREFIX}pgqueuer_log",
        trigger=f"{PREFIX}tg_pgqueuer_changed",
        schedules_table=f"{PREFIX}pgqueuer_schedules",
        durability=Durability.volatile,
    )


def queries_on(connection: psycopg.Connection[Any]) -> Queries:
    """Return PgQueuer's queries on a blocking connection; call them through `at_once`."""
    builders = {"qbe": QueryBuilderEnvironment(names()), "qbq": _queue_builder(), "qbs": QuerySchedulerBuilder(names())}
    return Queries(_Here(connection), **builders)  # type: ignore[arg-type]  # each value has its key's type


def mute(connection: psycopg.Connection[Any]) -> None:
    """Let PgQueuer's table no longer tell of each change: what there is to hear, `SharedQueue` says itself."""
    connection.execute(
        sql.SQL("ALTER TABLE {} DISABLE TRIGGER {}").format(sql.Identifier(names().queue_table), sql.Identifier(names().trigger))
    )


@cache
def _queue_builder() -> QueryQueueBuilder:
    return QueryQueueBuilder(names())  # it keeps the texts that it has built


def at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    coroutine.close()
    raise RuntimeError("A query of PgQueuer waited for something other than its driver.")


class _Here(Driver):
    """PgQueuer's port to the database, on a connection whose calls block."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._shutdown = asyncio.Event()
        self._tasks = TaskManager()

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        cursor = psycopg.RawCursor(self._connection, row_factory=dict_row)
        cursor.execute(query.encode(), args or None)
        return cursor.fetchall()

    async def execute(self, query: str, *args: object) -> str:
        cursor = psycopg.RawCursor(self._connection)
        cursor.execute(query.encode(), args or None)
        return cursor.statusmessage or ""

    async def notify(self, channel: str, payload: str) -> None:
        await self.execute("SELECT pg_notify($1, $2)", channel, payload)

    async def add_listener(self, channel: str, callback: NotifyCallback) -> NoReturn:
        raise NotImplementedError("Nothing is listened to on a connection of the store.")

    @property
    def shutdown(self) -> asyncio.Event:
        return self._shutdown

    @property
    def tm(self) -> TaskManager:
        return self._tasks

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...
