"""Outages of a database server: how long to go on trying, and what became of a transaction whose answer was lost."""

from __future__ import annotations

import time

from loguru import logger
from sqlalchemy import Connection, text

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 0.5

_NUMBER = text("SELECT CAST(pg_current_xact_id_if_assigned() AS text)")
_FATE = text("SELECT pg_xact_status(CAST(:number AS xid8))")


class Outage:
    """How long a server has been gone. Until `patience` seconds of it have passed, what fails is tried again; after that at most once."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._since: float | None = None
        self._pause = FIRST_PAUSE

    def again(self, error: BaseException) -> bool:
        """Wait a moment on the caller's thread, and tell whether to try again."""
        now = time.monotonic()
        if self._since is None:
            self._since, self._pause = now, FIRST_PAUSE
            logger.warning("The connection to the database server is lost ({}); trying again", type(error).__name__)
        if now - self._since > self._patience:
            return False
        time.sleep(self._pause)
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        return True

    def over(self) -> None:
        """Say that the server answers."""
        if self._since is not None:
            logger.info("The database server answers again, after {:.1f} s", time.monotonic() - self._since)
            self._since = None


class Fate:
    """Whether a transaction was committed, also when the connection was lost before the answer came."""

    def __init__(self) -> None:
        self._number: str | None = None

    def about_to_commit(self, connection: Connection) -> None:
        """Note which transaction this is; call it last. SQLite has no such doubt."""
        if connection.dialect.name == "postgresql":
            self._number = connection.execute(_NUMBER).scalar()

    def committed(self, connection: Connection) -> bool:
        """Tell on a new connection whether the transaction counted; it is forgotten then. Waits while the server still ends it."""
        if self._number is None:
            return False
        pause = FIRST_PAUSE
        while True:
            with connection.begin():
                fate = connection.execute(_FATE, {"number": self._number}).scalar()
            if fate != "in progress":
                self._number = None
                return fate == "committed"
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
