"""Tools that look after deliveries: what went where, and once more."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from mcp.types import ToolAnnotations
from pydantic import Field

from ratchet_mcp.delivery.models import Delivery, DeliveryStatus
from ratchet_mcp.mcp.results import ToolResult, clipped, success
from ratchet_mcp.mcp.tools import schemas
from ratchet_mcp.mcp.tools.arguments import Arguments, Cursor, PageSize, Since
from ratchet_mcp.mcp.tools.spec import READ_ONLY, Call, ToolSpec

SENDS = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True)
LEFT_OUT = ("destination", "key")


class ListDeliveries(Arguments):
    """Arguments of list_deliveries."""

    task: Annotated[str | None, Field(description="name", max_length=200)] = None
    status: Literal["pending", "sending", "delivered", "failed"] | None = None
    execution_id: Annotated[str | None, Field(max_length=100)] = None
    job_id: Annotated[str | None, Field(max_length=100)] = None
    since: Since = None
    limit: PageSize = 50
    cursor: Cursor = None


class Redeliver(Arguments):
    """Arguments of redeliver."""

    id: Annotated[str, Field(description="delivery_id", min_length=1, max_length=100)]


async def list_deliveries(call: Call, arguments: ListDeliveries) -> ToolResult:
    """Return one page of deliveries, newest first."""
    ratchet = await call.app.get()
    page = await ratchet.deliveries.find(
        task=arguments.task,
        status=DeliveryStatus(arguments.status) if arguments.status else None,
        execution_id=arguments.execution_id,
        job_id=arguments.job_id,
        since=arguments.since,
        limit=arguments.limit,
        cursor=arguments.cursor,
    )
    view: dict[str, Any] = {"deliveries": [_view(delivery) for delivery in page.deliveries]}
    return success(view if page.next_cursor is None else {**view, "next_cursor": page.next_cursor})


async def redeliver(call: Call, arguments: Redeliver) -> ToolResult:
    """Send a delivery that has ended once more, under the same key."""
    ratchet = await call.app.get()
    return success(_view(await ratchet.deliveries.redeliver(arguments.id)))


def _view(delivery: Delivery) -> dict[str, Any]:
    return {name: clipped(value) for name, value in delivery.to_dict().items() if name not in LEFT_OUT}


VIEW: dict[str, Any] = {
    "delivery_id": schemas.STRING,
    "task": schemas.STRING,
    "event": {"type": "string", "enum": ["completed", "failed"]},
    "kind": schemas.STRING,
    "status": {"type": "string", "enum": [status.value for status in DeliveryStatus]},
    "target": schemas.STRING,
    "attempts": schemas.INTEGER,
    "max_attempts": schemas.INTEGER,
    "next_at": schemas.STRING,
    "execution_id": schemas.STRING,
    "job_id": schemas.STRING,
    "last_error": schemas.OBJECT,
    "receipt": schemas.OBJECT,
    "created_at": schemas.STRING,
    "finished_at": schemas.STRING,
}

TOOLS: list[ToolSpec[Any]] = [
    ToolSpec(
        name="list_deliveries",
        title="List deliveries",
        description='List what was sent to files and webhooks, newest first, with errors. Example: {"status": "failed", "limit": 10}',
        arguments=ListDeliveries,
        output=schemas.result({"deliveries": schemas.array_of(VIEW, "delivery_id", "status"), "next_cursor": schemas.STRING}),
        annotations=READ_ONLY,
        handler=list_deliveries,
        toolset="jobs",
    ),
    ToolSpec(
        name="redeliver",
        title="Deliver again",
        description='Send a delivery that has ended once more; its key stays the same. Example: {"id": "0198c1d2-…"}',
        arguments=Redeliver,
        output=schemas.result(VIEW),
        annotations=SENDS,
        handler=redeliver,
        toolset="jobs",
    ),
]
