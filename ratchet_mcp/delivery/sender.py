"""Sends what is due: takes rows that nobody else has, one attempt each, and writes down how it went.

Any process that shares the store may send. A row is one process's from the moment it takes it until it has written how it went, or is
dead; then another one takes it over, under the same key.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import anyio
from anyio.abc import TaskGroup
from loguru import logger

from ratchet_mcp.errors import InternalError, RatchetError
from ratchet_mcp.observability.seldom import seldom
from ratchet_mcp.store.clock import Clock
from ratchet_mcp.store.deliveries import DELIVERED, FAILED, PENDING, DeliveryRecord, storable_json

if TYPE_CHECKING:
    from ratchet_mcp.settings.delivery import DeliverySettings
    from ratchet_mcp.store.store import Store

DELAY_SECONDS = 0.3
"""The first calls of a client go first."""
UNWRITTEN_SECONDS = 1.0
"""Pause before an outcome that the store refused is offered again."""
PRUNE_SECONDS = 3600.0

Perform = Callable[[DeliveryRecord], Awaitable[dict[str, Any]]]
"""Does one attempt of a delivery; sets its `target` and returns the receipt, or raises `RatchetError`."""
_random = secrets.SystemRandom()


class Sender:
    """Runs as one task of the server; asleep until something is due."""

    def __init__(self, store: Store, settings: DeliverySettings, perform: Perform) -> None:
        self._store, self._settings, self._perform = store, settings, perform
        self._clock = Clock()
        self._wake = anyio.Event()
        self._pruned = anyio.current_time()
        self.under_way = 0
        self.sent = 0

    def wake(self) -> None:
        """Say that something may be due."""
        self._wake.set()

    async def run(self) -> None:
        """Send until cancelled; what is under way then waits again."""
        await anyio.sleep(DELAY_SECONDS)
        async with anyio.create_task_group() as group:
            while True:
                self._wake = anyio.Event()
                try:
                    pause = await self._round(group)
                except RatchetError as error:
                    seldom.warning("Deliveries wait: {}", error.message)
                    pause = self._settings.poll_seconds
                except Exception as error:
                    logger.opt(exception=error).error("The sender of deliveries met a defect")
                    pause = self._settings.poll_seconds
                with anyio.move_on_after(pause):
                    await self._wake.wait()

    async def _round(self, group: TaskGroup) -> float:
        """Start what is due and has a place; returns how long to sleep, unless woken."""
        poll = self._settings.poll_seconds
        await self._prune()
        free = self._settings.parallel - self.under_way
        if free <= 0:
            return poll
        due = await self._store.deliveries.next_due()
        if due is None:
            return poll
        now = datetime.now(UTC)
        if self._clock.went_back(now) and await self._store.deliveries.bring_forward(now):
            return 0
        if due > now:
            return min(poll, (due - now).total_seconds())
        taken = await self._store.deliveries.take(now, free)
        for record in taken:
            self.under_way += 1
            group.start_soon(self._one, record)
        return 0 if taken else min(poll, 1.0)

    async def _one(self, record: DeliveryRecord) -> None:
        try:
            await self.attempt(record)
        except Exception as error:
            logger.opt(exception=error).error("Delivery {} met a defect; it stays as it is until this server ends", record.id)
        finally:
            self.under_way -= 1
            self.wake()

    async def attempt(self, record: DeliveryRecord) -> None:
        """Make one attempt of a delivery that this process has taken, and write down how it went."""
        try:
            receipt = await self._perform(record)
        except anyio.get_cancelled_exc_class():
            with anyio.move_on_after(2, shield=True):
                await self._put_back(record)
            raise
        except RatchetError as error:
            self._failed(record, error)
        except Exception as error:
            logger.opt(exception=error).error("Delivery {} failed inside Ratchet", record.id)
            self._failed(record, InternalError(f"The delivery failed inside Ratchet: {type(error).__name__}."))
        else:
            now = datetime.now(UTC)
            record.status, record.receipt, record.last_error = DELIVERED, storable_json(receipt), None
            record.finished_at = record.updated_at = now
            self.sent += 1
        await self._settle(record)

    def _failed(self, record: DeliveryRecord, error: RatchetError) -> None:
        """Note a failed attempt: it is tried again, unless that cannot help or no attempt is left."""
        now = datetime.now(UTC)
        record.last_error, record.updated_at = storable_json(error.to_dict()), now
        if error.retryable and record.attempts < record.max_attempts:
            pause = self._pause(record.attempts, error.details.get("retry_after_seconds"))
            record.status, record.next_at = PENDING, now + timedelta(seconds=pause)
            logger.info("Delivery {} is tried again in {:.1f} s: {}", record.id, pause, error.message)
        else:
            record.status, record.finished_at = FAILED, now
            logger.warning("Delivery {} failed after {} attempts: {}", record.id, record.attempts, error.message)

    def _pause(self, attempts: int, asked: Any) -> float:
        doubled = self._settings.retry_wait_seconds * 2 ** min(attempts - 1, 40)
        most = self._settings.retry_max_wait_seconds
        pause = min(doubled, most) * _random.uniform(0.75, 1.25)
        return max(pause, min(asked, most)) if isinstance(asked, int | float) else pause

    async def _settle(self, record: DeliveryRecord) -> None:
        """Write how an attempt went; a store that refuses it now is asked again, as nobody else knows."""
        while True:
            try:
                if not await self._store.deliveries.settle(record):
                    logger.warning("Delivery {} was taken over by another server while this one sent it", record.id)
                return
            except RatchetError as error:
                seldom.warning("How delivery {} went cannot be written yet: {}", record.id, error.message)
            await anyio.sleep(UNWRITTEN_SECONDS)

    async def _put_back(self, record: DeliveryRecord) -> None:
        try:
            await self._store.deliveries.put_back(record, datetime.now(UTC))
        except RatchetError as error:
            logger.warning("Delivery {} waits for another server: {}", record.id, error.message)

    async def _prune(self) -> None:
        if anyio.current_time() - self._pruned < PRUNE_SECONDS:
            return
        self._pruned = anyio.current_time()
        await self._store.deliveries.prune(datetime.now(UTC) - timedelta(days=self._settings.retention_days))
