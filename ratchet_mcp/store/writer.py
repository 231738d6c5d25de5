"""The group-commit writer: one thread, one connection, everything that piled up during the last COMMIT in the next one.

There is no timer: batch size follows the load by itself. Callers get their answer after the COMMIT. Rows that come alone while the thread
has nothing to do are committed without it, where the database allows that (`direct`).
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from loguru import logger
from sqlalchemy import Connection

from ratchet_mcp.errors import Busy, StoreFailed
from ratchet_mcp.observability.seldom import seldom
from ratchet_mcp.store.compiled import Row, RowWriter
from ratchet_mcp.store.database import Database
from ratchet_mcp.store.direct import Direct
from ratchet_mcp.store.failures import concerns_one_row, conflicted, describe, server_gone
from ratchet_mcp.store.outage import Fate, Outage

T = TypeVar("T")
Work = Callable[[Connection], Any]

CONFLICTS = 3
"""How often a transaction is tried again that met another machine's."""

HOLD_SECONDS = 0.005
"""How long rows that are submitted with `soon` may wait for others to share a transaction with."""


@dataclass(slots=True, eq=False)
class _Item:
    """What one caller asked for: rows that belong together, or some work of its own."""

    rows: tuple[Row, ...]
    work: Work | None
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    shared: bool = False
    result: Any = None
    error: BaseException | None = None


class Writer:
    """Writes rows for the event loop. `pulse` is called on the thread every `pulse_seconds`, also when nothing is written."""

    def __init__(self, database: Database, pulse: Work, pulse_seconds: float, *, limit: int = 20_000, batch: int = 500) -> None:
        self._database = database
        self._outage = Outage(database.settings.busy_timeout_seconds)
        self._pulse = pulse
        self._pulse_seconds = pulse_seconds
        self._limit = limit
        self._batch = batch
        self._queue: queue.SimpleQueue[list[_Item] | None] = queue.SimpleQueue()
        self._held: list[_Item] = []
        self._flush: asyncio.TimerHandle | None = None
        self._connection: Connection | None = None
        self._rows = RowWriter()
        self._direct = Direct.of(database)
        self._sent = self._answered = 0
        self._closed = False
        self.rows_written = 0
        self.commits = 0
        self.last_failure: str | None = None
        self._thread = threading.Thread(target=self._run, name="ratchet-store-writer", daemon=True)
        self._thread.start()

    @property
    def pending(self) -> int:
        """Return how many requests wait."""
        return self._queue.qsize() + len(self._held)

    def submit(self, *rows: Row, soon: bool = False) -> asyncio.Future[None]:
        """Write rows in one transaction; call it on the event loop.

        With `soon` they wait for `HOLD_SECONDS`, or for the next rows if those come earlier, and share their transaction: the start and
        the end of a short execution then cost one commit. The future resolves after COMMIT, or with a `StoreFailed`. Raises `Busy` when
        `limit` requests wait.
        """
        if self._queue.qsize() + len(self._held) >= self._limit:
            raise Busy(f"{self._limit} rows wait to be written.")
        if not soon:
            return self._put(rows, None)
        item = self._item(rows, None)
        self._held.append(item)
        if len(self._held) == 1:
            self._flush = item.loop.call_later(HOLD_SECONDS, self._put_held)
        return item.future

    def amend(self, future: asyncio.Future[None], change: Callable[[tuple[Row, ...]], tuple[Row, ...]]) -> bool:
        """Change rows that still wait for others and let them go; tells whether they did. Call it on the event loop."""
        for item in self._held:
            if item.future is future:
                item.rows = change(item.rows)
                self._put_held()
                return True
        return False

    def submit_always(self, *rows: Row) -> asyncio.Future[None]:
        """Write rows as `submit` does, also when the queue is full: for the end of what has begun."""
        return self._put(rows, None)

    def flush(self) -> None:
        """Let rows that wait for others go now; call it on the event loop."""
        self._put_held()

    def call(self, work: Callable[[Connection], T]) -> asyncio.Future[T]:
        """Do some work in a transaction of its own, in turn with the rows."""
        return cast("asyncio.Future[T]", self._put((), work))

    def join(self, work: Callable[[Connection], T], *, soon: bool = False) -> asyncio.Future[T]:
        """Do some short work in the transaction of what else waits, with `soon` as `submit` has it.

        It may be done twice: when others make that transaction fail.
        """
        item = self._item((), work)
        item.shared = True
        self._held.append(item)
        if not soon:
            self._put_held()
        elif len(self._held) == 1:
            self._flush = item.loop.call_later(HOLD_SECONDS, self._put_held)
        return cast("asyncio.Future[T]", item.future)

    def close(self, seconds: float) -> bool:
        """Write what waits, then end the thread; tells whether it ended in time."""
        self._closed = True
        held, self._held = self._held, []  # not on the event loop: its timer finds nothing later
        self._queue.put(held)
        self._queue.put(None)
        self._thread.join(seconds)
        if self._direct is not None:
            self._direct.close()
        return not self._thread.is_alive()

    def _item(self, rows: tuple[Row, ...], work: Work | None) -> _Item:
        if self._closed:
            raise StoreFailed("The store is closed.")
        loop = asyncio.get_running_loop()
        return _Item(rows, work, loop.create_future(), loop)

    def _put(self, rows: tuple[Row, ...], work: Work | None) -> asyncio.Future[Any]:
        item = self._item(rows, work)
        self._held.append(item)
        self._put_held()
        return item.future

    def _put_held(self) -> None:
        """Hand everything that was held to the thread at once: waking it is what costs."""
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
        held, self._held = self._held, []
        if held and not self._write_directly(held):
            self._sent += len(held)
            self._queue.put(held)

    def _write_directly(self, items: list[_Item]) -> bool:
        """Commit one caller's rows here, if the thread has nothing to do; tells whether that was done."""
        if self._direct is None or len(items) > 1 or items[0].work is not None or self._sent != self._answered:
            return False
        if not self._direct.write(items[0].rows):
            return False
        self.rows_written += len(items[0].rows)
        self.commits += 1
        _resolve(items)
        return True

    # ------------------------------------------------------------ on the thread
    def _run(self) -> None:
        beat = time.monotonic() + self._pulse_seconds
        more = True
        while more:
            if self._direct is not None:
                self._direct.prepare()
            items, more = self._collect(max(0.0, beat - time.monotonic()))
            if items:
                self._process(items)
            if time.monotonic() >= beat:
                self._beat()
                beat = time.monotonic() + self._pulse_seconds
        self._disconnect()

    def _collect(self, seconds: float) -> tuple[list[_Item], bool]:
        """Take what waits, at most a batch; tells whether to go on afterwards."""
        items: list[_Item] = []
        try:
            some = self._queue.get(timeout=seconds)
            while some is not None:
                items += some
                if len(items) >= self._batch:
                    return items, True
                some = self._queue.get_nowait()
        except queue.Empty:
            return items, True
        return items, False

    def _process(self, items: list[_Item]) -> None:
        plain = [item for item in items if item.work is None or item.shared]
        if plain:
            self._commit_together(plain)
        for item in items:
            if item.work is not None and not item.shared:
                self._attempt([item])
        self._answer(items)

    def _commit_together(self, items: list[_Item]) -> None:
        error = self._attempt(items)
        if error is None:
            self.rows_written += sum(len(item.rows) for item in items)
            self.commits += 1
        elif concerns_one_row(error) and len(items) > 1:
            for item in items:
                item.error = None
                if self._attempt([item]) is None:
                    self.rows_written += len(item.rows)
                    self.commits += 1
        elif not concerns_one_row(error):
            self._refuse_waiting(error)

    def _refuse_waiting(self, error: BaseException) -> None:
        """Let those who wait fail with the batch: each would otherwise wait for the same lock in turn."""
        waiting = [item for some in self._drain() for item in some]
        for item in waiting:
            item.error = error
        self._answer(waiting)

    def _drain(self) -> Iterable[list[_Item]]:
        for _ in range(self._queue.qsize()):
            some = self._queue.get_nowait()
            if some is None:
                self._queue.put(None)  # the order to stop stays
                return
            yield some

    def _attempt(self, items: list[_Item]) -> BaseException | None:
        """Write items in one transaction; a server that is gone for a moment is waited for. The error is also noted on each item."""
        fate = Fate()
        tries = 0
        error = self._transact(items, fate)
        while error is not None and ((tries < CONFLICTS and conflicted(error)) or (server_gone(error) and self._outage.again(error))):
            tries += 1
            error = self._transact(items, fate)
        if error is None:
            self._outage.over()
        else:
            self.last_failure = str(describe(error, self._database.location.shown))
            for item in items:
                item.error = error
        return error

    def _transact(self, items: list[_Item], fate: Fate) -> BaseException | None:
        try:
            with self._database.guard:
                connection = self._connected()
                if fate.committed(connection):
                    return None
                with connection.begin():
                    for item in items:
                        if item.work is not None:
                            item.result = item.work(connection)
                    self._rows.write(connection, (row for item in items for row in item.rows))
                    fate.about_to_commit(connection)
        except Exception as error:
            if not concerns_one_row(error):
                self._disconnect(for_good=not self._database.location.memory)
            return error
        return None

    def _beat(self) -> None:
        try:
            with self._database.guard:
                connection = self._connected()
                with connection.begin():
                    self._pulse(connection)
            if self._direct is not None:
                self._direct.rest(1)
        except Exception as error:
            self._disconnect(for_good=not self._database.location.memory)
            seldom.warning("The heartbeat could not be written: {}", describe(error, self._database.location.shown))

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed or self._connection.invalidated:
            self._connection = self._database.connect()
        return self._connection

    def _disconnect(self, *, for_good: bool = False) -> None:
        """Give the connection back; one that failed is closed for good, so that the next one starts afresh."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                if for_good:
                    connection.invalidate()
                connection.close()
            except Exception as error:
                logger.debug("A broken connection could not be closed: {}", error)

    def _answer(self, items: list[_Item]) -> None:
        self._answered += len(items)
        loops: dict[asyncio.AbstractEventLoop, list[_Item]] = {}
        shown = self._database.location.shown
        for item in items:
            if item.error is not None:
                item.error = describe(item.error, shown)
            loops.setdefault(item.loop, []).append(item)
        for loop, answered in loops.items():
            try:
                loop.call_soon_threadsafe(_resolve, answered)
            except RuntimeError:
                logger.debug("{} answers of the store came after the event loop had ended", len(answered))


def _resolve(items: list[_Item]) -> None:
    for item in items:
        if item.future.done():
            continue
        if item.error is not None:
            item.future.set_exception(item.error)
        else:
            item.future.set_result(item.result)
