"""Deliveries: what a run gave goes where the settings, its task or its job want it, at least once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from ratchet_mcp.delivery.models import Delivery, DeliveryPage, DeliveryStatus, to_delivery
from ratchet_mcp.delivery.planning import EndedJob, Planner
from ratchet_mcp.delivery.sender import Sender
from ratchet_mcp.errors import DeliveryNotFound, DeliveryRefused, DeliveryUnfinished
from ratchet_mcp.execution import listing
from ratchet_mcp.store.deliveries import DeliveryFilter, DeliveryRecord, normal_id

if TYPE_CHECKING:
    from ratchet_mcp.delivery.destinations import Destination
    from ratchet_mcp.delivery.outcomes import Outcome
    from ratchet_mcp.egress.service import Egress
    from ratchet_mcp.execution.models import Execution
    from ratchet_mcp.settings import Settings
    from ratchet_mcp.store.store import Store
    from ratchet_mcp.tasks.definition import Task

__all__ = ["Deliveries"]


class Deliveries:
    """The service, an async context manager: it writes down what is to be sent, and sends it, unless the settings say otherwise.

    Entering it raises `DeliveryInvalid` when the destinations of the settings cannot be used.
    """

    def __init__(self, settings: Settings, store: Store, egress: Callable[[], Awaitable[Egress]]) -> None:
        self._settings, self._store, self._egress = settings, store, egress
        self._planner = Planner(settings)
        self._sender = Sender(store, settings.delivery, self._perform)
        self._tasks = anyio.create_task_group()
        self._sends = settings.delivery.send and not store.read_only and not settings.mcp.read_only

    async def __aenter__(self) -> Deliveries:
        self._planner.start()
        await self._tasks.__aenter__()
        if self._sends:
            self._tasks.start_soon(self._sender.run)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool | None:
        self._tasks.cancel_scope.cancel("the server stops")
        return await self._tasks.__aexit__(kind, error, trace)

    # ------------------------------------------------------------ planning
    def check(self, destinations: Any, *, where: str) -> list[Destination]:
        """Read destinations as users write them. Raises `DeliveryInvalid` with everything wrong; `where` begins its message."""
        return self._planner.checks.read(destinations, where=where)

    def rows_of(self, execution: Execution, task: Task) -> list[DeliveryRecord]:
        """Return what the end of a run asks for, to be written with it; `announce` when that is done."""
        return self._planner.of_execution(execution, task)

    def rows_of_job(self, job: EndedJob, task: Task | None) -> list[DeliveryRecord]:
        """Return what the end of a job asks for, to be written with it (`add_deliveries`); `announce` when that is done."""
        return self._planner.of_job(job, task)

    def announce(self) -> None:
        """Say that deliveries were written."""
        self._sender.wake()

    async def plan(self, execution: Execution, *, destinations: Sequence[Destination], job_id: str | None = None) -> list[Delivery]:
        """Send an execution that has ended to some destinations more. Raises `StoreFailed`."""
        rows = self._planner.of_destinations(destinations, execution, job_id)
        await self._store.deliveries.add(rows)
        self.announce()
        return [to_delivery(row) for row in rows]

    # ------------------------------------------------------------ looking
    async def get(self, id: str) -> Delivery:
        """Return one delivery. Raises `DeliveryNotFound`."""
        record = await self._store.deliveries.get(id)
        if record is None:
            raise DeliveryNotFound(f"No delivery has the id {id[:100]!r}.")
        return to_delivery(record)

    async def find(
        self,
        *,
        task: str | None = None,
        status: DeliveryStatus | None = None,
        execution_id: str | None = None,
        job_id: str | None = None,
        since: datetime | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> DeliveryPage:
        """List deliveries, newest first. Raises `InvalidCursor` and `InvalidArgument`."""
        size = listing.page_size(limit)
        after = None if cursor is None else listing.read_cursor(cursor)
        ids = [normal_id(each) for each in (execution_id, job_id)]
        if (execution_id and ids[0] is None) or (job_id and ids[1] is None):
            return DeliveryPage([], None)
        wanted = DeliveryFilter(task, None if status is None else status.value, ids[0], ids[1], since, after)
        records = await self._store.deliveries.find(wanted, size + 1)
        more = len(records) > size
        cursor_after = listing.cursor_after(records[size - 1].created_at, records[size - 1].id) if more else None
        return DeliveryPage([to_delivery(record) for record in records[:size]], cursor_after)

    def status(self) -> dict[str, Any]:
        """Return `{sending, under_way, sent}`: whether this server sends, deliveries under way, deliveries since the start."""
        return {"sending": self._sends, "under_way": self._sender.under_way, "sent": self._sender.sent}

    # ------------------------------------------------------------ again
    async def redeliver(self, id: str) -> Delivery:
        """Send a delivery that has ended once more, under the same key. Raises `DeliveryNotFound` and `DeliveryUnfinished`."""
        found = await self.get(id)
        if found.kind == "unusable":
            raise DeliveryRefused("This delivery has no destination that could be used.", hint=(found.last_error or {}).get("hint"))
        attempts = self.check([found.destination], where="The destination")[0].model.attempts or self._settings.delivery.attempts
        if not await self._store.deliveries.again(found.id, datetime.now(UTC), attempts):
            found = await self.get(id)
            when = "" if found.next_at is None else f" until {found.next_at.isoformat()}"
            details = {"status": found.status.value} | ({"next_at": found.next_at.isoformat()} if found.next_at else {})
            raise DeliveryUnfinished(f"The delivery has not ended: it is {found.status.value}{when}.", details=details)
        self.announce()
        return await self.get(id)

    async def send_now(self, id: str) -> Delivery:
        """Make one attempt of a delivery that waits, in this call; of one that another server sends, return how it stands."""
        found = await self.get(id)
        record = await self._store.deliveries.take_one(found.id, datetime.now(UTC))
        if record is not None:
            await self._sender.attempt(record)
        return await self.get(id)

    # ------------------------------------------------------------ one attempt
    async def _perform(self, record: DeliveryRecord) -> dict[str, Any]:
        from ratchet_mcp.delivery import outcomes

        destination = self._planner.checks.read([record.destination], where="The destination", task=record.task)[0]
        outcome = await outcomes.load(self._store, record)
        if destination.kind == "file":
            from ratchet_mcp.delivery.file_deliveries import deliver

            model: Any = destination.model
            root = self._planner.checks.root_of(model)
            receipt = await anyio.to_thread.run_sync(deliver, destination, root, outcome, self._settings.delivery)
            record.target = receipt["path"]
            return receipt
        return await self._send(record, destination, outcome)

    async def _send(self, record: DeliveryRecord, destination: Destination, outcome: Outcome) -> dict[str, Any]:
        from ratchet_mcp.delivery import webhooks

        prepared = await anyio.to_thread.run_sync(webhooks.prepare, destination, outcome, self._settings)
        record.target = prepared.shown
        return await webhooks.send(destination, prepared, outcome, await self._egress(), self._settings)
