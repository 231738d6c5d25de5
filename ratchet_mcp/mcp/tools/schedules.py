"""Tools that let tasks run again and again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ratchet_mcp.jobs.models import Priority
from ratchet_mcp.jobs.retry import RetryPolicy
from ratchet_mcp.jobs.schedules.models import Missed, ScheduleRequest
from ratchet_mcp.mcp import schedule_view
from ratchet_mcp.mcp.long_output import items_that_fit
from ratchet_mcp.mcp.results import ToolResult, success
from ratchet_mcp.mcp.tools import schemas
from ratchet_mcp.mcp.tools.arguments import WHOLE, Arguments, Cursor
from ratchet_mcp.mcp.tools.inputs import read_input
from ratchet_mcp.mcp.tools.spec import CHANGES, READ_ONLY, RUNS_CODE, STOPS, Call, ToolSpec

if TYPE_CHECKING:
    from ratchet_mcp.app import Ratchet

Reference = Annotated[str, Field(description="name (its newest version each time), name@version or UUID", min_length=1, max_length=200)]
Expression = Annotated[str, Field(description="minute hour day month weekday, such as 30 6 * * MON-FRI; or @daily", max_length=200)]
Key = Annotated[str, Field(description="schedule_id or name", min_length=1, max_length=100)]
ALWAYS_THERE = ("task", "cron", "priority", "paused")


_READ: dict[str, Callable[[Any], Any]] = {"missed": Missed.named, "priority": Priority.named, "retry": RetryPolicy.from_dict}


class When(Arguments):
    """What may be said of a schedule besides its task and its times."""

    timezone: Annotated[str | None, Field(description="such as Europe/Berlin", max_length=100)] = None
    input: Annotated[Any, Field(description="JSON value that matches the task's input schema")] = None
    missed: Annotated[
        Literal["skip", "run_once", "run_all"] | None, Field(description="times at which no server ran (default run_once)")
    ] = None
    name: Annotated[str | None, Field(description="of the schedule", max_length=100)] = None
    priority: Literal["low", "normal", "high", "urgent"] | None = None
    retry: Annotated[dict[str, Any] | None, Field(description='of each job, such as {"attempts": 3, "delay": "5s"}')] = None
    timeout_seconds: Annotated[float | None, Field(gt=0, le=86400)] = None
    delivery: Annotated[
        list[dict[str, Any]] | None, Field(description="where each result goes: files, webhooks (guide://tasks)", max_length=20)
    ] = None

    def fields(self) -> dict[str, Any]:
        """Return what was given, as fields of a `ScheduleRequest`. Raises `InvalidArgument`."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        given = {name: value for name, value in given.items() if value is not None or name not in ALWAYS_THERE}
        for name, read in _READ.items():
            if given.get(name) is not None:
                given[name] = read(given[name])
        if "paused" in given:
            given["active"] = not given.pop("paused")
        return given


class CreateSchedule(When):
    """Arguments of create_schedule."""

    task: Reference
    cron: Expression


class UpdateSchedule(When):
    """Arguments of update_schedule."""

    id: Key
    task: Reference | None = None
    cron: Expression | None = None
    paused: Annotated[bool | None, Field(description="true lets it rest, false lets it run again")] = None


class ListSchedules(Arguments):
    """Arguments of list_schedules."""

    id: Annotated[str | None, Field(description="schedule_id or name of one, to see it whole", max_length=100)] = None
    task: Annotated[str | None, Field(description="name", max_length=200)] = None
    paused: Annotated[bool | None, Field(description="only paused, or only active ones")] = None
    limit: Annotated[int, Field(ge=1, le=100), WHOLE] = 20
    cursor: Cursor = None


class DeleteSchedule(Arguments):
    """Arguments of delete_schedule."""

    id: Key


async def create_schedule(call: Call, arguments: CreateSchedule) -> ToolResult:
    """Make a schedule; everything that its jobs need is checked now."""
    ratchet = await call.app.get()
    fields: dict[str, Any] = {"input": {}, **arguments.fields(), "principal": call.principal}
    hint = await _read_input(ratchet, fields, arguments.task)
    view = schedule_view.listed(await ratchet.schedules.create(ScheduleRequest(**fields)))
    told = f'Its runs are jobs: list_jobs(schedule_id="{view["schedule_id"]}").'
    view["hint"] = f"{told} {hint}" if hint else told
    return success(view)


async def update_schedule(call: Call, arguments: UpdateSchedule) -> ToolResult:
    """Change a schedule, let it rest, or let it run again."""
    ratchet = await call.app.get()
    changes = arguments.fields()
    key = changes.pop("id")
    hint = await _read_input(ratchet, changes, arguments.task, key)
    view = schedule_view.listed(await ratchet.schedules.update(key, changes))
    return success({**view, "hint": hint} if hint else view)


async def _read_input(ratchet: Ratchet, fields: dict[str, Any], reference: str | None, key: str = "") -> str | None:
    """Take JSON text for the object that it holds, where the task wants one; returns what to tell of it."""
    if not isinstance(fields.get("input"), str):
        return None
    task = await ratchet.catalog.resolve(reference or (await ratchet.schedules.get(key)).task)
    fields["input"], hint = read_input(fields["input"], task)
    return hint


async def list_schedules(call: Call, arguments: ListSchedules) -> ToolResult:
    """Return one page of schedules, newest first; or one, whole."""
    ratchet = await call.app.get()
    if arguments.id is not None:
        return success({"schedules": [schedule_view.whole(await ratchet.schedules.get(arguments.id), call.characters // 2)]})
    active = None if arguments.paused is None else not arguments.paused
    limit = arguments.limit
    while True:
        page = await ratchet.schedules.find(task=arguments.task, active=active, limit=limit, cursor=arguments.cursor)
        views = [schedule_view.listed(schedule) for schedule in page.schedules]
        fitting = len(items_that_fit(views, call.characters - 200))
        if fitting == len(views):
            break
        limit = fitting
    return success({"schedules": views} if page.next_cursor is None else {"schedules": views, "next_cursor": page.next_cursor})


async def delete_schedule(call: Call, arguments: DeleteSchedule) -> ToolResult:
    """Remove a schedule; its jobs stay."""
    ratchet = await call.app.get()
    return success({**schedule_view.listed(await ratchet.schedules.remove(arguments.id)), "deleted": True})


TOOLS: list[ToolSpec[Any]] = [
    ToolSpec(
        name="create_schedule",
        title="Create a schedule",
        description=(
            "Run a task again and again, as background jobs. "
            'Example: {"task": "report", "cron": "30 6 * * MON-FRI", "timezone": "Europe/Berlin", "input": {"days": 1}}'
        ),
        arguments=CreateSchedule,
        output=schemas.result(schedule_view.SCHEDULE),
        annotations=RUNS_CODE,
        handler=create_schedule,
        toolset="jobs",
    ),
    ToolSpec(
        name="update_schedule",
        title="Change a schedule",
        description=(
            "Change the given parts of a schedule; null takes one away. "
            'paused lets it rest or run again. Example: {"id": "morning report", "paused": true}'
        ),
        arguments=UpdateSchedule,
        output=schemas.result(schedule_view.SCHEDULE),
        annotations=CHANGES,
        handler=update_schedule,
        toolset="jobs",
    ),
    ToolSpec(
        name="list_schedules",
        title="List schedules",
        description='List schedules, newest first: their next five times, and what went wrong last. Example: {"task": "report"}',
        arguments=ListSchedules,
        output=schemas.result({"schedules": schemas.array_of(schedule_view.SCHEDULE, "schedule_id"), "next_cursor": schemas.STRING}),
        annotations=READ_ONLY,
        handler=list_schedules,
        toolset="jobs",
    ),
    ToolSpec(
        name="delete_schedule",
        title="Delete a schedule",
        description='Delete a schedule; its jobs and their results stay. Example: {"id": "morning report"}',
        arguments=DeleteSchedule,
        output=schemas.result(schedule_view.SCHEDULE),
        annotations=STOPS,
        handler=delete_schedule,
        toolset="jobs",
    ),
]
