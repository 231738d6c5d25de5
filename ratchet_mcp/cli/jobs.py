"""`ratchet jobs`: the queue, from the terminal. A server, or `ratchet worker`, runs what is in it."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from ratchet_mcp.cli import options

app = typer.Typer(help="Jobs: runs that wait for their turn, are tried again, and survive a crash.", no_args_is_help=True)


class Level(StrEnum):
    """How soon a job goes."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


class State(StrEnum):
    """Where a job stands."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


Reference = Annotated[str, typer.Argument(help="Name, name@version or UUID of a task.", metavar="TASK", show_default=False)]
Id = Annotated[str, typer.Argument(help="Id of a job.", metavar="JOB", show_default=False)]
OneId = Annotated[str | None, typer.Argument(help="Id of a job.", metavar="[JOB]", show_default=False)]
InputJson = Annotated[str | None, typer.Option("--input-json", help="The input as JSON text.", metavar="JSON", show_default="{}")]
InputFile = Annotated[
    Path | None, typer.Option("--input-file", help="File that holds the input; - reads stdin.", metavar="FILE", show_default=False)
]
How = Annotated[Level, typer.Option("--priority", help="How soon it goes.", metavar="low|normal|high|urgent")]
RunAt = Annotated[
    str | None, typer.Option("--run-at", help="Not before this, such as 2030-01-31T12:00:00Z.", metavar="TIME", show_default=False)
]
Attempts = Annotated[int | None, typer.Option("--attempts", min=1, help="How often it is tried.", metavar="N", show_default="1")]
Delay = Annotated[
    str | None, typer.Option("--delay", help="Pause before the second attempt, such as 5s; doubles.", metavar="TIME", show_default="1s")
]
Key = Annotated[str | None, typer.Option("--unique-key", help="Only one job for this key.", metavar="TEXT", show_default=False)]
Timeout = Annotated[
    float | None, typer.Option("--timeout", min=0.001, help="Seconds after which a run is killed.", metavar="SECONDS", show_default=False)
]
Deliver = Annotated[
    str | None,
    typer.Option("--delivery", help="Where results go: destinations as JSON, or @FILE.", metavar="JSON|@FILE", show_default=False),
]
Wait = Annotated[float, typer.Option("--wait", min=0, help="Wait so many seconds for its end.", metavar="SECONDS")]
OfTask = Annotated[str | None, typer.Option("--task", help="Jobs of this task only.", metavar="NAME", show_default=False)]
OfStatus = Annotated[
    State | None,
    typer.Option("--status", help="Jobs that stand there.", metavar="|".join(State), show_default=False),
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=200, help="How many.", metavar="N")]
Reason = Annotated[str | None, typer.Option("--reason", help="Why, for whoever looks.", metavar="TEXT", show_default=False)]
AllFailed = Annotated[bool, typer.Option("--all-failed", help="All failed jobs, at most 10,000.")]
TaskName = Annotated[str | None, typer.Argument(help="Name of a task.", metavar="[TASK]", show_default="all jobs")]
Name = Annotated[str, typer.Argument(help="Name of a task.", metavar="TASK", show_default=False)]
Most = Annotated[int | None, typer.Option("--concurrency", min=1, help="Jobs of it at once.", metavar="N", show_default="no limit")]
Rate = Annotated[str | None, typer.Option("--rate", help="Starts in a time, such as 10/m.", metavar="N/TIME", show_default="no limit")]


@app.command("add")
def add(
    task: Reference,
    input_json: InputJson = None,
    input_file: InputFile = None,
    priority: How = Level.NORMAL,
    run_at: RunAt = None,
    attempts: Attempts = None,
    delay: Delay = None,
    unique_key: Key = None,
    timeout: Timeout = None,
    delivery: Deliver = None,
    wait: Wait = 0.0,
    as_json: options.AsJson = False,
    config: options.Config = None,
    profile: options.Profile = None,
) -> None:
    """Put a run into the queue. A server on the same database, or ratchet worker, runs it."""
    from ratchet_mcp.cli import queue
    from ratchet_mcp.cli.run_once import read_input

    retry = {key: value for key, value in (("attempts", attempts), ("delay", delay)) if value is not None}
    order = queue.Order(
        task, read_input(input_json, input_file), priority.value, _moment(run_at), retry, unique_key, timeout, destinations(delivery)
    )
    queue.add(order, wait, config, profile, as_json=as_json)


@app.command("list")
def list_jobs(
    task: OfTask = None,
    status: OfStatus = None,
    limit: Limit = 50,
    as_json: options.AsJson = False,
    config: options.Config = None,
    profile: options.Profile = None,
) -> None:
    """List jobs, newest first."""
    from ratchet_mcp.cli import queue

    queue.show_list(task, None if status is None else status.value, limit, config, profile, as_json=as_json)


@app.command("show")
def show(job: Id, wait: Wait = 0.0, config: options.Config = None, profile: options.Profile = None) -> None:
    """Print a job, with the output or the error of its latest attempt."""
    from ratchet_mcp.cli import queue

    queue.show(job, wait, config, profile)


@app.command("cancel")
def cancel(job: Id, reason: Reason = None, config: options.Config = None, profile: options.Profile = None) -> None:
    """End a job that waits or runs, on whichever machine."""
    from ratchet_mcp.cli import queue

    queue.cancel(job, reason, config, profile)


@app.command("retry")
def retry(
    job: OneId = None, all_failed: AllFailed = False, task: OfTask = None, config: options.Config = None, profile: options.Profile = None
) -> None:
    """Let one failed or cancelled job run again, or all failed ones."""
    from ratchet_mcp.cli import queue

    if (job is None) == (not all_failed):
        raise typer.BadParameter("say what to retry: the id of a job, or --all-failed")
    queue.retry(job, task, config, profile)


@app.command("pause")
def pause(task: TaskName = None, config: options.Config = None, profile: options.Profile = None) -> None:
    """Start no more jobs, of one task or at all; those under way go on."""
    from ratchet_mcp.cli import queue

    queue.switch(task, config, profile, paused=True)


@app.command("resume")
def resume(task: TaskName = None, config: options.Config = None, profile: options.Profile = None) -> None:
    """Start jobs again."""
    from ratchet_mcp.cli import queue

    queue.switch(task, config, profile, paused=False)


@app.command("limit")
def limit(task: Name, concurrency: Most = None, rate: Rate = None, config: options.Config = None, profile: options.Profile = None) -> None:
    """Limit how many jobs of a task run at once or start in a time; without options the limits go."""
    from ratchet_mcp.cli import queue

    queue.limit(task, concurrency, rate, config, profile)


@app.command("status")
def status(as_json: options.AsJson = False, config: options.Config = None, profile: options.Profile = None) -> None:
    """Count jobs by where they stand; tell what is paused or limited."""
    from ratchet_mcp.cli import queue

    queue.status(config, profile, as_json=as_json)


def destinations(text: str | None) -> list[dict[str, Any]] | None:
    """Read destinations: JSON, or @FILE that holds it; one alone counts as a list. Raises `InvalidArgument`."""
    if text is None:
        return None
    import json

    from ratchet_mcp.errors import InvalidArgument

    place = text[1:] if text.startswith("@") else "--delivery"
    try:
        value = json.loads(Path(place).read_text(encoding="utf-8-sig") if text.startswith("@") else text)
    except OSError as error:
        raise InvalidArgument(f"The file {place} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise InvalidArgument(f"The destinations in {place} are not JSON: {error}.", hint="docs/delivery.md has examples.") from error
    return [value] if isinstance(value, dict) else value


def _moment(text: str | None) -> datetime | None:
    """Read ISO 8601; a time without an offset is UTC."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time such as 2030-01-31T12:00:00Z", param_hint="--run-at") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
