"""`ratchet deliveries`: what was sent to files and webhooks, and once more."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ratchet_mcp.cli import options

if TYPE_CHECKING:
    from ratchet_mcp.app import Ratchet
    from ratchet_mcp.delivery.models import Delivery, DeliveryPage

app = typer.Typer(help="Deliveries: results on their way to files and webhooks.", no_args_is_help=True)
SHORT_ERROR = 80


class State(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    SENDING = "sending"
    DELIVERED = "delivered"
    FAILED = "failed"


Id = Annotated[str, typer.Argument(help="Id of a delivery.", metavar="DELIVERY", show_default=False)]
OfTask = Annotated[str | None, typer.Option("--task", help="Deliveries of this task only.", metavar="NAME", show_default=False)]
OfStatus = Annotated[
    State | None, typer.Option("--status", help="Deliveries that stand there.", metavar="|".join(State), show_default=False)
]
OfJob = Annotated[str | None, typer.Option("--job", help="Deliveries of this job only.", metavar="ID", show_default=False)]
OfRun = Annotated[str | None, typer.Option("--execution", help="Deliveries of this execution only.", metavar="ID", show_default=False)]
Limit = Annotated[int, typer.Option("--limit", min=1, max=200, help="How many.", metavar="N")]


@app.command("list")
def list_deliveries(
    task: OfTask = None,
    status: OfStatus = None,
    job: OfJob = None,
    execution: OfRun = None,
    limit: Limit = 50,
    as_json: options.AsJson = False,
    config: options.Config = None,
    profile: options.Profile = None,
) -> None:
    """List deliveries, newest first."""
    from ratchet_mcp.cli.output import print_json, print_table
    from ratchet_mcp.cli.queue import with_services

    async def find(ratchet: Ratchet) -> DeliveryPage:
        from ratchet_mcp.delivery.models import DeliveryStatus

        wanted = None if status is None else DeliveryStatus(status.value)
        return await ratchet.deliveries.find(task=task, status=wanted, job_id=job, execution_id=execution, limit=limit)

    found = with_services(config, profile, find).deliveries
    if as_json:
        print_json({"deliveries": [each.to_dict() for each in found]})
        return
    columns = ("delivery", "task", "event", "kind", "status", "attempts", "target", "error")
    print_table(columns, [_row(each) for each in found])


@app.command("show")
def show(delivery: Id, config: options.Config = None, profile: options.Profile = None) -> None:
    """Print everything about one delivery."""
    from ratchet_mcp.cli.output import print_json
    from ratchet_mcp.cli.queue import with_services

    print_json(with_services(config, profile, lambda ratchet: ratchet.deliveries.get(delivery)).to_dict())


@app.command("retry")
def retry(delivery: Id, config: options.Config = None, profile: options.Profile = None) -> None:
    """Send a delivery that has ended once more, from here, and print it; exit status 1 if it fails. Later attempts are a server's."""
    from ratchet_mcp.cli.output import print_json
    from ratchet_mcp.cli.queue import with_services

    async def again(ratchet: Ratchet) -> Delivery:
        await ratchet.deliveries.redeliver(delivery)
        return await ratchet.deliveries.send_now(delivery)

    sent = with_services(config, profile, again)
    print_json(sent.to_dict())
    if sent.last_error is not None:
        raise typer.Exit(1)


def _row(delivery: Delivery) -> tuple[Any, ...]:
    return (
        delivery.id,
        delivery.task,
        delivery.event,
        delivery.kind,
        delivery.status.value,
        f"{delivery.attempts}/{delivery.max_attempts}",
        delivery.target or "",
        str((delivery.last_error or {}).get("message", ""))[:SHORT_ERROR],
    )
