"""Tries again, and uses again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from email.utils import formatdate

import pytest
from egress_runs import egress, get
from http_server import Asked, HttpServer, http_server, response

from ratchet_mcp.egress.retries import retry_after
from ratchet_mcp.errors import FetchTimedOut, NetworkFailed

UNAVAILABLE = response(b"later", "503 Service Unavailable")


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with http_server() as running:
        yield running


# ---------------------------------------------------------------- retries
async def test_a_passing_failure_is_tried_again(server: HttpServer) -> None:
    server.answers("/a", UNAVAILABLE, UNAVAILABLE, response(b"now"))
    async with egress(retries=2) as service:
        run = service.for_run(None)
        got = await get(run, f"{server.url}/a")
    assert (got.status, got.body, run.calls[0].retries, len(server.asked)) == (200, b"now", 2, 3)


async def test_the_last_response_counts_when_the_tries_are_used_up(server: HttpServer) -> None:
    server.answers("/a", UNAVAILABLE)
    async with egress(retries=2) as service:
        assert (await get(service.for_run(None), f"{server.url}/a")).status == 503
    assert len(server.asked) == 3


async def test_a_reset_is_tried_again(server: HttpServer) -> None:
    async with egress(retries=2) as service:
        run = service.for_run(None)
        with pytest.raises(NetworkFailed):
            await get(run, f"{server.url}/reset")
    assert run.calls[0].retries == 2 and len(server.asked) == 3


@pytest.mark.parametrize("status", ["400 Bad Request", "404 Not Found", "500 Internal Server Error"])
async def test_a_failure_that_will_not_pass_is_not_tried_again(server: HttpServer, status: str) -> None:
    server.answers("/a", response(b"", status))
    async with egress(retries=5) as service:
        await get(service.for_run(None), f"{server.url}/a")
    assert len(server.asked) == 1


async def test_a_post_is_not_repeated_unless_it_says_so(server: HttpServer) -> None:
    server.answers("/a", UNAVAILABLE)
    async with egress(retries=2) as service:
        for options, times in (({}, 1), ({"headers": {"Idempotency-Key": "k"}}, 3), ({"retry": {"methods": ["POST"]}}, 3)):
            server.asked.clear()
            await get(service.for_run(None), f"{server.url}/a", method="POST", body=b"x", **options)
            assert len(server.asked) == times


@pytest.mark.parametrize(
    ("retry", "times"),
    [(None, 3), (False, 1), (0, 1), (1, 2), ({"retries": 4}, 5), ({"statuses": [500]}, 1), ({"retries": 1, "statuses": [503]}, 2)],
)
async def test_a_call_says_how_often(server: HttpServer, retry: object, times: int) -> None:
    server.answers("/a", UNAVAILABLE)
    async with egress(retries=2) as service:
        await get(service.for_run(None), f"{server.url}/a", retry=retry)
    assert len(server.asked) == times


async def test_a_pause_that_the_server_asks_for_is_kept_when_it_is_short(server: HttpServer) -> None:
    server.answers("/a", response(b"", "429 Too Many Requests", Retry_After="0"), response(b"now"))
    async with egress(retries=1) as service:
        assert (await get(service.for_run(None), f"{server.url}/a")).body == b"now"


async def test_a_pause_that_is_too_long_is_not_waited_for(server: HttpServer) -> None:
    server.answers("/a", response(b"", "429 Too Many Requests", Retry_After="3600"))
    async with egress(retries=3) as service:
        assert (await get(service.for_run(None), f"{server.url}/a")).status == 429
    assert len(server.asked) == 1


async def test_retries_end_with_the_time_of_the_call(server: HttpServer) -> None:
    server.answers("/a", UNAVAILABLE)
    async with egress(retries=10, retry_wait_seconds=60, retry_max_wait_seconds=60, timeout_seconds=0.1) as service:
        with pytest.raises(FetchTimedOut):
            await get(service.for_run(None), f"{server.url}/a")


def test_retry_after_is_seconds_or_a_date() -> None:
    assert retry_after("7") == 7
    assert retry_after(formatdate(0, usegmt=True)) == 0
    assert retry_after("soon") is None and retry_after("") is None and retry_after(None) is None


# ---------------------------------------------------------------- cache
def fresh(body: bytes, **headers: str) -> bytes:
    return response(body, **{"Cache_Control": "max-age=60", **headers})


async def test_a_fresh_response_is_used_again(server: HttpServer) -> None:
    server.answers("/a", fresh(b"one"), fresh(b"two"))
    async with egress() as service:
        first = service.for_run(None)
        assert (await get(first, f"{server.url}/a")).body == b"one"
        second = service.for_run(None)
        got = await get(second, f"{server.url}/a")
    assert (got.body, got.from_cache, got.header("age") is not None, len(server.asked)) == (b"one", True, True, 1)
    assert (first.calls[0].cache, second.calls[0].cache, second.calls[0].source) == ("stored", "hit", "cache")


@pytest.mark.parametrize("control", ["no-store", "private, max-age=60", "max-age=0", ""])
async def test_a_response_that_may_not_be_used_again_is_asked_for_again(server: HttpServer, control: str) -> None:
    server.answers(
        "/a", response(b"one", Cache_Control=control, Last_Modified=formatdate(0, usegmt=True)), response(b"two", Cache_Control=control)
    )
    async with egress() as service:
        run = service.for_run(None)
        assert [(await get(run, f"{server.url}/a")).body for _ in range(2)] == [b"one", b"two"]


async def test_a_stale_response_is_confirmed(server: HttpServer) -> None:
    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        known = asked.headers.get("if-none-match") == '"v1"'
        writer.write(response(b"", "304 Not Modified", ETag='"v1"') if known else response(b"one", ETag='"v1"', Content_Type="text/x"))

    server.handlers["/a"] = answer
    async with egress() as service:
        run = service.for_run(None)
        for _ in range(3):
            got = await get(run, f"{server.url}/a")
            assert (got.status, got.body, got.header("content-type"), got.header("cache-control")) == (200, b"one", "text/x", None)
    assert [call.cache for call in run.calls] == ["stored", "revalidated", "revalidated"]


async def test_what_varies_is_kept_apart(server: HttpServer) -> None:
    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(fresh(asked.headers.get("accept-language", "none").encode(), Vary="Accept-Language"))

    server.handlers["/a"] = answer
    async with egress() as service:
        run = service.for_run(None)
        for language in ("de", "fr", "de"):
            assert (await get(run, f"{server.url}/a", headers={"Accept-Language": language})).body == language.encode()


async def test_requests_with_credentials_never_meet_the_cache(server: HttpServer) -> None:
    server.answers("/a", fresh(b"mine", Cache_Control="public, max-age=60"), fresh(b"yours"))
    async with egress() as service:
        run = service.for_run(None)
        for header in ("Authorization", "Cookie", "X-Api-Key"):
            await get(run, f"{server.url}/a", headers={header: "x"})
        assert [call.cache for call in run.calls] == ["bypass"] * 3
        assert (await get(run, f"{server.url}/a")).body == b"yours"


async def test_tasks_do_not_share_responses(server: HttpServer) -> None:
    server.answers("/a", fresh(b"one"), fresh(b"two"))
    async with egress() as service:
        run, other = service.for_run(None), service.for_run(None)
        other._partition = "another task"
        assert (await get(run, f"{server.url}/a")).body == b"one"
        assert (await get(other, f"{server.url}/a")).body == b"two"


async def test_modes_of_fetch(server: HttpServer) -> None:
    server.answers("/a", *(fresh(str(number).encode()) for number in range(9)))
    async with egress() as service:
        run = service.for_run(None)
        with pytest.raises(NetworkFailed, match="only-if-cached"):
            await get(run, f"{server.url}/a", cache="only-if-cached")
        wanted = [
            ("default", b"0"),
            ("no-store", b"1"),
            ("default", b"0"),
            ("reload", b"2"),
            ("default", b"2"),
            ("force-cache", b"2"),
            ("only-if-cached", b"2"),
            ("no-cache", b"3"),
        ]
        for mode, body in wanted:
            assert (await get(run, f"{server.url}/a", cache=mode)).body == body, mode


async def test_an_unsafe_request_is_not_kept(server: HttpServer) -> None:
    server.answers("/a", fresh(b"one"), fresh(b"two"))
    async with egress() as service:
        run = service.for_run(None)
        assert [(await get(run, f"{server.url}/a", method="POST")).body for _ in range(2)] == [b"one", b"two"]


async def test_the_cache_can_be_switched_off(server: HttpServer) -> None:
    server.answers("/a", fresh(b"one"), fresh(b"two"))
    async with egress(cache_mb=0) as service:
        run = service.for_run(None)
        assert [(await get(run, f"{server.url}/a")).body for _ in range(2)] == [b"one", b"two"]
    assert run.calls[0].cache == "off"


async def test_the_cache_is_bounded(server: HttpServer) -> None:
    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(fresh(b"x" * 100_000))

    server.handlers["/a"] = answer
    async with egress(cache_mb=1) as service:
        run = service.for_run(None)
        for number in range(30):
            await get(run, f"{server.url}/a?n={number}")
        cache = service._services.cache
        assert 0 < cache.size <= 1 << 20 and len(cache._stored) == len(cache._keys) <= 10
        server.answers("/big", fresh(b"x" * 500_000))
        await get(run, f"{server.url}/big")
        assert (await get(run, f"{server.url}/big")).from_cache is False


async def test_a_redirect_is_followed_from_the_cache_with_its_policy(server: HttpServer) -> None:
    server.answers("/moved", response(b"", "301 Moved", Location="/a", Cache_Control="max-age=60"))
    server.answers("/a", response(b"here"))
    async with egress() as service:
        run = service.for_run(None)
        for _ in range(2):
            assert (await get(run, f"{server.url}/moved")).body == b"here"
    assert server.paths() == ["/moved", "/a", "/a"]
