"""The time of a run, which stands still while it waits for its user."""

from __future__ import annotations

import anyio
import pytest

from ratchet_mcp.engine import clock as module
from ratchet_mcp.engine.clock import RunClock


class Time:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr(module, "time", time)
    return time


def never() -> None:
    raise AssertionError("the time was not up")


async def test_time_passes_between_start_and_end_only(time: Time) -> None:
    clock = RunClock(10)
    time.now += 5
    assert clock.remaining == 10
    clock.start(never)
    time.now += 3
    assert clock.remaining == 7
    clock.end()
    time.now += 5
    assert clock.remaining == 7


async def test_a_stopped_clock_stands_still_until_the_last_stop_ends(time: Time) -> None:
    clock = RunClock(10)
    clock.start(never)
    time.now += 1
    with clock.stopped():
        time.now += 100
        with clock.stopped():
            time.now += 100
        time.now += 100
        assert clock.remaining == 9
    time.now += 1
    assert clock.remaining == 8
    clock.end()


async def test_the_clocks_of_all_callers_stand_still_and_those_of_others_do_not(time: Time) -> None:
    caller, other = RunClock(10), RunClock(10)
    child = RunClock(5, RunClock(7, caller))
    for clock in (caller, child, other):
        clock.start(never)
    with child.stopped():
        time.now += 100
        assert (caller.remaining, child.remaining) == (10, 5)
        assert other.remaining == -90
    for clock in (caller, child, other):
        clock.end()


async def test_a_clock_that_is_stopped_before_its_start_or_ended_meanwhile_does_not_begin(time: Time) -> None:
    clock = RunClock(10)
    with clock.stopped():
        clock.start(never)
        time.now += 100
        assert clock.remaining == 10
        clock.end()
    time.now += 100
    assert clock.remaining == 10


async def test_when_no_time_is_left_it_says_so_once() -> None:
    up = anyio.Event()
    clock = RunClock(0.01)
    clock.start(up.set)
    with anyio.fail_after(10):
        await up.wait()
    clock.end()


async def test_a_clock_goes_on_where_it_stood_and_expires_then() -> None:
    up = anyio.Event()
    clock = RunClock(0.0)
    with clock.stopped():
        clock.start(up.set)
        await anyio.lowlevel.checkpoint()
        assert not up.is_set()
    with anyio.fail_after(10):
        await up.wait()
