"""Several processes that deliver from one database: each delivery is one process's at a time, and those of the dead are taken over."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import anyio.to_thread
from delivery_runs import FINAL, LIMIT_SECONDS, delivering, settings_for
from http_server import Asked, HttpServer, http_server, response

from ratchet_mcp.delivery.models import DeliveryStatus

SUPPORT = Path(__file__).parents[2] / "support"


async def test_what_many_senders_see_is_sent_once(shared_url: str, tmp_path: Path) -> None:
    quick = {"poll_seconds": 0.1, "parallel": 3}
    writing = settings_for(shared_url, tmp_path / "root", send=False)
    sending = settings_for(shared_url, tmp_path / "root", **quick)
    with http_server() as server:
        server.answers("/hook", response(b"ok"))
        destination = {"type": "webhook", "url": f"{server.url}/hook"}
        async with delivering(writing) as writer, delivering(sending) as first, delivering(sending) as second:
            planned = [delivery for _ in range(40) for delivery in await writer.plan({}, destination)]
            done = [await writer.until(each.id, *FINAL) for each in planned]
            assert first.deliveries.status()["sent"] + second.deliveries.status()["sent"] == 40
        assert {each.status for each in done} == {DeliveryStatus.DELIVERED}
        assert Counter(request.headers["ratchet-delivery"] for request in server.asked) == {each.key: 1 for each in planned}


async def test_an_outcome_counts_only_while_the_delivery_is_still_ones_own(shared_url: str, tmp_path: Path) -> None:
    settings = settings_for(shared_url, tmp_path / "root", send=False)
    async with delivering(settings) as one, delivering(settings) as other:
        [planned] = await one.plan({}, {"type": "file", "path": "a.json"})
        now = datetime.now(UTC)
        [taken] = await one.store.deliveries.take(now, 5)
        assert await other.store.deliveries.take(now, 5) == [], "a living process keeps what it has taken"
        assert await other.store.deliveries.take_one(planned.id, now) is None
        stolen = await other.store.deliveries.get(planned.id)
        assert stolen is not None and not await other.store.deliveries.settle(stolen)
        assert await one.store.deliveries.put_back(taken, now)
        assert not await one.store.deliveries.settle(taken)
        [again] = await other.store.deliveries.take(now + timedelta(seconds=1), 5)
        assert (again.id, again.attempts) == (planned.id, 1), "what was given back did not count"


async def test_what_waits_since_a_time_that_the_clock_only_showed_by_mistake_is_sent(shared_url: str, tmp_path: Path) -> None:
    writing = settings_for(shared_url, tmp_path / "root", send=False)
    async with delivering(writing) as writer:
        [planned] = await writer.plan({}, {"type": "file", "path": "a.json"})
        hour = timedelta(hours=1)
        at = datetime.now(UTC) + hour
        record = await writer.store.deliveries.take_one(planned.id, at)
        assert record is not None
        record.status, record.next_at, record.updated_at = "pending", at + timedelta(seconds=1), at
        assert await writer.store.deliveries.settle(record)
        async with delivering(settings_for(shared_url, tmp_path / "root", poll_seconds=0.1)):
            done = await writer.until(planned.id, *FINAL)
        assert (done.status, done.attempts) == (DeliveryStatus.DELIVERED, 2)


@contextmanager
def machine(url: str, root: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(SUPPORT / "delivery_machine.py"), url, str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


async def until_asked(server: HttpServer, count: int) -> None:
    with anyio.fail_after(LIMIT_SECONDS):
        while len(server.asked) < count:
            await anyio.sleep(0.01)


async def test_a_process_that_is_killed_while_it_sends_loses_nothing(shared_url: str, tmp_path: Path) -> None:
    """The receiver has the request, the sender dies before it hears so: the next one sends it again, under the same key."""
    answering = asyncio.Event()

    async def hang(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if asked.headers["ratchet-attempt"] == "1":
            await answering.wait()
        writer.write(response(b"ok"))

    writing = settings_for(shared_url, tmp_path / "root", send=False)
    with http_server() as server:
        server.handlers["/hook"] = hang
        async with delivering(writing) as writer:
            [planned] = await writer.plan({"n": 1}, {"type": "webhook", "url": f"{server.url}/hook"})
            with machine(shared_url, tmp_path / "root") as process:
                await until_asked(server, 1)
                process.send_signal(signal.SIGKILL)
                await anyio.to_thread.run_sync(process.wait)
            assert (await writer.deliveries.get(planned.id)).status is DeliveryStatus.SENDING
            async with delivering(settings_for(shared_url, tmp_path / "root")) as survivor:
                done = await survivor.until(planned.id, *FINAL)
        assert (done.status, done.attempts) == (DeliveryStatus.DELIVERED, 2)
        assert [request.headers["ratchet-delivery"] for request in server.asked] == [planned.key] * 2
        assert server.asked[0].body == server.asked[1].body


async def test_a_process_that_is_killed_between_two_attempts_leaves_the_rest_to_the_next(shared_url: str, tmp_path: Path) -> None:
    writing = settings_for(shared_url, tmp_path / "root", send=False)
    with http_server() as server:
        server.answers("/hook", response(b"", "503 Later", Retry_After="1"), response(b"ok"))
        async with delivering(writing) as writer:
            [planned] = await writer.plan({"n": 1}, {"type": "webhook", "url": f"{server.url}/hook"})
            with machine(shared_url, tmp_path / "root") as process:
                await writer.until(planned.id, DeliveryStatus.PENDING, attempts=1)
                process.send_signal(signal.SIGKILL)
                await anyio.to_thread.run_sync(process.wait)
            async with delivering(settings_for(shared_url, tmp_path / "root")) as survivor:
                done = await survivor.until(planned.id, *FINAL)
        assert (done.status, done.attempts) == (DeliveryStatus.DELIVERED, 2)
        assert {request.headers["ratchet-delivery"] for request in server.asked} == {planned.key}


async def test_a_server_that_stops_gives_back_what_it_was_sending(shared_url: str, tmp_path: Path) -> None:
    settings = settings_for(shared_url, tmp_path / "root", timeout_seconds=60)
    writing = settings_for(shared_url, tmp_path / "root", send=False)
    with http_server() as server:
        async with delivering(writing) as writer:
            async with delivering(settings) as stopping:
                [planned] = await stopping.plan({}, {"type": "webhook", "url": f"{server.url}/slow"})
                await until_asked(server, 1)
            left = await writer.deliveries.get(planned.id)
    assert (left.status, left.attempts) == (DeliveryStatus.PENDING, 0)


async def test_a_delivery_that_kills_whoever_sends_it_is_given_up(shared_url: str, tmp_path: Path) -> None:
    settings = settings_for(shared_url, tmp_path / "root", send=False, attempts=1)
    async with delivering(settings) as writer:
        [planned] = await writer.plan({}, {"type": "file", "path": "a.json"})
        deaths = 0
        while (await writer.deliveries.get(planned.id)).status is not DeliveryStatus.FAILED:
            async with delivering(settings) as dying:
                deaths += len(await dying.store.deliveries.take(datetime.now(UTC), 5))
            assert deaths < 10
        failed = await writer.deliveries.get(planned.id)
    assert failed.last_error is not None and failed.last_error["code"] == "interrupted"
    assert deaths == 4
