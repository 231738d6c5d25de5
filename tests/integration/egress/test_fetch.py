"""Fetches against a real server that behaves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from egress_runs import egress, get
from http_server import Authority, HttpServer, authority, http2_server, http_server, response

from ratchet_mcp.errors import FetchLimit, NetworkFailed


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    with http_server() as running:
        yield running


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("ca"))


async def test_a_response_has_status_headers_and_body(server: HttpServer) -> None:
    async with egress() as service:
        run = service.for_run(None)
        got = await get(run, f"{server.url}/json?a=1#part")
    assert (got.status, got.status_text, got.body, got.redirected, got.url) == (
        200,
        "OK",
        b'{"name":"Paris","n":1}',
        False,
        f"{server.url}/json?a=1",
    )
    assert got.header("content-type") == "application/json"
    [call] = run.calls
    assert (call.status, call.method, call.policy, call.address, call.received) == (
        200,
        "GET",
        "allow_private (127.0.0.1:*)",
        "127.0.0.1",
        22,
    )
    assert call.timing.connect is not None and call.timing.first_byte is not None and call.timing.total is not None
    json.dumps(call.to_dict())


async def test_what_is_sent_is_what_the_task_wrote_and_what_belongs_to_it(server: HttpServer) -> None:
    async with egress(user_agent="probe/1") as service:
        got = await get(
            service.for_run(None), f"{server.url}/echo", method="post", body=b"hello", headers={"X-One": "1", "Content-Length": "99"}
        )
    told = json.loads(got.body)
    assert (told["method"], told["body"], told["headers"]["x-one"]) == ("POST", "hello", "1")
    assert told["headers"]["content-length"] == "5" and told["headers"]["user-agent"] == "probe/1"
    assert told["headers"]["host"] == f"127.0.0.1:{server.port}" and told["headers"]["accept-encoding"] == "gzip, deflate"


async def test_a_post_without_body_says_so(server: HttpServer) -> None:
    async with egress() as service:
        told = json.loads((await get(service.for_run(None), f"{server.url}/echo", method="POST")).body)
    assert told["headers"]["content-length"] == "0"


@pytest.mark.parametrize("method", ["HEAD", "DELETE", "OPTIONS", "PUT", "PATCH", "PROPFIND"])
async def test_each_method_reaches_the_server(server: HttpServer, method: str) -> None:
    async with egress() as service:
        got = await get(service.for_run(None), f"{server.url}/echo", method=method)
    assert got.status == 200 and server.asked[-1].method == method
    assert (got.body == b"") == (method == "HEAD")


@pytest.mark.parametrize("status", [204, 304, 400, 401, 404, 418, 500])
async def test_every_status_is_a_response(server: HttpServer, status: int) -> None:
    async with egress() as service:
        assert (await get(service.for_run(None), f"{server.url}/status/{status}")).status == status


@pytest.mark.parametrize(
    ("path", "body"),
    [("/chunked", b"one two three"), ("/gzip", b"plain text " * 100), ("/deflate", b"deflated"), ("/deflate/raw", b"deflated")],
)
async def test_bodies_are_whole_however_they_come(server: HttpServer, path: str, body: bytes) -> None:
    async with egress() as service:
        assert (await get(service.for_run(None), server.url + path)).body == body


async def test_one_connection_serves_several_requests(server: HttpServer) -> None:
    before = server.connections
    async with egress() as service:
        for _ in range(5):
            run = service.for_run(None)
            await get(run, f"{server.url}/json")
        assert run.calls[0].timing.connect is None
    assert server.connections == before + 1


async def test_ten_at_once_go_at_once(server: HttpServer) -> None:
    together = asyncio.Event()
    arrived = 0

    async def wait_for_all(asked, writer) -> None:  # type: ignore[no-untyped-def]
        nonlocal arrived
        arrived += 1
        while arrived < 10:
            await asyncio.sleep(0.005)
        writer.write(response(b"all"))

    server.handlers["/together"] = wait_for_all
    async with egress() as service:
        run = service.for_run(None)
        got = await asyncio.gather(*(get(run, f"{server.url}/together") for _ in range(10)))
    assert [each.body for each in got] == [b"all"] * 10 and not together.is_set()


async def test_more_than_the_parallel_ones_wait(server: HttpServer) -> None:
    now = most = 0

    async def count(asked, writer) -> None:  # type: ignore[no-untyped-def]
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.02)
        now -= 1
        writer.write(response(b"x"))

    server.handlers["/count"] = count
    async with egress(parallel=3) as service:
        run = service.for_run(None)
        await asyncio.gather(*(get(run, f"{server.url}/count") for _ in range(9)))
    assert most == 3


# ---------------------------------------------------------------- TLS and HTTP/2
async def test_tls_with_a_ca_of_its_own(ca: Authority) -> None:
    with http_server(ca.server_context("api.test")) as server:
        url = f"https://api.test:{server.port}/json"
        async with egress(names={"api.test": [["127.0.0.1"]]}, ca_file=ca.file) as service:
            run = service.for_run(None)
            got = await get(run, url)
            assert run.calls[0].timing.tls is not None
    assert got.status == 200 and got.http_version == "HTTP/1.1"
    assert server.asked[0].headers["host"] == f"api.test:{server.port}"


async def test_a_certificate_of_an_unknown_authority_is_refused(ca: Authority) -> None:
    with http_server(ca.server_context("api.test")) as server:
        async with egress(names={"api.test": [["127.0.0.1"]]}) as service:
            with pytest.raises(NetworkFailed) as error:
                await get(service.for_run(None), f"https://api.test:{server.port}/json")
    assert error.value.details == {"host": "api.test", "reason": "tls"}
    assert error.value.hint and "ca_file" in error.value.hint


async def test_a_certificate_for_another_name_is_refused(ca: Authority) -> None:
    with http_server(ca.server_context("other.test")) as server:
        async with egress(names={"api.test": [["127.0.0.1"]]}, ca_file=ca.file) as service:
            with pytest.raises(NetworkFailed, match=r"certificate of api\.test is not trusted"):
                await get(service.for_run(None), f"https://api.test:{server.port}/json")
    assert server.asked == []


async def test_a_trailing_dot_is_no_part_of_the_certificate_name(ca: Authority) -> None:
    with http_server(ca.server_context("api.test")) as server:
        async with egress(names={"api.test.": [["127.0.0.1"]]}, ca_file=ca.file) as service:
            assert (await get(service.for_run(None), f"https://api.test.:{server.port}/json")).status == 200


async def test_http2_is_spoken_where_the_server_has_it(ca: Authority) -> None:
    with http2_server(ca.server_context("api.test")) as server:
        async with egress(names={"api.test": [["127.0.0.1"]]}, ca_file=ca.file) as service:
            run, url = service.for_run(None), f"https://api.test:{server.port}"
            told = json.loads((await get(run, f"{url}/echo", method="POST", body=b"x" * 100_000, headers={"X-One": "1"})).body)
            assert (await get(run, f"{url}/large?size=3000000")).body == b"x" * 3_000_000
    assert [call.http_version for call in run.calls] == ["HTTP/2", "HTTP/2"]
    assert told["body"] == "x" * 100_000 and told["headers"]["x-one"] == "1" and told["headers"][":authority"] == f"api.test:{server.port}"
    assert server.connections == 1


async def test_http2_can_be_switched_off(ca: Authority) -> None:
    with http2_server(ca.server_context("api.test")) as server:
        async with egress(names={"api.test": [["127.0.0.1"]]}, ca_file=ca.file, http2=False) as service:
            run = service.for_run(None)
            await get(run, f"https://api.test:{server.port}/json")
    assert run.calls[0].http_version == "HTTP/1.1"


async def test_http2_requests_at_once_do_not_share_a_connection(ca: Authority) -> None:
    with http2_server(ca.server_context("api.test")) as server:
        async with egress(names={"api.test": [["127.0.0.1"]]}, ca_file=ca.file) as service:
            run = service.for_run(None)
            await asyncio.gather(*(get(run, f"https://api.test:{server.port}/json") for _ in range(5)))
    assert len({each.connection for each in server.asked}) == len(server.asked) == 5


@pytest.mark.parametrize("path", ["/reset", "/goaway", "/pings"])
async def test_a_broken_http2_stream_is_a_typed_error(ca: Authority, path: str) -> None:
    with http2_server(ca.server_context("api.test")) as server:
        async with egress(names={"api.test": [["127.0.0.1"]]}, ca_file=ca.file) as service:
            run = service.for_run(None)
            with pytest.raises(NetworkFailed):
                await get(run, f"https://api.test:{server.port}{path}")
            assert (await get(run, f"https://api.test:{server.port}/json")).status == 200


async def test_an_http2_bomb_is_refused(ca: Authority) -> None:
    with http2_server(ca.server_context("api.test")) as server:
        async with egress(names={"api.test": [["127.0.0.1"]]}, ca_file=ca.file) as service:
            with pytest.raises(FetchLimit):
                await get(service.for_run(None), f"https://api.test:{server.port}/bomb")


# ---------------------------------------------------------------- IPv6 and several addresses
async def test_the_second_address_is_used_when_the_first_does_not_answer(server: HttpServer) -> None:
    async with egress(names={"two.test": [["::1", "127.0.0.1"]]}) as service:
        run = service.for_run(None)
        assert (await get(run, f"http://two.test:{server.port}/json")).status == 200
    assert run.calls[0].address == "127.0.0.1"


async def test_an_ipv6_literal_is_reached() -> None:
    with http_server(host="::1") as server:
        async with egress() as service:
            run = service.for_run(None)
            assert (await get(run, f"{server.url}/json")).status == 200
    assert server.asked[0].headers["host"] == f"[::1]:{server.port}"


# ---------------------------------------------------------------- settings
async def test_a_ca_file_that_is_none_is_told(tmp_path: Path) -> None:
    from ratchet_mcp.errors import SettingsInvalid

    (tmp_path / "no.pem").write_text("nothing")
    async with egress(ca_file=tmp_path / "no.pem") as service:
        with pytest.raises(SettingsInvalid, match=r"network\.ca_file"):
            await get(service.for_run(None), "https://127.0.0.1:4433/")
