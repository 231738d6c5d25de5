"""Looks after runs that take longer: keeps their rows current, hears of cancellations, records again what could not be recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
from loguru import logger

from ratchet_mcp.engine.run import LogLine
from ratchet_mcp.errors import Cancelled, RatchetError
from ratchet_mcp.execution.live import Live
from ratchet_mcp.execution.models import Execution, Status
from ratchet_mcp.execution.recording import log_records, to_record
from ratchet_mcp.observability.seldom import seldom
from ratchet_mcp.store.records import ExecutionRecord, LogRecord

if TYPE_CHECKING:
    from ratchet_mcp.store.store import Store

SECONDS = 0.5
"""How often it looks while something runs."""

MOST_UNRECORDED = 1000
"""How many ended executions are kept in memory until the store takes them."""

NOT_RECORDED = "not_recorded"


@dataclass(frozen=True, slots=True)
class Unrecorded:
    """An ended execution whose end the store refused."""

    execution: Execution
    record: ExecutionRecord
    logs: list[LogRecord]
    lines: list[LogLine]


class Keeper:
    """Runs as one task beside the executions; asleep while nothing is left to look after."""

    def __init__(self, store: Store, live: Collection[Live]) -> None:
        self._store = store
        self._live = live
        self._wake = anyio.Event()
        self.unrecorded: dict[str, Unrecorded] = {}

    def wake(self) -> None:
        """Say that there is something to look after."""
        if not self._wake.is_set():
            self._wake.set()

    def keep(self, ended: Unrecorded) -> None:
        """Keep an ended execution that the store refused, to offer it again."""
        if len(self.unrecorded) < MOST_UNRECORDED:
            self.unrecorded[ended.execution.id] = ended
        self.wake()

    async def run(self) -> None:
        """Look after everything until cancelled."""
        while True:
            if not self._live and not self.unrecorded:
                self._wake = anyio.Event()
                await self._wake.wait()
            await anyio.sleep(SECONDS)
            for step in (self._mark, self._cancel, self.record_again):
                try:
                    await step()
                except RatchetError as error:
                    seldom.warning("Runs under way cannot be looked after now: {}", error.message)
                except Exception as error:
                    logger.opt(exception=error).error("The keeper of executions met a defect")

    async def _mark(self) -> None:
        await self.mark_started(logs=True)

    async def mark_started(self, *, logs: bool = False) -> None:
        """Bring the rows of runs that have left the queue up to date, with their new log lines when asked. Raises `StoreFailed`."""
        changed = [live for live in self._live if live.execution.status is Status.RUNNING and (not live.marked or logs)]
        writing = [self._write_progress(live, logs=logs) for live in changed if _begun_well(live)]
        for result in await asyncio.gather(*(future for future in writing if future is not None), return_exceptions=True):
            if isinstance(result, RatchetError):
                raise result

    def _write_progress(self, live: Live, *, logs: bool) -> asyncio.Future[None] | None:
        first = live.written
        lines = live.lines[first:] if logs else []
        if live.marked and not lines:
            return None
        future = self._store.executions.started(to_record(live.execution), log_records(lines))
        live.marked, live.written = True, first + len(lines)

        def written(done: asyncio.Future[None]) -> None:
            if done.cancelled() or done.exception() is not None:
                live.marked, live.written = False, min(live.written, first)

        future.add_done_callback(written)
        return future

    async def _cancel(self) -> None:
        if not self._live:
            return
        for execution_id, reason in (await self._store.executions.cancel_requests()).items():
            for live in [live for live in self._live if live.execution.id == execution_id]:
                live.end(cancelled(reason))

    async def last_try(self) -> None:
        """Offer what the store refused a last time, when the server stops."""
        try:
            await self.record_again()
        except RatchetError as error:
            logger.error("{} executions could not be recorded: {}", len(self.unrecorded), error.message)

    async def record_again(self) -> None:
        """Offer what the store refused again. Raises `StoreFailed`."""
        for execution_id, ended in list(self.unrecorded.items()):
            await self._store.executions.finish(ended.record, ended.logs)
            del self.unrecorded[execution_id]
            logger.info("Execution {} is recorded now", execution_id)


def cancelled(reason: str | None) -> Cancelled:
    """Return the error of a run that was cancelled for a reason."""
    message = "The run was cancelled." if not reason else f"The run was cancelled: {reason}"
    return Cancelled(message, details={"reason": reason} if reason else None)


def _begun_well(live: Live) -> bool:
    return live.begun is not None and live.begun.done() and not live.begun.cancelled() and live.begun.exception() is None
