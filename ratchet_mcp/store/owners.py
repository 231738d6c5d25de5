"""Who runs executions: this process among others, and which of them are dead.

Several processes may share one database. A process that died, or has been silent for too long, leaves rows that say `running`:
they become `interrupted`, and so do the batches that they ran.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, func, insert, or_, select, update

from ratchet_mcp.errors import Interrupted
from ratchet_mcp.store.jobs import put_back, utc_now
from ratchet_mcp.store.records import UNFINISHED
from ratchet_mcp.store.statements import BATCHES, EXECUTIONS, JOBS, OWNERS

ENDED = ("Z", "X")
"""States of a process that has ended, and that its parent has not asked about yet."""

INTERRUPTED = "The server that ran this stopped before it ended."


class Owner:
    """The row of our own process in the `owners` table. Its methods take a connection in a transaction."""

    def __init__(self, id: str, timeout_seconds: float) -> None:
        self.id = id
        self._timeout = timedelta(seconds=timeout_seconds)
        self._host = host_identity()
        self._last_beat: float | None = None
        self._last_time: datetime | None = None
        self._judging_from = 0.0
        self.clock = utc_now

    def register(self, connection: Connection) -> int:
        """Say that this process lives, and end what dead ones left; returns how many executions were interrupted.

        Silence proves nothing yet: the database may have been away for all, and this process may be the first that it hears.
        """
        now = self._say_alive(connection)
        self._listen_first()
        return self._interrupt(connection, now, self._proven_dead)

    def beat(self, connection: Connection) -> None:
        """Say that this process lives, and look after the others.

        Not if this process was asleep, the clock was set, or the last heartbeat never reached the database: the others fared alike.
        """
        before, told = self._last_beat, self._last_time
        noted = connection.execute(select(OWNERS.c.heartbeat_at).where(OWNERS.c.id == self.id)).scalar()
        now = self._say_alive(connection)
        if before is None or told is None:
            return
        passed = timedelta(seconds=time.monotonic() - before)
        if noted != told or passed > self._timeout / 2 or abs(now - told - passed) > self._timeout / 4:
            self._listen_first()
        if time.monotonic() >= self._judging_from:
            self._interrupt(connection, now, lambda row: self._proven_dead(row) or self._silent(row, now))

    def leave(self, connection: Connection) -> None:
        """Say that this process ends; nothing of its own is left running."""
        now = self._now(connection)
        put_back(connection, JOBS.c.owner == self.id, now, crashed=False)
        self._interrupt(connection, now, lambda row: row.id == self.id)

    def _now(self, connection: Connection) -> datetime:
        """Return the time of the database on a server, because the clocks of several machines differ."""
        if connection.dialect.name == "postgresql":
            return connection.execute(select(func.clock_timestamp())).scalar_one()
        return self.clock()

    def _say_alive(self, connection: Connection) -> datetime:
        now = self._now(connection)
        beaten = connection.execute(update(OWNERS).where(OWNERS.c.id == self.id).values(heartbeat_at=now))
        if beaten.rowcount == 0:
            facts = {"host": self._host, "pid": os.getpid(), "process_started": process_start(os.getpid())}
            connection.execute(insert(OWNERS).values(id=self.id, started_at=now, heartbeat_at=now, **facts))
        self._last_beat, self._last_time = time.monotonic(), now
        return now

    def _listen_first(self) -> None:
        """Judge nobody by silence for a while: by then the living have spoken again."""
        self._judging_from = time.monotonic() + self._timeout.total_seconds() / 2

    def _proven_dead(self, row: Any) -> bool:
        return row.id != self.id and row.host == self._host and is_alive(row.pid, row.process_started) is False

    def _silent(self, row: Any, now: datetime) -> bool:
        """Tell whether another owner has not spoken for too long. A time that has yet to come is from before the clock was set back."""
        return row.id != self.id and abs(now - row.heartbeat_at) > self._timeout

    def _interrupt(self, connection: Connection, now: datetime, chosen: Callable[[Any], bool]) -> int:
        owners: Sequence[Any] = connection.execute(select(OWNERS)).all()
        gone = [row.id for row in owners if chosen(row)]
        left = [row.id for row in owners if row.id not in gone]
        orphaned = or_(EXECUTIONS.c.owner.is_(None), EXECUTIONS.c.owner.not_in(left))
        ending = {
            "status": "interrupted",
            "finished_at": now,
            "error_code": Interrupted.code,
            "error_message": INTERRUPTED,
        }
        ended = connection.execute(update(EXECUTIONS).where(EXECUTIONS.c.status.in_(UNFINISHED), orphaned).values(ending))
        put_back(connection, or_(JOBS.c.owner.is_(None), JOBS.c.owner.not_in(left)), now, crashed=True)
        unowned = or_(BATCHES.c.owner.is_(None), BATCHES.c.owner.not_in(left))
        stopped = update(BATCHES).where(BATCHES.c.status == "running", BATCHES.c.job_id.is_(None), unowned)  # a job's batch goes on with it
        connection.execute(stopped.values(status="interrupted", finished_at=now))
        if gone:
            connection.execute(delete(OWNERS).where(OWNERS.c.id.in_(gone)))
        return ended.rowcount


def host_identity() -> str:
    """Name this machine, boot and process namespace: process ids mean the same only within one of them."""
    parts = [socket.gethostname()]
    for read in (_boot_id, _process_namespace):
        try:
            parts.append(read())
        except OSError:
            parts.append("-")
    return "/".join(parts)


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _process_namespace() -> str:
    return str(Path("/proc/self/ns/pid").readlink())


def process_start(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None where the system does not tell."""
    facts = _facts(pid)
    return None if facts is None else int(facts[19])


def is_alive(pid: int, started: int | None) -> bool | None:
    """Tell whether the process lives that had this id and start time; None when that cannot be known."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    facts = _facts(pid)
    if facts is not None and facts[0] in ENDED:
        return False
    return None if started is None or facts is None else int(facts[19]) == started


def _facts(pid: int) -> list[str] | None:
    """Return what the system tells of a process, from its state on; None where it does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
