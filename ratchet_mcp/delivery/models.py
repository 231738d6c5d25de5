"""Deliveries as the faces see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ratchet_mcp.store.deliveries import DeliveryRecord


class DeliveryStatus(StrEnum):
    """Where a delivery stands. The last two are final, unless it is sent again."""

    PENDING = "pending"
    SENDING = "sending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One outcome on its way to one destination.

    `key` goes with every attempt (`Ratchet-Delivery`), so that a receiver can tell what it already has. `target` is the path or URL, once
    there was an attempt; `receipt` what came of it: `{path, bytes}` of a file, `{status, bytes}` of a webhook. `last_error` has the shape
    of `RatchetError.to_dict()`.
    """

    id: str
    task: str
    event: str
    kind: str
    status: DeliveryStatus
    destination: dict[str, Any]
    target: str | None
    key: str
    attempts: int
    max_attempts: int
    next_at: datetime | None
    execution_id: str | None
    job_id: str | None
    last_error: dict[str, Any] | None
    receipt: dict[str, Any] | None
    created_at: datetime
    finished_at: datetime | None

    def to_dict(self) -> dict[str, Any]:
        """Return the delivery as JSON; what does not apply is left out."""
        body: dict[str, Any] = {"delivery_id": self.id}
        for name in self.__dataclass_fields__:
            value: Any = getattr(self, name)
            if name != "id" and value is not None:
                body[name] = value.isoformat() if isinstance(value, datetime) else value
        return body


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """Deliveries, newest first."""

    deliveries: list[Delivery]
    next_cursor: str | None


def to_delivery(record: DeliveryRecord) -> Delivery:
    """Return the delivery of a row."""
    status = DeliveryStatus(record.status)
    names = (
        "id", "task", "event", "kind", "destination", "target", "key", "attempts", "max_attempts", "execution_id", "job_id", "last_error",
        "receipt", "created_at", "finished_at",
    )  # fmt: skip
    values: dict[str, Any] = {name: getattr(record, name) for name in names}
    return Delivery(status=status, next_at=record.next_at if status is DeliveryStatus.PENDING else None, **values)
