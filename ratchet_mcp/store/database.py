"""One database: its connections, and reads in a few threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import anyio.to_thread
import orjson
from sqlalchemy import Connection, Engine, StaticPool, create_engine, event

from ratchet_mcp.settings import StoreSettings
from ratchet_mcp.store.compiled import driver_of
from ratchet_mcp.store.failures import describe, server_gone
from ratchet_mcp.store.location import Location, locate, prepare_file
from ratchet_mcp.store.outage import Outage
from ratchet_mcp.store.types import encode_json

T = TypeVar("T")
READERS = 4


class Database:
    """An SQLite file, SQLite memory or PostgreSQL, with the same behaviour for the rest of the store.

    `guard` is held around each transaction in memory, where all threads share the one connection.
    """

    def __init__(self, location: Location, settings: StoreSettings) -> None:
        self.location = location
        self.settings = settings
        self.engine = _engine(location, settings)
        self.guard: AbstractContextManager[Any] = threading.RLock() if location.memory else nullcontext()
        self._outage = Outage(settings.busy_timeout_seconds)
        self._limiter: anyio.CapacityLimiter | None = None

    @classmethod
    def at(cls, settings: StoreSettings) -> Database:
        """Find the database that the settings name; its file is made if it is missing. Raises `StoreFailed`."""
        location = locate(settings.url)
        return cls(prepare_file(location), settings)

    def connect(self) -> Connection:
        """Open a connection for writing. Raises SQLAlchemy's errors."""
        return self.engine.connect().execution_options(write=True)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Do some reading in a thread. Raises `StoreFailed`."""
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(READERS)
        return await anyio.to_thread.run_sync(self.read_now, work, limiter=self._limiter)

    def read_now(self, work: Callable[[Connection], T]) -> T:
        """Do some reading on a thread of the caller; a server that is gone for a moment is waited for. Raises `StoreFailed`."""
        while True:
            try:
                with self.guard, self.engine.connect() as connection:
                    found = work(connection)
            except Exception as error:
                if not (server_gone(error) and self._outage.again(error)):
                    raise describe(error, self.location.shown) from error
            else:
                self._outage.over()
                return found

    def connect_arguments(self) -> dict[str, Any]:
        """Return what psycopg's `connect` takes to reach a PostgreSQL database beside the connections of this class."""
        arguments = self.engine.dialect.create_connect_args(self.location.url)[1]
        return {**arguments, **_session(self.settings), "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def size(self) -> int | None:
        """Return the bytes of the file and its log, None when it is not a file."""
        file = self.location.file
        if file is None:
            return None
        parts = (file, file.with_name(file.name + "-wal"))
        return sum(part.stat().st_size for part in parts if part.exists())


def _engine(location: Location, settings: StoreSettings) -> Engine:
    options: dict[str, Any] = {"json_serializer": encode_json, "json_deserializer": orjson.loads}
    if location.backend == "postgresql":
        return create_engine(
            location.url, connect_args=_session(settings), pool_size=READERS + 1, max_overflow=2, pool_pre_ping=True, **options
        )
    pool = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
    engine = create_engine(location.url, **(pool if location.memory else {"pool_size": READERS + 1}), **options)
    event.listen(engine, "connect", _Pragmas(settings, read_only=location.read_only))
    event.listen(engine, "begin", _begin)
    return engine


def _session(settings: StoreSettings) -> dict[str, Any]:
    wait = int(settings.busy_timeout_seconds * 1000)
    options = f"-c lock_timeout={wait} -c statement_timeout={wait * 3} -c timezone=UTC"
    return {"connect_timeout": max(2, wait // 1000), "options": options, "application_name": "ratchet"}


class _Pragmas:
    """Prepares each new SQLite connection; switching to WAL is tried again while another process does the same."""

    def __init__(self, settings: StoreSettings, *, read_only: bool) -> None:
        self._read_only = read_only
        self._wait = settings.busy_timeout_seconds
        synchronous = "FULL" if settings.durability == "full" else "NORMAL"
        self._statements = (
            f"synchronous={synchronous}",
            "foreign_keys=ON",
            "wal_autocheckpoint=4000",
            "journal_size_limit=67108864",
            "temp_store=MEMORY",
        )

    def __call__(self, connection: Any, record: Any) -> None:
        connection.isolation_level = None  # we send BEGIN ourselves, which also makes DDL transactional
        connection.execute(f"PRAGMA busy_timeout={int(self._wait * 1000)}")
        if not self._read_only:
            self._write_ahead(connection)
        for statement in self._statements:
            connection.execute("PRAGMA " + statement)

    def _write_ahead(self, connection: Any) -> None:
        deadline = time.monotonic() + self._wait
        while True:
            try:
                connection.execute("PRAGMA journal_mode=WAL")
                return
            except Exception as error:
                busy = str(getattr(error, "sqlite_errorname", "")).startswith("SQLITE_BUSY")
                if not busy or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)


def _begin(connection: Connection) -> None:
    driver_of(connection).execute("BEGIN IMMEDIATE" if connection.get_execution_options().get("write") else "BEGIN")
