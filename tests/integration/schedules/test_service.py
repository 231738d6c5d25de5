"""Schedules are made, changed, found and removed; and looked after by a loop that sleeps, wakes and survives."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest
from schedule_machines import STRICT, Machine, Tasks, Time

from ratchet_mcp.errors import (
    Busy,
    InputInvalid,
    InvalidArgument,
    InvalidCursor,
    RatchetError,
    ScheduleChanged,
    ScheduleExists,
    ScheduleNotFound,
    StoreFailed,
    TaskNotFound,
    TooManySchedules,
)
from ratchet_mcp.jobs.models import Priority
from ratchet_mcp.jobs.retry import RetryPolicy
from ratchet_mcp.jobs.schedules.firing import Heart
from ratchet_mcp.jobs.schedules.models import Missed, ScheduleRequest
from ratchet_mcp.store.clock import Clock
from ratchet_mcp.store.store import Store


class TestMaking:
    async def test_it_is_kept_as_it_was_asked_for(self, machine: Machine, time: Time):
        value = {"text": "a\0b", "deep": [{"n": 1.5}, None, "ß"]}
        made = await machine.schedules.create(
            ScheduleRequest(
                " report@1.x ",
                " 0  2 * *   * ",
                timezone="America/New_York",
                input=value,
                missed=Missed.RUN_ALL,
                name="Nightly report 1.0",
                priority=Priority.LOW,
                retry=RetryPolicy(attempts=4),
                timeout_seconds=9,
            )
        )
        shown = await machine.schedules.get(made.id)
        assert shown == await machine.schedules.get("Nightly report 1.0") == await machine.schedules.get(made.id.upper().replace("-", ""))
        assert (shown.task, shown.cron, shown.input, shown.missed, shown.priority) == ("report@1.x", "0 2 * * *", value, "run_all", 3)
        assert (shown.retry, shown.timeout_seconds, shown.principal) == (RetryPolicy(attempts=4), 9, "local")
        assert shown.upcoming[0].isoformat() == "2026-06-02T02:00:00-04:00"
        assert shown.to_dict() == made.to_dict()

    async def test_what_was_not_said_is_taken_from_the_settings(self, store: Store, tasks: Tasks, time: Time):
        machine = Machine(store, tasks, time, timezone="Asia/Tokyo", missed="skip")
        shown = await machine.schedules.get(await machine.make())
        assert (shown.timezone, shown.missed) == ("Asia/Tokyo", "skip")

    @pytest.mark.parametrize(
        ("given", "error"),
        [
            ({"cron": "60 * * * *"}, InvalidArgument),
            ({"timezone": "Mars/Base"}, InvalidArgument),
            ({"timezone": ""}, InvalidArgument),
            ({"task": "nobody"}, TaskNotFound),
            ({"task": ""}, TaskNotFound),
            ({"task": "strict", "input": {}}, InputInvalid),
            ({"input": {"n": 10**30, "x": "\ud800"}}, InputInvalid),
            ({"timeout_seconds": 10**9}, InvalidArgument),
            ({"name": "0198c1d2-0000-7000-8000-000000000000"}, InvalidArgument),
            ({"name": "a" * 101}, InvalidArgument),
            ({"name": "line\nbreak"}, InvalidArgument),
        ],
        ids=lambda given: next(iter(given)) if isinstance(given, dict) else None,
    )
    async def test_what_can_never_run_is_refused(self, machine: Machine, tasks: Tasks, given: dict[str, Any], error: type[RatchetError]):
        await tasks.write("strict", STRICT)
        with pytest.raises(error):
            await machine.make(**given)
        assert (await machine.schedules.find()).schedules == []

    async def test_large_numbers_in_the_input_stay(self, machine: Machine, time: Time):
        await machine.make(input={"n": 2**80})
        time.pass_by(hours=1)
        await machine.beat()
        assert len(await machine.jobs()) == 1

    async def test_one_name_is_one_schedule_also_when_two_ask_at_the_same_time(self, machine: Machine):
        outcomes: list[str] = []

        async def make() -> None:
            try:
                outcomes.append(await machine.make(name="once"))
            except ScheduleExists as error:
                outcomes.append(f"exists: {error.details['schedule_id']}")

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(make)
        made = [each for each in outcomes if not each.startswith("exists")]
        assert len(made) == 1 and outcomes.count(f"exists: {made[0]}") == 4

    async def test_there_is_a_limit(self, store: Store, tasks: Tasks, time: Time):
        machine = Machine(store, tasks, time, limit=2)
        await machine.make()
        await machine.make()
        with pytest.raises(TooManySchedules, match=r"schedules\.limit allows 2"):
            await machine.make()


class TestChanging:
    async def test_a_change_of_the_times_counts_from_now(self, machine: Machine, time: Time):
        id = await machine.make("0 13 * * *", name="x")
        time.pass_by(minutes=10)
        changed = await machine.schedules.update("x", {"cron": "*/5 * * * *", "timezone": "Europe/Berlin", "name": None})
        assert changed.upcoming[0].isoformat() == "2026-06-01T14:15:00+02:00"
        assert (changed.id, changed.name, changed.updated_at) == (id, None, time.now)
        assert (await machine.schedules.get(id)).to_dict() == changed.to_dict()

    async def test_another_change_leaves_the_next_time_alone(self, machine: Machine, time: Time):
        id = await machine.make()
        time.set("2026-06-01T13:00:00.5+00:00")  # it is due, and nobody has looked yet
        await machine.schedules.update(id, {"priority": Priority.URGENT, "name": "soon", "cron": "0 * * * *", "active": True})
        await machine.beat()
        assert await machine.times() == ["2026-06-01T13:00:00Z"]
        assert (await machine.jobs())[0].priority == 0

    async def test_what_passes_while_it_rests_is_not_made_up_for(self, machine: Machine, time: Time):
        id = await machine.make(missed="run_all")
        paused = await machine.schedules.pause(id)
        assert (paused.active, paused.upcoming, paused.to_dict()["status"]) == (False, [], "paused")
        time.pass_by(hours=5)
        await machine.beat()
        resumed = await machine.schedules.resume(id)
        await machine.beat()
        assert await machine.jobs() == []
        assert resumed.upcoming[0].isoformat() == "2026-06-01T18:00:00+00:00"

    async def test_one_whose_task_is_gone_can_rest_and_be_renamed_but_not_go_on(self, machine: Machine, tasks: Tasks):
        id = await machine.make()
        await tasks.remove("report")
        await machine.schedules.update(id, {"name": "lonely"})
        await machine.schedules.pause(id)
        with pytest.raises(TaskNotFound):
            await machine.schedules.resume(id)
        assert not (await machine.schedules.get(id)).active

    async def test_a_change_that_cannot_be_changes_nothing(self, machine: Machine, tasks: Tasks):
        await tasks.write("strict", STRICT)
        id = await machine.make(name="first")
        await machine.make(name="second")
        before = (await machine.schedules.get(id)).to_dict()
        for changes, error in (
            ({"cron": "0 0 30 2 *"}, InvalidArgument),
            ({"task": "strict"}, InputInvalid),
            ({"name": "second"}, ScheduleExists),
            ({"owner": "me"}, InvalidArgument),
        ):
            with pytest.raises(error):
                await machine.schedules.update(id, changes)
        assert (await machine.schedules.get(id)).to_dict() == before

    async def test_of_two_changes_at_the_same_time_one_is_told(self, machine: Machine, monkeypatch: pytest.MonkeyPatch):
        id = await machine.make()
        prepare = machine.queue.prepare

        async def slow(request: Any, **options: Any) -> Any:
            monkeypatch.setattr(machine.queue, "prepare", prepare)
            await machine.schedules.update(id, {"input": {"by": "another"}})
            return await prepare(request, **options)

        monkeypatch.setattr(machine.queue, "prepare", slow)
        with pytest.raises(ScheduleChanged):
            await machine.schedules.update(id, {"input": {"by": "me"}})
        assert (await machine.schedules.get(id)).input == {"by": "another"}

    async def test_a_deleted_one_is_gone_and_its_jobs_stay(self, machine: Machine, time: Time):
        id = await machine.make(name="short")
        time.pass_by(hours=1)
        await machine.beat()
        removed = await machine.schedules.remove("short")
        assert removed.id == id
        time.pass_by(hours=1)
        await machine.beat()
        (job,) = await machine.jobs()
        assert (job.status, job.schedule_id) == ("queued", None)
        for key in (id, "short"):
            with pytest.raises(ScheduleNotFound):
                await machine.schedules.get(key)

    async def test_an_unknown_one_is_told_with_near_names(self, machine: Machine):
        await machine.make(name="nightly")
        with pytest.raises(ScheduleNotFound, match="Did you mean nightly"):
            await machine.schedules.pause("nigthly")
        with pytest.raises(ScheduleNotFound):
            await machine.schedules.get("\0" * 300)
        assert (await machine.schedules.find(task="\0\ud800")).schedules == []


class TestFinding:
    async def test_pages_newest_first(self, machine: Machine, time: Time):
        made = []
        for _ in range(5):
            made.append(await machine.make())
            time.pass_by(seconds=1)
        seen, cursor = [], None
        while True:
            page = await machine.schedules.find(limit=2, cursor=cursor)
            seen += [each.id for each in page.schedules]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert seen == made[::-1]
        with pytest.raises(InvalidCursor):
            await machine.schedules.find(cursor="nonsense")

    async def test_by_task_and_by_whether_they_rest(self, machine: Machine, tasks: Tasks):
        await tasks.write("other")
        first, second = await machine.make(), await machine.make(task="other")
        await machine.schedules.pause(first)
        assert [each.id for each in (await machine.schedules.find(task="other")).schedules] == [second]
        assert [each.id for each in (await machine.schedules.find(active=False)).schedules] == [first]


async def until(machine: Machine, count: int) -> None:
    with anyio.fail_after(20):
        while len(await machine.jobs()) < count:
            await anyio.sleep(0.02)


class TestTheLoop:
    """With a poll that is far away: what happens, happens because of the next time or of a call."""

    @pytest.fixture
    async def live(self, store: Store, tasks: Tasks) -> Machine:
        """A machine whose time passes, 0.4 s before a minute."""
        machine = Machine(store, tasks, Time(), poll_seconds=60)
        offset = datetime(2026, 6, 1, 11, 59, 59, 600_000, tzinfo=UTC) - datetime.now(UTC)
        store.schedules.clock = lambda: datetime.now(UTC) + offset
        return machine

    async def test_it_wakes_for_a_new_schedule_and_sleeps_until_its_time(self, live: Machine):
        live.schedules._heart = live.heart = Heart(live.store.schedules, live.queue, live.settings, Clock())
        async with anyio.create_task_group() as group:
            group.start_soon(live.heart.run)
            await anyio.wait_all_tasks_blocked()
            await live.make("* * * * *")
            await until(live, 1)
            assert await live.times() == ["2026-06-01T12:00:00Z"]
            group.cancel_scope.cancel()

    async def test_a_failure_of_the_store_is_told_and_survived(self, store: Store, tasks: Tasks, monkeypatch: pytest.MonkeyPatch):
        machine = Machine(store, tasks, Time(), poll_seconds=0.02)
        await machine.make()
        machine.time.pass_by(hours=1)
        look, failures = store.schedules.look, [StoreFailed("The disk is full."), ZeroDivisionError("a defect"), Busy("Later.")]

        async def failing() -> Any:
            if failures:
                raise failures.pop(0)
            return await look()

        monkeypatch.setattr(store.schedules, "look", failing)
        async with anyio.create_task_group() as group:
            group.start_soon(machine.heart.run)
            await until(machine, 1)
            with anyio.fail_after(5):
                while machine.heart.trouble is not None:
                    await anyio.sleep(0.01)
            group.cancel_scope.cancel()

    async def test_it_runs_only_where_jobs_run(self, store: Store, tasks: Tasks, time: Time):
        machine = Machine(store, tasks, time)
        async with machine.schedules as front:
            assert front.status() == {"here": False}
            await machine.make()
            time.pass_by(hours=1)
            await anyio.wait_all_tasks_blocked()
        assert await machine.jobs() == []


def test_a_clock_that_is_slowed_down_a_little_does_not_go_back():
    time = Time()
    clock = Clock(lambda: time.passed)
    assert clock.went_back(time.now)
    for _ in range(100):
        time.passed += 1
        time.now += timedelta(seconds=0.99)
        assert not clock.went_back(time.now)
    time.now -= timedelta(seconds=2)
    assert clock.went_back(time.now)
    time.now += timedelta(days=400)
    assert not clock.went_back(time.now)
