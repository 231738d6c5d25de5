"""Tasks of an index on a real web server."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpcore
import pytest
from index_server import IndexServer, entry_of, index_server, task_files, task_zip
from remote_scans import LIMITS, failure, found, problems

from ratchet_mcp.errors import RatchetError, SourceFailed, TaskInvalid
from ratchet_mcp.registry.remote import open_remote
from ratchet_mcp.registry.remote.http_index import HttpIndexSource
from ratchet_mcp.registry.remote.options import HttpOptions
from ratchet_mcp.registry.remote.uris import parse
from ratchet_mcp.registry.source import Source
from ratchet_mcp.settings import RegistrySettings, SourceSettings

PUBLIC = "93.184.216.34"
pytestmark = pytest.mark.usefixtures("no_pauses")


@pytest.fixture
def server() -> Iterator[IndexServer]:
    with index_server() as running:
        yield running


@pytest.fixture
def opened(server: IndexServer, tmp_path: Path) -> Callable[..., Source]:
    """Open the server's index as a source; each call is another server with the same cache."""

    def source(uri: str | None = None, *, cache_mb: int = 512, **config: Any) -> Source:
        registry = RegistrySettings(cache_folder=tmp_path / "cache", cache_mb=cache_mb)
        return open_remote(SourceSettings(name="web", uri=uri or server.index_url, config=config), registry, LIMITS)

    return source


def test_tasks_are_listed_without_fetching_them_and_loaded_when_needed(server: IndexServer, opened: Callable[..., Source]) -> None:
    server.add()
    source = opened()
    assert not list(source.scan(LIMITS))
    assert source.refresh()
    place = found(source)["double@1.0.0"].place
    assert server.asked("/double-1.0.0.zip") == 0
    task = place.load(LIMITS, "web")
    assert (task.reference, task.origin, task.location) == ("double@1.0.0", "web", f"{server.index_url}#double@1.0.0")
    assert len(task.tests) == 1
    place.load(LIMITS, "web")
    assert server.asked("/double-1.0.0.zip") == 1


def test_an_index_that_has_not_changed_is_not_sent_again(server: IndexServer, opened: Callable[..., Source]) -> None:
    server.add()
    source = opened()
    assert source.refresh()
    assert not source.refresh()
    assert "if-none-match" in server.requests[-1].headers
    server.add("triple")
    assert source.refresh()
    assert set(found(source)) == {"double@1.0.0", "triple@1.0.0"}


def test_a_change_that_another_server_has_fetched_is_noticed(server: IndexServer, opened: Callable[..., Source]) -> None:
    one, other = opened(), opened()
    one.refresh()
    other.refresh()
    server.add()
    assert one.refresh()
    assert other.refresh()
    assert set(found(other)) == {"double@1.0.0"}


def test_everything_that_was_fetched_works_offline(server: IndexServer, opened: Callable[..., Source]) -> None:
    server.add()
    server.add("triple")
    source = opened()
    source.refresh()
    found(source)["double@1.0.0"].place.load(LIMITS, "web")
    offline = opened()
    server.handlers["/index.json"] = server.handlers["/triple-1.0.0.zip"] = hang_up
    assert set(found(offline)) == {"double@1.0.0", "triple@1.0.0"}
    error = failure(offline.refresh)
    assert isinstance(error, SourceFailed)
    assert error.details["source"] == "web"
    assert found(offline)["double@1.0.0"].place.load(LIMITS, "web").name == "double"
    error = failure(lambda: found(offline)["triple@1.0.0"].place.load(LIMITS, "web"))
    assert error.details["task"] == "triple@1.0.0"
    assert "triple@1.0.0" in error.message and "'web'" in error.message


def test_with_prefetch_all_tasks_work_offline(server: IndexServer, opened: Callable[..., Source]) -> None:
    server.add()
    server.add("triple")
    opened(prefetch=True).refresh()
    server.files.clear()
    for each in found(opened()).values():
        each.place.load(LIMITS, "web")


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True
    handler.connection.close()


def test_an_index_that_lies_about_a_digest_is_caught_and_the_content_never_used(
    server: IndexServer, opened: Callable[..., Source], tmp_path: Path
) -> None:
    server.add()
    data = server.add("evil")
    server.files["/evil-1.0.0.zip"] = task_zip(task_files("evil", code="(function() { return 'owned'; })    "))[: len(data)].ljust(
        len(data), b"\0"
    )
    source = opened()
    source.refresh()
    for _ in range(2):
        error = failure(lambda: found(source)["evil@1.0.0"].place.load(LIMITS, "web"))
        assert isinstance(error, SourceFailed)
        assert "SHA-256" in error.message and "evil@1.0.0" in error.message and "'web'" in error.message
    assert server.asked("/evil-1.0.0.zip") == 2, "it is not cached"
    assert not list(tmp_path.rglob("*.zip"))
    assert found(source)["double@1.0.0"].place.load(LIMITS, "web").name == "double"


def test_a_zip_that_is_damaged_in_the_cache_is_fetched_again(server: IndexServer, opened: Callable[..., Source], tmp_path: Path) -> None:
    server.add()
    source = opened()
    source.refresh()
    place = found(source)["double@1.0.0"].place
    place.load(LIMITS, "web")
    (cached,) = (tmp_path / "cache" / "zips").glob("*.zip")
    cached.write_bytes(task_zip(task_files("double", code="(function() { return 'owned'; })")))
    assert "owned" not in place.load(LIMITS, "web").source
    assert server.asked("/double-1.0.0.zip") == 2


@pytest.mark.parametrize(
    "changes", [{"version": "2.0.0"}, {"name": "other"}, {"uuid": "11111111-1111-4111-8111-111111111111"}, {"digest": "0" * 64}]
)
def test_a_zip_that_holds_another_task_than_promised_is_refused(
    server: IndexServer, opened: Callable[..., Source], changes: dict[str, str]
) -> None:
    server.add(entry=changes)
    source = opened()
    source.refresh()
    ((reference, each),) = found(source).items()
    error = failure(lambda: each.place.load(LIMITS, "web"))
    assert isinstance(error, SourceFailed)
    assert error.details["task"] == reference
    assert "promises" in error.message


def test_a_bad_task_in_a_zip_says_all_that_is_wrong(server: IndexServer, opened: Callable[..., Source]) -> None:
    server.add(code="function (")
    source = opened()
    source.refresh()
    error = failure(lambda: found(source)["double@1.0.0"].place.load(LIMITS, "web"))
    assert isinstance(error, TaskInvalid)
    assert error.details["location"] == f"{server.index_url}#double@1.0.0"


def test_one_bad_entry_does_not_hide_the_others(server: IndexServer, opened: Callable[..., Source]) -> None:
    server.add()
    server.entries += [{"name": "Bad Name", "version": "1.0.0", "url": "x", "sha256": "0" * 64, "size": 1}, 7]  # type: ignore[list-item]
    server.entries.append(entry_of("downgrade", "1.0.0", b"x", url="file:///etc/passwd"))
    server.publish()
    source = opened()
    source.refresh()
    assert set(found(source)) == {"double@1.0.0"}
    assert len(problems(source)) == 3
    assert all(problem.source == "web" for problem in problems(source))


@pytest.mark.parametrize("body", [b"{", b"", b"<html>", b"\xff\xfe", b'{"format": "ratchet-index/1"}', b"[" * 50_000])
def test_a_broken_index_leaves_the_last_good_one(server: IndexServer, opened: Callable[..., Source], body: bytes) -> None:
    server.add()
    source = opened()
    source.refresh()
    server.files["/index.json"] = body
    assert isinstance(failure(source.refresh), SourceFailed)
    assert set(found(source)) == set(found(opened())) == {"double@1.0.0"}


def test_a_version_that_is_listed_twice_is_a_problem(server: IndexServer, opened: Callable[..., Source]) -> None:
    server.add()
    server.entries *= 2
    server.publish()
    source = opened()
    source.refresh()
    assert len(found(source)) == len(problems(source)) == 1
    assert "twice" in problems(source)[0].error.message


def test_a_collection_zip_may_hold_several_tasks_of_an_index(server: IndexServer, opened: Callable[..., Source]) -> None:
    data = task_zip({f"{name}/{path}": text for name in ("one", "two") for path, text in task_files(name).items()})
    server.files["/all.zip"] = data
    server.entries = [entry_of(name, "1.0.0", data, url="all.zip", folder=name) for name in ("one", "two")]
    server.publish()
    source = opened()
    source.refresh()
    assert [each.place.load(LIMITS, "web").name for each in found(source).values()] == ["one", "two"]
    assert server.asked("/all.zip") == 1
    assert len({each.place.location for each in found(source).values()}) == 2


# ---------------------------------------------------------------- limits
def test_a_zip_that_claims_two_gigabytes_is_not_fetched(server: IndexServer, opened: Callable[..., Source]) -> None:
    server.add(entry={"size": 2 << 30})
    source = opened()
    source.refresh()
    error = failure(lambda: found(source)["double@1.0.0"].place.load(LIMITS, "web"))
    assert str(2 << 30) in error.message
    assert server.asked("/double-1.0.0.zip") == 0


def test_a_zip_with_a_content_length_of_two_gigabytes_is_not_read(server: IndexServer, opened: Callable[..., Source]) -> None:
    server.add()
    sent = threading.Event()

    def huge(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(2 << 30))
        handler.end_headers()
        sent.set()

    server.handlers["/double-1.0.0.zip"] = huge
    source = opened()
    source.refresh()
    error = failure(lambda: found(source)["double@1.0.0"].place.load(LIMITS, "web"))
    assert sent.wait(10)
    assert str(2 << 30) in error.message


def test_a_body_without_an_end_is_cut_off(server: IndexServer, opened: Callable[..., Source]) -> None:
    server.add()
    written = [0]

    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            written[0] += handler.wfile.write(b"x" * 65536)

    server.handlers["/double-1.0.0.zip"] = server.handlers["/index.json"] = endless
    source = opened(max_index_bytes=100_000)
    assert "larger than 100000 bytes" in failure(source.refresh).message
    del server.handlers["/index.json"]
    source.refresh()
    assert "larger than" in failure(lambda: found(source)["double@1.0.0"].place.load(LIMITS, "web")).message
    assert written[0] < 32 << 20


def test_a_server_that_trickles_is_given_up_in_time(server: IndexServer, opened: Callable[..., Source]) -> None:
    over = threading.Event()

    def trickle(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not over.wait(0.02):
            handler.wfile.write(b"x")

    server.handlers["/index.json"] = trickle
    try:
        error = failure(opened(timeout_seconds=0.3, attempts=1).refresh)
    finally:
        over.set()
    assert "within 0.3 seconds" in error.message


def test_a_compressed_answer_that_nobody_asked_for_is_refused(server: IndexServer, opened: Callable[..., Source]) -> None:
    def bomb(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Encoding", "gzip")
        handler.send_header("Content-Length", "3")
        handler.end_headers()
        handler.wfile.write(b"abc")

    server.handlers["/index.json"] = bomb
    assert "encoding that nobody asked for" in failure(opened().refresh).message


def test_a_server_that_fails_for_a_moment_is_asked_again(server: IndexServer, opened: Callable[..., Source]) -> None:
    server.add()
    server.fail("/index.json", 503, 500)
    assert opened(attempts=3).refresh()
    server.fail("/index.json", 503, 503, 503, headers={"Retry-After": "1"})
    assert "status 503" in failure(opened(attempts=3).refresh).message


def test_a_missing_index_is_not_asked_for_again(server: IndexServer, opened: Callable[..., Source]) -> None:
    del server.files["/index.json"]
    assert "status 404" in failure(opened().refresh).message
    assert server.asked("/index.json") == 1


def test_a_server_that_is_gone_is_one_clear_error(tmp_path: Path) -> None:
    with index_server() as gone:
        url = gone.index_url
    source = open_remote(SourceSettings(name="web", uri=url), RegistrySettings(cache_folder=tmp_path), LIMITS)
    error = failure(source.refresh)
    assert isinstance(error, SourceFailed)
    assert error.details == {"source": "web", "uri": url}
    assert error.retryable


def test_the_cache_stays_within_its_size(server: IndexServer, opened: Callable[..., Source], tmp_path: Path) -> None:
    for number in range(14):
        data = task_zip(task_files(f"t{number}")) + bytes(2 << 20)
        server.files[f"/t{number}-1.0.0.zip"] = data
        server.entries.append(entry_of(f"t{number}", "1.0.0", data))
    server.publish()
    source = opened(cache_mb=16)
    source.refresh()
    for each in found(source).values():
        with pytest.raises(RatchetError):
            each.place.load(LIMITS, "web")
    cached = list((tmp_path / "cache" / "zips").glob("*.zip"))
    assert 0 < sum(file.stat().st_size for file in cached) <= 16 << 20


def test_a_cache_that_cannot_be_written_costs_only_the_offline_use(server: IndexServer, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, no folder")
    server.add()
    source = open_remote(SourceSettings(name="web", uri=server.index_url), RegistrySettings(cache_folder=tmp_path / "cache"), LIMITS)
    assert source.refresh()
    assert found(source)["double@1.0.0"].place.load(LIMITS, "web").name == "double"


# ---------------------------------------------------------------- redirects and addresses
def test_redirects_on_the_same_host_are_followed_up_to_five_times(server: IndexServer, opened: Callable[..., Source]) -> None:
    server.add()
    for number in range(5):
        server.redirect(f"/r{number}", f"/r{number + 1}")
    server.redirect("/r5", "/index.json")
    assert "redirects more than 5 times" in failure(opened(f"{server.url}/r0").refresh).message
    assert opened(f"{server.url}/r1").refresh()


@pytest.mark.parametrize(
    "target", ["http://127.0.0.2:1/x", "http://169.254.169.254/latest/meta-data", "http://localhost:1/x", "http://[::1]:1/x"]
)
def test_an_index_on_this_machine_may_not_lead_elsewhere(server: IndexServer, opened: Callable[..., Source], target: str) -> None:
    server.redirect("/index.json", target)
    assert "own host" in failure(opened().refresh).message


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://example.com/x", "gopher://example.com", "javascript:alert(1)", "http://", "//"]
)
def test_a_redirect_to_what_is_no_web_address_is_refused(server: IndexServer, opened: Callable[..., Source], target: str) -> None:
    server.redirect("/index.json", target)
    assert isinstance(failure(opened().refresh), SourceFailed)


class World:
    """Names of the internet, all of which lead to the server of the test."""

    def __init__(self, server: IndexServer, **names: str) -> None:
        self.port = server.port
        self.names = {name.replace("_", "."): address for name, address in names.items()}
        self.connected: list[str] = []

    def resolve(self, host: str, port: int) -> list[str]:
        return [self.names.get(host, host)]

    async def connect(self, address: str, port: int) -> httpcore.AsyncNetworkStream:
        self.connected.append(address)
        return await httpcore.AnyIOBackend().connect_tcp("127.0.0.1", self.port)

    def source(self, cache: Path, uri: str = "http://tasks.example/index.json", **config: Any) -> HttpIndexSource:
        return HttpIndexSource("web", parse(uri), HttpOptions(**config), cache, 16 << 20, resolve=self.resolve, connect=self.connect)


@pytest.fixture
def world(server: IndexServer) -> World:
    return World(server, tasks_example=PUBLIC, cdn_example="93.184.216.35", inside_example="10.0.0.5")


@pytest.mark.parametrize(
    "target", ["http://127.0.0.1/x", "http://inside.example/x", "http://169.254.169.254/x", "http://[::ffff:127.0.0.1]/x"]
)
def test_a_redirect_from_the_internet_to_a_private_address_is_refused(
    server: IndexServer, world: World, tmp_path: Path, target: str
) -> None:
    server.redirect("/index.json", target)
    error = failure(world.source(tmp_path).refresh)
    assert isinstance(error, SourceFailed)
    assert "private address" in error.message
    assert world.connected == [PUBLIC]


def test_a_task_may_lie_on_another_public_host_but_on_no_private_one(server: IndexServer, world: World, tmp_path: Path) -> None:
    server.add(entry={"url": "http://cdn.example/double-1.0.0.zip"})
    server.add("evil", entry={"url": "http://inside.example/evil-1.0.0.zip"})
    source = world.source(tmp_path)
    source.refresh()
    assert found(source)["double@1.0.0"].place.load(LIMITS, "web").name == "double"
    assert "private address" in failure(lambda: found(source)["evil@1.0.0"].place.load(LIMITS, "web")).message
    assert "10.0.0.5" not in world.connected


def test_a_name_that_is_rebound_to_this_machine_is_refused_also_after_a_restart(server: IndexServer, world: World, tmp_path: Path) -> None:
    server.add()
    world.source(tmp_path).refresh()
    world.names["tasks.example"] = "127.0.0.1"
    again = world.source(tmp_path)
    assert "config.private" in failure(again.refresh).message
    assert world.connected == [PUBLIC]
    assert world.source(tmp_path, private=True).refresh() is False


def test_https_never_leads_down_to_http(server: IndexServer, world: World, tmp_path: Path) -> None:
    server.add(entry={"url": "http://tasks.example/double-1.0.0.zip"})
    (tmp_path / "plain").mkdir()
    source = world.source(tmp_path / "tls", "https://tasks.example/index.json")
    with pytest.raises(Exception, match="down to http"):
        source._fetcher.resolve("http://tasks.example/x")
    with pytest.raises(Exception, match="down to http"):
        source._fetcher.resolve("//x", source._url.copy_with(scheme="http"))


# ---------------------------------------------------------------- credentials
SECRET = "s3cret-t0ken"


def test_a_token_is_sent_to_the_index_and_its_tasks(
    server: IndexServer, opened: Callable[..., Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASKS_TOKEN", SECRET)
    server.add()
    source = opened(token_env="TASKS_TOKEN")
    source.refresh()
    found(source)["double@1.0.0"].place.load(LIMITS, "web")
    assert [request.headers.get("authorization") for request in server.requests] == [f"Bearer {SECRET}"] * 2


def test_credentials_never_go_to_another_origin(server: IndexServer, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKS_TOKEN", SECRET)
    server.add(entry={"url": "http://cdn.example/double-1.0.0.zip"})
    server.redirect("/start", "http://cdn.example/index.json")
    source = world.source(tmp_path, "http://tasks.example/start", token_env="TASKS_TOKEN")
    source.refresh()
    found(source)["double@1.0.0"].place.load(LIMITS, "web")
    sent = {(request.headers["host"], request.path): request.headers.get("authorization") for request in server.requests}
    assert sent == {
        ("tasks.example", "/start"): f"Bearer {SECRET}",
        ("cdn.example", "/index.json"): None,
        ("cdn.example", "/double-1.0.0.zip"): None,
    }


def test_credentials_leak_into_no_text(
    server: IndexServer, opened: Callable[..., Source], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setenv("TASKS_TOKEN", SECRET)
    caplog.set_level("DEBUG")
    server.add()
    source = opened(token_env="TASKS_TOKEN")
    source.refresh()
    each = found(source)["double@1.0.0"]
    texts = [repr(source), repr(vars(source)), repr(each), each.place.location, source.uri]
    for status in (401, 403, 404, 500):
        server.fail("/index.json", *[status] * 5)
        error = failure(source.refresh)
        texts += [repr(error), json.dumps(error.to_dict()), repr(error.__cause__), repr(error.__context__)]
    texts.append(caplog.text)
    assert "/index.json" in caplog.text or caplog.records, "something was logged"
    assert not [text for text in texts if SECRET in text]
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and SECRET.encode() in file.read_bytes()]


def test_missing_credentials_are_one_clear_error(opened: Callable[..., Source], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TASKS_TOKEN", raising=False)
    error = failure(opened(token_env="TASKS_TOKEN").refresh)
    assert isinstance(error, SourceFailed)
    assert "TASKS_TOKEN" in error.message
