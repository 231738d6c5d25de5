"""Warnings of what is tried again and again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from loguru import logger

from ratchet_mcp.observability.seldom import MOST, SECONDS, Seldom


@pytest.fixture
def heard() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lines.append, level="WARNING", format="{name} {message}")
    yield lines
    logger.remove(sink)


def test_the_same_is_told_once_in_a_minute_and_what_is_new_at_once(heard: list[str]) -> None:
    time = 0.0
    seldom = Seldom(lambda: time)
    for _ in range(100):
        seldom.warning("It waits: {}", "locked")
        seldom.warning("It waits: {}", "full")
        time += SECONDS / 100
    seldom.warning("It waits: {}", "locked")
    assert [line.strip() for line in heard] == [f"{__name__} It waits: {each}" for each in ("locked", "full", "locked")]


def test_it_remembers_a_bounded_number(heard: list[str]) -> None:
    seldom = Seldom(lambda: 0.0)
    for number in range(2 * MOST):
        seldom.warning("Job {} waits", number)
    assert len(heard) == 2 * MOST
    assert len(seldom._told) <= MOST
