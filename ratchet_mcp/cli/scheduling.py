"""What the commands of `ratchet schedule` do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratchet_mcp.cli.queue import with_services

if TYPE_CHECKING:
    from ratchet_mcp.app import Ratchet
    from ratchet_mcp.jobs.schedules.models import Schedule

SHORT_ERROR = 80


def add(fields: dict[str, Any], config: Path | None, profile: str | None, *, as_json: bool) -> None:
    """Make a schedule and print what it is. Raises what `Schedules.create` raises."""
    from ratchet_mcp.jobs.schedules.models import ScheduleRequest

    request = ScheduleRequest(**_read(fields))

    async def work(ratchet: Ratchet) -> Schedule:
        return await ratchet.schedules.create(request)

    _tell(with_services(config, profile, work), as_json=as_json)


def update(key: str, fields: dict[str, Any], config: Path | None, profile: str | None, *, as_json: bool) -> None:
    """Change a schedule and print what it is then. Raises what `Schedules.update` raises."""
    changes = _read(fields)

    async def work(ratchet: Ratchet) -> Schedule:
        return await ratchet.schedules.update(key, changes)

    _tell(with_services(config, profile, work), as_json=as_json)


def remove(key: str, config: Path | None, profile: str | None, *, as_json: bool) -> None:
    """Delete a schedule. Raises `ScheduleNotFound`."""
    from ratchet_mcp.cli.output import print_json, print_text, printable

    async def work(ratchet: Ratchet) -> Schedule:
        return await ratchet.schedules.remove(key)

    removed = with_services(config, profile, work)
    if as_json:
        print_json({**removed.to_dict(), "deleted": True})
    else:
        print_text(f"{printable(removed.name or removed.id)} is deleted.")


def show_list(task: str | None, limit: int, config: Path | None, profile: str | None, *, as_json: bool) -> None:
    """Print schedules, newest first."""
    from ratchet_mcp.cli.output import print_json, print_table

    async def work(ratchet: Ratchet) -> list[Schedule]:
        return (await ratchet.schedules.find(task=task, limit=limit)).schedules

    schedules = with_services(config, profile, work)
    if as_json:
        print_json({"schedules": [each.to_dict() for each in schedules]})
        return
    rows = [(each.name or "", each.id, each.task, each.cron, each.timezone, _next(each), _error(each)) for each in schedules]
    print_table(("name", "schedule", "task", "cron", "timezone", "next", "last error"), rows)


def _read(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a `ScheduleRequest`. Raises `InvalidArgument`."""
    from ratchet_mcp.jobs.models import Priority
    from ratchet_mcp.jobs.retry import RetryPolicy
    from ratchet_mcp.jobs.schedules.models import Missed

    readers = {"missed": Missed.named, "priority": Priority.named, "retry": RetryPolicy.from_dict}
    return {name: readers[name](value) if name in readers else value for name, value in fields.items()}


def _tell(schedule: Schedule, *, as_json: bool) -> None:
    from ratchet_mcp.cli.output import print_json, print_text, printable

    if as_json:
        print_json(schedule.to_dict())
        return
    name = printable(schedule.name or schedule.id)
    print_text(f"{name}: {printable(schedule.task)}, {schedule.meaning} ({schedule.timezone}); next: {_next(schedule)}")


def _next(schedule: Schedule) -> str:
    if not schedule.active:
        return "paused"
    return schedule.upcoming[0].isoformat(timespec="minutes") if schedule.upcoming else "never"


def _error(schedule: Schedule) -> str:
    return "" if schedule.last_error is None else str(schedule.last_error.get("message", ""))[:SHORT_ERROR]
