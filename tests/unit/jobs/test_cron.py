"""When a cron expression comes true: in leap years, in time zones that change their clocks, and never."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from ratchet_mcp.errors import InvalidArgument
from ratchet_mcp.jobs.schedules.cron import Cron
from ratchet_mcp.jobs.schedules.zones import zone_of

BERLIN, NEW_YORK, LORD_HOWE = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York"), ZoneInfo("Australia/Lord_Howe")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def upcoming(expression: str, zone: ZoneInfo, after: str, count: int) -> list[str]:
    return [moment.isoformat(timespec="minutes") for moment in Cron.parse(expression).upcoming(at(after), zone, count)]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("*/15 * * * *", ["2026-01-01T00:15+00:00", "2026-01-01T00:30+00:00"]),
        ("30 6 * * MON-FRI", ["2026-01-01T06:30+00:00", "2026-01-02T06:30+00:00"]),
        ("0 9 1 jan,jul *", ["2026-01-01T09:00+00:00", "2026-07-01T09:00+00:00"]),
        ("0 0 * * 7", ["2026-01-04T00:00+00:00", "2026-01-11T00:00+00:00"]),
        ("0 12 1 * MON", ["2026-01-01T12:00+00:00", "2026-01-05T12:00+00:00"]),
        ("0 0 L * *", ["2026-01-31T00:00+00:00", "2026-02-28T00:00+00:00"]),
        ("0 0 * * MON#1", ["2026-01-05T00:00+00:00", "2026-02-02T00:00+00:00"]),
        ("@hourly", ["2026-01-01T01:00+00:00", "2026-01-01T02:00+00:00"]),
        ("@DAILY", ["2026-01-02T00:00+00:00", "2026-01-03T00:00+00:00"]),
        ("@weekly", ["2026-01-04T00:00+00:00", "2026-01-11T00:00+00:00"]),
        ("@yearly", ["2027-01-01T00:00+00:00", "2028-01-01T00:00+00:00"]),
        ("0  0  29   2 *", ["2028-02-29T00:00+00:00", "2032-02-29T00:00+00:00"]),
    ],
)
def test_an_expression_comes_true_at_its_times(expression: str, expected: list[str]):
    assert upcoming(expression, ZoneInfo("UTC"), "2026-01-01T00:00:00+00:00", 2) == expected


def test_a_leap_day_is_left_out_in_the_year_2100():
    assert upcoming("0 0 29 2 *", BERLIN, "2095-01-01T00:00:00+00:00", 2) == ["2096-02-29T00:00+01:00", "2104-02-29T00:00+01:00"]


def test_a_moment_that_is_one_of_the_times_is_not_its_own_next():
    cron = Cron.parse("0 * * * *")
    assert cron.next(at("2026-01-01T10:00:00+00:00"), BERLIN) == at("2026-01-01T11:00:00+00:00")
    assert cron.next(at("2026-01-01T10:00:00.5+00:00"), BERLIN) == at("2026-01-01T11:00:00+00:00")
    assert cron.next(at("2026-01-01T10:59:59.9+00:00"), BERLIN) == at("2026-01-01T11:00:00+00:00")


class TestClocksGoForward:
    """Berlin 2026-03-29 02:00 → 03:00, New York 2026-03-08 02:00 → 03:00, Lord Howe 2026-10-04 02:00 → 02:30."""

    @pytest.mark.parametrize(
        ("zone", "expression", "after", "expected"),
        [
            (BERLIN, "30 2 * * *", "2026-03-28T12:00+01:00", ["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"]),
            (NEW_YORK, "30 2 * * *", "2026-03-07T12:00-05:00", ["2026-03-08T03:00-04:00", "2026-03-09T02:30-04:00"]),
            (LORD_HOWE, "15 2 * * *", "2026-10-03T12:00+10:30", ["2026-10-04T02:30+11:00", "2026-10-05T02:15+11:00"]),
        ],
    )
    def test_a_time_that_is_skipped_is_due_once_at_the_moment_of_the_jump(self, zone, expression, after, expected):
        assert upcoming(expression, zone, after, 2) == expected

    @pytest.mark.parametrize("expression", ["0,20,40 2 * * *", "*/20 2 * * *", "0,30 2,3 * * *"])
    def test_several_skipped_times_are_due_once_together(self, expression: str):
        times = upcoming(expression, BERLIN, "2026-03-29T00:00+01:00", 2)
        assert times[0] == "2026-03-29T03:00+02:00"
        assert times[1] in ("2026-03-30T02:00+02:00", "2026-03-29T03:30+02:00")

    def test_every_hour_goes_on_without_a_pause(self):
        expected = ["2026-03-29T01:30+01:00", "2026-03-29T03:30+02:00", "2026-03-29T04:30+02:00"]
        assert upcoming("30 * * * *", BERLIN, "2026-03-29T01:00+01:00", 3) == expected
        assert upcoming("30 0-23 * * *", BERLIN, "2026-03-29T01:00+01:00", 3) == expected

    def test_every_other_hour_is_due_for_the_hour_that_is_skipped(self):
        expected = ["2026-03-29T03:00+02:00", "2026-03-29T04:00+02:00"]
        assert upcoming("0 */2 * * *", BERLIN, "2026-03-29T00:30+01:00", 2) == expected

    def test_a_midnight_that_does_not_exist_is_due_at_one(self):
        expected = ["2026-04-24T01:00+03:00", "2026-04-25T00:00+03:00"]
        assert upcoming("@daily", ZoneInfo("Africa/Cairo"), "2026-04-23T12:00+02:00", 2) == expected
        assert upcoming("0 * 24 4 *", ZoneInfo("Africa/Cairo"), "2026-04-23T12:00+02:00", 2) == [expected[0], "2026-04-24T02:00+03:00"]


class TestClocksGoBack:
    """Berlin 2026-10-25 03:00 → 02:00, New York 2026-11-01 02:00 → 01:00, Lord Howe 2026-04-05 02:00 → 01:30."""

    @pytest.mark.parametrize(
        ("zone", "expression", "after", "expected"),
        [
            (BERLIN, "30 2 * * *", "2026-10-24T12:00+02:00", ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"]),
            (NEW_YORK, "30 1 * * *", "2026-10-31T12:00-04:00", ["2026-11-01T01:30-04:00", "2026-11-02T01:30-05:00"]),
            (LORD_HOWE, "45 1 * * *", "2026-04-04T12:00+11:00", ["2026-04-05T01:45+11:00", "2026-04-06T01:45+10:30"]),
        ],
    )
    def test_a_time_that_comes_twice_is_due_the_first_time(self, zone, expression, after, expected):
        assert upcoming(expression, zone, after, 2) == expected

    def test_it_is_not_due_again_when_asked_within_the_second_hour(self):
        assert upcoming("30 2 * * *", BERLIN, "2026-10-25T02:10+01:00", 1) == ["2026-10-26T02:30+01:00"]

    def test_every_hour_means_each_hour_that_passes(self):
        expected = ["2026-10-25T02:00+02:00", "2026-10-25T02:00+01:00", "2026-10-25T03:00+01:00"]
        assert upcoming("0 * * * *", BERLIN, "2026-10-25T01:30+02:00", 3) == expected

    def test_times_within_named_hours_come_once_even_with_stars(self):
        times = upcoming("*/30 2 * * *", BERLIN, "2026-10-25T00:00+02:00", 3)
        assert times == ["2026-10-25T02:00+02:00", "2026-10-25T02:30+02:00", "2026-10-26T02:00+01:00"]


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK, LORD_HOWE, ZoneInfo("Africa/Cairo"), ZoneInfo("America/St_Johns"), ZoneInfo("UTC")])
@pytest.mark.parametrize("expression", ["47 * * * *", "13,43 1-3 * * *", "0 0,2 * * *", "*/10 */3 * * SUN"])
def test_a_year_of_times_is_in_order_without_repetition_and_the_same_from_any_start(zone: ZoneInfo, expression: str):
    cron = Cron.parse(expression)
    year = []
    for moment in cron.times(at("2026-01-01T00:00:00+00:00"), zone):
        if moment.year > 2026:
            break
        year.append(moment)
    assert year == sorted(set(year))
    step = max(1, len(year) // 100)
    for before, moment in list(pairwise(year))[::step]:
        assert cron.next(before, zone) == moment
        assert cron.next(before + (moment - before) / 2, zone) == moment


class TestLatest:
    def test_the_last_times_before_now_are_found_in_order(self):
        cron = Cron.parse("0 6 * * *")
        found = cron.latest(at("2026-03-01T05:00+00:00"), at("2026-04-01T12:00+00:00"), BERLIN, 3)
        assert [each.isoformat() for each in found] == [
            "2026-03-30T04:00:00+00:00",
            "2026-03-31T04:00:00+00:00",
            "2026-04-01T04:00:00+00:00",
        ]

    def test_the_first_is_one_of_them(self):
        cron, first = Cron.parse("*/5 * * * *"), at("2026-03-01T05:00+00:00")
        assert cron.latest(first, first, BERLIN, 10) == [first]
        assert cron.latest(first, at("2026-03-01T05:11+00:00"), BERLIN, 10) == [
            first,
            at("2026-03-01T05:05+00:00"),
            at("2026-03-01T05:10+00:00"),
        ]
        assert cron.latest(first, at("2026-03-01T05:11+00:00"), BERLIN, 1) == [at("2026-03-01T05:10+00:00")]

    def test_years_of_minutes_are_not_all_looked_at(self, monkeypatch: pytest.MonkeyPatch):
        cron, looked_at = Cron.parse("* * * * *"), 0
        times = Cron.times

        def counting(self, after, zone):
            nonlocal looked_at
            for moment in times(self, after, zone):
                looked_at += 1
                yield moment

        monkeypatch.setattr(Cron, "times", counting)
        found = cron.latest(at("2016-01-01T00:00+00:00"), at("2026-01-01T00:00+00:00"), BERLIN, 100)
        assert len(found) == 100 and found[-1] == at("2026-01-01T00:00+00:00")
        assert looked_at < 1000


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("61 * * * *", "bad minute: '61' (it takes 0-59"),
        ("* 24 * * *", "bad hour: '24'"),
        ("* * 0 * *", "bad day-of-month: '0'"),
        ("* * * 13 *", "bad month: '13'"),
        ("* * * * 8", "bad day-of-week: '8'"),
        ("* * * * FRI-MON", "bad day-of-week: 'FRI-MON'"),
        ("*/0 * * * *", "bad minute: '*/0'"),
        ("0 0 * * 1L/2", "bad day-of-week"),
        ("0 0 ? * *", "write * for any"),
        ("0 0 0 * * *", "six fields; it takes five, without seconds"),
        ("0 0 *", "has 3 fields instead of five"),
        ("", "is empty"),
        ("   ", "is empty"),
        ("@reboot", "is not one of @yearly"),
        ("CRON_TZ=UTC 0 0 * * *", "give that as timezone"),
        ("0 0 30 2 *", "never comes true: no month that it names has such a day"),
        ("0 0 31 2,4,6,9,11 *", "never comes true"),
        ("0 0 */20 * 1L", "never comes true: no day of the next 50 years"),
        ("0 " * 500, "is longer than 200 characters"),
        ("0 0 1-" + "9" * 100 + " * *", "bad day-of-month"),
        ("0 0 * * \x00", "bad day-of-week"),
    ],
)
def test_what_cannot_be_read_or_never_comes_true_is_refused_with_its_field(expression: str, says: str):
    with pytest.raises(InvalidArgument) as refused:
        Cron.parse(expression)
    assert says in refused.value.message
    assert refused.value.details["violations"][0]["path"] == "$.cron"
    assert refused.value.hint


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("Europe/Berln", "Europe/Berlin"),
        ("berlin", "Europe/Berlin"),
        ("New York", "America/New_York"),
        ("america/new_york", "America/New_York"),
        ("Germany/Berlin", "Europe/Berlin"),
    ],
)
def test_an_unknown_zone_is_refused_with_near_names(name: str, near: str):
    with pytest.raises(InvalidArgument) as refused:
        zone_of(name)
    assert near in refused.value.details["suggestions"]
    assert near in refused.value.message


@pytest.mark.parametrize("name", ["", "+02:00", "Europe", "../../etc/passwd", "/etc/localtime", "x" * 5000, "localtime"])
def test_what_is_no_zone_is_refused(name: str):
    with pytest.raises(InvalidArgument) as refused:
        zone_of(name)
    assert len(refused.value.message) < 200


def test_an_expression_says_what_it_means():
    assert Cron.parse("30 2 * * *").meaning == "At 02:30 every day"
    assert Cron.parse("@hourly").meaning == "At the start of every hour"
