"""Recorded executions are repeated by real workers without the network, and a recording tells nobody's secrets."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from egress_runs import LOOPBACK
from http_server import HttpServer, http_server, response

from ratchet_mcp.app import Ratchet
from ratchet_mcp.errors import InputInvalid, InvalidArgument, RecordingInvalid
from ratchet_mcp.execution.models import Execution, Origin, Status
from ratchet_mcp.security.principal import LOCAL
from ratchet_mcp.settings import NetworkSettings, RegistrySettings, SecretSettings, Settings, SourceSettings, StoreSettings
from ratchet_mcp.tasks.definition import Task
from ratchet_mcp.tasks.loading import make_unsaved
from ratchet_mcp.testing.replaying import Replayed, merged

SECRET = "s3cr3t-canary-value"
COOKIE = "cookie-canary-value"
CHANCY = """async ({ url, pages }, context) => {
  const seen = [context.executionId, Date.now(), Math.random(), crypto.randomUUID(), context.secrets.TOKEN];
  await Promise.all(pages.map(async (n) => { const r = await fetch(`${url}/page?n=${n}`); seen.push([n, await r.text(), Date.now()]) }));
  const r = await fetch(url + '/echo', { method: 'POST', headers: { Authorization: `Bearer ${context.secrets.TOKEN}`, Cookie: 'a=COOKIE' }, body: { a: 1 } });
  seen.push(r.status, await tasks.call('child', { url }), new Date().toISOString());
  try { await fetch(url + '/reset') } catch (e) { seen.push(e.code) }
  console.log('seen', seen.length, Math.random());
  return seen; }""".replace("COOKIE", COOKIE)


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with http_server() as running:
        running.answers("/page", *(response(f"page {number}".encode(), Set_Cookie=f"sid={COOKIE}") for number in range(10)))
        yield running


def settings_in(folder: Path, **network: Any) -> Settings:
    child = folder / "tasks" / "child"
    child.mkdir(parents=True, exist_ok=True)
    (child / "metadata.json").write_text(json.dumps({"name": "child", "version": "1.0.0", "description": "Fetches."}))
    (child / "main.js").write_text("async ({ url }) => [(await (await fetch(url + '/json')).json()).name, Math.random()]")
    (folder / "token").write_text(SECRET)
    secret = SecretSettings(name="TOKEN", file=folder / "token", hosts=["127.0.0.1:*"])
    return Settings(
        store=StoreSettings(url=f"sqlite:///{folder}/ratchet.db"),
        registry=RegistrySettings(bundled=False, sources=[SourceSettings(name="ours", uri=str(folder / "tasks"))]),
        network=NetworkSettings(**{"allow_private": LOOPBACK, "retries": 0, "secrets": [secret], **network}),
    )


@pytest.fixture
async def ratchet(tmp_path: Path) -> AsyncIterator[Ratchet]:
    async with Ratchet.open(settings_in(tmp_path, recordings_kept=3)) as opened:
        yield opened


async def recorded(ratchet: Ratchet, task: Task, value: Any, folder: Path | None = None, **options: Any) -> Execution:
    handle = await ratchet.recordings.start(task, value, folder=folder, origin=Origin.CLI, **options)
    return await handle.wait(30)


async def replayed(ratchet: Ratchet, execution: Execution, task: Task, **options: Any) -> tuple[Execution, Replayed]:
    found = await ratchet.recordings.of(execution.id)
    replay = await ratchet.replays.start(found, task, origin=Origin.CLI, **options)
    return await replay.handle.wait(30), replay


async def text_of(ratchet: Ratchet, execution: Execution) -> str:
    lines = await ratchet.executions.logs(execution.id)
    return json.dumps([execution.output, [[line.level, line.message] for line in lines]])


async def test_a_replay_is_the_recorded_run_to_the_letter_without_the_network(ratchet: Ratchet, server: HttpServer) -> None:
    task = make_unsaved(CHANCY)
    first = await recorded(ratchet, task, {"url": server.url, "pages": [1, 2, 3]})
    assert first.error is None and first.warnings == []
    asked = len(server.asked)
    for _ in range(2):
        second, replay = await replayed(ratchet, first, task)
        assert await text_of(ratchet, second) == await text_of(ratchet, first)
        assert second.id != first.id and replay.report(second).to_dict() == {"same": True}
        assert {call["source"] for call in second.http} == {"replay"}
    assert len(server.asked) == asked


async def test_secrets_and_cookies_are_in_no_file_of_a_recording(ratchet: Ratchet, server: HttpServer, tmp_path: Path) -> None:
    quiet = CHANCY.replace("console.log(", "console.log(context.secrets, ")
    execution = await recorded(ratchet, make_unsaved(quiet), {"url": server.url, "pages": [1]}, tmp_path / "rec")
    assert execution.error is None and f"Bearer {SECRET}" in [asked.headers.get("authorization") for asked in server.asked]
    har = (tmp_path / "rec" / "http.har").read_text()
    assert COOKIE not in har and "Bearer ***" in har and "sid=***" in har
    assert SECRET not in har + (tmp_path / "rec" / "recording.json").read_text()
    assert (tmp_path / "rec" / "http.har").stat().st_mode & 0o077 == 0


async def test_a_replay_elsewhere_needs_neither_the_network_nor_the_secret(ratchet: Ratchet, server: HttpServer, tmp_path: Path) -> None:
    task = make_unsaved(CHANCY.replace(", context.secrets.TOKEN]", "]").replace("Bearer ${context.secrets.TOKEN}", "x"))
    first = await recorded(ratchet, task, {"url": server.url, "pages": [1, 2]}, tmp_path / "rec")
    elsewhere = settings_in(tmp_path / "other", mode="off", allow_private=[], secrets=[])
    async with Ratchet.open(elsewhere) as other:
        replay = await other.replays.start(await other.recordings.read(tmp_path / "rec"), task, origin=Origin.CLI)
        second = await replay.handle.wait(30)
        assert json.dumps(second.output) == json.dumps(first.output)


async def test_a_miss_names_the_closest_request_and_the_field(ratchet: Ratchet, server: HttpServer) -> None:
    code = "async ({ url, n }) => { try { return await (await fetch(`${url}/page?n=${n}`)).text() } catch (e) { return e.code } }"
    first = await recorded(ratchet, make_unsaved(code), {"url": server.url, "n": 1})
    second, replay = await replayed(ratchet, first, make_unsaved(code), input_patch={"n": 2})
    report = replay.report(second).to_dict()
    assert second.output == "replay_missing" and second.input == {"url": server.url, "n": 2}
    [missed] = report["missed"]
    assert "The closest is number 1" in missed and "url.query.n" in missed
    assert report["unused"] == [f"GET {server.url}/page?n=1"] and report["input_changed"] and report["same"] is False
    live, _ = await replayed(ratchet, first, make_unsaved(code), input_patch={"n": 2}, mode="replay-or-live")
    assert live.output == "page 1"


async def test_what_a_called_task_missed_is_told_too(ratchet: Ratchet, server: HttpServer) -> None:
    code = "async ({ url, call }) => { try { return call ? await tasks.call('child', { url }) : 1 } catch (e) { return e.code } }"
    first = await recorded(ratchet, make_unsaved(code), {"url": server.url, "call": False})
    second, replay = await replayed(ratchet, first, make_unsaved(code), input_patch={"call": True})
    report = replay.report(second).to_dict()
    assert second.output == "task_error" and f"GET {server.url}/json" in report["missed"][0]


async def test_how_a_replay_compares_is_known_after_its_end(ratchet: Ratchet, server: HttpServer) -> None:
    first = await recorded(ratchet, make_unsaved(CHANCY), {"url": server.url, "pages": [1]})
    second, replay = await replayed(ratchet, first, make_unsaved(CHANCY))
    assert ratchet.replays.report_of(second.id) == replay.report(second) and ratchet.replays.report_of(first.id) is None


async def test_a_function_that_is_saved_nowhere_is_recorded_with_its_code(ratchet: Ratchet, server: HttpServer) -> None:
    handle = await ratchet.run_javascript(CHANCY, {"url": server.url, "pages": [1]}, record=True, origin=Origin.MCP)
    first = await handle.wait(30)
    task = (await ratchet.recordings.of(first.id)).unsaved_task()
    assert task is not None and task.source == CHANCY
    second, replay = await replayed(ratchet, first, task)
    assert json.dumps(second.output) == json.dumps(first.output) and replay.report(second).to_dict() == {"same": True}


async def test_another_task_than_the_recorded_one_is_told(ratchet: Ratchet, server: HttpServer) -> None:
    first = await recorded(ratchet, make_unsaved("() => ({ a: 1, b: 2 })"), {})
    for code, path in (("() => ({ a: 1, b: 3 })", "$.b"), ("() => ({ b: 2, a: 1 })", "$"), ("() => { throw new Error('x') }", "$")):
        second, replay = await replayed(ratchet, first, make_unsaved(code))
        report = replay.report(second).to_dict()
        assert report["task_changed"] and not report["same"] and report["differences"][0]["path"] == path


async def test_a_failed_run_fails_again_in_the_same_way(ratchet: Ratchet, server: HttpServer) -> None:
    task = make_unsaved(
        "async ({ url }) => { const r = await fetch(url + '/status/404'); throw new HttpError(`no ${Math.random()}`, r.status) }"
    )
    first = await recorded(ratchet, task, {"url": server.url})
    second, replay = await replayed(ratchet, first, task)
    assert second.status is Status.FAILED and second.error == first.error and replay.report(second).same
    well, replay = await replayed(ratchet, first, make_unsaved("() => 1"))
    assert "this one completed" in replay.report(well).differences[0]["message"]


async def test_a_run_that_was_killed_is_recorded_with_what_it_asked(ratchet: Ratchet, server: HttpServer) -> None:
    task = make_unsaved("async ({ url }) => { await fetch(url + '/json'); await fetch(url + '/slow') }")
    handle = await ratchet.recordings.start(task, {"url": server.url}, origin=Origin.CLI)
    with anyio.fail_after(10):
        while len((await ratchet.executions.get(handle.id)).http) < 2:
            await anyio.sleep(0.01)
    await ratchet.executions.cancel(handle.id)
    found = await ratchet.recordings.of(handle.id)
    assert [each.response is not None for each in found.recording.entries] == [True, False]
    assert found.recording.facts["status"] == "cancelled"


async def test_only_the_latest_recordings_are_kept(ratchet: Ratchet, tmp_path: Path) -> None:
    (tmp_path / "recordings" / "mine").mkdir(parents=True)
    ids = [(await recorded(ratchet, make_unsaved("() => 1"), {})).id for _ in range(5)]
    assert {path.name for path in (tmp_path / "recordings").iterdir()} == {"mine", *ids[2:]}
    with pytest.raises(RecordingInvalid, match="was not recorded"):
        await ratchet.recordings.of(ids[0])


async def test_odd_values_are_recorded(ratchet: Ratchet) -> None:
    task = make_unsaved("() => ['\\ud800', 1e20, 100000000000000000000, -0, 'é', { __proto__: null, b: 1, a: 2 }]")
    first = await recorded(ratchet, task, {"big": 12345678901234567890123})
    assert first.error is None and first.warnings == []
    second, replay = await replayed(ratchet, first, task)
    assert replay.report(second).same


async def test_a_recording_that_cannot_be_written_is_a_warning(ratchet: Ratchet, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    execution = await recorded(ratchet, make_unsaved("() => 1"), {}, tmp_path / "file" / "rec")
    assert execution.status is Status.COMPLETED and "cannot be used" in execution.warnings[0]
    assert (await ratchet.executions.get(execution.id)).warnings == execution.warnings


@pytest.mark.parametrize("id", ["../../etc", "x", "", "00000000-0000-7000-8000-000000000000"])
async def test_an_id_without_a_recording_is_one_clear_error(ratchet: Ratchet, id: str) -> None:
    with pytest.raises(RecordingInvalid, match="was not recorded") as error:
        await ratchet.recordings.of(id)
    assert "record=true" in (error.value.hint or "")


async def test_clients_read_recordings_only_where_the_settings_allow_it(tmp_path: Path) -> None:
    async with Ratchet.open(settings_in(tmp_path, recordings_from=[tmp_path / "ours"])) as ratchet:
        task = make_unsaved("() => 1")
        await recorded(ratchet, task, {}, tmp_path / "ours" / "a")
        await recorded(ratchet, task, {}, tmp_path / "theirs" / "a")
        (tmp_path / "ours" / "link").symlink_to(tmp_path / "theirs")
        assert (await ratchet.recordings.read_allowed(str(tmp_path / "ours" / "a"))).recording.facts["output"] == 1
        for path in ("theirs/a", "ours/../theirs/a", "ours/link/a", "nowhere"):
            with pytest.raises(InvalidArgument, match="not allowed"):
                await ratchet.recordings.read_allowed(str(tmp_path / path))
        for path in ("ours/a", "\0", "/etc"):
            with pytest.raises(InvalidArgument, match="not allowed"):
                await ratchet.recordings.read_allowed(path)


async def test_a_database_in_memory_has_no_place_for_recordings() -> None:
    async with Ratchet.open(Settings(store=StoreSettings(url="sqlite://"), registry=RegistrySettings(bundled=False))) as ratchet:
        with pytest.raises(InvalidArgument, match="no place for recordings"):
            await recorded(ratchet, make_unsaved("() => 1"), {})


async def test_a_damaged_recording_is_refused_before_anything_runs(ratchet: Ratchet, tmp_path: Path) -> None:
    await recorded(ratchet, make_unsaved("() => 1"), {}, tmp_path / "rec")
    facts = json.loads((tmp_path / "rec" / "recording.json").read_text())
    for course in (None, {}, {**facts["course"], "seed": "x"}):
        (tmp_path / "rec" / "recording.json").write_text(json.dumps({**facts, "course": course}))
        found = await ratchet.recordings.read(tmp_path / "rec")
        with pytest.raises(RecordingInvalid):
            await ratchet.replays.start(found, make_unsaved("() => 1"), origin=Origin.CLI)


async def test_a_refused_start_leaves_no_network_behind(ratchet: Ratchet) -> None:
    child = await ratchet.catalog.resolve("child")
    closed: list[bool] = []
    network = await ratchet.executions.network_for(child)
    network._on_close = lambda _: closed.append(True)
    with pytest.raises(InputInvalid):
        await ratchet.executions.start(child, float("nan"), origin=Origin.CLI, principal=LOCAL, network=network)
    assert closed == [True]


@pytest.mark.parametrize(
    ("value", "patch", "result"),
    [
        ({"a": 1}, {"b": {"c": None, "d": 2}}, {"a": 1, "b": {"d": 2}}),
        ({"a": {"b": 1}, "c": 2}, {"a": {"b": 3}, "c": None}, {"a": {"b": 3}}),
        ([1], {"a": 1}, {"a": 1}),
        ({"a": 1}, [1], [1]),
        ({"a": 1}, None, None),
    ],
)
def test_a_merge_patch_changes_an_input(value: Any, patch: Any, result: Any) -> None:
    assert merged(value, patch) == result
