"""What runs and what has run: found, read, waited for and cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import anyio

from ratchet_mcp.engine.run import LogLine
from ratchet_mcp.errors import ExecutionFinished, ExecutionNotFound
from ratchet_mcp.execution import listing
from ratchet_mcp.execution.handle import Handle
from ratchet_mcp.execution.keeper import Keeper
from ratchet_mcp.execution.live import Live
from ratchet_mcp.execution.models import Execution, ExecutionPage, Origin, Status
from ratchet_mcp.execution.recording import log_line, to_execution

if TYPE_CHECKING:
    from ratchet_mcp.store.store import Store

POLL_SECONDS = 0.2
"""How often the row of another process' run is looked at while someone waits for it."""

CANCEL_SECONDS = 5.0
"""How long `cancel` waits for the run to end."""


class History:
    """Every execution that the store has, and those that run here as they are now."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._live: dict[str, Live] = {}
        self._keeper = Keeper(store, self._live.values())
        self._total = 0

    def status(self) -> dict[str, Any]:
        """Return `{running, total, unrecorded}`: runs under way, runs since the start, ended runs that the store has refused so far."""
        return {"running": len(self._live), "total": self._total, "unrecorded": len(self._keeper.unrecorded)}

    async def get(self, id: str) -> Execution:
        """Return an execution: live, or as recorded by any server that shares the store. Raises `ExecutionNotFound`."""
        id = _normal(id)
        live = self._live.get(id)
        if live is not None:
            live.execution.http = live.http_calls()
            return live.execution
        unrecorded = self._keeper.unrecorded.get(id)
        if unrecorded is not None:
            return unrecorded.execution
        record = await self._store.executions.get(id)
        if record is None:
            raise ExecutionNotFound(f"No execution has the id {id!r}.")
        return to_execution(record)

    def handle(self, id: str) -> Handle | None:
        """Return the handle of a run that is under way here, None for any other."""
        live = self._live.get(_normal(id))
        return None if live is None else Handle(live)

    async def wait(self, id: str, seconds: float) -> Execution:
        """Return an execution as soon as it is final, or what it is after so many seconds. Raises `ExecutionNotFound`."""
        live = self._live.get(_normal(id))
        if live is not None:
            return await Handle(live).wait(seconds)
        execution = await self.get(id)
        with anyio.move_on_after(seconds):
            while not execution.status.final:
                await anyio.sleep(POLL_SECONDS)
                execution = await self.get(id)
        return execution

    async def logs(self, id: str, offset: int = 0, limit: int = 200) -> list[LogLine]:
        """Return log lines in order, from number `offset` on; of a live run too. Raises `ExecutionNotFound`."""
        live = self._live.get(_normal(id))
        if live is not None:
            return live.lines[offset : offset + limit]
        unrecorded = self._keeper.unrecorded.get(_normal(id))
        if unrecorded is not None:
            return unrecorded.lines[offset : offset + limit]
        records = await self._store.executions.logs(_normal(id), first=offset, limit=limit)
        if not records:
            await self.get(id)
        return [log_line(record) for record in records]

    async def find(
        self,
        *,
        task: str | None = None,
        status: Status | None = None,
        origin: Origin | None = None,
        since: datetime | None = None,
        job_id: str | None = None,
        parent_id: str | None = None,
        batch_id: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> ExecutionPage:
        """List executions, newest first. `task` is a name, `name@version` or UUID. Raises `InvalidCursor` and `InvalidArgument`."""
        filter = listing.wanted(task, status, origin, since, cursor)
        filter = replace(filter, job_id=job_id, parent_id=parent_id, batch_id=batch_id)
        size = listing.page_size(limit)
        if status is not None and not status.final:
            await self._keeper.mark_started()
        await self._written()
        records = await self._store.executions.find(filter, size + 1)
        found: list[Execution] = []
        for record in records[:size]:
            live = self._live.get(record.id)
            current = live is not None and (status is None or live.execution.status == status)
            found.append(live.execution if live is not None and current else to_execution(record))
        more = len(records) > size
        return ExecutionPage(found, listing.cursor_after(records[size - 1].created_at, records[size - 1].id) if more else None)

    async def children(self, parent_ids: Sequence[str], limit: int) -> list[Execution]:
        """List the executions that these called with `tasks.call`, in the order of their starts, without their big values."""
        await self._written()
        records = await self._store.executions.children(parent_ids, limit)
        return [live.execution if (live := self._live.get(record.id)) else to_execution(record) for record in records]

    async def _written(self) -> None:
        """Wait until the start of every run under way is in the store, so that a listing has it."""
        waiting = [live.begun for live in self._live.values() if live.begun is not None and not live.begun.done()]
        if waiting:
            self._store.executions.flush()
            await asyncio.wait(waiting)

    async def cancel(self, id: str, reason: str | None = None) -> Execution:
        """Kill a run, also one of another server that shares the store; returns it as it is then.

        Raises `ExecutionNotFound`, and `ExecutionFinished` when it has ended by itself.
        """
        live = self._live.get(_normal(id))
        if live is not None:
            handle = Handle(live)
            handle.cancel(reason)
            return _ended_by_us(await handle.wait(CANCEL_SECONDS))
        execution = await self.get(id)
        if execution.status.final or not await self._store.executions.request_cancel(execution.id, reason):
            raise _finished(await self.get(id))
        return _ended_by_us(await self.wait(id, CANCEL_SECONDS))


def _normal(id: str) -> str:
    try:
        return str(UUID(id))
    except ValueError:
        return id


def _ended_by_us(execution: Execution) -> Execution:
    if execution.status.final and execution.status not in (Status.CANCELLED, Status.INTERRUPTED):
        raise _finished(execution)
    return execution


def _finished(execution: Execution) -> ExecutionFinished:
    return ExecutionFinished(
        f"Execution {execution.id} has already ended: {execution.status.value}.", details={"status": execution.status.value}
    )
