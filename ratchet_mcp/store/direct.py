"""Commits on the event loop: one run's rows are in the file before a thread could have been woken for them.

Such a commit goes to the system's page cache and does not wait for the disk. Whatever might wait is left to the writer's thread: another
process' lock, checkpoints, large values, several runs at once, a disk that was slow just now, and every error.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence

from loguru import logger
from sqlalchemy import Connection

from ratchet_mcp.store.compiled import Row, RowWriter, driver_of
from ratchet_mcp.store.database import Database

LARGE = 64 << 10
"""Characters in one transaction that are left to the thread."""
TURN = 200
"""After so many commits the thread has its turn, and moves what they wrote from the log into the database."""
SLOW_SECONDS = 0.02
"""A commit that takes longer means a busy disk."""
AFTER_SLOW_SECONDS = 10.0
AFTER_ERROR_SECONDS = 0.25


class Direct:
    """The event loop's own connection for writing: `write` is for the event loop, the rest for the writer's thread and its end."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows = RowWriter()
        self._connection: Connection | None = None
        self._resting = 0
        self._not_before = self._no_opening_before = 0.0
        self.commits = 0

    @classmethod
    def of(cls, database: Database) -> Direct | None:
        """Return one for an SQLite file whose commits do not wait for the disk, None for any other database."""
        location, settings = database.location, database.settings
        plain = location.file is not None and not location.read_only and settings.durability == "normal"
        return cls(database) if plain and settings.direct_commits else None

    def write(self, rows: Sequence[Row]) -> bool:
        """Commit rows; tells whether it did. If not, nothing is written of them."""
        if self._resting > 0:
            self._resting -= 1
            return False
        began = time.monotonic()
        if self._connection is None or began < self._not_before or _size(rows) > LARGE:
            return False
        try:
            self._commit(self._connection, rows)
        except Exception as error:
            if not _locked(error):
                logger.debug("Rows could not be committed at once, so the writer tries: {}", error)
                self.close()
            self._not_before = began + AFTER_ERROR_SECONDS
            return False
        self.commits += 1
        if self.commits % TURN == 0:
            self.rest(2)
        if time.monotonic() - began > SLOW_SECONDS:
            self._not_before = time.monotonic() + AFTER_SLOW_SECONDS
        return True

    def rest(self, commits: int) -> None:
        """Leave the next commits to the thread: the first may move the log into the database, and the one after it waits for the disk."""
        self._resting = commits

    def prepare(self) -> None:
        """Open the connection if there is none; it may wait for others who use the file, so what fails is not tried again at once."""
        if self._connection is None and time.monotonic() >= self._no_opening_before:
            try:
                self._connection = self._open()
            except Exception as error:
                logger.debug("There is no connection to commit rows at once: {}", error)
                self._no_opening_before = time.monotonic() + AFTER_SLOW_SECONDS

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            _give_up(connection)

    def _open(self) -> Connection:
        connection = self._database.engine.connect()
        try:
            for statement in ("PRAGMA busy_timeout=0", "PRAGMA wal_autocheckpoint=0"):
                driver_of(connection).execute(statement)
        except BaseException:
            _give_up(connection)
            raise
        return connection

    def _commit(self, connection: Connection, rows: Sequence[Row]) -> None:
        driver = driver_of(connection)
        driver.execute("BEGIN IMMEDIATE")
        try:
            self._rows.write(connection, rows)
            driver.execute("COMMIT")
        finally:
            if driver.in_transaction:
                driver.execute("ROLLBACK")


def _give_up(connection: Connection) -> None:
    connection.invalidate()  # its settings are of no use to others
    connection.close()


def _size(rows: Sequence[Row]) -> int:
    """Return about how many characters rows hold."""
    size = 0
    for _, values in rows:
        for value in values.values():
            if isinstance(value, str):
                size += len(value)
            elif isinstance(value, list):
                size += 1_000 * len(value)  # pyright: ignore[reportUnknownArgumentType]
    return size


def _locked(error: Exception) -> bool:
    return isinstance(error, sqlite3.OperationalError) and str(getattr(error, "sqlite_errorname", "")).startswith("SQLITE_BUSY")
