"""Requests of Ratchet itself (webhooks, registries), which stand under the same rules as those of tasks."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from egress_runs import egress
from http_server import HttpServer, http_server, response
from loguru import logger

from ratchet_mcp.egress.messages import FetchRequest
from ratchet_mcp.errors import FetchLimit, FetchTimedOut, NetworkDenied, NetworkFailed

LIMITS = {"timeout_seconds": 5.0, "max_response_bytes": 1 << 20}


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    with http_server() as running:
        yield running


@pytest.fixture
def log() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(str(message)), level="INFO", format="{message}")
    yield lines
    logger.remove(sink)


async def test_a_request_of_ratchet_itself_is_sent_as_it_was_given_and_logged_without_secrets(server: HttpServer, log: list[str]) -> None:
    request = FetchRequest(f"{server.url}/echo?token=hush-hush", "POST", (("X-Signature", "abc"),), b'{"a":1}')
    async with egress() as service:
        got = await service.send(request, **LIMITS, who="The webhook")
    told = json.loads(got.body)
    assert (got.status, told["method"], told["body"], told["headers"]["x-signature"]) == (200, "POST", '{"a":1}', "abc")
    [line] = log
    assert line.startswith(f"The webhook: POST {server.url}/echo?token=*** answered 200 in ") and "hush" not in line


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://169.254.169.254/", "http://[::1]/", "http://localhost/"])
async def test_private_addresses_are_refused(url: str, log: list[str]) -> None:
    async with egress(allow_private=[]) as service:
        with pytest.raises(NetworkDenied):
            await service.send(FetchRequest(url, "POST", body=b"x"), **LIMITS)
    assert "failed (network_denied)" in log[0]


async def test_each_redirect_is_checked_anew(server: HttpServer) -> None:
    async with egress(allow_private=[f"127.0.0.1:{server.port}"]) as service:
        with pytest.raises(NetworkDenied):
            await service.send(FetchRequest(f"{server.url}/redirect?to=http://127.0.0.1:1/"), **LIMITS)


async def test_the_hosts_that_the_caller_names_are_the_only_ones(server: HttpServer) -> None:
    async with egress() as service:
        assert (await service.send(FetchRequest(f"{server.url}/json"), **LIMITS, allow=["127.0.0.1:*"])).status == 200
        with pytest.raises(NetworkDenied, match=r"The webhook may reach example\.com, but not") as caught:
            await service.send(FetchRequest(f"{server.url}/json"), **LIMITS, allow=["example.com"], who="The webhook")
    assert "where this request is configured" in str(caught.value.hint)


async def test_a_caller_has_limits_of_its_own(server: HttpServer) -> None:
    async with egress(response_bytes=1024) as service:
        big = FetchRequest(f"{server.url}/big")
        server.answers("/big", response(b"x" * 5000))
        assert len((await service.send(big, **LIMITS)).body) == 5000
        with pytest.raises(FetchLimit):
            await service.send(big, timeout_seconds=5, max_response_bytes=4999)
        with pytest.raises(FetchTimedOut):
            await service.send(FetchRequest(f"{server.url}/slow"), timeout_seconds=0.05, max_response_bytes=100)


async def test_nothing_is_tried_again_and_nothing_comes_from_the_cache(server: HttpServer) -> None:
    server.answers("/flaky", response(b"", "503 Later"), response(b"", Cache_Control="max-age=60"))
    async with egress(retries=2) as service:
        statuses = [(await service.send(FetchRequest(f"{server.url}/flaky"), **LIMITS)).status for _ in range(3)]
        with pytest.raises(NetworkFailed):
            await service.send(FetchRequest(f"{server.url}/reset"), **LIMITS)
    assert statuses == [503, 200, 200]
    assert server.paths().count("/flaky") == 3 and server.paths().count("/reset") == 1


async def test_what_is_under_way_ends_with_the_service(server: HttpServer) -> None:
    import anyio

    failures: list[NetworkFailed] = []

    async def send() -> None:
        try:
            await service.send(FetchRequest(f"{server.url}/slow"), **LIMITS)
        except NetworkFailed as error:
            failures.append(error)

    async with anyio.create_task_group() as tasks:
        async with egress() as service:
            tasks.start_soon(send)
            before = len(server.asked)
            while len(server.asked) == before:
                await anyio.sleep(0.01)
    assert failures[0].details["reason"] == "closed"
