"""A worker that debugs gives a task nothing more than any other worker, neither the task's code nor the expressions that are evaluated in it."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from engine_runs import RecordingHost, open_pool, request

from ratchet_mcp.engine import process
from ratchet_mcp.engine.observe import Observation
from ratchet_mcp.engine.pool import WorkerPool
from ratchet_mcp.engine.run import RunOutcome


def _escapes() -> Any:
    specification = importlib.util.spec_from_file_location("escapes", Path(__file__).with_name("test_escapes.py"))
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


ESCAPES = _escapes()
SECRET = ESCAPES.SECRET
WATCH = Observation((1,), ("input",), coverage=True, throws=True)


def seen(outcome: RunOutcome) -> str:
    assert outcome.observed is not None
    return json.dumps([outcome.output_json, outcome.error and outcome.error.to_dict(), dataclasses.asdict(outcome.observed)])


# ---------------------------------------------------------------- the task's code
@pytest.mark.parametrize("attack", list(ESCAPES.cases()))
async def test_an_attack_gets_hold_of_nothing_while_it_is_debugged(attack: str, pool: WorkerPool, canary: Any) -> None:
    host = RecordingHost()
    code = f"{ESCAPES.PRELUDE}{attack}{ESCAPES.FINISH}"
    outcome = await pool.run(request(code, canary.to_input(), timeout_seconds=5, observe=WATCH), host)

    if outcome.error is None:
        assert json.loads(outcome.output_json or "null") is None
    else:
        assert outcome.error.code in ("task_error", "unhandled_rejection"), outcome.error.to_dict()
    assert SECRET not in seen(outcome) + json.dumps(host.text)
    assert not canary.was_called()


LOOKS = {
    "its global names": "() => Object.getOwnPropertyNames(globalThis)",
    "the prototypes of what it finds": (
        "() => Object.getOwnPropertyNames(globalThis).map((name) => { try { return [name, typeof globalThis[name],"
        " Object.getOwnPropertyNames(Object.getPrototypeOf(globalThis[name]) ?? {})] } catch (e) { return [name, e.message] } })"
    ),
    "a stack": "() => { const f = () => new Error('x').stack; return f(); }",
    "a stack in a callback": "() => [1].map(() => new Error('x').stack)",
    "a stack in a promise": "async () => { await null; return new Error('x').stack }",
    "an error of the engine": "() => { try { null.x } catch (e) { return [e.message, e.stack, Object.getOwnPropertyNames(e)] } }",
    "a function's text": "() => { const f = (a) => a + 1; return [f.toString(), f.name, f.length, Object.getOwnPropertyNames(f)] }",
    "a function's callers": "() => { const f = function () { try { return String(f.caller) } catch (e) { return e.message } }; return f(); }",
    "a debugger statement": "() => { debugger; return 1 }",
}


@pytest.mark.parametrize("code", LOOKS.values(), ids=LOOKS.keys())
async def test_a_task_sees_the_same_whether_it_is_debugged_or_not(code: str, pool: WorkerPool) -> None:
    host = RecordingHost()
    plain = await pool.run(request(code), host)
    debugged = await pool.run(request(code, observe=WATCH), host)
    assert plain.error is None and debugged.error is None
    assert debugged.output_json == plain.output_json


# ---------------------------------------------------------------- expressions
EXPRESSIONS = [
    "reach(globalThis)",
    "reach(this)",
    "typeof debuggerGlobal",
    "typeof Debugger",
    "typeof debugging",
    "globalThis.debugging",
    "(() => { try { return eval('debuggerGlobal') } catch {} })()",
    "(() => { try { return (0, eval)('debuggerGlobal') } catch {} })()",
    "(() => { try { return Function('return debuggerGlobal')() } catch {} })()",
    "(() => { try { return (() => {}).constructor('return debuggerGlobal')() } catch {} })()",
    "(() => { try { return Object.getPrototypeOf(async () => {}).constructor('return debuggerGlobal')() } catch {} })()",
    "(() => { try { return Object.getPrototypeOf(function* () {}).constructor('return debuggerGlobal')().next().value } catch {} })()",
    "(() => { try { return reach(arguments[0]) } catch {} })()",
    "(() => { try { return reach(arguments.callee) } catch {} })()",
    "(() => { try { return reach(new Error('x').stack) } catch {} })()",
    "(() => { try { Object.prototype.polluted = 1 } catch {} return ({}).polluted })()",
    "(() => { try { Array.prototype[Symbol.iterator] = 1 } catch {} return reach([]) })()",
    "(() => { try { globalThis.kept = 'polluted' } catch {} })()",
]


async def test_expressions_reach_no_more_than_the_task(pool: WorkerPool, canary: Any) -> None:
    code = f"{ESCAPES.PRELUDE} 1;\n return reach(globalThis).length; }}"
    outcome = await pool.run(request(code, canary.to_input(), observe=Observation((2,), tuple(EXPRESSIONS))), RecordingHost())
    assert outcome.output_json == "0"
    assert outcome.observed is not None
    values = {one.expression: one.error or one.value for one in outcome.observed.snapshots[0].expressions}
    assert len(values) == len(EXPRESSIONS)
    for expression, value in values.items():
        assert value in ([], "<undefined>", "undefined", None) or "is not defined" in str(value), (expression, value)
    assert SECRET not in seen(outcome)
    assert not canary.was_called()


async def test_what_an_expression_leaves_behind_ends_with_its_run(pool: WorkerPool) -> None:
    code = "() => {\n  return [globalThis.kept, {}.kept, Math.kept, [].kept].map((value) => value ?? null);\n}"
    leave = "(() => { for (const it of [globalThis, Object.prototype, Math, Array.prototype]) try { it.kept = 1 } catch {} })()"
    watch = Observation((2,), (leave,))
    first = await pool.run(request(code, observe=watch), RecordingHost())
    second = await pool.run(request(code, observe=Observation((2,))), RecordingHost())
    assert first.output_json == "[1,null,null,null]"
    assert second.output_json == "[null,null,null,null]"
    assert first.worker_id == second.worker_id


# ---------------------------------------------------------------- lies to the debugger
HOSTILE = {
    "a proxy in every place": (
        "() => { const bad = () => { throw new Error('called') }; const all = ['get', 'has', 'ownKeys', 'getOwnPropertyDescriptor',"
        " 'getPrototypeOf', 'isExtensible', 'apply', 'construct', 'defineProperty']; const p = new Proxy(function () {},"
        " Object.fromEntries(all.map((n) => [n, bad]))); const o = { p, [Symbol.toStringTag]: 'Map', [Symbol.toPrimitive]: bad };"
        " const holders = [new Map([[p, p]]), new Set([p]), [p], Object.create(p), Object.setPrototypeOf(new Error('x'), p)];\n"
        " return 1; }"
    ),
    "a revoked proxy": "() => { const { proxy, revoke } = Proxy.revocable({}, {}); const child = Object.create(proxy); revoke();\n return 1; }",
    "names of another kind": (
        "() => { const o = { ['__proto__']: 1, constructor: 2, toJSON() { throw 1 }, '<class>': 3, ['\\ud800']: '\\udfff', ['x'.repeat(1e6)]: 1 };"
        " const f = { ['a\\nb\\u202e']() {} };\n return 1; }"
    ),
    "errors that lie": (
        "() => { class E extends Error { get name() { throw 1 } get message() { throw 2 } get stack() { throw 3 } } const e = new E();"
        " const g = Object.assign(new Error('x'.repeat(1e6)), { name: { toString() { throw 4 } } });\n throw g; }"
    ),
    "a detached buffer": "() => { const b = new ArrayBuffer(8), v = new Uint8Array(b), d = new DataView(b); b.transfer();\n return 1; }",
    "odd dates and numbers": "() => { const d = new Date(NaN), n = [NaN, -0, Infinity, 2n ** 4000n], s = Symbol(), w = new WeakMap();\n return 1; }",
    "many things": "() => { const a = Array.from({ length: 3000 }, (_, i) => ({ i, a: { b: { c: { d: {} } } } })), o = Object.fromEntries(a.entries());\n return 1; }",
    "a promise that lies": "() => { const p = Object.defineProperties(Promise.resolve(1), { then: { value: 1 }, constructor: { value: 2 } }); const q = { then() { throw 1 } };\n return 1; }",
    "a class with private fields": "() => { class A { #x = 1; static #y = 2; get [Symbol.toStringTag]() { throw 1 } } const a = new A();\n return 1; }",
    "a generator that is running": "() => { const g = (function* () { yield g2; })(); const g2 = g; g.next();\n return 1; }",
    "its own text again": "() => { const text = '() => 1'; const f = eval(text), g = Function('return ' + text + '\\n//# sourceURL=main.js')();\n return f() + g(); }",
}


@pytest.mark.parametrize("code", HOSTILE.values(), ids=HOSTILE.keys())
async def test_hostile_values_do_not_break_the_debugger(code: str, pool: WorkerPool) -> None:
    outcome = await pool.run(request(code, observe=Observation((2,), coverage=True, throws=True)), RecordingHost())
    assert outcome.error is None or outcome.error.code == "task_error", outcome.error.to_dict()
    assert outcome.observed is not None
    assert len(outcome.observed.snapshots) == 1
    assert "<unreadable>" not in seen(outcome)
    assert len(seen(outcome)) < 100_000


@pytest.mark.parametrize(
    "code",
    [
        "() => {\n  const f = () => {\n    try { return f() } catch { return g() }\n  };\n  const g = () => {\n    return 1;\n  };\n  return f();\n}",
        "() => {\n  const f = () => {\n    try { return f() } catch { throw new Error('own') }\n  };\n  return f();\n}",
    ],
    ids=["a breakpoint", "an error"],
)
async def test_where_the_stack_ends_debugging_goes_on(code: str, pool: WorkerPool) -> None:
    outcome = await pool.run(request(code, observe=Observation((6,), throws=True)), RecordingHost())
    assert outcome.output_json == "1" or (outcome.error is not None and outcome.error.message.startswith("Error: own"))


# ---------------------------------------------------------------- a worker that was taken over
FAKE = """
import json, os, sys
def send(**frame): os.write(1, json.dumps({"v": 1, **frame}).encode() + b"\\n")
send(type="ready", worker="d", isolation="full", missing=[], pid=os.getpid(), python="3")
frame = json.loads(sys.stdin.readline())
run = frame["id"]
def observed(what, value, **more): send(**{"type": "observed", "id": run, "what": what, "value": value, **more})
"""
END = "\nsend(type='result', id=run, output='1', ended={}, recycle=False)\nsys.stdin.read()\n"
PLACE = '{"function": "main", "line": 1, "column": 1, "hit": 1, "locals": {}, "outer": {}, "arguments": [], "stack": []}'
ODD_FRAMES = {
    "no text": "observed('snapshot', 5)",
    "no kind": "observed(None, '{}')",
    "an unknown kind": "observed('secrets', '{}')",
    "no JSON": "observed('snapshot', 'x')",
    "deep JSON": "observed('snapshot', '[' * 100_000)",
    "a flood": "for _ in range(100_000): observed('truncated', '{}' + ' ' * 1000)",
    "too many snapshots": f"for _ in range(100): observed('snapshot', '{PLACE}')",
    "a huge coverage": "observed('coverage', json.dumps([[n, 1] for n in range(1, 200_000)]))",
}


@pytest.mark.parametrize("lie", ODD_FRAMES.values(), ids=ODD_FRAMES.keys())
async def test_a_debugging_worker_that_was_taken_over_is_replaced(lie: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program, real = tmp_path / "fake.py", process.PROGRAM
    program.write_text(FAKE + lie + END)
    async with open_pool(max_workers=1, spare_workers=0, breaker_failures=1000) as pool:
        monkeypatch.setattr(process, "PROGRAM", program)
        outcome = await pool.run(request("() => 1", observe=Observation((1,), coverage=True)), RecordingHost())
        monkeypatch.setattr(process, "PROGRAM", real)
        assert outcome.error is not None and outcome.error.code == "protocol_violation"
        after = await pool.run(request("() => 1", observe=WATCH), RecordingHost())
        assert after.output_json == "1" and after.worker_id != outcome.worker_id


async def test_an_ordinary_worker_that_tells_of_observations_is_replaced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program, real = tmp_path / "fake.py", process.PROGRAM
    program.write_text(FAKE + "observed('truncated', '{}')" + END)
    monkeypatch.setattr(process, "PROGRAM", program)
    async with open_pool(max_workers=1, spare_workers=0) as pool:
        monkeypatch.setattr(process, "PROGRAM", real)
        outcome = await pool.run(request("() => 1"), RecordingHost())
        assert outcome.error is not None and outcome.error.code == "protocol_violation"
        assert (await pool.run(request("() => 1"), RecordingHost())).output_json == "1"


def confinement(worker: dict[str, Any]) -> dict[str, str]:
    lines = Path(f"/proc/{worker['pid']}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if line.startswith(("Seccomp", "NoNewPrivs")))


async def test_a_debugging_worker_is_confined_like_any_other(pool: WorkerPool) -> None:
    await pool.run(request("() => 1", observe=WATCH), RecordingHost())
    debugging: list[dict[str, Any]] = [worker for worker in pool.status()["workers"] if worker.get("debugging")]
    ordinary = [worker for worker in pool.status()["workers"] if not worker.get("debugging")]
    assert confinement(debugging[0]) == confinement(ordinary[0])
    assert confinement(debugging[0])["Seccomp"] == "2"
    assert Path(f"/proc/{debugging[0]['pid']}/environ").read_bytes() == b""
