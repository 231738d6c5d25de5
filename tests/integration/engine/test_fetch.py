"""`fetch` in real workers: the promise, the answer without `await`, giving up, and what goes wrong."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest
from engine_runs import RecordingHost, open_pool, request, response

from ratchet_mcp import errors

JSON_TYPE = [("Content-Type", "application/json; charset=utf-8")]


class Server:
    """Answers fetches as a table of paths says; what never comes is waited for until it is given up."""

    def __init__(self) -> None:
        self.given_up: list[str] = []
        self.waiting = 0
        self.most = 0

    async def __call__(self, asked: dict[str, Any]) -> dict[str, Any]:
        path = "/" + asked["url"].partition("//")[2].partition("/")[2]
        match path.partition("?")[0]:
            case "/json":
                return response('{"name": "Paris", "list": [1, 2]}', headers=JSON_TYPE, url=asked["url"])
            case "/text":
                return response("[not json", headers=[("Content-Type", "text/plain")])
            case "/number":
                return response("12", headers=[("Content-Type", "text/plain")])
            case "/html":
                return response("<p>ü</p>", headers=[("Content-Type", "text/html")])
            case "/plain-json":
                return response(' {"a": 1}', headers=[("Content-Type", "text/plain")])
            case "/bytes":
                return response(bytes(range(256)), headers=[("Content-Type", "application/octet-stream")])
            case "/missing":
                return response('{"error": "no such thing"}', 404, JSON_TYPE, statusText="Not Found")
            case "/empty":
                return response(b"", 204)
            case "/cookies":
                return response("", headers=[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Get", "x"), ("get", "evil")])
            case "/large":
                return response("aä€😀" * 200_000)
            case "/echo":
                return response(json.dumps(asked), headers=JSON_TYPE)
            case "/slow":
                await self._wait(0.1)
                return response("slow")
            case "/never":
                try:
                    await self._wait(3600)
                except anyio.get_cancelled_exc_class():
                    self.given_up.append(asked["url"])
                    raise
            case "/down":
                raise errors.NetworkFailed(
                    "nowhere.example refused the connection.", hint="Is it up?", details={"host": "nowhere.example", "reason": "refused"}
                )
            case "/denied":
                raise errors.NetworkDenied("10.0.0.1 is private.", hint="Ask the administrator.", details={"host": "10.0.0.1"})
            case "/late":
                raise errors.FetchTimedOut("It took too long.", details={"host": "late.example", "seconds": 1})
            case "/much":
                raise errors.FetchLimit("Too many fetches.", details={"host": "a.example", "limit": "requests", "maximum": 1})
            case "/defect":
                raise RuntimeError("a defect")
            case _:
                raise errors.InvalidFetch("No such URL.", details={"host": None, "field": "url"})
        raise AssertionError

    async def _wait(self, seconds: float) -> None:
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        try:
            await anyio.sleep(seconds)
        finally:
            self.waiting -= 1


@pytest.fixture
def server(host: RecordingHost) -> Server:
    host.network = Server()
    return host.network


pytestmark = pytest.mark.usefixtures("server")
A = "https://a.example"


async def test_an_awaited_answer_is_a_standard_response(output: Any) -> None:
    code = f"""async () => {{
      const r = await fetch('{A}/json');
      const copy = r.clone();
      return [r instanceof Response, r.ok, r.status, r.statusText, r.url, r.redirected, r.type, r.headers.get('Content-Type'), r.bodyUsed,
        await r.json(), r.bodyUsed, (await copy.text()).length]; }}"""
    assert await output(code) == [
        True, True, 200, "OK", f"{A}/json", False, "basic", "application/json; charset=utf-8", False,
        {"name": "Paris", "list": [1, 2]}, True, 33,
    ]  # fmt: skip


async def test_an_answer_is_read_without_await(output: Any) -> None:
    code = f"() => {{ const r = fetch('{A}/json'); return [r.ok, r.status, r.statusText, r.body.name, r.headers['content-type'], r.headers.get('content-type')] }}"
    assert await output(code) == [True, 200, "OK", "Paris", *["application/json; charset=utf-8"] * 2]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("text", "[not json"),
        ("number", "12"),
        ("html", "<p>ü</p>"),
        ("plain-json", {"a": 1}),
        ("missing", {"error": "no such thing"}),
        ("empty", ""),
    ],
)
async def test_a_body_without_await_is_parsed_when_it_is_json(path: str, body: Any, output: Any) -> None:
    assert await output(f"() => fetch('{A}/{path}').body") == body


async def test_a_body_without_await_is_the_same_object_each_time(output: Any) -> None:
    assert await output(f"() => {{ const r = fetch('{A}/json'); r.body.name = 'Rome'; return [r.body === r.body, r.body.name] }}") == [
        True,
        "Rome",
    ]


async def test_the_same_object_is_read_and_awaited_in_any_order(output: Any) -> None:
    code = f"""async () => {{
      const a = fetch('{A}/json'), b = fetch('{A}/json'), c = fetch('{A}/slow');
      const first = a.status, then = await a;
      const later = await b;
      return [first, (await then.json()).name, a.body.name, (await later.json()).name, b.body.name, (await c).status, c.body, await (await c).text()]; }}"""
    assert await output(code) == [200, "Paris", "Paris", "Paris", "Paris", 200, "slow", "slow"]


async def test_reading_without_await_works_in_timers_and_after_awaits(output: Any) -> None:
    code = f"""async () => {{
      const seen = [];
      await new Promise((done) => setTimeout(() => {{ seen.push(fetch('{A}/json').status); done() }}, 1));
      await Promise.resolve().then(() => seen.push(fetch('{A}/missing').status));
      const pending = [fetch('{A}/slow'), fetch('{A}/slow')];
      seen.push(fetch('{A}/json').body.name);
      const all = await Promise.all(pending);
      return [...seen, ...all.map((r) => r.status)]; }}"""
    assert await output(code) == [200, 404, "Paris", 200, 200]


async def test_fetches_run_at_the_same_time(output: Any, server: Server) -> None:
    assert await output(f"async () => (await Promise.all([1, 2, 3, 4].map(() => fetch('{A}/slow')))).length") == 4
    assert server.most == 4


async def test_fetches_read_without_await_run_at_the_same_time_when_they_are_begun_first(output: Any, server: Server) -> None:
    assert await output(f"() => [1, 2, 3].map(() => fetch('{A}/slow')).map((r) => r.status)") == [200, 200, 200]
    assert server.most == 3


async def test_a_status_that_says_no_throws_nothing(output: Any) -> None:
    assert await output(f"async () => {{ const r = await fetch('{A}/missing'); return [r.ok, r.status, (await r.json()).error] }}") == [
        False, 404, "no such thing",
    ]  # fmt: skip


async def test_cookies_are_told_apart_and_headers_hide_no_method(output: Any) -> None:
    code = f"async () => {{ const p = fetch('{A}/cookies'); return [(await p).headers.getSetCookie(), typeof p.headers.get, p.headers['x-get'], p.headers.get('get')] }}"
    assert await output(code) == [["a=1", "b=2"], "function", "x", "evil"]


async def test_headers_of_an_answer_cannot_be_changed(output: Any) -> None:
    assert (
        await output(f"async () => {{ try {{ (await fetch('{A}/json')).headers.set('a', 'b') }} catch (e) {{ return e.name }} }}")
        == "TypeError"
    )


async def test_bytes_arrive_as_they_were(output: Any) -> None:
    assert await output(f"async () => [...await (await fetch('{A}/bytes')).bytes()]") == list(range(256))


async def test_an_answer_without_a_body_has_none(output: Any) -> None:
    code = f"async () => [(await fetch('{A}/empty')).body, (await fetch('{A}/json', {{ method: 'HEAD' }})).body, await (await fetch('{A}/empty')).text()]"
    assert await output(code) == [None, None, ""]


async def test_a_large_answer_is_whole(output: Any) -> None:
    code = f"async () => {{ const r = await fetch('{A}/large'); const t = await r.clone().text(); return [t.length, t === 'aä€😀'.repeat(200000), (await r.bytes()).length, fetch('{A}/large').body.length] }}"
    assert await output(code) == [1_000_000, True, 2_000_000, 1_000_000]


BODIES = {
    "text": ("'a€'", "a€", "text/plain;charset=UTF-8"),
    "bytes": ("new Uint8Array([97, 98, 99]).subarray(1)", "bc", None),
    "a buffer": ("new Uint8Array([97]).buffer", "a", None),
    "parameters": ("new URLSearchParams({ a: 'x y' })", "a=x+y", "application/x-www-form-urlencoded;charset=UTF-8"),
    "a blob": ("new Blob(['x'], { type: 'a/b' })", "x", "a/b"),
    "an object": ("{ a: [1, null] }", '{"a":[1,null]}', "application/json"),
    "a list": ("[1, 2]", "[1,2]", "application/json"),
    "a date": ("new Date(0).toISOString()", "1970-01-01T00:00:00.000Z", "text/plain;charset=UTF-8"),
}


@pytest.mark.parametrize(("body", "sent", "content_type"), BODIES.values(), ids=list(BODIES))
async def test_a_body_is_sent_as(body: str, sent: str, content_type: str | None, output: Any) -> None:
    code = f"async () => {{ const e = await (await fetch('{A}/echo', {{ method: 'POST', body: {body} }})).json(); return [new TextDecoder().decode(Uint8Array.from(atob(e.body), (c) => c.charCodeAt(0))), Object.fromEntries(e.headers)['content-type'] ?? null] }}"
    assert await output(code) == [sent, content_type]


async def test_everything_that_was_asked_reaches_the_host(output: Any, host: RecordingHost) -> None:
    await output(
        f"async () => {{ await fetch(new Request('{A}/json?x#y', {{ method: 'put', headers: {{ 'X-B': 'ü', a: '1' }}, body: 'z' }}),"
        " { redirect: 'manual', cache: 'no-store', timeout: 1500, retry: { retries: 2 } }) }"
    )
    assert host.fetched == [
        {
            "url": f"{A}/json?x#y",
            "method": "PUT",
            "headers": [["a", "1"], ["content-type", "text/plain;charset=UTF-8"], ["x-b", "ü"]],
            "body": "eg==",
            "redirect": "manual",
            "cache": "no-store",
            "timeout_seconds": 1.5,
            "retry": {"retries": 2},
        }
    ]


async def test_the_body_may_be_a_third_argument_as_in_the_original_system(output: Any, host: RecordingHost) -> None:
    assert await output(f"() => fetch('{A}/json', {{ method: 'POST' }}, {{ a: 1 }}).status") == 200
    assert host.fetched[0]["body"] == "eyJhIjoxfQ=="


FAILURES = {
    "down": ("NetworkError", "network_failed", "nowhere.example", "Is it up?"),
    "denied": ("ConfigurationError", "network_denied", "10.0.0.1", "Ask the administrator."),
    "late": ("TimeoutError", "fetch_timeout", "late.example", errors.FetchTimedOut.default_hint),
    "much": ("RateLimitError", "fetch_limit", "a.example", errors.FetchLimit.default_hint),
    "odd": ("TypeError", "invalid_fetch", None, errors.InvalidFetch.default_hint),
}


@pytest.mark.parametrize(("path", "facts"), FAILURES.items())
async def test_a_failure_rejects_with_a_typed_error(path: str, facts: tuple[Any, ...], output: Any) -> None:
    told = "[e.name, e.code, e.host ?? null, e.hint ?? null, e instanceof Error]"
    assert await output(f"async () => {{ try {{ await fetch('{A}/{path}') }} catch (e) {{ return {told} }} }}") == [*facts, True]
    assert await output(f"() => {{ try {{ return fetch('{A}/{path}').ok }} catch (e) {{ return {told} }} }}") == [*facts, True]


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ("'http://'", None),
        ("'no url'", None),
        ("'http://me:secret@a.example/'", "a.example"),
        (f"'{A}/', {{ method: 'TRACE' }}", "a.example"),
        (f"'{A}/', {{ method: 'A B' }}", "a.example"),
        (f"'{A}/', {{ headers: {{ 'X-A': 'a\\r\\nX-B: 1' }} }}", "a.example"),
        (f"'{A}/', {{ body: 'on GET' }}", "a.example"),
        (f"'{A}/', {{ redirect: 'away' }}", "a.example"),
        (f"new URL('{A}/'), {{ timeout: -1 }}", None),
    ],
)
async def test_a_request_that_is_none_is_a_type_error_with_code_host_and_hint(asked: str, named: str | None, output: Any) -> None:
    told = "[e.name, e.code, e.host ?? null, e.hint, e.data.host]"
    assert await output(f"() => fetch({asked}).catch((e) => {told})") == [
        "TypeError",
        "invalid_fetch",
        named,
        errors.InvalidFetch.default_hint,
        named,
    ]


async def test_a_failure_that_nothing_catches_is_the_error_of_the_run(run: Any) -> None:
    outcome = await run(f"async () => {{ await fetch('{A}/down') }}")
    assert outcome.error.code == "task_error"
    assert outcome.error.message.startswith("NetworkError: nowhere.example refused the connection.")
    assert outcome.error.details["code"] == "network_failed"
    assert outcome.error.details["data"] == {"host": "nowhere.example", "reason": "refused", "hint": "Is it up?"}


async def test_a_failure_read_without_await_is_no_unhandled_rejection(output: Any) -> None:
    code = f"async () => {{ const r = fetch('{A}/down'); await new Promise((d) => setTimeout(d, 30)); try {{ r.ok }} catch (e) {{ return e.name }} }}"
    assert await output(code) == "NetworkError"
    code = f"() => {{ const r = fetch('{A}/down'); const seen = []; for (let i = 0; i < 2; i++) try {{ r.ok }} catch (e) {{ seen.push(e) }} return seen[0] === seen[1] }}"
    assert await output(code) is True


async def test_a_failure_that_nobody_looks_at_is_an_unhandled_rejection(run: Any) -> None:
    outcome = await run(f"async () => {{ fetch('{A}/down'); await new Promise((d) => setTimeout(d, 50)); return 1 }}")
    assert outcome.error.code == "unhandled_rejection"
    assert "refused the connection" in outcome.error.message


async def test_a_defect_of_the_host_says_nothing_about_itself(run: Any) -> None:
    outcome = await run(f"async () => {{ await fetch('{A}/defect') }}")
    assert "a defect" not in json.dumps(outcome.error.to_dict())


async def test_abort_ends_the_call_at_the_host_and_the_run_goes_on(output: Any, server: Server) -> None:
    code = f"""async () => {{
      const c = new AbortController();
      const p = fetch('{A}/never?1', {{ signal: c.signal }});
      setTimeout(() => c.abort(), 20);
      try {{ await p }} catch (e) {{ return [e.name, e instanceof DOMException, (await fetch('{A}/json')).status] }} }}"""
    assert await output(code) == ["AbortError", True, 200]
    with anyio.fail_after(5):
        while not server.given_up:
            await anyio.sleep(0.01)
    assert server.given_up == [f"{A}/never?1"]


async def test_abort_rejects_with_the_reason_that_was_given(output: Any) -> None:
    code = f"async () => {{ const c = new AbortController(); const p = fetch('{A}/never', {{ signal: c.signal }}); c.abort(new RangeError('mine')); try {{ await p }} catch (e) {{ return e.message }} }}"
    assert await output(code) == "mine"


async def test_a_timeout_signal_ends_a_fetch(output: Any, server: Server) -> None:
    code = f"async () => {{ try {{ await fetch('{A}/never', {{ signal: AbortSignal.any([AbortSignal.timeout(20), new AbortController().signal]) }}) }} catch (e) {{ return e.name }} }}"
    assert await output(code) == "TimeoutError"


async def test_abort_after_the_answer_has_no_effect(output: Any) -> None:
    code = f"async () => {{ const c = new AbortController(); const r = await fetch('{A}/json', {{ signal: c.signal }}); c.abort(); return (await r.json()).name }}"
    assert await output(code) == "Paris"


async def test_a_fetch_that_was_aborted_before_it_began_asks_nobody(output: Any, host: RecordingHost) -> None:
    code = f"async () => {{ try {{ await fetch('{A}/json', {{ signal: AbortSignal.abort() }}) }} catch (e) {{ return e.name }} }}"
    assert await output(code) == "AbortError"
    assert host.fetched == []


async def test_a_task_cannot_keep_a_call_from_being_aborted(output: Any, server: Server) -> None:
    code = f"""async () => {{
      const c = new AbortController();
      c.signal.addEventListener('abort', (e) => e.stopImmediatePropagation());
      Object.defineProperty(c.signal, 'dispatchEvent', {{ value: () => false }});
      const p = fetch('{A}/never', {{ signal: c.signal }});
      c.abort();
      try {{ await p }} catch (e) {{ return e.name }} }}"""
    assert await output(code) == "AbortError"


async def test_a_run_that_returns_gives_up_what_it_still_fetches(run: Any, server: Server) -> None:
    outcome = await run(f"() => {{ fetch('{A}/never') }}")
    assert outcome.warnings == [
        "The task returned while 1 call(s) (fetch, tasks.call) were still pending; they were cancelled. Await them if they matter."
    ]
    assert server.waiting == 0 or await _soon(lambda: server.waiting == 0)


async def _soon(done: Any) -> bool:
    with anyio.fail_after(5):
        while not done():
            await anyio.sleep(0.01)
    return True


@pytest.mark.parametrize("read", [f"fetch('{A}/never').ok", f"await fetch('{A}/never')"])
async def test_a_run_that_waits_too_long_is_killed_and_its_call_ended(read: str, server: Server, run: Any) -> None:
    outcome = await run(f"async () => {{ {read} }}", timeout_seconds=0.5)
    assert outcome.error.code == "timeout"
    assert await _soon(lambda: server.given_up == [f"{A}/never"])


async def test_a_run_that_waits_without_await_is_cancelled_at_once(server: Server, host: RecordingHost) -> None:
    async with open_pool(max_workers=1, spare_workers=0) as pool, anyio.create_task_group() as group:
        group.start_soon(pool.run, request(f"() => fetch('{A}/never').ok"), host)
        await _soon(lambda: server.waiting == 1)
        group.cancel_scope.cancel()
    assert server.given_up == [f"{A}/never"]


async def test_a_worker_waiting_without_await_serves_the_next_run_afterwards(output: Any) -> None:
    assert await output(f"() => fetch('{A}/slow').status") == 200
    assert await output("() => 'next'") == "next"


async def test_runs_that_wait_for_the_network_leave_their_slot_to_others() -> None:
    host = RecordingHost()
    host.network = server = Server()
    async with open_pool(max_workers=1) as pool, anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(pool.run, request(f"async () => {{ await fetch('{A}/never') }}", timeout_seconds=20), host)
        await _soon(lambda: server.waiting == 3)
        assert (await pool.run(request("() => 'still here'"), host)).output_json == '"still here"'
        group.cancel_scope.cancel()


async def test_more_waiting_runs_than_there_is_room_for_keep_their_slots() -> None:
    host = RecordingHost()
    host.network = Server()
    async with open_pool(max_workers=2, max_waiting_parents=1) as pool:
        outcomes = []

        async def one() -> None:
            outcomes.append(await pool.run(request(f"async () => (await fetch('{A}/slow')).status"), host))

        async with anyio.create_task_group() as group:
            for _ in range(8):
                group.start_soon(one)
    assert [outcome.output_json for outcome in outcomes] == ["200"] * 8


async def test_an_answer_that_cannot_be_output_says_what_to_return(run: Any) -> None:
    for code, message in {
        f"() => fetch('{A}/json')": "a Response; return await response.json()",
        f"() => ({{ r: fetch('{A}/json') }})": "a Promise that was not awaited",
        f"async () => ({{ h: (await fetch('{A}/json')).headers }})": "Object.fromEntries(headers)",
        f"async () => (await fetch('{A}/json')).body": "the stream of a body",
    }.items():
        outcome = await run(code)
        assert outcome.error.code == "output_not_serializable"
        assert message in outcome.error.message


async def test_a_body_over_the_limit_is_refused_in_the_task() -> None:
    host = RecordingHost()
    async with open_pool(max_workers=1) as pool:
        code = f"async () => {{ try {{ await fetch('{A}/echo', {{ method: 'POST', body: 'x'.repeat(5e6) }}) }} catch (e) {{ return [e.name, e.code] }} }}"
        outcome = await pool.run(request(code), host)
    assert outcome.output_json == '["RateLimitError","fetch_limit"]'
    assert host.fetched == []
