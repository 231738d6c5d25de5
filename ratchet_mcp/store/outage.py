"""Outages of a database server: how long to go on trying, and what became of a transaction whose answer was lost."""

from __future__ import annotations

import itertools
import time
from uuid import uuid4

from loguru import logger
from sqlalchemy import Connection, text

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 0.5

_NOTE = text("""
INSERT INTO last_commits (id, number, noted_at)
SELECT CAST(:id AS uuid), CAST(:number AS bigint), clock_timestamp() WHERE pg_current_xact_id_if_assigned() IS NOT NULL
ON CONFLICT (id) DO UPDATE SET number = excluded.number, noted_at = excluded.noted_at
""")
"""Does nothing in a transaction that has changed nothing."""
_FATE = text("""
INSERT INTO last_commits (id, number, noted_at) VALUES (CAST(:id AS uuid), 0, clock_timestamp())
ON CONFLICT (id) DO UPDATE SET noted_at = excluded.noted_at RETURNING number
""")
"""Not a SELECT: this waits for a transaction that has noted itself and has not ended."""
_FORGET = text("DELETE FROM last_commits WHERE noted_at < clock_timestamp() - interval '1 day'")
_NUMBERS = itertools.count(1)


class Outage:
    """How long a server has been gone. Until `patience` seconds of it have passed, what fails is tried again; after that at most once."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._since: float | None = None
        self._pause = FIRST_PAUSE

    def pause(self, error: BaseException) -> float | None:
        """Return after how many seconds to try again, None when that is over."""
        now = time.monotonic()
        if self._since is None:
            self._since, self._pause = now, FIRST_PAUSE
            logger.warning("The database server does not answer ({}); trying again", type(error).__name__)
        if now - self._since > self._patience:
            return None
        seconds, self._pause = self._pause, min(self._pause * 2, LONGEST_PAUSE)
        return seconds

    def again(self, error: BaseException) -> bool:
        """Wait a moment on the caller's thread, and tell whether to try again."""
        seconds = self.pause(error)
        if seconds is not None:
            time.sleep(seconds)
        return seconds is not None

    def over(self) -> None:
        """Say that the server answers."""
        if self._since is not None:
            logger.info("The database server answers again, after {:.1f} s", time.monotonic() - self._since)
            self._since = None


class Fate:
    """Whether a transaction was committed, also when the connection was lost before the answer came.

    A transaction notes a number of its own in a row of its connection, which is there afterwards if the transaction counted. PostgreSQL's
    number of the transaction would not do: a server that crashes may give it to another one, when it had not yet been written down.
    """

    def __init__(self) -> None:
        self._noted: dict[str, str | int] | None = None

    def about_to_commit(self, connection: Connection) -> None:
        """Note which transaction this is; call it last. SQLite has no such doubt."""
        if connection.dialect.name == "postgresql":
            id: str = connection.info.setdefault("last_commit", str(uuid4()))
            noted: dict[str, str | int] = {"id": id, "number": next(_NUMBERS)}
            self._noted = noted if connection.execute(_NOTE, noted).rowcount > 0 else None

    def committed(self, connection: Connection) -> bool:
        """Tell on a new connection whether the transaction counted; it is forgotten then.

        Waits while the server still ends it, as long as for any lock. Raises SQLAlchemy's errors.
        """
        if self._noted is None:
            return False
        with connection.begin():
            last = connection.execute(_FATE, {"id": self._noted["id"]}).scalar_one()
        counted = last == self._noted["number"]
        self._noted = None
        return counted


def forget_old(connection: Connection) -> None:
    """Remove the notes of connections that are long gone."""
    if connection.dialect.name == "postgresql":
        connection.execute(_FORGET)
