"""The pool on real processes: queue, slots, recycling, health, deaths, circuit breaker."""

from __future__ import annotations

import os
import signal
from typing import Any

import anyio
import pytest
from engine_runs import RecordingHost, open_pool, request

from ratchet_mcp.engine import process
from ratchet_mcp.engine.pool import WorkerPool
from ratchet_mcp.engine.run import RunOutcome
from ratchet_mcp.errors import IsolationInsufficient, WorkerStartFailed

ENDLESS = "() => { for (;;); }"
OK = "() => 'ok'"


async def until(condition: Any) -> None:
    """Wait until something is so; the test's own limit ends what never comes."""
    with anyio.fail_after(20):
        while not condition():
            await anyio.sleep(0.01)


async def test_runs_share_the_slots_and_the_rest_wait_in_the_queue() -> None:
    host = RecordingHost()
    done: list[RunOutcome] = []

    async with open_pool(max_workers=2) as pool, anyio.create_task_group() as group:

        async def one() -> None:
            done.append(await pool.run(request(OK), host))

        async with anyio.create_task_group() as holders:
            for _ in range(2):
                holders.start_soon(pool.run, request(ENDLESS), host)
            await until(lambda: pool.status()["running"] == 2)
            for _ in range(4):
                group.start_soon(one)
            await until(lambda: pool.status()["queued"] == 4)
            assert len([worker for worker in pool.status()["workers"] if worker["state"] == "busy"]) == 2
            assert not done
            holders.cancel_scope.cancel()
        await until(lambda: len(done) == 4)
    assert all(outcome.error is None and outcome.queue_ms > 0 for outcome in done)


async def test_a_run_that_waits_too_long_for_a_worker_gets_a_queue_timeout() -> None:
    host = RecordingHost()
    async with open_pool(max_workers=1, queue_wait_seconds=0.2) as pool, anyio.create_task_group() as group:
        started = anyio.Event()
        group.start_soon(pool.run, request(ENDLESS), host, started.set)
        await started.wait()
        outcome = await pool.run(request(OK), host)
        assert outcome.error is not None
        assert outcome.error.code == "queue_timeout"
        assert pool.status()["queued"] == 0
        group.cancel_scope.cancel()


async def test_a_full_queue_refuses_at_once() -> None:
    host = RecordingHost()
    async with open_pool(max_workers=1, queue_limit=1) as pool, anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(pool.run, request(ENDLESS), host)
        await until(lambda: pool.status()["queued"] == 1)
        outcome = await pool.run(request(OK), host)
        assert outcome.error is not None
        assert outcome.error.code == "queue_full"
        group.cancel_scope.cancel()


async def test_a_parent_that_waits_for_its_child_holds_no_slot() -> None:
    async with open_pool(max_workers=1) as pool:
        host = RecordingHost()

        async def child(value: Any) -> Any:
            depth = value["depth"]
            code = f"async () => (await tasks.call('child', {{ depth: {depth - 1} }})) + 1" if depth else "() => 0"
            outcome = await pool.run(request(code), host)
            assert outcome.error is None, outcome.error
            return int(outcome.output_json or "")

        host.answers["child"] = child
        outcome = await pool.run(request("() => tasks.call('child', { depth: 4 })"), host)
        assert outcome.output_json == "4"
        assert pool.status()["running"] == pool.status()["waiting"] == 0


async def test_calls_of_one_run_are_answered_at_the_same_time() -> None:
    async with open_pool(max_workers=2) as pool:
        host, together = RecordingHost(), anyio.Event()
        waiting: list[int] = []

        async def meet(value: Any) -> Any:
            waiting.append(value["n"])
            if len(waiting) == 3:
                together.set()
            with anyio.fail_after(10):
                await together.wait()
            return value["n"]

        host.answers["meet"] = meet
        outcome = await pool.run(request("() => Promise.all([1, 2, 3].map((n) => tasks.call('meet', { n })))"), host)
        assert outcome.output_json == "[1,2,3]"
        assert pool.status()["running"] == pool.status()["waiting"] == 0


async def test_a_child_is_cancelled_when_its_parent_is_killed() -> None:
    async with open_pool(max_workers=1) as pool:
        host, cancelled = RecordingHost(), anyio.Event()

        async def forever(_: Any) -> Any:
            try:
                await anyio.sleep_forever()
            finally:
                cancelled.set()

        host.answers["forever"] = forever
        outcome = await pool.run(request("() => tasks.call('forever')", timeout_seconds=0.2), host)
        assert outcome.error is not None
        assert outcome.error.code == "timeout"
        with anyio.fail_after(10):
            await cancelled.wait()
        assert (await pool.run(request(OK), host)).error is None
        assert pool.status()["running"] == pool.status()["waiting"] == 0


async def test_too_many_waiting_parents_are_refused_with_a_reason() -> None:
    async with open_pool(max_workers=1, max_waiting_parents=1) as pool:
        host = RecordingHost()

        async def child(_: Any) -> Any:
            outcome = await pool.run(request("() => tasks.call('child')"), host)
            assert outcome.error is not None
            raise outcome.error

        host.answers["child"] = child
        outcome = await pool.run(request("async () => { try { await tasks.call('child') } catch (e) { return e.message } }"), host)
        assert "max_waiting_parents" in (outcome.output_json or "")


async def test_a_worker_is_recycled_after_its_share_of_runs() -> None:
    host = RecordingHost()
    async with open_pool(max_workers=1, spare_workers=0, max_tasks_per_worker=2) as pool:
        workers = [(await pool.run(request(OK), host)).worker_id for _ in range(5)]
    assert [workers.count(worker) for worker in dict.fromkeys(workers)] == [2, 2, 1]


async def test_a_worker_that_is_killed_fails_only_its_own_run() -> None:
    host = RecordingHost()
    async with open_pool(max_workers=2) as pool, anyio.create_task_group() as group:
        ended: dict[str, RunOutcome] = {}

        async def keep(name: str, code: str) -> None:
            ended[name] = await pool.run(request(code), host)

        group.start_soon(keep, "victim", ENDLESS)
        await until(lambda: any(worker["state"] == "busy" for worker in pool.status()["workers"]))
        victim = next(worker for worker in pool.status()["workers"] if worker["state"] == "busy")
        group.start_soon(keep, "other", "async () => { await new Promise((r) => setTimeout(r, 50)); return 'fine' }")
        os.kill(victim["pid"], signal.SIGKILL)
        await until(lambda: len(ended) == 2)
        assert ended["victim"].error is not None
        assert ended["victim"].error.code == "worker_crashed"
        assert "SIGKILL" in ended["victim"].error.message
        assert ended["other"].output_json == '"fine"'


async def test_an_idle_worker_that_dies_is_replaced_before_it_is_needed() -> None:
    host = RecordingHost()
    async with open_pool(max_workers=1, spare_workers=0) as pool:
        first = pool.status()["workers"][0]
        os.kill(first["pid"], signal.SIGKILL)
        await until(lambda: [w["state"] for w in pool.status()["workers"] if w["id"] != first["id"]] == ["idle"])
        assert (await pool.run(request(OK), host)).error is None


async def test_an_idle_worker_that_does_not_answer_pings_is_replaced() -> None:
    async with open_pool(max_workers=1, spare_workers=0, ping_interval_seconds=0.1, ping_timeout_seconds=0.3) as pool:
        frozen = pool.status()["workers"][0]
        os.kill(frozen["pid"], signal.SIGSTOP)
        await until(lambda: frozen["id"] not in [worker["id"] for worker in pool.status()["workers"]])
        assert (await pool.run(request(OK), RecordingHost())).error is None


async def test_workers_that_are_not_needed_end_after_a_while() -> None:
    host = RecordingHost()
    async with open_pool(max_workers=3, spare_workers=0, idle_seconds=0.2) as pool:
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(pool.run, request("async () => { await new Promise((r) => setTimeout(r, 50)) }"), host)
        await until(lambda: len(pool.status()["workers"]) == 1)


async def test_a_warm_spare_waits_beside_the_worker() -> None:
    async with open_pool(max_workers=2, min_workers=1, spare_workers=1) as pool:
        await pool.run(request(OK), RecordingHost())
        await until(lambda: [worker["state"] for worker in pool.status()["workers"]] == ["idle", "idle"])


async def test_a_task_that_kills_workers_again_and_again_is_paused() -> None:
    host = RecordingHost()
    bomb = "() => { const a = []; for (;;) a.push(new ArrayBuffer(1 << 20)) }"
    async with open_pool(breaker_failures=2, breaker_open_seconds=60) as pool:
        codes = [(await pool.run(request(bomb), host)).error for _ in range(3)]
        assert [error.code for error in codes if error] == ["memory_limit", "memory_limit", "circuit_open"]
        assert codes[2] is not None
        assert "retry_at" in codes[2].details
        assert (await pool.run(request(OK), host)).error is None
        assert (await pool.run(request(bomb + " // edited"), host)).error is not None
        assert len(pool.status()["breakers"]) == 1


async def test_a_paused_task_gets_another_chance_after_the_pause() -> None:
    host = RecordingHost()
    bomb = "() => { const a = []; for (;;) a.push(new ArrayBuffer(1 << 20)) }"
    async with open_pool(breaker_failures=1, breaker_open_seconds=0.05) as pool:
        await pool.run(request(bomb), host)
        await until(lambda: not pool.status()["breakers"])
        outcome = await pool.run(request(bomb), host)
        assert outcome.error is not None
        assert outcome.error.code == "memory_limit"


@pytest.mark.parametrize("selection", ["least_loaded", "round_robin", "weighted"])
async def test_every_way_to_select_a_worker_runs_tasks(selection: str) -> None:
    host = RecordingHost()
    async with open_pool(max_workers=2, min_workers=2, spare_workers=0, selection=selection) as pool:
        await until(lambda: [worker["state"] for worker in pool.status()["workers"]] == ["idle", "idle"])
        workers = [(await pool.run(request(OK), host)).worker_id for _ in range(6)]
    if selection == "least_loaded":
        assert len(set(workers)) == 1
    if selection == "round_robin":
        assert workers[0] != workers[1] == workers[3] == workers[5]


async def test_stopping_the_pool_ends_runs_as_interrupted_and_leaves_no_process() -> None:
    host = RecordingHost()
    outcomes: list[RunOutcome] = []
    async with anyio.create_task_group() as group:
        async with open_pool(max_workers=1) as pool:

            async def keep() -> None:
                outcomes.append(await pool.run(request(ENDLESS), host))

            group.start_soon(keep)
            group.start_soon(keep)
            await until(lambda: (pool.status()["running"], pool.status()["queued"]) == (1, 1))
            pids = [worker["pid"] for worker in pool.status()["workers"] if worker["pid"]]
    assert [outcome.error.code for outcome in outcomes if outcome.error] == ["interrupted", "interrupted"]
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_a_worker_program_that_cannot_start_gives_an_error_with_its_last_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("import sys\nprint('no engine here', file=sys.stderr)\nsys.exit(3)\n")
    monkeypatch.setattr(process, "PROGRAM", broken)
    with pytest.raises(WorkerStartFailed) as raised:
        async with open_pool():
            raise AssertionError("it started")
    assert "exit status 3" in raised.value.message
    assert "no engine here" in raised.value.details["stderr"]


async def test_a_first_worker_that_is_killed_while_it_starts_is_replaced(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    mark = tmp_path / "once"
    dying = tmp_path / "dying.py"
    dying.write_text(
        "import os, pathlib, runpy, signal\n"
        f"mark = pathlib.Path({str(mark)!r})\n"
        "if not mark.exists():\n    mark.touch()\n    os.kill(os.getpid(), signal.SIGKILL)\n"
        f"runpy.run_path({str(process.PROGRAM)!r}, run_name='__main__')\n"
    )
    monkeypatch.setattr(process, "PROGRAM", dying)
    async with open_pool(max_workers=1, spare_workers=0) as pool:
        assert mark.exists()
        assert (await pool.run(request(OK), RecordingHost())).output_json == '"ok"'
        assert len(pool.status()["workers"]) == 1


async def test_workers_that_stop_starting_fail_the_waiting_runs_and_are_tried_again_later(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit(3)\n")
    host = RecordingHost()
    async with open_pool(max_workers=1, spare_workers=0, max_restarts=2, restart_delay_seconds=0.01) as pool:
        whole = process.PROGRAM
        monkeypatch.setattr(process, "PROGRAM", broken)
        outcome = await pool.run(request(ENDLESS, timeout_seconds=0.1), host)
        assert outcome.error is not None
        outcome = await pool.run(request(OK), host)
        assert outcome.error is not None
        assert outcome.error.code == "worker_start_failed"
        monkeypatch.setattr(process, "PROGRAM", whole)
        assert (await pool.run(request(OK), host)).output_json == '"ok"'


async def test_a_pool_refuses_to_start_with_less_isolation_than_it_must_have(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    weak = tmp_path / "weak.py"
    weak.write_text(
        "import json, sys\n"
        "print(json.dumps({'v': 1, 'type': 'ready', 'worker': 'w1', 'isolation': 'partial', 'missing': ['seccomp'], 'pid': 1, 'python': '3'}),"
        " flush=True)\nsys.stdin.read()\n"
    )
    monkeypatch.setattr(process, "PROGRAM", weak)
    with pytest.raises(IsolationInsufficient) as raised:
        async with open_pool(isolation="full"):
            raise AssertionError("it started")
    assert "seccomp" in raised.value.message
    async with open_pool(isolation="partial") as pool:
        assert pool.status()["isolation"] == "partial"


async def test_concurrent_runs_do_not_mix_their_results() -> None:
    host = RecordingHost()
    seen: dict[int, Any] = {}
    async with open_pool(max_workers=2) as pool:

        async def one(number: int) -> None:
            code = "async ({ n }) => { if (n % 2) await null; if (n % 7 === 0) throw new Error(String(n)); return n }"
            seen[number] = await pool.run(request(code, {"n": number}), host)

        async with anyio.create_task_group() as group:
            for number in range(200):
                group.start_soon(one, number)
    for number, outcome in seen.items():
        if number % 7 == 0:
            assert outcome.error.message.startswith(f"Error: {number}")
        else:
            assert outcome.output_json == str(number)


async def test_a_worker_keeps_its_memory_over_many_runs() -> None:
    host = RecordingHost()
    async with open_pool(max_workers=1, spare_workers=0) as pool:
        await _repeat(pool, host, 1500)
        before = pool.status()["workers"][0]["memory_mb"]
        await _repeat(pool, host, 1500)
        after = pool.status()["workers"][0]["memory_mb"]
    assert after - before < 60


async def _repeat(pool: WorkerPool, host: RecordingHost, times: int) -> None:
    code = "async (input) => { await null; console.log('x'); const a = Array.from({ length: 1000 }, (_, i) => ({ i })); return a.length }"
    for _ in range(times):
        assert (await pool.run(request(code), host)).error is None
    host.lines.clear()
