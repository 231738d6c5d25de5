"""Deliveries on a real store, without workers: runs are written down as if they had just ended."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import orjson
import uuid_utils
from egress_runs import Names

from ratchet_mcp.delivery.models import Delivery, DeliveryStatus
from ratchet_mcp.delivery.service import Deliveries
from ratchet_mcp.egress.service import Egress
from ratchet_mcp.execution.models import Execution
from ratchet_mcp.execution.recording import to_execution
from ratchet_mcp.settings import DeliverySettings, NetworkSettings, SecretSettings, Settings, StoreSettings
from ratchet_mcp.store.records import ExecutionRecord, JsonText
from ratchet_mcp.store.store import Store

LIMIT_SECONDS = 30
"""Only to turn a hang into a failure."""
SECRET = "a-very-secret-value"
FINAL = (DeliveryStatus.DELIVERED, DeliveryStatus.FAILED)


def settings_for(url: str, root: Path, network: Mapping[str, Any] | None = None, **delivery: Any) -> Settings:
    """Settings whose retries are quick, with loopback allowed and the secret HOOK for it; OTHERS is for other tasks."""
    delivery = {"roots": [root], "retry_wait_seconds": 0.01, "retry_max_wait_seconds": 2.0, "poll_seconds": 0.2, **delivery}
    secrets = [
        SecretSettings(name="HOOK", env="HOOK", hosts=["127.0.0.1:*"]),
        SecretSettings(name="OTHERS", env="HOOK", hosts=["127.0.0.1:*"], tasks=["another-*"]),
    ]
    return Settings(
        store=StoreSettings(url=url, heartbeat_seconds=0.2, owner_timeout_seconds=5.0),
        network=NetworkSettings(**{"allow_private": ["127.0.0.1:*"], "secrets": secrets, **(network or {})}),
        delivery=DeliverySettings(**delivery),
    )


@dataclass
class Delivering:
    """Deliveries that are running, and what they work on."""

    settings: Settings
    store: Store
    deliveries: Deliveries
    root: Path

    async def ended(self, output: Any = None, *, error: dict[str, Any] | None = None, task: str = "report") -> Execution:
        """Write down a run that has ended."""
        now = datetime.now(UTC)
        status = "completed" if error is None else "failed"
        record = ExecutionRecord(str(uuid_utils.uuid7()), task, "1.0.0", status, "mcp", "local", now, started_at=now, finished_at=now)
        record.error, record.output = error, JsonText(orjson.dumps(output).decode()) if error is None else None
        await self.store.executions.begin(record)
        await self.store.executions.finish(record)
        return to_execution(record)

    async def plan(self, output: Any, *destinations: dict[str, Any], **run: Any) -> list[Delivery]:
        """Ask for a run that has ended to be delivered."""
        execution = await self.ended(output, **run)
        return await self.deliveries.plan(execution, destinations=self.deliveries.check(list(destinations), where="The test"))

    async def deliver(self, output: Any, *destinations: dict[str, Any], **run: Any) -> list[Delivery]:
        """Deliver a run that has ended; returns when every delivery has ended."""
        return [await self.until(each.id, *FINAL) for each in await self.plan(output, *destinations, **run)]

    async def until(self, id: str, *statuses: DeliveryStatus, attempts: int = 0) -> Delivery:
        """Wait until a delivery stands so, after so many attempts."""
        with anyio.fail_after(LIMIT_SECONDS):
            while True:
                delivery = await self.deliveries.get(id)
                if delivery.status in statuses and delivery.attempts >= attempts:
                    return delivery
                await anyio.sleep(0.01)

    def files(self) -> Sequence[str]:
        return sorted(str(found.relative_to(self.root)) for found in self.root.rglob("*") if found.is_file())


@asynccontextmanager
async def delivering(settings: Settings, names: Mapping[str, list[list[str]]] | None = None) -> AsyncGenerator[Delivering]:
    """Run deliveries of a store; `names` takes the place of the system's resolver."""
    root = settings.delivery.roots[0]
    root.mkdir(exist_ok=True)
    env = {**os.environ, "HOOK": SECRET}
    resolver = None if names is None else Names(names)
    async with Store.open(settings.store) as store, Egress(settings.network, resolver=resolver, env=env) as egress:

        async def opened() -> Egress:
            return egress

        async with Deliveries(settings, store, opened) as deliveries:
            yield Delivering(settings, store, deliveries, root)
