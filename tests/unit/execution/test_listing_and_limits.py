"""Cursors, filters and limits."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from datetime import UTC, datetime

import pytest

from ratchet_mcp.errors import InvalidArgument, InvalidCursor
from ratchet_mcp.execution import listing
from ratchet_mcp.execution.limits import run_limits
from ratchet_mcp.settings import Limits

AT = datetime(2026, 5, 4, 3, 2, 1, 123457, tzinfo=UTC)
ID = "01a1fc84-ddec-7601-8e59-8461947ddaa4"


def test_a_cursor_is_read_back_to_the_microsecond() -> None:
    assert listing.read_cursor(listing.cursor_after(AT, ID)) == (AT, ID)


@pytest.mark.parametrize("cursor", ["", "x", "ü", "AAAA", "a" * 32, urlsafe_b64encode(b"\xff" * 24).decode(), "=" * 32, ID])
def test_any_other_text_is_no_cursor(cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        listing.read_cursor(cursor)


def test_a_task_is_named_by_name_version_or_uuid() -> None:
    by_name = listing.wanted("add", None, None, None, None)
    by_version = listing.wanted("add@1.0.0", None, None, None, None)
    by_uuid = listing.wanted(ID.upper(), None, None, None, None)
    assert (by_name.task, by_name.version, by_name.task_uuid) == ("add", None, None)
    assert (by_version.task, by_version.version, by_version.task_uuid) == ("add", "1.0.0", None)
    assert (by_uuid.task, by_uuid.version, by_uuid.task_uuid) == (None, None, ID)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(InvalidArgument):
        listing.wanted(None, None, None, datetime(2026, 1, 1), None)


def test_pages_have_at_least_one_row_and_at_most_the_largest_size() -> None:
    assert listing.page_size(10_000) == listing.MOST
    with pytest.raises(InvalidArgument):
        listing.page_size(0)


@pytest.mark.parametrize(("asked", "task", "expected"), [(None, None, 30), (None, 60, 60), (5, 60, 5), (None, 9999, 300), (300, None, 300)])
def test_the_caller_decides_before_the_task_before_the_default(asked: float | None, task: float | None, expected: float) -> None:
    assert run_limits(Limits(), task_seconds=task, asked_seconds=asked).timeout_seconds == expected


@pytest.mark.parametrize("asked", [0, -1, 300.5, float("nan")])
def test_a_timeout_out_of_range_is_refused_with_the_maximum(asked: float) -> None:
    with pytest.raises(InvalidArgument, match="300") as caught:
        run_limits(Limits(), asked_seconds=asked)
    assert caught.value.details["maximum"] == 300
