"""One run, from the pool's queue to its recorded end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import anyio
from loguru import logger

from ratchet_mcp.engine.run import Pool, RunOutcome
from ratchet_mcp.errors import Cancelled, InternalError, Interrupted, RatchetError
from ratchet_mcp.execution.ending import Planner
from ratchet_mcp.execution.keeper import NOT_RECORDED, Keeper, Unrecorded
from ratchet_mcp.execution.live import Live
from ratchet_mcp.execution.nested import PARENT_ENDED
from ratchet_mcp.execution.outcome import finish, settle
from ratchet_mcp.execution.recording import log_records, to_record
from ratchet_mcp.store.records import DeliveryRecord, ExecutionRecord, LogRecord

if TYPE_CHECKING:
    from ratchet_mcp.store.store import Store


GIVEN_UP = {"code": "cancelled", "message": "The run ended before the response came."}


class Runner:
    """Runs executions and records how they end; each in a task of its own."""

    def __init__(self, pool: Pool, store: Store, keeper: Keeper, live: dict[str, Live]) -> None:
        self._pool = pool
        self._store = store
        self._keeper = keeper
        self._live = live
        self.planner: Planner | None = None

    async def run(self, live: Live) -> None:
        """Run to the end; whatever happens, the execution becomes final and those who wait are woken."""
        outcome: RunOutcome | None = None
        try:
            with live.scope:
                outcome = None if live.cached is None else await live.cached.answer()
                if outcome is None:
                    outcome = await self._pool.run(live.request, live, live.on_start)
                live.observed = outcome.observed
                live.take_course(outcome.events)
        except anyio.get_cancelled_exc_class():
            live.end(Interrupted("The server stopped before the run ended."))
            raise
        except Exception as error:
            logger.opt(exception=error).error("Execution {} failed inside Ratchet", live.execution.id)
            outcome = RunOutcome(error=_defect(error))
        finally:
            with anyio.CancelScope(shield=True):
                await self._conclude(live, outcome)

    async def _conclude(self, live: Live, outcome: RunOutcome | None) -> None:
        try:
            for child in tuple(live.children):
                child.end(Cancelled(PARENT_ENDED, details={"reason": PARENT_ENDED}))
            await _close_network(live)
            try:
                text = await settle(live, outcome)
            except Exception as error:
                logger.opt(exception=error).error("The outcome of execution {} could not be read", live.execution.id)
                text = None
                finish(live, _defect(error))
            keeping = live.cached is not None and live.cached.accepts(text)
            await live.tell_end()
            await self._record(live, text)
            if keeping and live.cached is not None and text is not None:
                await live.cached.keep(text)
        except Exception as error:
            logger.opt(exception=error).error("Execution {} could not be recorded", live.execution.id)
            live.execution.warnings.append(f"{NOT_RECORDED}: {error}")
        finally:
            self._live.pop(live.execution.id, None)
            if live.cached is not None:
                live.cached.leave()
            live.ended()

    async def _record(self, live: Live, text: str | None) -> None:
        """Write the finish row. An execution whose start was not recorded fails; an unrecorded end is told in a warning and tried again."""
        record = to_record(live.execution, output_json=text)
        record.deliveries = self._deliveries_of(live)
        first = live.written
        ending = self._submit(record, log_records(live.lines[first:]), live.begun)
        beginning = await _result(live.begun)
        error = await _result(ending) if isinstance(ending, asyncio.Future) else ending
        if beginning is not None:
            live.execution.output = None
            finish(live, beginning)
        elif error is not None:
            live.execution.warnings.append(f"{NOT_RECORDED}: {error.message}")
            logger.error("The end of execution {} is not recorded yet: {}", live.execution.id, error.message)
            self._keeper.keep(Unrecorded(live.execution, record, log_records(live.lines[live.written :]), live.lines))
        elif live.written < first:  # lines that were on their way to the store have not arrived
            await _result(self._store.executions.append_logs(live.execution.id, log_records(live.lines[live.written : first])))
        if record.deliveries and self.planner is not None:
            self.planner.announce()

    def _deliveries_of(self, live: Live) -> list[DeliveryRecord]:
        """Return what is to be delivered; nothing of a run that was looked into, or whose network was not the real one."""
        network = live.given_network
        pretended = network is not None and (network.mocks is not None or network.replay is not None)
        if self.planner is None or pretended or live.request.observe is not None:
            return []
        try:
            return self.planner.rows_of(live.execution, live.task)
        except Exception as error:
            logger.opt(exception=error).error("What is to be delivered of execution {} could not be planned", live.execution.id)
            live.execution.warnings.append(f"Nothing is delivered: {type(error).__name__}.")
            return []

    def _submit(
        self, record: ExecutionRecord, lines: list[LogRecord], begun: asyncio.Future[None] | None
    ) -> asyncio.Future[None] | RatchetError:
        try:
            return self._store.executions.finish(record, lines, begun=begun)
        except RatchetError as error:
            return error


async def _result(future: asyncio.Future[None] | None) -> RatchetError | None:
    try:
        if future is not None:
            await future
    except RatchetError as error:
        return error
    return None


async def _close_network(live: Live) -> None:
    """End what the run still asks of the network, and keep the list of its fetches."""
    if live.network is None:
        return
    try:
        await live.network.close()
        live.execution.http = [_ended(call) for call in live.http_calls()]
    except Exception as error:
        logger.opt(exception=error).error("The network of execution {} could not be closed", live.execution.id)


def _ended(call: dict[str, Any]) -> dict[str, Any]:
    """Say of a call that was under way that it was given up: that it hears of this itself may take a moment."""
    return call if "status" in call or "error" in call else {**call, "error": GIVEN_UP}


def _defect(error: Exception) -> InternalError:
    return InternalError(f"The run failed inside Ratchet: {type(error).__name__}.", hint="The log of the server has the traceback.")
