"""Lets schedules come true: looks when the next one is due, sleeps until then, and writes the jobs of those that are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import anyio
from loguru import logger
from uuid_utils.compat import uuid7

from ratchet_mcp.errors import InternalError, RatchetError, SourceFailed, TimesMissed
from ratchet_mcp.jobs.models import JobRequest
from ratchet_mcp.jobs.rows import storable_error
from ratchet_mcp.jobs.schedules.cron import Cron
from ratchet_mcp.jobs.schedules.models import Missed
from ratchet_mcp.jobs.schedules.planning import Plan, plan
from ratchet_mcp.jobs.schedules.recording import key_of, request_of
from ratchet_mcp.jobs.schedules.zones import zone_of
from ratchet_mcp.settings.schedules import ScheduleSettings
from ratchet_mcp.store.clock import Clock
from ratchet_mcp.store.job_records import JobRecord
from ratchet_mcp.store.schedule_records import Firing, ScheduleRecord
from ratchet_mcp.store.schedules import ScheduleRepository

BATCH = 200
"""How many schedules come true in one transaction."""
MOST_JOBS = 1000
"""How many jobs one transaction writes, unless a single schedule has more."""
PREPARING_SECONDS = 5.0
"""How long finding and checking the tasks of one batch may take; what takes longer is tried again."""


class Submitter(Protocol):
    """What schedules need of the queue."""

    async def prepare(self, request: JobRequest, *, room: int = 0) -> JobRecord:
        """Check a request, and return the job that it would become. Raises what submitting it raises; `Busy` without so much room."""
        ...

    async def announce(self, records: Sequence[JobRecord]) -> None:
        """Say that jobs have been written."""
        ...


class Heart:
    """The loop that lets schedules come true. What fails once is logged, and tried again at the next look."""

    def __init__(self, store: ScheduleRepository, jobs: Submitter, settings: ScheduleSettings, clock: Clock | None = None) -> None:
        self._store, self._jobs, self._settings = store, jobs, settings
        self._clock = clock or Clock()
        self._wake = anyio.Event()
        self.trouble: str | None = None
        """What went wrong with the last look, None when nothing did."""

    def wake(self) -> None:
        """Look again at once: a schedule was made or changed."""
        self._wake.set()

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            self._wake = anyio.Event()
            seconds = self._settings.poll_seconds
            try:
                seconds = await self.beat()
                self.trouble = None
            except RatchetError as error:
                self._note(error.message)
            except Exception as error:
                logger.opt(exception=error).error("Schedules could not be looked at")
                self._note(f"{type(error).__name__}: {error}")
            with anyio.move_on_after(seconds):
                await self._wake.wait()

    async def beat(self) -> float:
        """Let everything come true that is due; returns after how many seconds to look again. Raises `StoreFailed`."""
        now, due = await self._store.look()
        if self._clock.went_back(now):
            await self._bring_forward(now)
            now, due = await self._store.look()
        if due is not None and due <= now:
            await self._fire_all(now)
            now, due = await self._store.look()
        poll = self._settings.poll_seconds
        return poll if due is None or due <= now else min(poll, (due - now).total_seconds())

    def _note(self, trouble: str) -> None:
        if trouble != self.trouble:
            logger.warning("Schedules do not come true for now: {}", trouble)
        self.trouble = trouble

    async def _fire_all(self, now: datetime) -> None:
        last: ScheduleRecord | None = None
        while batch := await self._store.due(now, last, BATCH):
            for firings in _parts(await self._firings(batch, now)):
                written = await self._store.fire(firings)
                if written:
                    await self._jobs.announce(written)
            last = batch[-1]

    async def _firings(self, batch: Sequence[ScheduleRecord], now: datetime) -> list[Firing]:
        found: list[Firing | None] = [None] * len(batch)

        async def one(place: int, record: ScheduleRecord) -> None:
            with anyio.move_on_after(PREPARING_SECONDS) as waiting:
                found[place] = await self._firing(record, now)
            if waiting.cancelled_caught:
                error = SourceFailed(f"Loading the task {record.task} took longer than {PREPARING_SECONDS:g} seconds.")
                found[place] = _failed(record, self._plan(record, now), error, now, self._late)

        async with anyio.create_task_group() as group:
            for place, record in enumerate(batch):
                group.start_soon(one, place, record)
        return [firing for firing in found if firing is not None]

    async def _firing(self, record: ScheduleRecord, now: datetime) -> Firing | None:
        planned: Plan | None = None
        try:
            planned = self._plan(record, now)
            if not planned.times:
                return Firing(record, {"next_run": planned.next_run})
            job = await self._jobs.prepare(request_of(record), room=len(planned.times))
        except RatchetError as error:
            return _failed(record, planned, error, now, self._late)
        except Exception as error:
            logger.opt(exception=error).error("The schedule {} could not come true", record.id)
            return _failed(record, planned, InternalError(f"{type(error).__name__}: {error}"), now, self._late)
        jobs = [replace(job, id=str(uuid7()), unique_key=key_of(record.id, each)) for each in planned.times]
        if record.last_error is not None and record.failures:
            logger.info("The schedule {} comes true again", record.name or record.id)
        dropped = _told(_too_many(planned, self._settings.most_missed), planned.times[0]) if planned.more else None
        values = {"next_run": planned.next_run, "last_run": planned.times[-1], "last_error": dropped, "failures": 0}
        return Firing(record, values, jobs)

    async def _bring_forward(self, now: datetime) -> None:
        """Let no schedule wait for a time that the clock only showed by mistake.

        The next time is computed anew from now on. What came true already does not do so again: its job has the same unique key.
        """
        last: ScheduleRecord | None = None
        while page := await self._store.ahead(now, last, BATCH):
            firings: list[Firing] = []
            for record in page:
                try:
                    expected = Cron.parse(record.cron).next(now, zone_of(record.timezone))
                except RatchetError:
                    continue  # told when it is due
                if expected is not None and record.next_run is not None and expected < record.next_run:
                    firings.append(Firing(record, {"next_run": expected}))
            if firings:
                logger.info("The clock went back: {} schedules are due earlier again", len(firings))
                await self._store.fire(firings)
            last = page[-1]

    @property
    def _late(self) -> timedelta:
        return timedelta(seconds=self._settings.late_seconds)

    def _plan(self, record: ScheduleRecord, now: datetime) -> Plan:
        return plan(
            Cron.parse(record.cron),
            zone_of(record.timezone),
            record.next_run or now,
            now,
            Missed(record.missed),
            late=self._late,
            most=self._settings.most_missed,
        )


def _parts(firings: Sequence[Firing]) -> Iterator[list[Firing]]:
    """Split what comes true into transactions of a bearable size."""
    part: list[Firing] = []
    jobs = 0
    for firing in firings:
        if part and jobs + len(firing.jobs) > MOST_JOBS:
            yield part
            part, jobs = [], 0
        part.append(firing)
        jobs += len(firing.jobs)
    if part:
        yield part


def _failed(record: ScheduleRecord, planned: Plan | None, error: RatchetError, now: datetime, late: timedelta) -> Firing | None:
    """Note why a schedule did not come true. What may pass soon is tried again as long as its time is not missed."""
    at = planned.times[-1] if planned is not None and planned.times else record.next_run or now
    told = _told(error, at)
    again = planned is None or (error.retryable and now - at <= late)
    if again and record.last_error == told:
        return None
    if record.last_error is None or record.last_error.get("message") != error.message:
        logger.warning("The schedule {} did not come true: {}", record.name or record.id, error.message)
    values: dict[str, Any] = {"last_error": told}
    if not again and planned is not None:
        values |= {"next_run": planned.next_run, "failures": record.failures + 1}
    return Firing(record, values)


def _told(error: RatchetError, at: datetime) -> dict[str, Any]:
    return {**storable_error(error.to_dict()), "at": at.astimezone(UTC).isoformat()}


def _too_many(planned: Plan, most: int) -> TimesMissed:
    first = planned.times[0].isoformat()
    return TimesMissed(f"More than {most} times were missed; those before {first} became no jobs.", details={"most_missed": most})
