"""Deliveries from the row to the file or the receiver: attempts, receipts, errors, and again."""

from __future__ import annotations

import asyncio
import base64
import json
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from delivery_runs import SECRET, Delivering, delivering, settings_for
from http_server import Asked, HttpServer, http_server, response

from ratchet_mcp.delivery.models import DeliveryStatus
from ratchet_mcp.delivery.signing import is_signed
from ratchet_mcp.errors import DeliveryInvalid, DeliveryNotFound, DeliveryUnfinished

FILE = {"type": "file", "path": "{{ task.name }}/{{ output.name | default('none') | slug }}.json"}


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    with http_server() as running:
        yield running


@pytest.fixture(scope="module")
async def delivery(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Delivering]:
    folder = tmp_path_factory.mktemp("delivery")
    settings = settings_for(f"sqlite:///{folder}/ratchet.db", folder / "root", attempts=3, timeout_seconds=0.5)
    async with delivering(settings) as running:
        yield running


def hook(server: HttpServer, *answers: bytes, **options: Any) -> tuple[dict[str, Any], str]:
    """Return a destination of its own path that gets these answers."""
    path = f"/{uuid4().hex}"
    if answers:
        server.answers(path, *answers)
    return {"type": "webhook", "url": f"{server.url}{path}", **options}, path


def asked(server: HttpServer, path: str) -> list[Asked]:
    return [each for each in server.asked if each.path == path]


async def test_an_output_becomes_a_file_and_the_row_says_so(delivery: Delivering) -> None:
    [done] = await delivery.deliver({"name": "Rome / Zürich"}, FILE)
    assert (done.status, done.attempts, done.target) == (DeliveryStatus.DELIVERED, 1, "report/rome-zurich.json")
    assert done.receipt == {"path": done.target, "root": str(delivery.root), "bytes": 31, "how": "written"}
    assert json.loads((delivery.root / str(done.target)).read_text()) == {"name": "Rome / Zürich"}


async def test_a_receiver_gets_the_record_the_key_and_a_signature(delivery: Delivering, server: HttpServer) -> None:
    destination, path = hook(server, response(b"ok"), sign="HOOK", bearer="HOOK", headers={"X-Team": "a"})
    [done] = await delivery.deliver({"n": 1}, destination)
    assert done.receipt is not None and done.receipt["status"] == 200
    [request] = asked(server, path)
    body = json.loads(request.body)
    assert (body["event"], body["delivery"], body["task"]["name"], body["output"]) == ("completed", done.key, "report", {"n": 1})
    assert (request.method, request.headers["content-type"]) == ("POST", "application/json")
    assert request.headers["ratchet-delivery"] == request.headers["idempotency-key"] == done.key
    assert request.headers["authorization"] == f"Bearer {SECRET}" and request.headers["x-team"] == "a"
    assert is_signed(request.headers["ratchet-signature"], SECRET, request.body, time.time())


async def test_body_url_method_and_basic_authentication_are_what_the_destination_says(delivery: Delivering, server: HttpServer) -> None:
    destination, path = hook(server, response(b"", "201 Created"), method="PUT", basic={"user": "me", "password": "HOOK"})
    destination |= {"url": destination["url"] + "?name={{ output.name }}", "body": '{"text": {{ output.name | json }}}'}
    destination["headers"] = {"Content-Type": "application/json", "X-Key": {"secret": "HOOK"}}
    [done] = await delivery.deliver({"name": "a&b=c"}, destination)
    [request] = asked(server, path)
    assert (request.method, request.query, request.body) == ("PUT", {"name": "a&b=c"}, b'{"text": "a&b=c"}')
    assert request.headers["authorization"] == "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()
    assert (request.headers["content-type"], request.headers["x-key"]) == ("application/json", SECRET)
    assert done.receipt is not None and done.receipt["status"] == 201


async def test_failed_attempts_are_repeated_with_the_same_key_and_body(delivery: Delivering, server: HttpServer) -> None:
    destination, path = hook(server, response(b"broken", "500 Oops"), response(b"", "503 Later"), response(b"ok"))
    [done] = await delivery.deliver({"n": 1}, destination)
    assert (done.status, done.attempts, done.last_error) == (DeliveryStatus.DELIVERED, 3, None)
    requests = asked(server, path)
    assert {request.headers["ratchet-delivery"] for request in requests} == {done.key}
    assert len({request.body for request in requests}) == 1
    assert [request.headers["ratchet-attempt"] for request in requests] == ["1", "2", "3"]


async def test_a_receiver_that_always_fails_is_given_up_and_can_be_sent_again(delivery: Delivering, server: HttpServer) -> None:
    destination, path = hook(server, response(b"the reason", "500 Oops"))
    [failed] = await delivery.deliver({"n": 1}, destination)
    assert (failed.status, failed.attempts) == (DeliveryStatus.FAILED, 3)
    assert failed.last_error is not None
    assert (failed.last_error["code"], failed.last_error["details"]["said"]) == ("delivery_failed", "the reason")
    server.answers(path, response(b"ok"))
    again = await delivery.deliveries.redeliver(failed.id)
    assert again.key == failed.key
    done = await delivery.until(failed.id, DeliveryStatus.DELIVERED)
    assert done.attempts == 1 and len(asked(server, path)) == 4


async def test_a_receiver_that_asks_for_a_pause_gets_it(delivery: Delivering, server: HttpServer) -> None:
    destination, _ = hook(server, response(b"", "429 Slow down", Retry_After="1"), response(b"ok"))
    [planned] = await delivery.plan({}, destination)
    waiting = await delivery.until(planned.id, DeliveryStatus.PENDING, attempts=1)
    assert waiting.last_error is not None and waiting.last_error["details"]["retry_after_seconds"] == 1
    assert waiting.next_at is not None and (waiting.next_at - waiting.created_at).total_seconds() >= 1
    with pytest.raises(DeliveryUnfinished) as unfinished:
        await delivery.deliveries.redeliver(planned.id)
    assert unfinished.value.details["status"] == "pending"
    assert (await delivery.until(planned.id, DeliveryStatus.DELIVERED)).attempts == 2


async def test_a_receiver_that_asks_for_a_day_gets_no_more_than_the_settings_give(delivery: Delivering, server: HttpServer) -> None:
    destination, _ = hook(server, response(b"", "503 No", Retry_After="86400"), response(b"ok"))
    [planned] = await delivery.plan({}, destination)
    waiting = await delivery.until(planned.id, DeliveryStatus.PENDING, attempts=1)
    assert waiting.next_at is not None and (waiting.next_at - waiting.created_at).total_seconds() < 60


@pytest.mark.parametrize(
    ("answer", "reason", "status"),
    [
        (response(b"gone", "410 Gone"), "status", 410),
        (response(b"no", "401 Unauthorized"), "status", 401),
        (response(b"", "302 Found", Location="http://169.254.169.254/"), "redirect", 302),
        (response(b"", "308 Permanent Redirect", Location="/elsewhere"), "redirect", 308),
    ],
    ids=["gone", "unauthorized", "redirect", "redirect here"],
)
async def test_what_a_retry_cannot_help_is_not_retried(
    delivery: Delivering, server: HttpServer, answer: bytes, reason: str, status: int
) -> None:
    destination, path = hook(server, answer)
    [failed] = await delivery.deliver({}, destination)
    assert (failed.status, failed.attempts) == (DeliveryStatus.FAILED, 1)
    assert failed.last_error is not None
    assert (failed.last_error["code"], failed.last_error["details"]["reason"]) == ("delivery_refused", reason)
    assert failed.last_error["details"]["status"] == status
    assert len(asked(server, path)) == 1 and "/elsewhere" not in server.paths()


async def test_a_receiver_that_never_answers_is_given_up(delivery: Delivering, server: HttpServer) -> None:
    [failed] = await delivery.deliver({}, {"type": "webhook", "url": f"{server.url}/slow", "attempts": 2, "timeout_seconds": 0.1})
    assert (failed.status, failed.attempts) == (DeliveryStatus.FAILED, 2)
    assert failed.last_error is not None and failed.last_error["code"] == "fetch_timeout"


async def test_a_receiver_that_is_not_there_is_told(delivery: Delivering) -> None:
    [failed] = await delivery.deliver({}, {"type": "webhook", "url": "http://127.0.0.1:9998/", "attempts": 1})
    assert failed.last_error is not None
    assert (failed.last_error["code"], failed.last_error["details"]["reason"]) == ("network_failed", "refused")


async def test_a_failed_run_goes_where_failures_go(delivery: Delivering, server: HttpServer) -> None:
    wanted, path = hook(server, response(b"ok"), events=["failed"])
    other, silent = hook(server, response(b"ok"))
    error = {"code": "task_error", "message": "It broke.", "retryable": False}
    file = {"type": "file", "path": "failures.csv", "events": "both", "exists": "append"}
    done = await delivery.deliver(None, wanted, other, file, error=error)
    assert [each.status for each in done] == [DeliveryStatus.DELIVERED] * 2
    [request] = asked(server, path)
    assert json.loads(request.body)["error"]["message"] == "It broke." and not asked(server, silent)
    assert "It broke." in (delivery.root / "failures.csv").read_text()


@pytest.mark.parametrize(
    ("destination", "told"),
    [
        ({"path": "{{ output.missing }}.json"}, "'missing' is not there"),
        ({"path": "a.csv"}, "not all objects"),
        ({"path": "{{ output[0].device }}.txt", "template": "x"}, "name of a device"),
        ({"path": "a.txt", "template": "{% for a in output %}{% for b in output %}{% endfor %}{% endfor %}"}, "200000 times"),
    ],
    ids=range(4),
)
async def test_what_an_output_makes_impossible_is_told_once(delivery: Delivering, destination: dict[str, Any], told: str) -> None:
    before = delivery.files()
    [failed] = await delivery.deliver([{"device": "nul"}, *range(1000)], {"type": "file", **destination})
    assert (failed.status, failed.attempts) == (DeliveryStatus.FAILED, 1)
    assert failed.last_error is not None and told in failed.last_error["message"]
    assert delivery.files() == before


async def test_ten_megabytes_go_into_a_file_but_not_into_a_request_that_may_have_four(delivery: Delivering, server: HttpServer) -> None:
    destination, path = hook(server, response(b"ok"))
    output = {"name": "large", "text": "x" * (10 << 20)}
    file, request = await delivery.deliver(output, FILE, destination)
    assert file.receipt is not None and file.receipt["bytes"] > 10 << 20
    assert request.last_error is not None and "network.request_bytes" in request.last_error["message"]
    assert request.attempts == 1 and not asked(server, path)


async def test_a_secret_is_neither_in_the_rows_nor_in_the_log_nor_in_errors(
    delivery: Delivering, server: HttpServer, capfd: pytest.CaptureFixture[str]
) -> None:
    from loguru import logger

    destination, path = hook(server, sign="HOOK", bearer="HOOK", headers={"X-Key": {"secret": "HOOK"}})

    async def reflect(request: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(response(request.headers["authorization"].encode(), "400 Bad"))

    server.handlers[path] = reflect
    lines: list[str] = []
    sink = logger.add(lines.append, level="TRACE")
    [failed] = await delivery.deliver({}, destination)
    logger.remove(sink)
    assert failed.last_error is not None and failed.last_error["details"]["said"] == "Bearer ***HOOK***"
    await delivery.store.deliveries.next_due()
    files = [path for path in Path(str(delivery.settings.store.url).removeprefix("sqlite:///")).parent.iterdir() if path.is_file()]
    assert SECRET not in str(failed) and SECRET not in "".join(lines) + "".join(capfd.readouterr())
    assert all(SECRET.encode() not in path.read_bytes() for path in files)


async def test_a_private_address_is_refused_at_once_and_a_name_that_leads_to_one_when_it_is_sent(tmp_path: Path) -> None:
    settings = settings_for(f"sqlite:///{tmp_path}/r.db", tmp_path / "root", network={"allow_private": []})
    async with delivering(settings, {"private.example.test": [["10.0.0.7"]]}) as delivery:
        with pytest.raises(DeliveryInvalid, match="no public address"):
            delivery.deliveries.check({"type": "webhook", "url": "http://127.0.0.1:8080/"}, where="The test")
        [failed] = await delivery.deliver({}, {"type": "webhook", "url": "http://private.example.test/"})
    assert failed.attempts == 1
    assert failed.last_error is not None and failed.last_error["code"] == "network_denied"


async def test_deliveries_are_found_page_by_page(delivery: Delivering) -> None:
    name = f"paged-{uuid4().hex[:8]}"
    for _ in range(3):
        await delivery.deliver({"name": "x"}, FILE, task=name)
    first = await delivery.deliveries.find(task=name, limit=2)
    second = await delivery.deliveries.find(task=name, limit=2, cursor=first.next_cursor)
    assert [len(first.deliveries), len(second.deliveries), second.next_cursor] == [2, 1, None]
    one = second.deliveries[0]
    assert (await delivery.deliveries.find(execution_id=one.execution_id)).deliveries == [one]
    assert (await delivery.deliveries.find(task=name, status=DeliveryStatus.FAILED)).deliveries == []
    assert (await delivery.deliveries.find(execution_id="no id")).deliveries == []
    for unknown in ("no id", str(uuid4())):
        with pytest.raises(DeliveryNotFound):
            await delivery.deliveries.get(unknown)


async def test_old_deliveries_are_forgotten(delivery: Delivering) -> None:
    [done] = await delivery.deliver({"name": "old"}, FILE)
    assert done.finished_at is not None
    await delivery.store.deliveries.prune(done.finished_at)
    assert (await delivery.deliveries.get(done.id)).id == done.id
    await delivery.store.deliveries.prune(done.finished_at + timedelta(microseconds=1))
    with pytest.raises(DeliveryNotFound):
        await delivery.deliveries.get(done.id)


async def test_a_secret_that_belongs_to_another_task_is_not_sent(delivery: Delivering, server: HttpServer) -> None:
    destination, path = hook(server, response(b"ok"), sign="OTHERS")
    [failed] = await delivery.deliver({}, destination)
    assert failed.last_error is not None and "not there for the task report" in failed.last_error["message"]
    assert not asked(server, path)


async def test_an_outcome_that_a_locked_database_refuses_is_written_when_it_is_free(tmp_path: Path, server: HttpServer) -> None:
    from loguru import logger

    settings = settings_for(f"sqlite:///{tmp_path}/r.db", tmp_path / "root")
    settings = settings.model_copy(update={"store": settings.store.model_copy(update={"busy_timeout_seconds": 0.1})})
    destination, path = hook(server)
    asked_for, answer, refused = asyncio.Event(), asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    async def wait(request: Asked, writer: asyncio.StreamWriter) -> None:
        loop.call_soon_threadsafe(asked_for.set)
        while not answer.is_set():
            await asyncio.sleep(0.01)
        writer.write(response(b"ok"))

    server.handlers[path] = wait
    sink = logger.add(lambda line: refused.set() if "cannot be written yet" in line else None)
    async with delivering(settings) as delivery:
        [planned] = await delivery.plan({}, destination)
        await asyncio.wait_for(asked_for.wait(), 30)
        with closing(sqlite3.connect(tmp_path / "r.db", isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            answer.set()
            await asyncio.wait_for(refused.wait(), 30)
        done = await delivery.until(planned.id, DeliveryStatus.DELIVERED)
    logger.remove(sink)
    assert (done.attempts, len(asked(server, path))) == (1, 1)
