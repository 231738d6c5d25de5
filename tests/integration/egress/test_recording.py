"""What was recorded is given again, byte for byte, and a HAR opens elsewhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from egress_runs import egress, get
from http_server import HttpServer, http_server, response

from ratchet_mcp.egress.recording import Recording, read_entries
from ratchet_mcp.egress.service import Egress
from ratchet_mcp.errors import FetchTimedOut, NetworkFailed, RecordingInvalid, ReplayMissing
from ratchet_mcp.settings import NetworkSettings


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with http_server() as running:
        yield running


async def recorded(folder: Path, *requests: tuple[str, dict[str, Any]], **settings: Any) -> list[Any]:
    """Record some fetches; returns what each gave, or its error."""
    async with egress(**settings) as service:
        recorder = service.recorder()
        run = service.for_run(None, recorder=recorder)
        outcomes: list[Any] = []
        for url, options in requests:
            try:
                outcomes.append(await get(run, url, **options))
            except Exception as error:
                outcomes.append(error)
        recorder.write(folder, {"input": {"a": 1}, "output": 2, "logs": [], "clock": 1, "seed": "s"})
    return outcomes


def offline() -> Egress:
    return Egress(NetworkSettings(mode="off"))


async def test_a_replay_gives_the_same_bytes_without_the_network(server: HttpServer, tmp_path: Path) -> None:
    server.answers("/binary", response(bytes(range(256)), Content_Type="application/x"))
    server.answers("/bom", response(b"\xef\xbb\xbfx\r\n\0\xc3\xa9"))
    requests: list[tuple[str, dict[str, Any]]] = [
        (f"{server.url}/json", {}),
        (f"{server.url}/binary", {}),
        (f"{server.url}/bom", {}),
        (f"{server.url}/gzip", {}),
        (f"{server.url}/redirect?to=/json", {}),
        (f"{server.url}/echo", {"method": "POST", "body": b"\xff\x00", "headers": {"Content-Type": "application/x"}}),
        (f"{server.url}/status/404", {}),
        (f"{server.url}/reset", {}),
        (f"{server.url}/slow", {"timeout_seconds": 0.1}),
    ]
    then = await recorded(tmp_path, *requests)
    asked = len(server.asked)
    recording = Recording.read(tmp_path)
    assert {key: recording.facts[key] for key in ("input", "output", "seed", "complete")} == {
        "input": {"a": 1},
        "output": 2,
        "seed": "s",
        "complete": True,
    }
    async with offline() as service:
        replay = service.replay(recording)
        run = service.for_run(None, replay=replay)
        for (url, options), was in zip(requests, then, strict=True):
            if isinstance(was, NetworkFailed | FetchTimedOut):
                with pytest.raises(type(was)) as error:
                    await get(run, url, **options)
                assert error.value.to_dict() == was.to_dict()
                continue
            now = await get(run, url, **options)
            assert (now.body, now.status, now.headers, now.url, now.redirected, now.status_text) == (
                was.body,
                was.status,
                was.headers,
                was.url,
                was.redirected,
                was.status_text,
            )
        assert replay.unused == [] and run.calls[0].source == "replay"
    assert len(server.asked) == asked


async def test_the_same_request_gets_its_answers_in_their_order(server: HttpServer, tmp_path: Path) -> None:
    server.answers("/a", *(response(str(number).encode()) for number in range(3)))
    await recorded(tmp_path, *[(f"{server.url}/a", {})] * 3)
    async with offline() as service:
        run = service.for_run(None, replay=service.replay(Recording.read(tmp_path)))
        assert [(await get(run, f"{server.url}/a")).body for _ in range(3)] == [b"0", b"1", b"2"]
        with pytest.raises(ReplayMissing, match="recorded 3 times") as error:
            await get(run, f"{server.url}/a")
    assert error.value.details["differs"] == "count"


async def test_answers_end_in_the_order_of_then(server: HttpServer, tmp_path: Path) -> None:
    async with egress() as service:
        recorder = service.recorder()
        run = service.for_run(None, recorder=recorder)
        slow = asyncio.create_task(get(run, f"{server.url}/slow?seconds=0.2"))
        await asyncio.sleep(0)
        await get(run, f"{server.url}/json")
        await slow
        recorder.write(tmp_path, {})
    order: list[str] = []
    async with offline() as service:
        run = service.for_run(None, replay=service.replay(Recording.read(tmp_path)))

        async def note(path: str) -> None:
            await get(run, server.url + path)
            order.append(path)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(note, "/slow?seconds=0.2")
            tasks.start_soon(note, "/json")
    assert order == ["/json", "/slow?seconds=0.2"]


@pytest.mark.parametrize(
    ("path", "options", "differs"),
    [
        ("/json?page=3", {}, "url.query.page"),
        ("/json", {}, "url.query.page"),
        ("/json?page=2", {"method": "DELETE"}, "method"),
        ("/other?page=2", {}, "url.path"),
        ("/echo", {"method": "POST", "body": b'{"a":{"b":2}}'}, "body.a.b"),
    ],
)
async def test_a_miss_shows_the_closest_request_and_what_differs(
    server: HttpServer, tmp_path: Path, path: str, options: dict[str, Any], differs: str
) -> None:
    await recorded(tmp_path, (f"{server.url}/json?page=2", {}), (f"{server.url}/echo", {"method": "POST", "body": b'{"a":{"b":1}}'}))
    async with offline() as service:
        run = service.for_run(None, replay=service.replay(Recording.read(tmp_path)))
        with pytest.raises(ReplayMissing) as error:
            await get(run, server.url + path, **options)
    assert error.value.details["differs"] == differs
    assert "was not recorded. The closest is number" in error.value.message and error.value.hint


async def test_replay_or_live_asks_the_network_for_what_is_missing(server: HttpServer, tmp_path: Path) -> None:
    await recorded(tmp_path, (f"{server.url}/json", {}))
    async with egress() as service:
        run = service.for_run(None, replay=service.replay(Recording.read(tmp_path), "replay-or-live"))
        await get(run, f"{server.url}/json")
        await get(run, f"{server.url}/chunked")
    assert [call.source for call in run.calls] == ["replay", "network"] and server.paths() == ["/json", "/chunked"]


async def test_a_redacted_request_is_found_again(server: HttpServer, tmp_path: Path) -> None:
    request = (f"{server.url}/json?api_key=hunter2", {"method": "POST", "body": b'{"password":"hunter2"}'})
    await recorded(tmp_path, request)
    assert "hunter2" not in (tmp_path / "http.har").read_text()
    async with offline() as service:
        run = service.for_run(None, replay=service.replay(Recording.read(tmp_path)))
        assert (await get(run, request[0], **request[1])).status == 200


async def test_the_har_has_what_browser_tools_want(server: HttpServer, tmp_path: Path) -> None:
    await recorded(
        tmp_path, (f"{server.url}/json?a=1&b=", {}), (f"{server.url}/echo", {"method": "POST", "body": b"x"}), (f"{server.url}/reset", {})
    )
    har = json.loads((tmp_path / "http.har").read_text())["log"]
    assert har["version"] == "1.2" and har["creator"]["name"] == "Ratchet" and len(har["entries"]) == 3
    for entry in har["entries"]:
        assert entry["startedDateTime"].endswith("Z") and entry["time"] >= 0
        assert {"method", "url", "httpVersion", "cookies", "headers", "queryString", "headersSize", "bodySize"} <= entry["request"].keys()
        assert {"status", "statusText", "httpVersion", "cookies", "headers", "content", "redirectURL", "headersSize", "bodySize"} <= entry[
            "response"
        ].keys()
        assert {"send", "wait", "receive"} <= entry["timings"].keys() and all(
            value >= 0 for key, value in entry["timings"].items() if key in ("send", "wait", "receive")
        )
        assert isinstance(entry["cache"], dict)
    assert har["entries"][0]["request"]["queryString"] == [{"name": "a", "value": "1"}, {"name": "b", "value": ""}]
    assert har["entries"][2]["response"]["status"] == 0


async def test_a_recording_is_bounded(server: HttpServer, tmp_path: Path) -> None:
    server.answers("/large", response(b"x" * 700_000))
    await recorded(tmp_path, (f"{server.url}/large", {}), (f"{server.url}/large", {}), recording_mb=1)
    recording = Recording.read(tmp_path)
    assert recording.facts["complete"] is False and (tmp_path / "http.har").stat().st_size < 1 << 20
    async with offline() as service:
        run = service.for_run(None, replay=service.replay(recording))
        assert len((await get(run, f"{server.url}/large")).body) == 700_000
        with pytest.raises(ReplayMissing, match="too large to be recorded"):
            await get(run, f"{server.url}/large")


def test_the_har_of_another_program_can_be_read(tmp_path: Path) -> None:
    entry = {
        "request": {"method": "GET", "url": "https://a.example/", "headers": [{"name": "A", "value": "b"}]},
        "response": {
            "status": 200,
            "statusText": "OK",
            "httpVersion": "h2",
            "headers": [],
            "content": {"text": "AAE=", "encoding": "base64"},
        },
    }
    [read] = read_entries({"log": {"entries": [entry]}}, tmp_path)
    assert read.response and read.response.body == b"\0\1" and read.seen.name == "GET https://a.example/"


@pytest.mark.parametrize("damage", ["har", "facts", "missing", "format", "swapped", "deep"])
async def test_a_damaged_recording_is_refused(server: HttpServer, tmp_path: Path, damage: str) -> None:
    await recorded(tmp_path, (f"{server.url}/json", {}))
    har, facts = tmp_path / "http.har", tmp_path / "recording.json"
    {
        "har": lambda: har.write_text("{"),
        "facts": lambda: facts.write_text("[]"),
        "missing": facts.unlink,
        "format": lambda: facts.write_text(facts.read_text().replace("ratchet-recording/1", "ratchet-recording/9")),
        "swapped": lambda: har.write_text(har.read_text().replace("Paris", "Rome")),
        "deep": lambda: facts.write_text("[" * 100_000),
    }[damage]()
    with pytest.raises(RecordingInvalid) as error:
        Recording.read(tmp_path)
    assert str(tmp_path) in error.value.details["path"]


async def test_a_file_that_belongs_to_no_recording_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "http.har").write_text("mine")
    async with egress() as service:
        with pytest.raises(RecordingInvalid, match="belongs to no recording"):
            service.recorder().write(tmp_path, {})
        with pytest.raises(RecordingInvalid, match="JSON cannot say"):
            service.recorder().write(tmp_path / "new", {"x": object()})
    assert (tmp_path / "http.har").read_text() == "mine"


@pytest.mark.parametrize(
    "har",
    [
        {},
        {"log": []},
        {"log": {"entries": [{}]}},
        {"log": {"entries": [{"request": {}, "response": {}}]}},
        {"log": {"entries": ["x"]}},
        [],
        None,
    ],
)
def test_what_is_no_har_is_refused(har: Any, tmp_path: Path) -> None:
    with pytest.raises(RecordingInvalid):
        read_entries(har, tmp_path)
