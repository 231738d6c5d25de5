"""Schedules come true: once, at their times, on however many machines, whatever the clock does."""

from __future__ import annotations

from datetime import UTC, datetime

import anyio
import pytest
from schedule_machines import STRICT, Machine, Tasks, Time

from ratchet_mcp.errors import Busy, StoreFailed
from ratchet_mcp.jobs.models import Priority
from ratchet_mcp.jobs.retry import RetryPolicy
from ratchet_mcp.settings import StoreSettings
from ratchet_mcp.store.store import Store


async def test_a_schedule_that_is_due_becomes_one_job(machine: Machine, time: Time):
    id = await machine.make(input={"a": 1}, priority=Priority.HIGH, retry=RetryPolicy(attempts=3), timeout_seconds=7)
    assert await machine.beat() == machine.settings.poll_seconds
    assert await machine.jobs() == []

    time.set("2026-06-01T13:00:00.2+00:00")
    await machine.beat()
    await machine.beat()
    (job,) = await machine.jobs()
    job = await machine.store.jobs.get(job.id)
    assert (job.task, job.version, job.input, job.status) == ("report", "1.0.0", {"a": 1}, "queued")
    assert (job.origin, job.schedule_id, job.priority, job.max_attempts, job.timeout_seconds) == ("schedule", id, 1, 3, 7)
    assert job.unique_key == f"schedule:{id}:2026-06-01T13:00:00Z"
    assert [each.id for each in machine.queue.announced] == [job.id]

    shown = await machine.schedules.get(id)
    assert (shown.last_job_id, shown.last_error, shown.failures) == (job.id, None, 0)
    assert shown.last_run.isoformat() == "2026-06-01T13:00:00+00:00"
    assert shown.upcoming[0].isoformat() == "2026-06-01T14:00:00+00:00"
    assert len(shown.upcoming) == 5


async def test_it_sleeps_until_the_next_time_but_never_longer_than_the_poll(machine: Machine, time: Time):
    assert await machine.beat() == 1.0
    await machine.make()
    time.set("2026-06-01T12:59:59.75+00:00")
    assert await machine.beat() == 0.25


async def test_a_bare_name_runs_the_newest_version_and_a_version_stays(machine: Machine, tasks: Tasks, time: Time):
    await machine.make(task="report")
    await machine.make(task="report@1.0.0")
    await tasks.write("report", version="1.1.0")
    time.pass_by(hours=1)
    await machine.beat()
    assert [f"{job.task}@{job.version}" for job in await machine.jobs()] == ["report@1.1.0"]
    told = [each for each in (await machine.schedules.find()).schedules if each.last_error]
    assert [each.task for each in told] == ["report@1.0.0"]  # that version is gone: its folder holds another one


async def test_hundreds_that_are_due_at_once_all_come_true(machine: Machine, time: Time):
    for number in range(450):
        await machine.make(name=f"number {number}")
    time.pass_by(hours=1)
    await machine.beat()
    jobs = await machine.jobs()
    assert len(jobs) == len({job.schedule_id for job in jobs}) == 450
    assert len(machine.queue.announced) == 450


async def test_machines_that_fire_at_the_same_time_make_one_job_of_each_time(machine: Machine, tasks: Tasks, time: Time, url: str):
    async with Store.open(StoreSettings(url=url)) as second, Store.open(StoreSettings(url=url)) as third:
        machines = [machine, Machine(second, tasks, time), Machine(third, tasks, time)]
        for number in range(60):
            await machine.make("*/20 * * * *" if number % 2 else "0 * * * *")
        for _ in range(3):
            time.pass_by(minutes=20)
            async with anyio.create_task_group() as group:
                for each in machines:
                    group.start_soon(each.beat)
        await machine.beat()  # what another machine had locked is looked at again
        jobs = await machine.jobs()
        assert len(jobs) == 30 * 3 + 30
        assert len({job.unique_key for job in jobs}) == len(jobs)
        assert sum(len(each.queue.announced) for each in machines) == len(jobs)


class TestMissedTimes:
    """The schedule was due at 13:00; somebody looks again at 16:30, or at 16:00:40."""

    @pytest.mark.parametrize(
        ("missed", "back", "expected"),
        [
            ("skip", "16:30:00", []),
            ("skip", "16:00:40", ["16"]),
            ("run_once", "16:30:00", ["16"]),
            ("run_once", "16:00:40", ["16"]),
            ("run_all", "16:30:00", ["13", "14", "15", "16"]),
            ("run_all", "16:00:40", ["13", "14", "15", "16"]),
        ],
    )
    async def test_the_policy_says_what_becomes_of_them(self, machine: Machine, time: Time, missed: str, back: str, expected: list[str]):
        id = await machine.make(missed=missed)
        time.set(f"2026-06-01T{back}+00:00")
        await machine.beat()
        assert await machine.times() == [f"2026-06-01T{hour}:00:00Z" for hour in expected]
        shown = await machine.schedules.get(id)
        assert shown.upcoming[0].isoformat() == "2026-06-01T17:00:00+00:00"
        assert shown.last_error is None

    async def test_run_all_makes_up_for_the_latest_and_says_that_there_were_more(self, store: Store, tasks: Tasks, time: Time):
        machine = Machine(store, tasks, time, most_missed=3)
        id = await machine.make(missed="run_all")
        time.set("2026-06-03T00:10:00+00:00")
        await machine.beat()
        assert await machine.times() == ["2026-06-02T22:00:00Z", "2026-06-02T23:00:00Z", "2026-06-03T00:00:00Z"]
        error = (await machine.schedules.get(id)).last_error
        assert error["code"] == "times_missed" and "More than 3 times" in error["message"]
        time.pass_by(hours=1)
        await machine.beat()
        assert (await machine.schedules.get(id)).last_error is None

    async def test_a_year_of_minutes_is_one_job_or_a_bounded_number(self, machine: Machine, time: Time):
        await machine.make("* * * * *", missed="run_once")
        await machine.make("* * * * *", missed="run_all")
        time.set("2027-06-01T12:00:00+00:00")
        await machine.beat()
        assert len(await machine.jobs()) == 1 + machine.settings.most_missed


class TestClockChanges:
    async def test_a_clock_that_is_set_back_fires_nothing_twice(self, machine: Machine, time: Time):
        await machine.make()
        for _ in range(3):
            time.pass_by(hours=1)
            await machine.beat()
        time.set("2026-06-01T12:30:00+00:00")
        await machine.beat()
        for _ in range(4):
            time.pass_by(hours=1)
            await machine.beat()
        assert await machine.times() == [f"2026-06-01T{hour}:00:00Z" for hour in (13, 14, 15, 16)]

    async def test_what_a_clock_showed_by_mistake_makes_nobody_wait(self, machine: Machine, time: Time):
        id = await machine.make()
        time.set("2027-01-01T00:30:00+00:00")
        await machine.beat()
        time.set("2026-06-01T12:31:00+00:00")
        await machine.beat()
        assert (await machine.schedules.get(id)).upcoming[0].isoformat() == "2026-06-01T13:00:00+00:00"
        time.pass_by(minutes=30)
        await machine.beat()
        assert await machine.times() == ["2026-06-01T13:00:00Z", "2027-01-01T00:00:00Z"]

    async def test_a_server_that_starts_after_such_a_mistake_finds_it(self, machine: Machine, tasks: Tasks, time: Time):
        await machine.make()
        time.set("2027-01-01T00:30:00+00:00")
        await machine.beat()
        time.set("2026-06-01T12:31:00+00:00")
        restarted = Machine(machine.store, tasks, time)
        await restarted.beat()
        time.pass_by(minutes=30)
        await restarted.beat()
        assert await machine.times() == ["2026-06-01T13:00:00Z", "2027-01-01T00:00:00Z"]

    async def test_a_clock_that_is_set_forward_counts_as_missed_time(self, machine: Machine, time: Time):
        await machine.make(missed="skip")
        time.set("2026-06-08T12:30:00+00:00")
        await machine.beat()
        assert await machine.times() == []
        time.pass_by(minutes=30)
        await machine.beat()
        assert await machine.times() == ["2026-06-08T13:00:00Z"]

    @pytest.mark.parametrize(
        ("zone", "start", "expected"),
        [
            ("Europe/Berlin", "2026-03-28T12:00+00:00", ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]),
            ("Europe/Berlin", "2026-10-24T12:00+00:00", ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]),
            ("America/New_York", "2026-03-07T12:00+00:00", ["2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"]),
            ("Australia/Lord_Howe", "2026-04-04T00:00+00:00", ["2026-04-04T16:00:00Z", "2026-04-05T16:00:00Z"]),
        ],
    )
    async def test_two_days_around_a_change_of_the_clocks_are_two_jobs(
        self, machine: Machine, time: Time, zone: str, start: str, expected: list[str]
    ):
        time.set(start)
        await machine.make("30 2 * * *", timezone=zone)
        for _ in range(4 * 44):
            time.pass_by(minutes=15)
            await machine.beat()
        assert await machine.times() == expected


class TestTrouble:
    async def test_a_task_that_was_removed_is_told_and_comes_true_again_when_it_is_back(self, machine: Machine, tasks: Tasks, time: Time):
        id = await machine.make()
        await tasks.remove("report")
        for failures in (1, 2):
            time.pass_by(hours=1)
            await machine.beat()
            shown = await machine.schedules.get(id)
            assert shown.failures == failures
        assert shown.last_error["code"] == "task_not_found"
        assert shown.last_error["at"] == "2026-06-01T14:00:00+00:00"
        assert shown.upcoming[0].isoformat() == "2026-06-01T15:00:00+00:00"
        assert shown.to_dict()["failures"] == 2

        await tasks.write("report")
        time.pass_by(hours=1)
        await machine.beat()
        shown = await machine.schedules.get(id)
        assert (shown.last_error, shown.failures) == (None, 0)
        assert await machine.times() == ["2026-06-01T15:00:00Z"]

    async def test_an_input_that_does_not_fit_any_more_is_told(self, machine: Machine, tasks: Tasks, time: Time):
        id = await machine.make()
        await tasks.write("report", STRICT, version="2.0.0")
        time.pass_by(hours=1)
        await machine.beat()
        assert (await machine.schedules.get(id)).last_error["code"] == "input_invalid"

        mended = await machine.schedules.update(id, {"input": {"to": "us"}})
        assert (mended.last_error, mended.failures) == (None, 0)
        time.pass_by(hours=1)
        await machine.beat()
        assert await machine.times() == ["2026-06-01T14:00:00Z"]

    async def test_one_that_cannot_come_true_keeps_no_other_away(self, machine: Machine, tasks: Tasks, time: Time):
        await tasks.write("broken")
        for number in range(3):
            await machine.make(task="broken", name=f"broken {number}")
        await machine.make(name="fine")
        await tasks.remove("broken")
        time.pass_by(hours=1)
        await machine.beat()
        assert [job.task for job in await machine.jobs()] == ["report"]

    async def test_a_full_queue_is_tried_again_until_the_time_is_missed(self, machine: Machine, time: Time):
        id = await machine.make(missed="skip")
        machine.queue.failure = Busy("The queue is full.")
        time.set("2026-06-01T13:00:01+00:00")
        assert await machine.beat() == machine.settings.poll_seconds
        shown = await machine.schedules.get(id)
        assert (shown.last_error["code"], shown.failures) == (Busy.code, 0)
        machine.queue.failure = None
        time.pass_by(seconds=20)
        await machine.beat()
        assert await machine.times() == ["2026-06-01T13:00:00Z"]
        assert (await machine.schedules.get(id)).last_error is None

        machine.queue.failure = Busy("The queue is full.")
        time.set("2026-06-01T14:00:50+00:00")
        await machine.beat()
        time.pass_by(seconds=20)
        await machine.beat()
        assert (await machine.schedules.get(id)).upcoming[0].isoformat() == "2026-06-01T15:00:00+00:00"

    async def test_a_zone_that_this_machine_does_not_know_is_told_and_left_to_others(self, machine: Machine, time: Time):
        id = await machine.make(name="elsewhere")
        await machine.make(name="here")
        record = await machine.store.schedules.get(id)
        await machine.store.schedules.change(record, {"timezone": "Mars/Base"})
        time.pass_by(hours=1)
        for _ in range(2):
            assert await machine.beat() == machine.settings.poll_seconds
        assert len(await machine.jobs()) == 1
        shown = await machine.schedules.get(id)
        assert (shown.last_error["code"], shown.upcoming, shown.failures) == ("invalid_argument", [], 0)

        await machine.store.schedules.change(await machine.store.schedules.get(id), {"timezone": "UTC"})
        await machine.beat()
        assert len(await machine.jobs()) == 2

    async def test_a_defect_is_told_and_keeps_no_other_away(self, machine: Machine, time: Time):
        id = await machine.make()
        machine.queue.failure = ZeroDivisionError("oops")
        time.pass_by(hours=1)
        await machine.beat()
        shown = await machine.schedules.get(id)
        assert shown.last_error["code"] == "internal_error" and "oops" in shown.last_error["message"]
        assert shown.upcoming[0].isoformat() == "2026-06-01T14:00:00+00:00"


async def test_a_schedule_that_was_changed_meanwhile_does_not_come_true_as_it_was(machine: Machine, time: Time):
    id = await machine.make()
    time.pass_by(hours=1)
    (read,) = await machine.store.schedules.due(time.now, None, 10)
    await machine.schedules.pause(id)
    firing = await machine.heart._firing(read, time.now)
    assert await machine.store.schedules.fire([firing]) == []
    assert await machine.jobs() == []


async def test_a_job_that_is_there_already_is_not_made_twice_and_is_the_last_one(machine: Machine, time: Time):
    id = await machine.make()
    time.pass_by(hours=1)
    (read,) = await machine.store.schedules.due(time.now, None, 10)
    await machine.beat()
    (job,) = await machine.jobs()
    values = {"next_run": datetime(2026, 6, 1, 13, tzinfo=UTC)}
    await machine.store.schedules.change(await machine.store.schedules.get(id), values)
    await machine.store.schedules.fire([await machine.heart._firing(read, time.now)])
    assert [each.id for each in await machine.jobs()] == [job.id]
    assert (await machine.schedules.get(id)).last_job_id == job.id


async def test_what_fails_in_the_middle_leaves_nothing_half_done(machine: Machine, time: Time):
    ids = [await machine.make() for _ in range(3)]
    time.pass_by(hours=1)
    firings = [await machine.heart._firing(read, time.now) for read in await machine.store.schedules.due(time.now, None, 10)]
    firings[1].jobs[0].task = None  # the database refuses this row
    with pytest.raises(StoreFailed):
        await machine.store.schedules.fire(firings)
    assert await machine.jobs() == []
    assert [(await machine.schedules.get(id)).last_run for id in ids] == [None] * 3
    await machine.beat()
    assert len(await machine.jobs()) == 3
