"""A whole Ratchet whose tasks reach a real server: calls, their record, secrets, nested tasks, and runs that are repeated."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from egress_runs import LOOPBACK, sockets
from http_server import HttpServer, http_server, response

from ratchet_mcp.app import Ratchet
from ratchet_mcp.engine.course import Course
from ratchet_mcp.errors import RecordingInvalid
from ratchet_mcp.execution.models import Execution, Origin, Status
from ratchet_mcp.security.principal import LOCAL
from ratchet_mcp.settings import EngineSettings, NetworkSettings, RegistrySettings, SecretSettings, Settings, SourceSettings, StoreSettings
from ratchet_mcp.tasks.loading import make_unsaved

CHILD = "async (input) => { const r = await fetch(input.url); return [await r.json(), Math.random(), Date.now()]; }"
SECRET = "s3cr3t-canary-value"


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    with http_server() as running:
        yield running


@pytest.fixture(scope="module")
async def ratchet(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ratchet]:
    folder = tmp_path_factory.mktemp("network")
    task = folder / "tasks" / "child"
    task.mkdir(parents=True)
    (task / "metadata.json").write_text(json.dumps({"name": "child", "version": "1.0.0", "description": "Fetches."}))
    (task / "main.js").write_text(CHILD)
    (task / "input.schema.json").write_text("{}")
    (task / "output.schema.json").write_text("{}")
    (folder / "token").write_text(SECRET)
    settings = Settings(
        store=StoreSettings(url=f"sqlite:///{folder}/ratchet.db"),
        registry=RegistrySettings(bundled=False, sources=[SourceSettings(name="ours", uri=str(folder / "tasks"))]),
        engine=EngineSettings(breaker_failures=1000),
        network=NetworkSettings(
            allow_private=LOOPBACK, retries=0, secrets=[SecretSettings(name="TOKEN", file=Path(folder / "token"), hosts=["127.0.0.1:*"])]
        ),
    )
    before = sockets()
    async with Ratchet.open(settings) as opened:
        yield opened
    for _ in range(100):
        if sockets() <= before:
            break
        await anyio.sleep(0.01)
    assert sockets() <= before, "sockets were left open"


async def run(ratchet: Ratchet, code: str, value: Any = None, **options: Any) -> Execution:
    handle = await ratchet.executions.start(make_unsaved(code), value or {}, origin=Origin.MCP, principal=LOCAL, **options)
    return await handle.wait(30)


async def test_a_task_fetches_from_a_real_server(ratchet: Ratchet, server: HttpServer) -> None:
    code = "async (input) => { const r = await fetch(input.url + '/json?a=1'); return [r.status, await r.json(), fetch(input.url + '/json').body.name] }"
    execution = await run(ratchet, code, {"url": server.url})
    assert execution.error is None
    assert execution.output == [200, {"name": "Paris", "n": 1}, "Paris"]


async def test_what_was_sent_arrives(ratchet: Ratchet, server: HttpServer) -> None:
    code = """async ({ url }) => {
      const f = new FormData(); f.append('a', '1'); f.append('file', new File(['ü'], 'u.txt'));
      const form = await (await fetch(url + '/echo', { method: 'POST', body: f })).json();
      const json = await (await fetch(url + '/echo', { method: 'PUT', headers: { 'X-A': '1' }, body: { a: 1 } })).json();
      return [form.headers['content-type'].split(';')[0], form.body.includes('filename="u.txt"') && form.body.includes('ü'), json.method, json.headers['x-a'], json.body]; }"""
    execution = await run(ratchet, code, {"url": server.url})
    assert execution.output == ["multipart/form-data", True, "PUT", "1", '{"a":1}']


async def test_a_redirect_is_followed_and_told(ratchet: Ratchet, server: HttpServer) -> None:
    code = "async ({ url }) => { const r = await fetch(`${url}/redirect?to=%2Fjson`); const m = await fetch(`${url}/redirect?to=%2Fjson`, { redirect: 'manual' }); return [r.redirected, r.url.endsWith('/json'), m.status, m.headers.get('location')] }"
    assert (await run(ratchet, code, {"url": server.url})).output == [True, True, 302, "/json"]


async def test_failures_arrive_as_typed_errors(ratchet: Ratchet, server: HttpServer) -> None:
    code = """async ({ url }) => {
      const seen = [];
      for (const [path, init] of [['/reset'], ['/slow', { timeout: 100 }], ['/bomb?size=50000000'], ['/loop'], ['/short']]) {
        try { await (await fetch(url + path, init)).text(); seen.push('fine') } catch (e) { seen.push([e.name, e.code, e.host]) } }
      for (const other of ['http://169.254.169.254/', 'http://10.0.0.1/', 'ftp://127.0.0.1/']) try { await fetch(other) } catch (e) { seen.push([e.name, e.code]) }
      return seen }"""
    execution = await run(ratchet, code, {"url": server.url})
    assert execution.output == [
        ["NetworkError", "network_failed", "127.0.0.1"],
        ["TimeoutError", "fetch_timeout", "127.0.0.1"],
        ["RateLimitError", "fetch_limit", "127.0.0.1"],
        ["RateLimitError", "fetch_limit", "127.0.0.1"],
        ["NetworkError", "network_failed", "127.0.0.1"],
        ["ConfigurationError", "network_denied"],
        ["ConfigurationError", "network_denied"],
        ["TypeError", "invalid_fetch"],
    ]


async def test_the_calls_are_recorded_with_the_execution(ratchet: Ratchet, server: HttpServer) -> None:
    code = (
        "async ({ url }) => { await fetch(`${url}/json?token=hide-me-please`); try { await fetch('http://10.0.0.1/') } catch {} return 1 }"
    )
    execution = await run(ratchet, code, {"url": server.url})
    read = await ratchet.executions.get(execution.id)
    assert read is not execution
    assert [(call["method"], call.get("status"), call.get("error", {}).get("code")) for call in read.http] == [
        ("GET", 200, None),
        ("GET", None, "network_denied"),
    ]
    assert "hide-me" not in json.dumps(read.http)
    assert read.http == execution.http
    assert (await ratchet.executions.get((await run(ratchet, "() => 1")).id)).http == []


async def test_the_calls_of_a_run_under_way_are_shown(ratchet: Ratchet, server: HttpServer) -> None:
    task = make_unsaved("async ({ url }) => { await fetch(url + '/json'); await fetch(url + '/slow') }")
    handle = await ratchet.executions.start(task, {"url": server.url}, origin=Origin.MCP, principal=LOCAL)
    with anyio.fail_after(10):
        while len((await ratchet.executions.get(handle.id)).http) < 2:
            await anyio.sleep(0.01)
    await ratchet.executions.cancel(handle.id)
    first, second = (await ratchet.executions.get(handle.id)).http
    assert first["status"] == 200
    assert second["error"]["code"] == "cancelled"


async def test_a_killed_run_keeps_the_list_of_its_calls(ratchet: Ratchet, server: HttpServer) -> None:
    for code in ("({ url }) => fetch(url + '/slow').ok", "async ({ url }) => { await fetch(url + '/slow') }"):
        execution = await run(ratchet, code, {"url": server.url}, timeout_seconds=0.5)
        assert execution.status is Status.TIMED_OUT
        assert [call["error"]["code"] for call in (await ratchet.executions.get(execution.id)).http] == ["cancelled"]


async def test_a_secret_is_sent_and_never_seen(ratchet: Ratchet, server: HttpServer) -> None:
    code = """async ({ url }, context) => {
      const headers = { Authorization: `Bearer ${context.secrets.TOKEN}` };
      const r = await fetch(url + '/echo', { headers });
      console.log(headers, context.secrets);
      return [(await r.json()).headers.authorization, context.secrets.TOKEN, Object.keys(context.secrets), JSON.stringify(context)]; }"""
    server.asked.clear()
    execution = await run(ratchet, code, {"url": server.url})
    assert execution.error is None
    assert server.asked[0].headers["authorization"] == f"Bearer {SECRET}"
    told, handle, names, context = execution.output
    assert told == "Bearer ***TOKEN***"
    assert names == ["TOKEN"] and handle.startswith("{{secret:TOKEN:")
    assert "secret" not in context
    logs = await ratchet.executions.logs(execution.id)
    assert SECRET not in json.dumps([execution.output, execution.http, [line.message for line in logs]])


async def test_a_secret_goes_to_no_other_place(ratchet: Ratchet, server: HttpServer) -> None:
    code = """async ({ url }, context) => {
      const seen = [];
      for (const [target, init] of [[`${url}/echo?k=${context.secrets.TOKEN}`], [url + '/echo', { method: 'POST', body: context.secrets.TOKEN }],
        ['http://localhost.test/', { headers: { a: context.secrets.TOKEN } }]]) try { await fetch(target, init); seen.push('sent') } catch (e) { seen.push(e.code) }
      try { context.secrets.OTHER } catch (e) { seen.push(e.name) }
      return seen }"""
    execution = await run(ratchet, code, {"url": server.url})
    assert execution.output[:2] == ["invalid_fetch", "invalid_fetch"]
    assert execution.output[2] != "sent"
    assert execution.output[3] == "ConfigurationError"


async def test_a_called_task_fetches_by_itself(ratchet: Ratchet, server: HttpServer) -> None:
    execution = await run(ratchet, "async (input) => (await tasks.call('child', input))[0].name", {"url": server.url + "/json"})
    assert execution.output == "Paris"
    assert execution.http == []


async def test_a_run_with_a_given_network_lends_it_to_the_tasks_that_it_calls(ratchet: Ratchet, server: HttpServer) -> None:
    from ratchet_mcp.egress.mocks import Mocks

    task = make_unsaved("async (input) => [await (await fetch(input.url)).json(), (await tasks.call('child', input))[0]]")
    mocks = Mocks.read({"http": [{"url": "https://api.example.com/x", "response": {"json": {"mocked": True}}}]}, "test")
    network = (await ratchet.egress()).for_run(task, mocks=mocks)
    execution = await run_task(ratchet, task, {"url": "https://api.example.com/x"}, network=network)
    assert execution.output == [{"mocked": True}, {"mocked": True}]
    assert [call["source"] for call in execution.http] == ["mock"]


async def run_task(ratchet: Ratchet, task: Any, value: Any, **options: Any) -> Execution:
    handle = await ratchet.executions.start(task, value, origin=Origin.TEST, principal=LOCAL, **options)
    return await handle.wait(30)


CHANCY = """async ({ url }, context) => {
  const seen = [context.executionId, Date.now(), Math.random(), crypto.randomUUID(), String(crypto.getRandomValues(new Uint8Array(3)))];
  await Promise.all([3, 1, 2].map(async (n) => { const r = await fetch(`${url}/pace?${n}`); seen.push([n, await r.text(), Date.now(), Math.random()]) }));
  seen.push(fetch(`${url}/pace?4`).status, new Date().toISOString(), Date(), new Intl.DateTimeFormat('en', { timeStyle: 'full' }).format());
  await new Promise((done) => setTimeout(done, 15));
  const start = Date.now(); while (Date.now() - start < 5);
  seen.push(Date.now() - start, await tasks.call('child', { url: url + '/json' }), new Date(2020, 1).getTime(), new Date() instanceof Date, Math.max(1, 2), Math.PI);
  console.log(seen.length, performanceFree()); function performanceFree() { return Math.random() }
  return seen; }"""


async def test_a_run_with_a_course_is_repeated_to_the_letter(ratchet: Ratchet, server: HttpServer) -> None:
    pace = [0.05, 0.0, 0.02, 0.01, 0.0, 0.03, 0.06, 0.02, 0.0]

    async def answer(asked: Any, writer: Any) -> None:
        await anyio.sleep(pace.pop(0) if pace else 0)
        writer.write(response(b"paced"))

    server.handlers["/pace"] = answer
    task = make_unsaved(CHANCY)
    handle = await ratchet.executions.start(task, {"url": server.url}, origin=Origin.MCP, principal=LOCAL, course=Course.fresh())
    first = await handle.wait(30)
    assert first.error is None
    assert handle.course is not None
    course = Course.from_dict(json.loads(json.dumps(handle.course.to_dict())))
    for _ in range(2):
        again = await ratchet.executions.start(task, {"url": server.url}, origin=Origin.MCP, principal=LOCAL, course=course)
        second = await again.wait(30)
        assert second.id != first.id
        assert json.dumps(second.output) == json.dumps(first.output)
        lines = [[line.message for line in await ratchet.executions.logs(each.id)] for each in (first, second)]
        assert lines[0] == lines[1]
        assert again.course == course


async def test_another_seed_gives_other_numbers(ratchet: Ratchet) -> None:
    outputs = [(await run(ratchet, "() => Math.random()", course=Course(0, seed * 16))).output for seed in ("00", "01", "01")]
    assert outputs[0] != outputs[1] == outputs[2]
    assert all(0 <= number < 1 for number in outputs)


async def test_a_run_that_departs_from_its_course_goes_on(ratchet: Ratchet, server: HttpServer) -> None:
    code = "async ({ n, url }) => { const seen = []; for (let i = 0; i < n; i++) { await new Promise((r) => setTimeout(r, 5)); seen.push((await fetch(url)).status) } return [seen, Date.now()] }"
    task = make_unsaved(code)
    value = {"n": 1, "url": server.url + "/json"}
    handle = await ratchet.executions.start(task, value, origin=Origin.MCP, principal=LOCAL, course=Course.fresh())
    await handle.wait(30)
    execution = await run_task(ratchet, task, {**value, "n": 3}, course=handle.course)
    assert execution.output[0] == [200, 200, 200]


def test_what_is_no_course_is_refused() -> None:
    good = Course.fresh("x").to_dict()
    assert Course.from_dict(good).to_dict() == good
    for change in (
        {"started_ms": -1}, {"started_ms": "now"}, {"seed": "short"}, {"seed": "X" * 32}, {"events": {}}, {"events": [["call", 1]]},
        {"events": [["clock", 1, 1]]}, {"events": [["call", True, 1]]}, {"children": 5}, {"children": [{}]}, {"execution_id": 5},
    ):  # fmt: skip
        with pytest.raises(RecordingInvalid):
            Course.from_dict({**good, **change})
    with pytest.raises(RecordingInvalid):
        Course.from_dict([])
