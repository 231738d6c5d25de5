"""Where observed runs run: on processes of their own, counted and limited with all others."""

from __future__ import annotations

import os
import signal
from typing import Any

import anyio
import pytest
from engine_runs import RecordingHost, open_pool, request

from ratchet_mcp.engine import observers, process
from ratchet_mcp.engine.observe import Observation
from ratchet_mcp.engine.pool import WorkerPool
from ratchet_mcp.engine.run import RunOutcome

OK = "() => 'ok'"
PAUSE = "async () => { await new Promise((r) => setTimeout(r, 50)); return 'rested' }"
FOREVER = "() => new Promise((r) => setTimeout(r, 1e6))"
WATCH = Observation(coverage=True)


async def until(condition: Any) -> None:
    with anyio.fail_after(20):
        while not condition():
            await anyio.sleep(0.01)


def of_kind(pool: WorkerPool, debugging: bool) -> list[dict[str, Any]]:
    return [worker for worker in pool.status()["workers"] if worker.get("debugging", False) is debugging]


async def test_observed_runs_and_ordinary_runs_never_share_a_worker() -> None:
    host = RecordingHost()
    async with open_pool(max_workers=2) as pool:
        ended = [await pool.run(request(OK, observe=WATCH if n % 2 else None), host) for n in range(6)]
    workers = [{outcome.worker_id for outcome in ended[start::2]} for start in (0, 1)]
    assert not workers[0] & workers[1]
    assert [outcome.observed is not None for outcome in ended] == [False, True] * 3


async def test_observed_runs_of_the_same_content_share_a_worker_and_of_other_content_do_not() -> None:
    host = RecordingHost()
    async with open_pool(max_workers=2) as pool:
        same = [await pool.run(request(OK, observe=WATCH), host) for _ in range(20)]
        other = await pool.run(request("() => 'other'", observe=WATCH), host)
    assert len({outcome.worker_id for outcome in same}) == 1
    assert other.worker_id != same[0].worker_id
    assert all(outcome.observed is not None and outcome.observed.coverage == {1: 1} for outcome in same)


async def test_a_debugging_worker_ends_soon_after_its_last_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observers, "KEEP_SECONDS", 0.05)
    async with open_pool(max_workers=1) as pool:
        await pool.run(request(OK, observe=WATCH), RecordingHost())
        await until(lambda: not of_kind(pool, True))


async def test_there_are_never_more_debugging_workers_than_slots() -> None:
    host = RecordingHost()
    async with open_pool(max_workers=2) as pool:
        for n in range(5):
            await pool.run(request(f"() => {n}", observe=WATCH), host)
            assert len(of_kind(pool, True)) <= 2


async def test_observed_runs_count_against_the_slots_and_wait_in_the_queue() -> None:
    host, most = RecordingHost(), 0
    async with open_pool(max_workers=2, spare_workers=0) as pool:

        async def one(observe: Observation | None) -> None:
            nonlocal most
            outcome = await pool.run(request(PAUSE, observe=observe), host, on_start=look)
            assert outcome.output_json == '"rested"'

        def look() -> None:
            nonlocal most
            most = max(most, pool.status()["running"])

        async with anyio.create_task_group() as group:
            for n in range(10):
                group.start_soon(one, WATCH if n % 2 else None)
        assert most == 2
        assert pool.status()["running"] == pool.status()["queued"] == 0


async def test_a_full_queue_refuses_observed_runs_as_well() -> None:
    host = RecordingHost()
    async with open_pool(max_workers=1, queue_limit=1) as pool, anyio.create_task_group() as group:
        group.start_soon(pool.run, request(FOREVER, observe=WATCH), host)
        await until(lambda: pool.status()["running"] == 1)
        group.start_soon(pool.run, request(OK), host)
        await until(lambda: pool.status()["queued"] == 1)
        outcome = await pool.run(request(OK, observe=WATCH), host)
        assert outcome.error is not None and outcome.error.code == "queue_full"
        group.cancel_scope.cancel()


async def test_an_observed_run_that_is_killed_or_cancelled_takes_its_worker_with_it() -> None:
    host = RecordingHost()
    async with open_pool(max_workers=1) as pool:
        outcome = await pool.run(request(FOREVER, observe=WATCH, timeout_seconds=0.2), host)
        assert outcome.error is not None and outcome.error.code == "timeout"
        assert not of_kind(pool, True)
        async with anyio.create_task_group() as group:
            group.start_soon(pool.run, request(FOREVER, observe=WATCH), host)
            await until(lambda: [worker["state"] for worker in of_kind(pool, True)] == ["busy"])
            group.cancel_scope.cancel()
        assert not of_kind(pool, True)
        assert (await pool.run(request(OK), host)).error is None
        assert pool.status()["running"] == 0


async def test_a_run_that_was_cancelled_while_its_debugging_worker_started_gives_its_slot_back() -> None:
    host = RecordingHost()
    async with open_pool(max_workers=1) as pool:
        async with anyio.create_task_group() as group:
            group.start_soon(pool.run, request(OK, observe=WATCH), host)
            await until(lambda: [worker["state"] for worker in of_kind(pool, True)] == ["starting"])
            group.cancel_scope.cancel()
        assert pool.status()["running"] == 0
        assert not of_kind(pool, True)
        assert (await pool.run(request(OK, observe=WATCH), host)).error is None


async def test_a_kept_debugging_worker_that_died_is_not_used_again() -> None:
    host = RecordingHost()
    async with open_pool(max_workers=1) as pool:
        first = await pool.run(request(OK, observe=WATCH), host)
        os.kill(of_kind(pool, True)[0]["pid"], signal.SIGKILL)
        await until(lambda: not of_kind(pool, True))
        second = await pool.run(request(OK, observe=WATCH), host)
        assert second.error is None
        assert second.worker_id != first.worker_id


async def test_an_observed_run_may_call_tasks_while_there_is_one_slot() -> None:
    async with open_pool(max_workers=1) as pool:
        host = RecordingHost()

        async def child(value: Any) -> Any:
            outcome: RunOutcome = await pool.run(request("(input) => input * 2", value), host)
            assert outcome.error is None
            return 42

        host.answers["child"] = child
        code = "async () => {\n  const got = await tasks.call('child', 2);\n  return got;\n}"
        outcome = await pool.run(request(code, observe=Observation((3,), coverage=True)), host)
        assert outcome.output_json == "42"
        assert outcome.observed is not None and outcome.observed.snapshots[0].locals == {"got": 42}
        assert pool.status()["running"] == pool.status()["waiting"] == 0


async def test_debugging_workers_that_cannot_start_fail_the_run_and_nothing_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit(3)\n")
    host = RecordingHost()
    async with open_pool(max_workers=1, spare_workers=0) as pool:
        monkeypatch.setattr(process, "PROGRAM", broken)
        outcome = await pool.run(request(OK, observe=WATCH), host)
        assert outcome.error is not None and outcome.error.code == "worker_start_failed"
        assert (await pool.run(request(OK), host)).output_json == '"ok"'
        assert pool.status()["running"] == 0


async def test_a_debugging_worker_that_is_not_confined_enough_runs_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    weak = tmp_path / "weak.py"
    weak.write_text(
        "import json, sys\n"
        "print(json.dumps({'v': 1, 'type': 'ready', 'worker': 'd1', 'isolation': 'partial', 'missing': ['seccomp'], 'pid': 1, 'python': '3'}),"
        " flush=True)\nsys.stdin.read()\n"
    )
    async with open_pool(max_workers=1, spare_workers=0, isolation="full") as pool:
        monkeypatch.setattr(process, "PROGRAM", weak)
        outcome = await pool.run(request(OK, observe=WATCH), RecordingHost())
        assert outcome.error is not None and outcome.error.code == "isolation_insufficient"
        assert not of_kind(pool, True)


async def test_closing_the_pool_ends_debugging_workers_and_their_runs() -> None:
    host, ended = RecordingHost(), list[RunOutcome]()
    async with anyio.create_task_group() as group:
        async with open_pool(max_workers=2) as pool:

            async def run() -> None:
                ended.append(await pool.run(request(FOREVER, observe=WATCH), host))

            await pool.run(request(OK, observe=WATCH), host)
            group.start_soon(run)
            await until(lambda: sorted(worker["state"] for worker in of_kind(pool, True)) == ["busy", "kept"])
            pids = [worker["pid"] for worker in of_kind(pool, True)]
    assert ended[0].error is not None and ended[0].error.code == "interrupted"
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_many_observed_runs_do_not_use_up_memory() -> None:
    host = RecordingHost()
    code = "(input) => {\n  const a = Array.from({ length: 1000 }, (_, i) => ({ i }));\n  return a.length;\n}"
    watch = Observation((3,), ("a.length",), coverage=True)
    async with open_pool(max_workers=1, spare_workers=0) as pool:
        ended = [await pool.run(request(code, observe=watch), host) for _ in range(300)]
        before = of_kind(pool, True)[0]["memory_mb"]
        ended += [await pool.run(request(code, observe=watch), host) for _ in range(300)]
        after = of_kind(pool, True)[0]["memory_mb"]
    assert all(outcome.error is None for outcome in ended)
    assert after - before < 40
