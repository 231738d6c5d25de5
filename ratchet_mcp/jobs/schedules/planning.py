"""Which times of a schedule become jobs now, and which have been missed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from ratchet_mcp.jobs.schedules.cron import Cron
from ratchet_mcp.jobs.schedules.models import Missed


@dataclass(frozen=True, slots=True)
class Plan:
    """The times that become jobs, in order; whether there were more than may be made up for; and when the schedule is due next."""

    times: list[datetime]
    more: bool
    next_run: datetime | None


def plan(cron: Cron, zone: ZoneInfo, due: datetime, now: datetime, missed: Missed, *, late: timedelta, most: int) -> Plan:
    """Decide what a schedule comes to that is due since `due`.

    Times that are at most `late` old are on time, and become jobs. When there are older ones, for which nobody was there, those become
    none (`skip`); or the latest time alone becomes one (`run_once`); or the last `most` do (`run_all`).
    """
    times = cron.latest(due, now, zone, most + 1)
    more, times = len(times) > most, times[-most:]
    on_time = [each for each in times if now - each <= late]
    if missed is Missed.SKIP or len(on_time) == len(times):
        times = on_time
    elif missed is Missed.RUN_ONCE:
        times = times[-1:]
    return Plan(times, more and missed is Missed.RUN_ALL, cron.next(now, zone))
