"""Cron expressions: five fields, or a name such as @daily, read in a time zone.

CronSim reads the fields and finds the times. What a change of the clocks means follows from the hours. An expression that names hours
goes by the wall clock: a time that is skipped is due once, at the moment of the jump, and one that comes twice is due the first time.
An expression that means every hour goes by the time that passes, so that it never pauses and never comes too early.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from ratchet_mcp.errors import InvalidArgument

NAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
FIELDS = {
    "minute": "0-59",
    "hour": "0-23",
    "day-of-month": "1-31, L, LW",
    "month": "1-12, JAN-DEC",
    "day-of-week": "0-7, SUN-SAT, 5L, MON#1",
}
MOST_CHARACTERS = 200
FIRST_WINDOW = timedelta(hours=1)
_SOME_DAY = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Cron:
    """An expression that has been read. `text` is what was given, without needless spaces."""

    text: str
    _fields: str

    @classmethod
    @lru_cache(maxsize=4096)
    def parse(cls, given: str) -> Cron:
        """Read an expression. Raises `InvalidArgument` that names the field which is wrong, or says that it never comes true."""
        text = " ".join(given.split())
        if len(text) > MOST_CHARACTERS:
            raise _refused(text, f"is longer than {MOST_CHARACTERS} characters")
        fields = NAMES.get(text.lower(), text)
        _check_shape(text, fields)
        sim = _read(text, fields)
        cron = cls(text, _with_hours_marked(fields, every_hour=len(sim.hours) == 24))
        if next(cron.times(_SOME_DAY, ZoneInfo("UTC")), None) is None:
            raise _refused(text, "never comes true: no day of the next 50 years fits its days and months")
        return cron

    @property
    def meaning(self) -> str:
        """The expression in words, for example `At 02:30 every day`."""
        return CronSim(NAMES.get(self.text.lower(), self.text), _SOME_DAY).explain()

    def times(self, after: datetime, zone: ZoneInfo) -> Iterator[datetime]:
        """Return the times after a moment, in order and in UTC; it ends when none comes within 50 years."""
        last = after
        for found in CronSim(self._fields, after.astimezone(zone)):
            moment = found.astimezone(UTC)
            if moment > last:  # times that a jump of the clock skips all fall on the moment of the jump
                last = moment
                yield moment

    def next(self, after: datetime, zone: ZoneInfo) -> datetime | None:
        """Return the first time after a moment, in UTC; None when there is none within 50 years."""
        return next(self.times(after, zone), None)

    def upcoming(self, after: datetime, zone: ZoneInfo, count: int) -> list[datetime]:
        """Return the next times after a moment, in the time zone."""
        return [moment.astimezone(zone) for moment in itertools.islice(self.times(after, zone), count)]

    def latest(self, first: datetime, until: datetime, zone: ZoneInfo, count: int) -> list[datetime]:
        """Return the last `count` times from `first` (which is one of them) to `until`, in order and in UTC.

        However many there are, only about as many as are returned are looked at.
        """
        window, start = FIRST_WINDOW, first
        while True:
            start = max(first, until - window)
            inside = itertools.takewhile(lambda moment: moment <= until, self.times(start, zone))
            kept = deque(inside, maxlen=count)
            if start == first:
                return [first, *kept][-count:]
            if len(kept) == count:
                return list(kept)
            window *= 4


def _check_shape(text: str, fields: str) -> None:
    if not fields:
        raise _refused(text, "is empty")
    if fields.startswith("@"):
        raise _refused(text, f"is not one of {', '.join(NAMES)}")
    if "=" in fields.split(maxsplit=1)[0]:
        raise _refused(text, "starts with a time zone; give that as timezone")
    count = len(fields.split())
    if count == 6:
        raise _refused(text, "has six fields; it takes five, without seconds: a minute is the shortest interval")
    if count != 5:
        raise _refused(text, f"has {count} fields instead of five: {' '.join(FIELDS)}")


def _read(text: str, fields: str) -> CronSim:
    try:
        return CronSim(fields, _SOME_DAY)
    except (CronSimError, AssertionError, TypeError, ValueError) as error:
        raise _explained(text, fields, str(error)) from error


def _explained(text: str, fields: str, problem: str) -> InvalidArgument:
    """Name the field that cannot be read: the first one with which everything else at its widest is refused."""
    for place, (field, written) in enumerate(zip(FIELDS, fields.split(), strict=True)):
        alone = ["*"] * 5
        alone[place] = written
        try:
            CronSim(" ".join(alone), _SOME_DAY)
        except (CronSimError, AssertionError, TypeError, ValueError):
            advice = "; write * for any" if "?" in written else ""
            return _refused(text, f"has a bad {field}: {written!r} (it takes {FIELDS[field]}, *, lists, ranges and steps{advice})")
    if "day-of-month" in problem:
        return _refused(text, "never comes true: no month that it names has such a day")
    return _refused(text, f"cannot be read: {problem}")


def _with_hours_marked(fields: str, *, every_hour: bool) -> str:
    """Write hours in the way that tells CronSim whether the wall clock counts: only a leading * means that it does not."""
    minute, hour, *days = fields.split()
    if every_hour:
        return " ".join((minute, "*", *days))
    return " ".join((minute.replace("*", "0-59"), hour.replace("*", "0-23"), *days))


def _refused(text: str, problem: str) -> InvalidArgument:
    message = f"The cron expression {text[:MOST_CHARACTERS]!r} {problem}."
    return InvalidArgument(
        message,
        hint="Write minute, hour, day of month, month and day of week: '30 6 * * MON-FRI' is 6:30 on working days.",
        details={"violations": [{"path": "$.cron", "message": message}]},
    )
