"""`ratchet schedule`: tasks that run again and again, from the terminal. A server, or `ratchet worker`, lets them come true."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from ratchet_mcp.cli import options
from ratchet_mcp.cli.jobs import Attempts, Delay, Deliver, InputFile, InputJson, Level, OfTask, Reference, Timeout, destinations

app = typer.Typer(help="Schedules: tasks that run again and again.", no_args_is_help=True)


class Policy(StrEnum):
    """What happens to times at which no server ran."""

    SKIP = "skip"
    RUN_ONCE = "run_once"
    RUN_ALL = "run_all"


Cron = Annotated[str, typer.Argument(help="Minute, hour, day, month and weekday in quotes, or @daily.", metavar="CRON", show_default=False)]
Key = Annotated[str, typer.Argument(help="Id or name of a schedule.", metavar="SCHEDULE", show_default=False)]
NewTask = Annotated[str | None, typer.Option("--task", help="Another task.", metavar="TASK", show_default=False)]
NewCron = Annotated[str | None, typer.Option("--cron", help="Other times.", metavar="CRON", show_default=False)]
Zone = Annotated[
    str | None, typer.Option("--timezone", help="Such as Europe/Berlin.", metavar="ZONE", show_default="UTC, or schedules.timezone")
]
MissedTimes = Annotated[
    Policy | None,
    typer.Option(
        "--missed",
        help="What happens to times at which no server ran.",
        metavar="|".join(Policy),
        show_default="run_once, or schedules.missed",
    ),
]
Name = Annotated[str | None, typer.Option("--name", help="A name of its own.", metavar="NAME", show_default=False)]
How = Annotated[
    Level | None, typer.Option("--priority", help="How soon each job goes.", metavar="low|normal|high|urgent", show_default="normal")
]
Paused = Annotated[bool, typer.Option("--paused", help="Let it rest until it is resumed.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=500, help="How many.", metavar="N")]


@app.command("add")
def add(
    task: Reference,
    cron: Cron,
    timezone: Zone = None,
    input_json: InputJson = None,
    input_file: InputFile = None,
    missed: MissedTimes = None,
    name: Name = None,
    priority: How = None,
    attempts: Attempts = None,
    delay: Delay = None,
    timeout: Timeout = None,
    delivery: Deliver = None,
    paused: Paused = False,
    as_json: options.AsJson = False,
    config: options.Config = None,
    profile: options.Profile = None,
) -> None:
    """Let a task run again and again. Times and input are checked now."""
    from ratchet_mcp.cli import scheduling
    from ratchet_mcp.cli.run_once import read_input

    fields = _given(task, cron, timezone, missed, name, priority, attempts, delay, timeout)
    fields |= {"input": read_input(input_json, input_file), "active": not paused, "delivery": destinations(delivery)}
    scheduling.add(fields, config, profile, as_json=as_json)


@app.command("list")
def list_schedules(
    task: OfTask = None,
    limit: Limit = 50,
    as_json: options.AsJson = False,
    config: options.Config = None,
    profile: options.Profile = None,
) -> None:
    """List schedules, newest first: when each runs next, and what went wrong last. --json shows the next five times."""
    from ratchet_mcp.cli import scheduling

    scheduling.show_list(task, limit, config, profile, as_json=as_json)


@app.command("update")
def update(
    schedule: Key,
    task: NewTask = None,
    cron: NewCron = None,
    timezone: Zone = None,
    input_json: InputJson = None,
    input_file: InputFile = None,
    missed: MissedTimes = None,
    name: Name = None,
    priority: How = None,
    attempts: Attempts = None,
    delay: Delay = None,
    timeout: Timeout = None,
    delivery: Deliver = None,
    as_json: options.AsJson = False,
    config: options.Config = None,
    profile: options.Profile = None,
) -> None:
    """Change what is given of a schedule; the rest stays."""
    from ratchet_mcp.cli import scheduling
    from ratchet_mcp.cli.run_once import read_input

    fields = _given(task, cron, timezone, missed, name, priority, attempts, delay, timeout)
    if input_json is not None or input_file is not None:
        fields["input"] = read_input(input_json, input_file)
    if delivery is not None:
        fields["delivery"] = destinations(delivery)
    if not fields:
        raise typer.BadParameter("say what to change")
    scheduling.update(schedule, fields, config, profile, as_json=as_json)


@app.command("pause")
def pause(schedule: Key, as_json: options.AsJson = False, config: options.Config = None, profile: options.Profile = None) -> None:
    """Let a schedule rest. Times that pass meanwhile are not made up for."""
    from ratchet_mcp.cli import scheduling

    scheduling.update(schedule, {"active": False}, config, profile, as_json=as_json)


@app.command("resume")
def resume(schedule: Key, as_json: options.AsJson = False, config: options.Config = None, profile: options.Profile = None) -> None:
    """Let a schedule run again, from now on."""
    from ratchet_mcp.cli import scheduling

    scheduling.update(schedule, {"active": True}, config, profile, as_json=as_json)


@app.command("remove")
def remove(schedule: Key, as_json: options.AsJson = False, config: options.Config = None, profile: options.Profile = None) -> None:
    """Delete a schedule. Its jobs, and what they came to, stay."""
    from ratchet_mcp.cli import scheduling

    scheduling.remove(schedule, config, profile, as_json=as_json)


def _given(
    task: str | None,
    cron: str | None,
    timezone: str | None,
    missed: Policy | None,
    name: str | None,
    priority: Level | None,
    attempts: int | None,
    delay: str | None,
    timeout: float | None,
) -> dict[str, Any]:
    fields: dict[str, Any] = {"task": task, "cron": cron, "timezone": timezone, "name": name, "timeout_seconds": timeout}
    fields["missed"] = None if missed is None else missed.value
    fields["priority"] = None if priority is None else priority.value
    retry = {key: value for key, value in (("attempts", attempts), ("delay", delay)) if value is not None}
    fields["retry"] = retry or None
    return {key: value for key, value in fields.items() if value is not None}
