"""Answers that a test gives in the place of the network."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import anyio
import pytest

from ratchet_mcp.egress.messages import FetchRequest, FetchResponse
from ratchet_mcp.egress.mocks import Mocks
from ratchet_mcp.egress.service import Egress
from ratchet_mcp.errors import FetchLimit, FetchTimedOut, MockMissing, NetworkDenied, NetworkFailed, TaskInvalid
from ratchet_mcp.settings import NetworkSettings
from ratchet_mcp.tasks.definition import Task

URL = "https://api.example.com/v1/cities?name=Paris&page=2"
REPLY = {"response": {"body": {"ok": 1}}}


@pytest.fixture
async def service() -> AsyncIterator[Egress]:
    async with Egress(NetworkSettings()) as running:
        yield running


async def ask(service: Egress, mock: Any, url: str = URL, *, task: Task | None = None, **options: Any) -> FetchResponse:
    headers = tuple(options.pop("headers", {}).items())
    run = service.for_run(task, mocks=Mocks.read(mock, "tests/x.json"))
    return await run.fetch(FetchRequest(url, headers=headers, **options))


# ---------------------------------------------------------------- answers
async def test_the_layout_of_the_original_system(service: Egress) -> None:
    mock = {"http": {"url": "api.example.com", "method": "GET", "response": {"ok": True, "status": 200, "body": {"name": "Paris"}}}}
    got = await ask(service, mock)
    assert (got.status, got.status_text, json.loads(got.body), got.mocked) == (200, "OK", {"name": "Paris"}, True)
    assert got.header("content-type") == "application/json" and got.url == URL


@pytest.mark.parametrize(
    ("response", "status", "body", "kind"),
    [
        ({}, 200, b"", None),
        ({"status": 404}, 404, b"", None),
        ({"ok": False}, 500, b"", None),
        ({"body": "text"}, 200, b"text", "text/plain;charset=UTF-8"),
        ({"body": [1, "\u00fc"]}, 200, '[1,"\u00fc"]'.encode(), "application/json"),
        ({"body": 0}, 200, b"0", "application/json"),
        ({"json": None}, 200, b"null", "application/json"),
        ({"json": "text"}, 200, b'"text"', "application/json"),
        ({"text": "x", "headers": {"Content-Type": "text/csv"}}, 200, b"x", "text/csv"),
        ({"body_base64": "AAEC"}, 200, b"\0\1\2", "application/octet-stream"),
        ({"status": 204}, 204, b"", None),
    ],
)
async def test_a_response_is_written_shortly(service: Egress, response: dict[str, Any], status: int, body: bytes, kind: str | None) -> None:
    got = await ask(service, {"http": {"url": "example", "response": response}})
    assert (got.status, got.body, got.header("content-type")) == (status, body, kind)


async def test_a_sequence_is_given_in_turn_and_the_last_repeats(service: Egress) -> None:
    mocks = Mocks.read([{"url": "example", "responses": [{"status": 503}, {"status": 429}, {"body": 1}]}])
    for _ in range(2):
        run = service.for_run(None, mocks=mocks)
        assert [(await run.fetch(FetchRequest(URL, retry=False))).status for _ in range(4)] == [503, 429, 200, 200]


async def test_the_first_mock_that_fits_answers_and_times_ends_it(service: Egress) -> None:
    run = service.for_run(
        None, mocks=Mocks.read([{"url": "example", "times": 1, "response": {"body": 1}}, {"url": "example", "response": {"body": 2}}])
    )
    assert [(await run.fetch(FetchRequest(URL))).body for _ in range(3)] == [b"1", b"2", b"2"]


@pytest.mark.parametrize("failure", ["dns", "refused", "unreachable", "reset", "closed", "tls", "protocol"])
async def test_a_failure_is_mocked(service: Egress, failure: str) -> None:
    with pytest.raises(NetworkFailed) as error:
        await ask(service, {"http": {"url": "example", "failure": failure}})
    assert error.value.details == {"host": "api.example.com", "reason": failure}


async def test_a_timeout_and_a_delay_are_mocked(service: Egress) -> None:
    with pytest.raises(FetchTimedOut):
        await ask(service, {"http": {"url": "example", "failure": "timeout"}})
    with pytest.raises(FetchTimedOut):
        await ask(service, {"http": {"url": "example", "response": {"delay_ms": 5000}}}, timeout_seconds=0.05)
    assert (await ask(service, {"http": {"url": "example", "delay_ms": 1, "response": {}}})).status == 200


# ---------------------------------------------------------------- as the network would
@pytest.mark.parametrize("first", [{"status": 503}, {"failure": "reset"}, {"status": 429, "headers": {"Retry-After": "5"}}])
async def test_a_failure_in_passing_is_tried_again_without_a_pause(service: Egress, first: dict[str, Any]) -> None:
    run = service.for_run(None, mocks=Mocks.read([{"url": "example", "responses": [first, {"body": 1}]}]))
    with anyio.fail_after(4):
        got = await run.fetch(FetchRequest(URL))
    assert (got.status, got.body, run.calls[0].retries, run.calls[0].source) == (200, b"1", 1, "mock")


@pytest.mark.parametrize(
    ("request_", "mocks"),
    [
        (FetchRequest(URL, "POST", body=b"x"), {"responses": [{"status": 503}, {"body": 1}]}),
        (FetchRequest(URL, retry=0), {"responses": [{"status": 503}, {"body": 1}]}),
        (FetchRequest(URL), {"responses": [{"status": 503, "headers": {"Retry-After": "3600"}}, {"body": 1}]}),
        (FetchRequest(URL), {"response": {"status": 503}}),
    ],
    ids=["no idempotent method", "no retries wanted", "too long a pause", "all tries are used up"],
)
async def test_a_failure_that_is_not_tried_again_is_what_the_task_gets(service: Egress, request_: FetchRequest, mocks: Any) -> None:
    run = service.for_run(None, mocks=Mocks.read([{"url": "example", **mocks}]))
    assert (await run.fetch(request_)).status == 503


async def test_a_redirect_is_followed_to_the_next_mock(service: Egress) -> None:
    mocks = [
        {"url": "api.example.com", "response": {"status": 307, "headers": {"Location": "https://cdn.example.org/file"}}},
        {"url": "https://cdn.example.org/file", "match": "exact", "response": {"body": 2}},
    ]
    run = service.for_run(None, mocks=Mocks.read(mocks))
    got = await run.fetch(FetchRequest(URL))
    assert (got.url, got.redirected, got.body, run.calls[0].redirects) == (
        "https://cdn.example.org/file", True, b"2", ["https://cdn.example.org/file"],
    )  # fmt: skip
    assert (await run.fetch(FetchRequest(URL, redirect="manual"))).status == 307
    with pytest.raises(NetworkFailed, match="redirect: error"):
        await run.fetch(FetchRequest(URL, redirect="error"))
    with pytest.raises(MockMissing, match=r"No mock answers GET https://cdn\.example\.org/other"):
        away = {"url": "example.com", "response": {"status": 302, "headers": {"Location": "https://cdn.example.org/other"}}}
        await ask(service, [away])


async def test_redirects_of_mocks_are_limited_and_stay_with_https_and_the_hosts_of_the_task(service: Egress) -> None:
    def to(where: str) -> dict[str, Any]:
        return {"url": "example.com", "response": {"status": 302, "headers": {"Location": where}}}

    with pytest.raises(FetchLimit):
        await ask(service, to(URL))
    with pytest.raises(NetworkFailed, match="down to http"):
        await ask(service, to("http://api.example.com/"))
    task = Task(uuid4(), "probe", "1.0.0", "", "", "", {}, {}, metadata={"network": {"allow": ["api.example.com"]}})
    with pytest.raises(NetworkDenied):
        await ask(service, to("https://elsewhere.example/"), task=task)


# ---------------------------------------------------------------- what fits
@pytest.mark.parametrize(
    ("mock", "options", "differs"),
    [
        ({"url": "api.example.com"}, {}, None),
        ({"url": "/v2/"}, {}, "url"),
        ({"url": URL, "match": "exact"}, {}, None),
        ({"url": "HTTPS://API.EXAMPLE.COM:443/v1/cities?name=Paris&page=2", "match": "exact"}, {}, None),
        ({"url": "https://api.example.com/v1/cities?page=2&name=Paris", "match": "exact"}, {}, None),
        ({"url": "https://api.example.com/v1/cities", "match": "exact"}, {}, "url.query.name"),
        ({"url": "https://api.example.com/v2/cities", "match": "exact"}, {}, "url.path"),
        ({"url": "http://api.example.com/v1/cities", "match": "exact"}, {}, "url.scheme"),
        ({"url": "https://other.example.com/v1/cities", "match": "exact"}, {}, "url.host"),
        ({"url": "https://api.example.com/v1/cities", "match": "exact", "query": {"name": "Paris"}}, {}, None),
        ({"url": "https://*.example.com/*/cities?*", "match": "pattern"}, {}, None),
        ({"url": "https://*.example.org/*", "match": "pattern"}, {}, "url"),
        ({"url": "example", "query": {"page": 2}}, {}, None),
        ({"url": "example", "query": {"page": 3}}, {}, "url.query.page"),
        ({"url": "example", "query": {"other": None}}, {}, None),
        ({"url": "example", "query": {"name": None}}, {}, "url.query.name"),
        ({"url": "example", "method": "post"}, {"method": "POST"}, None),
        ({"url": "example", "method": "POST"}, {}, "method"),
        ({"url": "example", "headers": {"Accept": "application/json"}}, {"headers": {"accept": "application/json"}}, None),
        ({"url": "example", "headers": {"Authorization": "Bearer *"}}, {"headers": {"Authorization": "Bearer x"}}, None),
        ({"url": "example", "headers": {"Authorization": "Bearer *"}}, {}, "headers.Authorization"),
        ({"url": "example", "body": {"a": 1}}, {"method": "POST", "body": b'{"a": 1, "b": 2}'}, None),
        ({"url": "example", "body": {"a": {"b": [1, 2]}}}, {"method": "POST", "body": b'{"a": {"b": [1, 3]}}'}, "body.a.b[1]"),
        ({"url": "example", "body": {"a": 1}}, {"method": "POST", "body": b"no json"}, "body"),
        ({"url": "example", "body": {"a": True}}, {"method": "POST", "body": b'{"a": 1}'}, "body.a"),
        ({"url": "example", "body": "exact text"}, {"method": "POST", "body": b"exact text"}, None),
        ({"url": "example", "body": "exact text"}, {"method": "POST", "body": b"other text"}, "body"),
        ({"url": "example", "body_contains": "needle"}, {"method": "POST", "body": b"a needle here"}, None),
        ({"url": "example", "body_contains": "needle"}, {"method": "POST", "body": b"hay"}, "body"),
    ],
)
async def test_what_fits_answers_and_what_does_not_is_named(
    service: Egress, mock: dict[str, Any], options: dict[str, Any], differs: str | None
) -> None:
    if differs is None:
        assert (await ask(service, [{**mock, **REPLY}], **options)).body == b'{"ok":1}'
        return
    with pytest.raises(MockMissing) as error:
        await ask(service, [{**mock, **REPLY}], **options)
    assert error.value.details["differs"] == differs and error.value.details["closest"] == "mock[0]"


async def test_secrets_are_matched_by_their_names(service: Egress) -> None:
    run = service.for_run(None, mocks=Mocks.read([{"url": "example", "headers": {"Authorization": "Bearer {{API}}"}, **REPLY}]))
    got = await run.fetch(FetchRequest(URL, headers=(("Authorization", f"Bearer {run.secrets.handle('API')}"),)))
    assert got.status == 200


async def test_the_closest_mock_and_the_first_difference_are_told(service: Egress) -> None:
    mocks = [
        {"url": "https://weather.example.net/now", **REPLY},
        {"url": "api.example.com/v1/cities", "method": "GET", "query": {"name": "Paris", "page": 3}, **REPLY},
        {"url": "api.example.com/v1/cities", "method": "POST", **REPLY},
    ]
    with pytest.raises(MockMissing) as error:
        await ask(service, {"http": mocks})
    assert (
        'The closest is mock.http[1] (GET api.example.com/v1/cities): url.query.page differs: expected ["3"], got ["2"]'
        in error.value.message
    )
    assert error.value.hint and "live" in error.value.hint


async def test_without_mocks_every_request_fails(service: Egress) -> None:
    for mock in (None, {}, {"http": []}, []):
        with pytest.raises(MockMissing, match="mocks no request"):
            await ask(service, mock)


async def test_a_message_shows_no_sensitive_parameter(service: Egress) -> None:
    run = service.for_run(None, mocks=Mocks.read(None))
    with pytest.raises(MockMissing) as error:
        await run.fetch(FetchRequest("https://api.example.com/?api_key=hunter2"))
    assert "hunter2" not in str(error.value) + repr(error.value.details) + run.calls[0].url


async def test_live_lets_other_requests_through_to_the_policy(service: Egress) -> None:
    with pytest.raises(NetworkDenied):
        await ask(service, {"network": "live", "http": {"url": "example", **REPLY}}, "http://127.0.0.1/")


async def test_a_task_is_held_to_its_own_list_also_with_mocks(service: Egress) -> None:
    task = Task(uuid4(), "probe", "1.0.0", "", "", "", {}, {}, metadata={"network": {"allow": ["api.example.com"]}})
    assert (await ask(service, [{"url": "api.", **REPLY}], task=task)).status == 200
    with pytest.raises(NetworkDenied):
        await ask(service, [{"url": "other", **REPLY}], "https://other.example.com/", task=task)


async def test_mocks_answer_also_where_the_network_is_off() -> None:
    async with Egress(NetworkSettings(mode="off")) as service:
        assert (await ask(service, [{"url": "localhost", **REPLY}], "http://localhost:3000/")).status == 200


def test_mocks_that_answered_nothing_are_known() -> None:
    assert Mocks.read([{"url": "a", **REPLY}]).unused == ["mock[0]"]


# ---------------------------------------------------------------- mistakes
@pytest.mark.parametrize(
    ("mock", "path", "word"),
    [
        ("text", "$", "expected"),
        ({"https": []}, "$.https", "did you mean"),
        ({"http": ["x"]}, "$.http[0]", "object"),
        ({"http": {"response": {}}}, "$.http[0].url", "expected"),
        ({"http": {"url": ""}}, "$.http[0].url", "expected"),
        ({"http": {"url": "x"}}, "$.http[0]", "no response"),
        ({"http": {"url": "x", "metod": "GET", "response": {}}}, "$.http[0].metod", "did you mean"),
        ({"http": {"url": "x", "method": "GTE", "response": {}}}, "$.http[0].method", "no method"),
        ({"http": {"url": "x", "match": "regex", "response": {}}}, "$.http[0].match", "expected one of"),
        ({"http": {"url": "x", "match": "exact", "response": {}}}, "$.http[0].url", "no URL"),
        ({"http": {"url": "x", "query": [], "response": {}}}, "$.http[0].query", "object"),
        ({"http": {"url": "x", "query": {"a": {}}, "response": {}}}, "$.http[0].query.a", "expected"),
        ({"http": {"url": "x", "headers": [], "response": {}}}, "$.http[0].headers", "object"),
        ({"http": {"url": "x", "headers": {"a\n": "b"}, "response": {}}}, "$.http[0].headers.a\n", "no value"),
        ({"http": {"url": "x", "response": {}, "responses": []}}, "$.http[0].responses", "exclude"),
        ({"http": {"url": "x", "responses": []}}, "$.http[0].responses", "at least one"),
        ({"http": {"url": "x", "responses": [1]}}, "$.http[0].responses[0]", "object"),
        ({"http": {"url": "x", "response": {"status": 99}}}, "$.http[0].response.status", "from 200 to 599"),
        ({"http": {"url": "x", "response": {"status": True}}}, "$.http[0].response.status", "number"),
        ({"http": {"url": "x", "response": {"ok": True, "status": 500}}}, "$.http[0].response.ok", "but the status"),
        ({"http": {"url": "x", "response": {"body": 1, "json": 2}}}, "$.http[0].response", "exclude"),
        ({"http": {"url": "x", "response": {"body": "x", "status": 204}}}, "$.http[0].response.body", "no body"),
        ({"http": {"url": "x", "response": {"body_base64": "%%"}}}, "$.http[0].response.body_base64", "no base64"),
        ({"http": {"url": "x", "response": {"text": 1}}}, "$.http[0].response.text", "a text"),
        ({"http": {"url": "x", "response": {"delay_ms": -1}}}, "$.http[0].response.delay_ms", "from 0"),
        ({"http": {"url": "x", "response": {"failure": "fire"}}}, "$.http[0].response.failure", "expected one of"),
        ({"http": {"url": "x", "times": 0, "response": {}}}, "$.http[0].times", "from 1"),
        ({"network": "open"}, "$.network", "live"),
    ],
)
def test_a_mistake_in_a_mock_is_named_with_its_place(mock: Any, path: str, word: str) -> None:
    with pytest.raises(TaskInvalid) as error:
        Mocks.read(mock, "tests/x.json")
    assert any(
        each["path"] == path and word in each["message"] and each["file"] == "tests/x.json" for each in error.value.details["problems"]
    )
