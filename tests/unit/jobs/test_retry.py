"""When a job is tried again, and how that is written."""

from __future__ import annotations

from typing import Any

import pytest

from ratchet_mcp.errors import Cancelled, InputInvalid, Interrupted, InvalidArgument, TimedOut, WorkerCrashed
from ratchet_mcp.jobs.durations import rate_of, seconds_of
from ratchet_mcp.jobs.retry import RetryPolicy
from ratchet_mcp.tasks.durations import shown_rate

CRASH, TIMEOUT, WRONG = WorkerCrashed("x").to_dict(), TimedOut("x").to_dict(), InputInvalid("x").to_dict()


def near(delay: float | None, seconds: float) -> bool:
    return delay is not None and abs(delay - seconds) <= seconds * 0.1 + 1e-9


def test_the_last_attempt_is_not_followed_by_another() -> None:
    policy = RetryPolicy(attempts=3)
    assert [policy.decide(CRASH, attempt) is None for attempt in (1, 2, 3, 4)] == [False, False, True, True]
    assert RetryPolicy().decide(CRASH, 1) is None


def test_pauses_grow_up_to_the_longest_one_with_some_jitter() -> None:
    policy = RetryPolicy(attempts=90, delay_seconds=2, factor=3, max_delay_seconds=50)
    assert all(near(policy.decide(CRASH, attempt), seconds) for attempt, seconds in ((1, 2), (2, 6), (3, 18), (4, 50), (80, 50)))
    assert len({policy.decide(CRASH, 1) for _ in range(20)}) > 1
    fixed = RetryPolicy(attempts=9, backoff="fixed", delay_seconds=2)
    assert near(fixed.decide(CRASH, 8), 2)
    assert RetryPolicy(attempts=2, delay_seconds=0).decide(CRASH, 1) == 0


@pytest.mark.parametrize(
    ("on", "again"),
    [
        (("retryable",), {"worker_crashed", "timeout", "interrupted"}),
        (("timeout",), {"timeout"}),
        (("input_invalid", "retryable"), {"worker_crashed", "timeout", "interrupted", "input_invalid"}),
        (("any",), {"worker_crashed", "timeout", "interrupted", "input_invalid"}),
    ],
    ids=["retryable", "code", "both", "any"],
)
def test_a_policy_says_which_errors_are_tried_again_and_a_cancelled_run_never_is(on: tuple[str, ...], again: set[str]) -> None:
    policy = RetryPolicy(attempts=2, on=on)
    errors = [CRASH, TIMEOUT, WRONG, Interrupted("x").to_dict(), Cancelled("x").to_dict(), {}]
    assert {error.get("code") for error in errors if policy.decide(error, 1) is not None} - {None} == again


def test_what_is_written_is_read_again() -> None:
    policy = RetryPolicy.from_dict({"attempts": 5, "backoff": "fixed", "delay": "1.5m", "max_delay": "1h", "on": "timeout"})
    assert policy == RetryPolicy(5, "fixed", 90.0, 2.0, 3600.0, ("timeout",))
    assert RetryPolicy.from_dict(policy.to_dict()) == policy
    assert RetryPolicy.from_dict({"attempts": 2}, default=policy) == RetryPolicy(2, "fixed", 90.0, 2.0, 3600.0, ("timeout",))
    assert RetryPolicy.from_dict({"delay": "1h"}).max_delay_seconds == 3600


@pytest.mark.parametrize(
    "wrong",
    [
        5,
        [],
        {"tries": 3},
        {"attempts": 0},
        {"attempts": 101},
        {"attempts": 2.0},
        {"attempts": True},
        {"backoff": "random"},
        {"delay": -1},
        {"delay": float("nan")},
        {"delay": "soon"},
        {"delay": "99d"},
        {"factor": 0.5},
        {"on": []},
        {"on": "everything"},
        {"on": ["timeout", 7]},
    ],
    ids=str,
)
def test_what_is_no_policy_is_refused_with_its_place(wrong: Any) -> None:
    with pytest.raises(InvalidArgument) as refused:
        RetryPolicy.from_dict(wrong)
    assert refused.value.details["violations"][0]["path"] == "$.retry"


def test_lengths_of_time_are_seconds_or_a_number_with_a_unit() -> None:
    assert [seconds_of(text, "x") for text in (3, 0.5, "3", "250ms", "90s", "1.5m", "2h", "1d")] == [3, 0.5, 3, 0.25, 90, 90, 7200, 86400]
    for wrong in ("", "1w", "-1s", True, None, float("inf"), "1 2"):
        with pytest.raises(InvalidArgument, match="x must be"):
            seconds_of(wrong, "x")


def test_rates_are_a_count_in_a_time() -> None:
    assert [rate_of(text, "rate") for text in ("10/m", "1 / s", "100/15m", "5/250ms")] == [(10, 60), (1, 1), (100, 900), (5, 0.25)]
    assert [shown_rate(*rate_of(text, "rate")) for text in ("10/m", "100/15m", "1/d", "3/90s")] == ["10/m", "100/15m", "1/d", "3/90s"]
    for wrong in ("10", "m", "0/m", "10/0s", "1001/m", "1/8d", 10, None):
        with pytest.raises(InvalidArgument, match="rate must be"):
            rate_of(wrong, "rate")
