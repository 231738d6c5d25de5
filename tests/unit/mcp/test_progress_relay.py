"""Progress of a task on its way to the client."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from ratchet_mcp.engine.run import ProgressUpdate
from ratchet_mcp.errors import StoreFailed
from ratchet_mcp.mcp.progress import KEPT_UPDATES, ProgressRelay

Sent = list[tuple[float, float | None, str | None]]


def client() -> tuple[Any, Sent]:
    """Return a request's context that keeps what is reported to it."""
    sent: Sent = []

    async def report(progress: float, total: float | None, message: str | None) -> None:
        await anyio.lowlevel.checkpoint()
        sent.append((progress, total, message))

    return SimpleNamespace(session=SimpleNamespace(report_progress=report)), sent


async def relayed(*updates: ProgressUpdate) -> Sent:
    context, sent = client()
    relay = ProgressRelay(context)

    async def work() -> str:
        for update in updates:
            relay.take(update)
            await anyio.lowlevel.checkpoint()
        return "done"

    assert await relay.during(work()) == "done"
    return sent


def at(progress: float, step: str | None = None, message: str | None = None) -> ProgressUpdate:
    return ProgressUpdate(0.0, progress, step, message)


async def test_updates_arrive_in_order_and_before_the_result():
    assert await relayed(at(10), at(20), at(100)) == [(10, 100, None), (20, 100, None), (100, 100, None)]


async def test_a_task_that_counts_to_one_has_a_total_of_one():
    assert await relayed(at(0), at(0.5), at(1)) == [(0, None, None), (0.5, 1, None), (1, 1, None)]


async def test_progress_never_falls_or_repeats():
    assert [progress for progress, _, _ in await relayed(at(10), at(5), at(10), at(11), at(math.nan), at(math.inf))] == [10, 11]


async def test_step_and_message_become_one_text():
    sent = await relayed(at(10, "load", "reading rows"), at(20, None, "m"), at(30, "s"))
    assert [message for _, _, message in sent] == ["load: reading rows", "m", "s"]


async def test_a_flood_is_thinned_to_the_newest_updates():
    context, sent = client()
    relay = ProgressRelay(context)
    for number in range(10_000):
        relay.take(at(number / 200))

    async def work() -> None: ...

    await relay.during(work())
    assert len(sent) == KEPT_UPDATES
    assert sent[-1][0] == 9_999 / 200


async def test_an_error_of_the_work_comes_out_as_it_is():
    relay = ProgressRelay(client()[0])

    async def work() -> None:
        raise StoreFailed("no")

    with pytest.raises(StoreFailed):
        await relay.during(work())
