"""Schedules: made, changed, listed and removed; and coming true where jobs run."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any

import anyio
from uuid_utils.compat import uuid7

from ratchet_mcp.errors import ScheduleChanged, ScheduleExists, ScheduleNotFound, TooManySchedules
from ratchet_mcp.execution.listing import cursor_after, page_size, read_cursor
from ratchet_mcp.jobs.schedules.firing import Heart, Submitter
from ratchet_mcp.jobs.schedules.models import Schedule, SchedulePage, ScheduleRequest
from ratchet_mcp.jobs.schedules.recording import CHANGEABLE, columns_of, first_run, request_of, to_schedule
from ratchet_mcp.store.schedule_records import COLUMNS, ScheduleFilter, ScheduleRecord

if TYPE_CHECKING:
    from ratchet_mcp.settings import Settings
    from ratchet_mcp.store.store import Store

NAMES_COMPARED = 1000
WHEN = ("cron", "timezone", "active")
WHAT = ("task", "version", "input", "timeout_seconds", "retry_policy", "delivery")


class Schedules:
    """The schedules of the store. As an async context manager, with `work`, it lets them come true."""

    def __init__(self, store: Store, jobs: Submitter, settings: Settings, *, work: bool) -> None:
        self._store = store.schedules
        self._jobs = jobs
        self._settings = settings.schedules
        self._heart = Heart(self._store, jobs, settings.schedules)
        self._beats = work and not store.read_only and not settings.mcp.read_only
        self._tasks = anyio.create_task_group()

    async def __aenter__(self) -> Schedules:
        await self._tasks.__aenter__()
        if self._beats:
            self._tasks.start_soon(self._heart.run)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool | None:
        self._tasks.cancel_scope.cancel("the server stops")
        return await self._tasks.__aexit__(kind, error, trace)

    # ------------------------------------------------------------ changing
    async def create(self, request: ScheduleRequest) -> Schedule:
        """Make a schedule; it is durable when this returns.

        Everything that each of its jobs needs is checked now. Raises `InvalidArgument` (cron, zone, name, timeout), `TaskNotFound` and
        what else resolving a task raises, `InputInvalid`, `InputTooLarge`, `DeliveryInvalid`, `ScheduleExists` and `TooManySchedules`.
        """
        fields = {name: getattr(request, name) for name in CHANGEABLE}
        columns = columns_of(fields, self._settings)
        now = await self._store.now()
        record = ScheduleRecord(id=str(uuid7()), principal=request.principal.id, created_at=now, updated_at=now, **columns)
        record.next_run = first_run(record, now)
        stored = await self._checked(record)
        there = await self._store.add(stored, self._settings.limit)
        if isinstance(there, int):
            limit = self._settings.limit
            raise TooManySchedules(f"There are {there} schedules; schedules.limit allows {limit}.", details={"limit": limit})
        if there is not None:
            raise _taken(there)
        self._heart.wake()
        return to_schedule(record)

    async def update(self, key: str, changes: Mapping[str, Any]) -> Schedule:
        """Change what is given of a schedule, which is named by its id or name: fields of `ScheduleRequest`, except who asked.

        None takes away a name, retry, timeout or delivery, and goes back to what the settings say of timezone and missed. Times that
        pass while a schedule is paused are not made up for. Raises what `create` raises, `ScheduleNotFound` and `ScheduleChanged`.
        """
        old = await self._found(key)
        now = max(await self._store.now(), old.updated_at + timedelta(microseconds=1))
        new = replace(old, **columns_of(changes, self._settings))
        differing = [name for name in COLUMNS if getattr(new, name) != getattr(old, name)]
        if not differing:
            return to_schedule(old)
        stored = new
        if any(name in WHEN for name in differing):
            new.next_run = first_run(new, now)
        if any(name in WHAT for name in differing) or (new.active and not old.active):
            stored = await self._checked(new)
            new.last_error = stored.last_error = None
            new.failures = stored.failures = 0
        new.updated_at = now
        values = {name: getattr(stored, name) for name in {*differing, "next_run", "last_error", "failures"}}
        changed = await self._store.change(old, {**values, "updated_at": now})
        if isinstance(changed, ScheduleRecord):
            raise _taken(changed)
        if not changed:
            raise ScheduleChanged(f"The schedule {key[:100]} was changed by somebody else at the same time, or deleted.")
        self._heart.wake()
        return to_schedule(new)

    async def pause(self, key: str) -> Schedule:
        """Let a schedule rest. Raises `ScheduleNotFound`."""
        return await self.update(key, {"active": False})

    async def resume(self, key: str) -> Schedule:
        """Let a schedule come true again, from now on. Raises `ScheduleNotFound`, and what `create` raises when its task cannot run now."""
        return await self.update(key, {"active": True})

    async def remove(self, key: str) -> Schedule:
        """Delete a schedule, and return what it was; its jobs, and what they came to, stay. Raises `ScheduleNotFound`."""
        record = await self._found(key)
        if not await self._store.remove(record.id):
            raise ScheduleNotFound(f"There is no schedule {key[:100]!r} any more.")
        return to_schedule(record)

    # ------------------------------------------------------------ looking
    async def get(self, key: str) -> Schedule:
        """Return the schedule with this id or name. Raises `ScheduleNotFound`."""
        return to_schedule(await self._found(key))

    async def find(
        self, *, task: str | None = None, active: bool | None = None, limit: int = 50, cursor: str | None = None
    ) -> SchedulePage:
        """Return a page of schedules, newest first. Raises `InvalidCursor`, `InvalidArgument`."""
        size = page_size(limit)
        wanted = ScheduleFilter(task=task, active=active, after=None if cursor is None else read_cursor(cursor))
        records = await self._store.find(wanted, size + 1)
        page = records[:size]
        more = cursor_after(page[-1].created_at, page[-1].id) if len(records) > size else None
        return SchedulePage([to_schedule(record) for record in page], more)

    def status(self) -> dict[str, Any]:
        """Return whether schedules come true here, and what is wrong with that."""
        view: dict[str, Any] = {"here": self._beats}
        return {**view, "trouble": self._heart.trouble} if self._heart.trouble else view

    # ------------------------------------------------------------ within
    async def _checked(self, record: ScheduleRecord) -> ScheduleRecord:
        """Prepare a job as each time does, and throw it away; returns the row with the input as the job has it."""
        job = await self._jobs.prepare(request_of(record))
        return replace(record, input=job.input)

    async def _found(self, key: str) -> ScheduleRecord:
        record = await self._store.get(key)
        if record is not None:
            return record
        near = difflib.get_close_matches(key[:100], await self._store.names(NAMES_COMPARED), 3, 0.5)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise ScheduleNotFound(f"There is no schedule {key[:100]!r}.{hint}", details={"suggestions": near})


def _taken(other: ScheduleRecord) -> ScheduleExists:
    return ScheduleExists(f"There is a schedule named {other.name!r} already.", details={"schedule_id": other.id})
