"""Servers that misbehave: each ends in a typed error with host and hint, the next fetch works, and no socket stays open."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from egress_runs import Names, egress, get
from http_server import HttpServer, authority, http2_server, http_server, response

from ratchet_mcp.egress.service import Egress
from ratchet_mcp.errors import FetchLimit, FetchTimedOut, InvalidFetch, NetworkError, NetworkFailed
from ratchet_mcp.settings import NetworkSettings


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    with http_server() as running:
        yield running


async def fails(
    server: HttpServer, path: str, kind: type[NetworkError], *, settings: dict[str, Any] | None = None, **options: Any
) -> NetworkError:
    """Return the error of a fetch, and see that the service works afterwards."""
    async with egress(**(settings or {})) as service:
        run = service.for_run(None)
        with pytest.raises(kind) as error:
            await get(run, server.url + path, **options)
        if "requests" not in (settings or {}):
            assert (await get(service.for_run(None), f"{server.url}/json")).status == 200
    assert error.value.details["host"] == "127.0.0.1"
    assert run.calls[0].error == {"code": error.value.code, "message": error.value.message}
    return error.value


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/reset", "reset"),
        ("/reset/mid", "reset"),
        ("/short", "closed"),
        ("/garbage", "protocol"),
        ("/truncated", "encoding"),
        ("/brotli", "encoding"),
    ],
)
async def test_a_broken_response_is_a_network_failure(server: HttpServer, path: str, reason: str) -> None:
    error = await fails(server, path, NetworkFailed)
    assert error.details["reason"] == reason and error.hint


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        ("/huge", "response_bytes"),
        ("/endless", "response_bytes"),
        ("/bomb", "response_bytes"),
        ("/bomb?size=6000000", "decompression_ratio"),
        ("/bomb?layers=3", "decompression_ratio"),
        ("/loop", "redirects"),
        ("/headers", "header_bytes"),
        ("/headers?count=2000", "header_bytes"),
    ],
)
async def test_a_response_above_a_limit_is_refused(server: HttpServer, path: str, limit: str) -> None:
    error = await fails(server, path, FetchLimit)
    assert error.details["limit"] == limit


async def test_a_bomb_that_keeps_the_ratio_meets_the_size(server: HttpServer) -> None:
    error = await fails(server, "/bomb", FetchLimit, settings={"decompression_ratio": 2000})
    assert error.details["limit"] == "response_bytes"


@pytest.mark.parametrize("path", ["/slow", "/trickle"])
async def test_a_response_that_never_ends_meets_the_time(server: HttpServer, path: str) -> None:
    error = await fails(server, path, FetchTimedOut, settings={"timeout_seconds": 0.2})
    assert error.details["phase"] == ("body" if path == "/trickle" else "response")


async def test_a_call_may_ask_for_less_time(server: HttpServer) -> None:
    error = await fails(server, "/slow", FetchTimedOut, timeout_seconds=0.1)
    assert error.details["seconds"] == 0.1


async def test_more_time_than_the_most_is_cut(server: HttpServer) -> None:
    error = await fails(
        server, "/slow", FetchTimedOut, settings={"timeout_seconds": 0.1, "max_timeout_seconds": 0.1}, timeout_seconds=100.0
    )
    assert error.details["seconds"] == 0.1


async def test_what_a_server_sends_beyond_its_response_is_not_the_next_response(server: HttpServer) -> None:
    forged = response(b"honest") + response(b"forged")
    server.answers("/two", forged)
    async with egress() as service:
        for _ in range(3):
            assert (await get(service.for_run(None), f"{server.url}/two")).body == b"honest"
        assert (await get(service.for_run(None), f"{server.url}/long")).body == b"four"
        assert (await get(service.for_run(None), f"{server.url}/json")).status == 200


@pytest.mark.parametrize(
    ("head", "flood"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 5000),
    ],
)
async def test_a_server_that_sends_more_framing_than_content_is_cut_off(head: bytes, flood: bytes) -> None:
    async def answer(asked: Any, writer: Any) -> None:
        writer.write(head)
        while True:
            writer.write(flood)
            await writer.drain()

    with http_server() as server:
        server.handlers["/flood"] = answer
        error = await fails(server, "/flood", NetworkFailed)
    assert "framing" in error.message


async def test_a_closed_port_is_told() -> None:
    with http_server() as gone:
        url = gone.url
    async with egress() as service:
        with pytest.raises(NetworkFailed) as error:
            await get(service.for_run(None), url)
    assert error.value.details == {"host": "127.0.0.1", "reason": "refused"} and error.value.hint


async def test_a_name_that_is_not_there_is_told() -> None:
    async with egress(names={}) as service:
        with pytest.raises(NetworkFailed) as error:
            await get(service.for_run(None), "http://missing.example.com/")
    assert error.value.details == {"host": "missing.example.com", "reason": "dns"}


async def test_the_resolver_of_the_system_tells_a_missing_name() -> None:
    async with egress() as service:
        with pytest.raises(NetworkFailed) as error:
            await get(service.for_run(None), "http://no-such-name.invalid/")
    assert error.value.details["reason"] == "dns"


async def test_a_resolver_that_never_answers_meets_the_time() -> None:
    class Silent(Names):
        async def resolve(self, host: str, port: int) -> list[str]:
            await anyio.sleep_forever()
            raise AssertionError

    async with Egress(NetworkSettings(timeout_seconds=0.1, retries=0), resolver=Silent({})) as service:
        with pytest.raises(FetchTimedOut) as error:
            await get(service.for_run(None), "http://slow.example.com/")
    assert error.value.details["phase"] == "connect"


async def test_tls_with_a_server_that_has_none_is_told(server: HttpServer) -> None:
    async with egress(connect_timeout_seconds=1) as service:
        with pytest.raises(NetworkFailed) as error:
            await get(service.for_run(None), f"https://127.0.0.1:{server.port}/")
    assert error.value.details["reason"] in ("tls", "connect", "closed")


# ---------------------------------------------------------------- bad requests
@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"method": "FETCH"}, "method"),
        ({"method": "CONNECT"}, "method"),
        ({"method": "TRACE"}, "method"),
        ({"method": "GET / HTTP/1.1\r\nX: y"}, "method"),
        ({"method": "GET", "body": b"x"}, "body"),
        ({"method": "HEAD", "body": b"x"}, "body"),
        ({"headers": {"X": "a\r\nHost: evil"}}, "headers"),
        ({"headers": {"X": "a\nb"}}, "headers"),
        ({"headers": {"X": "a\0b"}}, "headers"),
        ({"headers": {"X": "\u20ac"}}, "headers"),
        ({"headers": {"X\r\nY": "a"}}, "headers"),
        ({"headers": {"": "a"}}, "headers"),
        ({"headers": {"a b": "a"}}, "headers"),
        ({"headers": {":authority": "a"}}, "headers"),
        ({"headers": {"Host": "evil"}}, "headers"),
        ({"headers": {"Transfer-Encoding": "chunked"}}, "headers"),
        ({"headers": {"Proxy-Authorization": "Basic x"}}, "headers"),
        ({"headers": {"Expect": "100-continue"}}, "headers"),
        ({"headers": {"Upgrade": "websocket"}}, "headers"),
        ({"retry": {"retries": -1}}, "retry"),
        ({"retry": {"times": 1}}, "retry"),
        ({"retry": "often"}, "retry"),
        ({"retry": 1000}, "retry"),
    ],
)
async def test_a_request_that_is_none_is_refused_before_anything_is_sent(server: HttpServer, options: dict[str, Any], field: str) -> None:
    before = len(server.asked)
    async with egress() as service:
        with pytest.raises(InvalidFetch) as error:
            await get(service.for_run(None), f"{server.url}/echo", **options)
    assert error.value.details == {"host": "127.0.0.1", "field": field}
    assert len(server.asked) == before


# ---------------------------------------------------------------- limits of a run
async def test_a_run_makes_so_many_requests_and_no_more(server: HttpServer) -> None:
    async with egress(requests=3) as service:
        run = service.for_run(None)
        for _ in range(3):
            await get(run, f"{server.url}/json")
        for _ in range(20):
            with pytest.raises(FetchLimit) as error:
                await get(run, f"{server.url}/json")
        assert error.value.details == {"host": "127.0.0.1", "limit": "requests", "maximum": 3}
        assert len(run.calls) == 4
        assert (await get(service.for_run(None), f"{server.url}/json")).status == 200


async def test_a_body_above_the_limit_is_not_sent(server: HttpServer) -> None:
    error = await fails(server, "/echo", FetchLimit, settings={"request_bytes": 10}, method="POST", body=b"x" * 11)
    assert error.details["limit"] == "request_bytes"


async def test_all_bodies_of_a_run_together_are_limited(server: HttpServer) -> None:
    async with egress(total_up_bytes=25, total_down_bytes=1024) as service:
        run = service.for_run(None)
        for _ in range(2):
            await get(run, f"{server.url}/status/200", method="POST", body=b"x" * 10)
        with pytest.raises(FetchLimit, match="total_up_bytes"):
            await get(run, f"{server.url}/status/200", method="POST", body=b"x" * 10)
        server.answers("/700", response(b"x" * 700))
        await get(run, f"{server.url}/700")
        with pytest.raises(FetchLimit, match="total_down_bytes"):
            await get(run, f"{server.url}/700")


async def test_bodies_that_are_sent_again_count_again(server: HttpServer) -> None:
    server.answers("/busy", response(b"", "503 Busy"))
    async with egress(total_up_bytes=25, retries=9) as service:
        with pytest.raises(FetchLimit, match="total_up_bytes"):
            await get(service.for_run(None), f"{server.url}/busy", method="PUT", body=b"x" * 10)


async def test_parallel_fetches_cannot_pass_the_limit_together(server: HttpServer) -> None:
    server.answers("/100k", response(b"x" * 100_000))
    async with egress(total_down_bytes=250_000) as service:
        run = service.for_run(None)
        got = await asyncio.gather(*(get(run, f"{server.url}/100k") for _ in range(10)), return_exceptions=True)
    assert sum(not isinstance(each, BaseException) for each in got) <= 2


# ---------------------------------------------------------------- the end of a run
async def test_closing_a_run_ends_what_is_under_way(server: HttpServer) -> None:
    before = len(server.asked)
    async with egress() as service:
        run = service.for_run(None)
        async with anyio.create_task_group() as tasks:

            async def fetch() -> None:
                with pytest.raises(NetworkFailed, match="run has ended"):
                    await get(run, f"{server.url}/slow")

            tasks.start_soon(fetch)
            while len(server.asked) == before:
                await asyncio.sleep(0.005)
            await run.close()
        with pytest.raises(NetworkFailed, match="run has ended"):
            await get(run, f"{server.url}/json")


async def test_a_cancelled_run_leaves_no_connection(server: HttpServer) -> None:
    before = len(server.asked)
    async with egress() as service:
        run = service.for_run(None)
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                for path in ("/slow", "/trickle", "/slow"):
                    tasks.start_soon(get, run, server.url + path)
                while len(server.asked) < before + 3:
                    await asyncio.sleep(0.005)
                scope.cancel()
        assert all(call.error and call.error["code"] == "cancelled" for call in run.calls)
        assert (await get(service.for_run(None), f"{server.url}/json")).status == 200


async def test_closing_the_service_ends_every_run(server: HttpServer) -> None:
    before = len(server.asked)
    async with anyio.create_task_group() as tasks:
        async with egress() as service:

            async def fetch() -> None:
                with pytest.raises(NetworkFailed):
                    await get(service.for_run(None), f"{server.url}/slow")

            tasks.start_soon(fetch)
            while len(server.asked) == before:
                await asyncio.sleep(0.005)


async def test_nothing_is_opened_before_the_first_request() -> None:
    import sys

    async with egress() as service:
        service.for_run(None)
        assert "client" not in service._services.__dict__ and "resolver" not in service._services.__dict__
    assert "ratchet_mcp.egress.run" in sys.modules


async def test_a_storm_of_cancelled_requests_leaves_every_place_free(server: HttpServer, tmp_path: Path) -> None:
    chance = random.Random(7)
    ca = authority(tmp_path)
    with http2_server(ca.server_context("api.test")) as second:
        safe = f"https://api.test:{second.port}"
        urls = [server.url + path for path in ("/json", "/slow", "/trickle", "/reset/mid", "/short", "/redirect?to=/json", "/chunked")]
        urls += [f"{safe}/json", f"{safe}/slow", f"{safe}/large", f"{safe}/reset", f"http://two.test:{server.port}/json"]
        names = {"api.test": [["127.0.0.1"]], "two.test": [["::1", "127.0.0.1"]]}
        async with egress(names=names, ca_file=ca.file, connections=8) as service:

            async def fetch() -> None:
                run = service.for_run(None)
                with contextlib.suppress(NetworkError), anyio.move_on_after(chance.choice([0, 0.001, 0.005, 0.02, 0.1])):
                    await get(run, chance.choice(urls))
                await run.close()

            for _ in range(10):
                await asyncio.gather(*(fetch() for _ in range(20)))
            pools = service._services.client._pools.values()
            assert all(pool.counts[0] == 0 and pool._places.free == 8 for pool in pools)
            got = await asyncio.gather(*(get(service.for_run(None), url) for url in [f"{server.url}/json", f"{safe}/json"] * 10))
    assert {each.status for each in got} == {200}


async def test_a_run_whose_fetches_never_end_does_not_keep_others_waiting(server: HttpServer) -> None:
    async with egress(connections=4, parallel=64, idle_connections=4) as service:
        greedy, other = service.for_run(None), service.for_run(None)

        async def stuck() -> None:
            with pytest.raises(NetworkFailed):
                await get(greedy, f"{server.url}/slow")

        before = len(server.asked)
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(stuck)
            while len(server.asked) < before + 3:
                await anyio.sleep(0.01)
            with anyio.fail_after(10):
                for _ in range(3):
                    assert (await get(other, f"{server.url}/json")).status == 200
            await greedy.close()
    assert server.paths()[before:].count("/slow") == 3
