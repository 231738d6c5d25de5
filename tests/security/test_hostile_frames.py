"""A worker that somebody took over: a small program in its place sends whatever it likes. Each time the run gets a clear error, the
process is replaced, and the coordinator stays as it was."""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from engine_runs import RecordingHost, open_pool, request, response

from ratchet_mcp.engine import process
from ratchet_mcp.engine.course import Course
from ratchet_mcp.engine.pool import WorkerPool
from ratchet_mcp.engine.run import RunOutcome

REAL = process.PROGRAM
HONEST_START = """
import json, os, signal, sys, time
def send(**frame): os.write(1, json.dumps({"v": 1, **frame}).encode() + b"\\n")
def raw(data):
    while data: data = data[os.write(1, data):]
def ready(**more): send(**{"type": "ready", "worker": "w", "isolation": "full", "missing": [], "pid": os.getpid(), "python": "3", **more})
def result(output="1", **more): send(**{"type": "result", "id": run, "output": output, "ended": {}, "recycle": False, **more})
def log(message="x", **more): send(**{"type": "log", "id": run, "at": 1, "level": "info", "message": message, **more})
def progress(value, **more): send(**{"type": "progress", "id": run, "at": 1, "value": value, **more})
def call(number=1, method="tasks.call", arguments='{"task": "x", "input": {}}', **more):
    send(**{"type": "host_call", "id": run, "call": number, "method": method, "arguments": arguments, **more})
ready()
for line in sys.stdin:
    frame = json.loads(line)
    if frame["type"] == "execute": break
run = frame["id"]
"""
HANG = "\nsys.stdin.read()\n"

Fake = Callable[[str], Path]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Fake:
    """Let the next workers run this program instead of theirs; give the path back to put it away again."""

    def install(program: str) -> Path:
        path = tmp_path / "fake_worker.py"
        path.write_text(program)
        monkeypatch.setattr(process, "PROGRAM", path)
        return path

    return install


@asynccontextmanager
async def hostile_pool(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WorkerPool]:
    """A pool whose first worker is the fake one; all others are real."""
    async with open_pool(max_workers=1, spare_workers=0, breaker_failures=1000, start_timeout_seconds=10) as pool:
        monkeypatch.setattr(process, "PROGRAM", REAL)
        yield pool


async def meet(fake: Fake, monkeypatch: pytest.MonkeyPatch, behaviour: str, host: RecordingHost, seconds: float = 1.5) -> RunOutcome:
    """Run a task on the fake worker, then one on its real successor, which must succeed."""
    fake(HONEST_START + behaviour)
    async with hostile_pool(monkeypatch) as pool:
        outcome = await pool.run(request("() => 'hostile'", timeout_seconds=seconds), host)
        after = await pool.run(request("() => 'honest'"), RecordingHost())
        assert after.output_json == '"honest"', after.error
        assert after.worker_id != outcome.worker_id
        return outcome


VIOLATIONS = {
    "bytes that are no text": "raw(bytes(range(128, 256)) + b'\\n')",
    "text that is not JSON": "raw(b'hello\\n')",
    "an empty line": "raw(b'\\n')",
    "a list": "raw(b'[]\\n')",
    "null": "raw(b'null\\n')",
    "NaN": 'raw(b\'{"v":1,"type":"log","id":"\' + run.encode() + b\'","at":NaN,"level":"info","message":"x"}\\n\')',
    "a lone surrogate": "log('\\ud800')",
    "another version": "send(v=2, type='log')",
    "no version": 'raw(b\'{"type": "log"}\\n\')',
    "an unknown type": "send(type='exec', id=run)",
    "a type that is a list": "send(type=['log'], id=run)",
    "a type of the other direction": "send(type='execute', id=run, digest='x')",
    "a log without a message": "send(type='log', id=run, at=1, level='info')",
    "a message that is a number": "log(5)",
    "a time before time": "log(at=-1)",
    "a time after time": "log(at=1e300)",
    "a time that is a flag": "log(at=True)",
    "an integer of 5000 digits": 'raw(b\'{"v":1,"type":"log","at":\' + b\'9\' * 5000 + b\'}\\n\')',
    "a result without an output": "result(output=None)",
    "a result that is a list": "result(ended=[])",
    "an output that is an object": "result(output={})",
    "an output that is not JSON": "result(output='{nonsense')",
    "an output of nested brackets that never close": "result(output='[' * 90)",
    "details nested a thousand levels deep": "deep = []\nfor _ in range(900): deep = [deep]\nresult(output=None, ended={'error': {'data': deep}})",
    "a frame nested a million levels deep": "raw(b'[' * 1_000_000 + b'\\n')",
    "twenty million small parts": 'raw(b\'{"v":1,"type":"result","ended":[\' + b\'[],\' * 6_000_000 + b\'[]]}\\n\')',
    "a line without end": "raw(b'x' * 40_000_000)",
    "a string without end": 'raw(b\'{"v": 1, "type": "\' + b\'\\\\\\\\\' * 20_000_000)',
    "progress that is not JSON": "progress('nope')",
    "progress that is a list": "progress('[1]')",
    "progress that is text": 'progress(\'{"progress": "nan"}\')',
    "progress beyond numbers": "progress('{\"progress\": 1e999}')",
    "progress nested deeply": "progress('{\"progress\": 1, \"data\": ' + '[' * 150 + ']' * 150 + '}')",
    "progress of megabytes": "progress('{\"progress\": 1, \"data\": \"' + 'x' * 1_000_000 + '\"}')",
    "progress a thousand times at once": "for _ in range(5000): progress('{\"progress\": 1}')",
    "a limit that does not exist": "send(type='limit', id=run, code='cpu_limit')",
    "the same call twice": "call(1)\ncall(1)",
    "ten thousand calls at once": "for number in range(10_000): call(number)",
    "a call whose number is text": "call('1')",
    "calls given up that were never made": "for number in range(2): send(type='host_cancel', id=run, call=number)",
    "a call given up twice": "call(1)\nfor _ in range(2): send(type='host_cancel', id=run, call=1)",
    "a call given up whose number is text": "send(type='host_cancel', id=run, call='1')",
    "a call given up without a number": "send(type='host_cancel', id=run)",
    "start_failed during a run": "send(type='start_failed', id=run, message='x')",
    "ready during a run, for the run": "ready(id=run)",
    "frames of other runs without end": "for _ in range(5000): log(id='other')",
    "answers to no question without end": "for _ in range(5000): send(type='pong', id='x')",
    "megabytes to stderr": "for _ in range(200): os.write(2, b'x' * 65536)",
}


@pytest.mark.parametrize("behaviour", VIOLATIONS.values(), ids=list(VIOLATIONS))
async def test_a_worker_that_breaks_the_protocol_is_replaced(behaviour: str, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    host = RecordingHost()
    host.answers["x"] = wait_for_ever
    outcome = await meet(fake, monkeypatch, behaviour + HANG, host)

    assert outcome.error is not None
    assert outcome.error.code == "protocol_violation", outcome.error.to_dict()
    assert outcome.error.hint
    assert len(outcome.error.message) < 500


async def wait_for_ever(_: object) -> None:
    import anyio

    await anyio.sleep_forever()


ENDS = {
    "it ends at once": ("sys.exit(0)", "worker_crashed"),
    "it ends with a status": ("os._exit(3)", "worker_crashed"),
    "it ends in the middle of a line": ('raw(b\'{"v": 1, "type":\')\nos._exit(0)', "worker_crashed"),
    "it crashes": ("os.kill(os.getpid(), signal.SIGSEGV)", "worker_crashed"),
    "it dies of a real-time signal": ("os.kill(os.getpid(), signal.SIGRTMIN + 5)", "worker_crashed"),
    "it closes its output and stays": ("os.close(1)" + HANG, "worker_crashed"),
    "it says nothing": (HANG, "timeout"),
    "it sends one byte after the other": ("while True: raw(b'x')\n", "timeout"),
    "it stops": ("os.kill(os.getpid(), signal.SIGSTOP)" + HANG, "timeout"),
    "it floods the log": ("while True: log('x' * 1000)\n", "log_limit"),
    "it floods the log with short lines": ("while True: log('x' * 40)\n", "log_limit"),
    "it returns too much": ("result(output='\"' + 'x' * 2_000_000 + '\"')" + HANG, "output_too_large"),
    "it returns what is nested too deeply": ("result(output='[' * 150 + ']' * 150)" + HANG, "output_too_large"),
    "it returns quotes that would take a scanner for ever": (
        "result(output='[' * 150 + chr(34) + (chr(92) + chr(34)) * 400_000)" + HANG,
        "output_too_large",
    ),
    "it claims a rejection and crashes": ("send(type='lost', id=run)\nos.kill(os.getpid(), signal.SIGSEGV)", "unhandled_rejection"),
    "it reports an error of absurd places": (
        "result(output=None, ended={'error': {'kind': 'thrown', 'file': 'main.js', 'line': 1e300, 'column': -5, 'name': 5, 'message': [],"
        " 'code': {}, 'stack': 'f@main.js:' + '9' * 5000 + ':1'}})" + HANG,
        "task_error",
    ),
    "it claims an error code of ours": (
        "result(output=None, ended={'error': {'kind': 'output', 'code': 'cancelled', 'path': 'x' * 10**6, 'message': 'x' * 10**6}})" + HANG,
        "output_not_serializable",
    ),
    "it claims to have run out of memory": (
        "result(output=None, ended={'error': {'kind': 'memory'}}, recycle=True)" + HANG,
        "memory_limit",
    ),
}


@pytest.mark.parametrize(("behaviour", "code"), ENDS.values(), ids=list(ENDS))
async def test_a_run_on_a_hostile_worker_ends_with_a_clear_error(
    behaviour: str, code: str, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(HONEST_START + behaviour)
    async with hostile_pool(monkeypatch) as pool:
        outcome = await pool.run(request("() => 'hostile'", timeout_seconds=0.5), RecordingHost())
        assert outcome.error is not None
        assert outcome.error.code == code, outcome.error.to_dict()
        assert len(str(outcome.error.to_dict())) < 100_000


@pytest.mark.parametrize(
    "behaviour",
    [
        "result('1')\nresult('2')\nlog('late')\nprogress('{\"progress\": 1}')\ncall(7)",
        "log('of another run', id='run-0')\nresult('5', id='run-0')\ncall(1, id='run-0')\nresult('1')",
        "ready()\nready(isolation='none')\nsend(type='pong', id='x')\nresult('1')",
        "call(1, method='os.system')\nsys.stdin.readline()\nresult('1')",
        "call(-5, arguments='not json')\nsys.stdin.readline()\nresult('1')",
        "call(2**62, arguments='[' * 300 + ']' * 300)\nsys.stdin.readline()\nresult('1')",
        "result('1', ended={'left': {'timers': 'many', 'calls': 1e300}, 'lost': 'x', 'error': None, 'more': 1})",
    ],
)
async def test_what_does_not_concern_the_run_is_dropped(behaviour: str, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    host = RecordingHost()
    fake(HONEST_START + behaviour + HANG)
    async with hostile_pool(monkeypatch) as pool:
        outcome = await pool.run(request("() => 'hostile'", timeout_seconds=2), host)

    assert outcome.output_json == "1", outcome.error
    assert host.text == []
    assert host.updates == []


@pytest.mark.parametrize(
    "program",
    [
        "raise SystemExit(3)",
        "import os; os.write(1, b'garbage\\n'); import sys; sys.stdin.read()",
        "import os, json; os.write(1, json.dumps({'v': 1, 'type': 'start_failed', 'message': 'no ' * 10000}).encode() + b'\\n')",
        "import sys; sys.stdin.read()",
        "import os\nwhile True: os.write(1, b'x' * 65536)",
        "import os\nwhile True: os.write(2, b'x' * 65536)",
        "import os; os.close(1); import sys; sys.stdin.read()",
        "import os, signal; os.kill(os.getpid(), signal.SIGRTMIN + 3)",
        "import os, json; os.write(1, json.dumps({'v': 1, 'type': 'ready', 'worker': 'w', 'isolation': 'full'}).encode() + b'\\n')",
    ],
    ids=["exits", "garbage", "start_failed", "silent", "flood", "stderr flood", "closed output", "signal", "half a ready"],
)
async def test_a_worker_that_does_not_start_is_a_clear_error(program: str, fake: Fake) -> None:
    from ratchet_mcp.errors import WorkerStartFailed

    fake(program)
    with pytest.raises(WorkerStartFailed) as caught:
        async with open_pool(max_workers=1, start_timeout_seconds=0.5):
            raise AssertionError("it started")
    assert len(caught.value.message) < 3000
    assert len(caught.value.details["stderr"]) <= 4000


async def test_a_worker_that_claims_no_isolation_is_refused(fake: Fake) -> None:
    from ratchet_mcp.errors import IsolationInsufficient

    fake(HONEST_START.replace('"isolation": "full"', '"isolation": "everything"'))
    with pytest.raises(IsolationInsufficient):
        async with open_pool(max_workers=1):
            raise AssertionError("it started")


async def test_a_retired_worker_that_does_not_end_is_killed(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    import anyio
    import psutil

    monkeypatch.setattr(process, "STOP_SECONDS", 0.1)
    fake(HONEST_START + "result('1')\nsys.stdin.read()" + HANG)
    async with open_pool(max_workers=1, spare_workers=0, max_tasks_per_worker=1) as pool:
        monkeypatch.setattr(process, "PROGRAM", REAL)
        hostile = psutil.Process(pool.status()["workers"][0]["pid"])
        assert (await pool.run(request("() => 1"), RecordingHost())).output_json == "1"
        with anyio.fail_after(10):
            await anyio.to_thread.run_sync(lambda: psutil.wait_procs([hostile], timeout=8))
        assert not hostile.is_running() or hostile.status() == psutil.STATUS_ZOMBIE


async def test_floods_leave_the_memory_of_the_coordinator_flat(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    before = peak_mb()
    for behaviour in (
        'for n in range(999): call(n, arguments=\'{"task": "x", "input": "\' + \'x\' * 4_000_000 + \'"}\')',
        "while True: raw(b'x' * 65536)\n",
        "while True: log('x' * 60000, id='other')\n",
        'raw(b\'{"v":1,"type":"result","ended":{"error":[\' + b\'{},\' * 7_000_000 + b\'{}]}}\\n\')',
    ):
        host = RecordingHost()
        host.answers["x"] = wait_for_ever
        outcome = await meet(fake, monkeypatch, behaviour + HANG, host)
        assert outcome.error is not None
    assert peak_mb() - before < 300


async def test_answers_that_nobody_reads_do_not_pile_up() -> None:
    async def large(_: object) -> str:
        return "x" * 4_000_000

    host = RecordingHost()
    host.answers["large"] = large
    before = peak_mb()
    deaf = "async () => { for (let i = 0; i < 900; i++) tasks.call('large').catch(() => {}); for (;;); }"
    async with open_pool(max_workers=1) as pool:
        outcome = await pool.run(request(deaf, timeout_seconds=5), host)
        assert outcome.error is not None
        assert outcome.error.code == "memory_limit"
        assert (await pool.run(request("() => 1"), RecordingHost())).output_json == "1"
    assert peak_mb() - before < 300


async def test_events_that_are_none_are_a_violation(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    for events in ("[['call', 1]]", "[['clock', 1, 1]]", "[['call', 1, 'x']]", "{}", "[['call', -1, 1]]", "[['timer', True, 1]]"):
        fake(HONEST_START + f"result(ended={{'events': {events}}})" + HANG)
        async with hostile_pool(monkeypatch) as pool:
            outcome = await pool.run(replace(request("() => 1", timeout_seconds=2), course=Course.fresh()), RecordingHost())
        assert outcome.error is not None
        assert outcome.error.code == "protocol_violation", events


async def test_large_answers_wait_until_the_worker_reads_them() -> None:
    async def network(asked: object) -> object:
        return response("x" * 4_000_000)

    host = RecordingHost()
    host.network = network
    before = peak_mb()
    async with open_pool(max_workers=1) as pool:
        deaf = "async () => { for (let i = 0; i < 60; i++) fetch('https://a.example/').catch(() => {}); const t = Date.now(); while (Date.now() - t < 1500); return 1 }"
        outcome = await pool.run(request(deaf, timeout_seconds=10), host)
        assert outcome.output_json == "1", outcome.error
        code = "async () => (await Promise.all(Array.from({ length: 12 }, () => fetch('https://a.example/').then((r) => r.text())))).map((t) => t.length).join()"
        outcome = await pool.run(request(code, timeout_seconds=10), host)
        assert outcome.output_json == '"' + ",".join(["4000000"] * 12) + '"', outcome.error
    assert peak_mb() - before < 600


async def test_arguments_of_calls_do_not_pile_up() -> None:
    host = RecordingHost()
    host.answers["never"] = wait_for_ever
    code = """async () => {
      const large = 'x'.repeat(4e6), refused = [];
      for (let i = 0; i < 100; i++) tasks.call('never', large).catch((error) => refused.push(error.code));
      await new Promise((done) => setTimeout(done, 500));
      return [refused.length, refused[0]];
    }"""
    async with open_pool(max_workers=1) as pool:
        outcome = await pool.run(request(code, timeout_seconds=60), host)
        assert outcome.error is None
        refused, code = json.loads(outcome.output_json or "null")
    assert refused > 90
    assert code == "input_too_large"


def peak_mb() -> float:
    """Return the most memory that this process ever had."""
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
