"""The queue that many machines share: entries of PgQueuer in our own PostgreSQL database, beside the rows of `jobs`.

A row says what is true of a job; an entry says that it waits, in order, and a NOTIFY wakes every machine. Entries are taken out and
their rows claimed in one transaction of the writer, so that none is ever half handed out. Entries may be lost (a crash of the server
empties PgQueuer's tables) and may outlive their rows' wait: a queued row without an entry is found by looking at the rows.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import anyio
import anyio.to_thread
from loguru import logger
from sqlalchemy import Connection, text

from ratchet_mcp.errors import RatchetError
from ratchet_mcp.store.database import Database
from ratchet_mcp.store.failures import describe
from ratchet_mcp.store.job_claims import claim
from ratchet_mcp.store.job_records import JobRecord, Waiting
from ratchet_mcp.store.migrate import LOCK

if TYPE_CHECKING:
    from pgqueuer.models import Job as Entry
    from pgqueuer.queries import Queries

    from ratchet_mcp.store.jobs import JobRepository
    from ratchet_mcp.store.writer import Writer

ENTRYPOINT = "job"
NEWS = "ratchet_jobs"
"""The channel of announcements; PgQueuer's own also tells of each entry that was handed out."""
STALE = timedelta(minutes=1)
"""PgQueuer wants to know when an entry counts as lost that was handed out; ours are handed out and gone in one transaction."""
ROUNDS = 10
"""How often one transaction looks for entries that may start; those that may not are dropped, and found again by their rows."""
AT_ONCE = 1000
LOOK_SECONDS = 1.0
"""While there are always entries: how often rows are looked at all the same, because some may have none."""
PRUNE_SECONDS = 60.0
"""How often PgQueuer's log of entries is emptied."""
RECONNECT_SECONDS = 1.0
CROWD = 5_000
"""After so many announcements PostgreSQL counts anew: it does so by itself once a minute, and would go through all entries for each claim
as long as it believes in a short queue."""
COUNT_SECONDS = 60.0
"""How often it is asked to, at most."""

_LOOK = text("""
SELECT EXISTS (SELECT FROM jobs WHERE status = 'queued') AS queued,
       (SELECT min(run_at) FROM jobs WHERE status = 'scheduled') AS next_due,
       EXISTS (SELECT FROM ratchet_pgqueuer WHERE entrypoint = 'job' AND status = 'queued') AS announced,
       clock_timestamp() AS now
""")
_PRUNABLE = text("SELECT EXISTS (SELECT FROM ratchet_pgqueuer_log)")
_COUNT = text("ANALYZE jobs, ratchet_pgqueuer")
_SHORTLY = text("SET LOCAL lock_timeout = 200")


class SharedQueue:
    """Entries for the queued jobs of one database. Awaitables raise `StoreFailed`."""

    def __init__(self, database: Database, writer: Writer, jobs: JobRepository, owner: str) -> None:
        self._database = database
        self._writer = writer
        self._jobs = jobs
        self._owner = owner
        self._me: Any = uuid4()
        self._installing = threading.Lock()
        self._installed = False
        self._unannounced = True
        self._in_doubt = False
        self._look_at = 0.0
        self._prune_at = time.monotonic() + PRUNE_SECONDS
        self._uncounted = 0
        self._count_at = 0.0

    @property
    def clock(self) -> Callable[[], datetime]:
        """Return the clock of the jobs."""
        return self._jobs.clock

    async def install(self) -> None:
        """Make or update PgQueuer's tables, unless this process has done so; one process at a time does."""
        if not self._installed:
            await anyio.to_thread.run_sync(self._install)

    async def announce(self, jobs: Sequence[tuple[str, int]]) -> None:
        """Add entries for `(id, priority)` of queued jobs; the lowest priority goes first. A job that has an entry keeps it."""
        await self.install()
        for first in range(0, len(jobs), AT_ONCE):
            some = jobs[first : first + AT_ONCE]
            await self._writer.join(lambda connection, some=some: _announce(connection, some))
            self._uncounted += len(some)
        if self._uncounted >= CROWD and time.monotonic() >= self._count_at:
            self._uncounted, self._count_at = 0, time.monotonic() + COUNT_SECONDS
            await self._maintain(lambda connection: connection.execute(_COUNT))

    async def claim(self, most: int) -> list[JobRecord]:
        """Take up to `most` queued jobs for this process, in order; what is paused or at a limit stays."""
        await self.install()
        return await self._writer.join(lambda connection: self._claim(connection, most))

    async def look(self) -> Waiting:
        """Tell whether there is something to do, now or later, without taking it."""
        await self.install()
        row = await self._database.read(lambda connection: connection.execute(_LOOK).one())
        self._unannounced = row.queued and not row.announced
        await self._prune()
        return Waiting(row.queued, row.next_due, row.now)

    async def promote(self) -> list[str]:
        """Queue scheduled jobs that are due; they are claimed by their rows."""
        due = await self._jobs.promote()
        self._unannounced = self._unannounced or bool(due)
        return due

    def bring_forward(self) -> Awaitable[int]:
        """Let pauses between attempts not last longer because the clock was set back; returns how many would have."""
        return self._jobs.bring_forward()

    async def listen(self, heard: Callable[[], None]) -> None:
        """Call `heard` when whichever process announces jobs, until cancelled. A lost connection is opened again."""
        from psycopg import AsyncConnection

        told = False
        while True:
            try:
                await self.install()
                async with await AsyncConnection.connect(**self._database.connect_arguments(), autocommit=True) as connection:
                    await connection.execute(f"LISTEN {NEWS}")
                    told = False
                    heard()
                    async for _ in connection.notifies():
                        heard()
            except Exception as error:
                if not told:
                    logger.warning("News of jobs cannot be heard now: {}", describe(error, self._database.location.shown))
                told = True
            await anyio.sleep(RECONNECT_SECONDS)

    def _claim(self, connection: Connection, most: int) -> list[JobRecord]:
        now = self._jobs.now(connection)
        records: list[JobRecord] = []
        if self._in_doubt and time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + LOOK_SECONDS
            self._in_doubt = False
            records += claim(connection, self._owner, most, now)
        queries = _queries(connection)
        for _ in range(ROUNDS):
            room = most - len(records)
            entries = self._take_out(queries, room) if room else []
            if not entries:
                break
            taken = claim(connection, self._owner, room, now, [(entry.payload or b"").decode() for entry in entries])
            self._in_doubt = self._in_doubt or len(taken) < len(entries)
            records += taken
        if len(records) == most:
            self._in_doubt = True
        elif self._unannounced:
            records += claim(connection, self._owner, most - len(records), now)
        return records

    def _take_out(self, queries: Queries, most: int) -> list[Entry]:
        """Take the first entries out of PgQueuer's queue."""
        from pgqueuer.queries import EntrypointExecutionParameter

        from ratchet_mcp.store.entries import at_once

        wanted: Any = {ENTRYPOINT: EntrypointExecutionParameter(concurrency_limit=0)}
        entries = at_once(queries.dequeue(most, wanted, self._me, None, STALE))
        if entries:
            at_once(queries.log_jobs([(entry, "successful", None) for entry in entries]))
        return entries

    async def _prune(self) -> None:
        if time.monotonic() < self._prune_at:
            return
        self._prune_at = time.monotonic() + PRUNE_SECONDS
        await self._maintain(_prune)

    async def _maintain(self, work: Callable[[Connection], object]) -> None:
        """Do what may as well be done later, unless a table is busy."""

        def shortly(connection: Connection) -> None:
            connection.execute(_SHORTLY)
            work(connection)

        try:
            await self._writer.call(shortly)
        except RatchetError as error:
            logger.debug("The tables of the queue could not be looked after now: {}", error)

    def _install(self) -> None:
        import psycopg

        from ratchet_mcp.store.entries import at_once, mute, queries_on

        with self._installing:
            if self._installed:
                return
            try:
                with psycopg.connect(**self._database.connect_arguments(), autocommit=True) as connection:
                    connection.execute("SELECT pg_advisory_lock(%s)", (LOCK,))  # ends with the connection
                    queries = queries_on(connection)
                    if at_once(queries.schema_is_installed()):
                        at_once(queries.upgrade())
                    else:
                        at_once(queries.install())
                        at_once(queries.optimize_autovacuum())
                    mute(connection)
            except Exception as error:
                raise describe(error, self._database.location.shown) from error
            self._installed = True


def _announce(connection: Connection, jobs: Sequence[tuple[str, int]]) -> None:
    from ratchet_mcp.store.entries import at_once

    payloads: list[bytes | None] = [id.encode() for id, _ in jobs]
    priorities = [-priority for _, priority in jobs]
    keys: list[str | None] = [id for id, _ in jobs]
    queries = _queries(connection)
    at_once(queries.enqueue([ENTRYPOINT] * len(jobs), payloads, priorities, dedupe_key=keys, on_conflict="skip"))
    at_once(queries.driver.notify(NEWS, ""))


def _prune(connection: Connection) -> None:
    """Empty PgQueuer's log, which nobody reads."""
    from ratchet_mcp.store.entries import at_once

    if connection.execute(_PRUNABLE).scalar():
        at_once(_queries(connection).clear_queue_log())


def _queries(connection: Connection) -> Queries:
    from ratchet_mcp.store.entries import queries_on

    driver: Any = connection.connection.driver_connection
    return queries_on(driver)
