"""Tasks that do everything wrong, by accident or on purpose: each gets its own error in time, and the next run succeeds."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from engine_runs import RecordingHost, request

from ratchet_mcp.engine.pool import WorkerPool
from ratchet_mcp.settings import EngineSettings, Limits

MEMORY_MB = 96

ENDLESS = {
    "a busy loop": ("() => { for (;;); }", "cpu_limit"),
    "a busy loop after an await": ("async () => { await null; for (;;); }", "cpu_limit"),
    "a busy loop in a timer": ("() => { setTimeout(() => { for (;;); }); return new Promise(() => {}) }", "cpu_limit"),
    "a busy loop in a getter of the result": ("() => ({ get a() { for (;;); } })", "cpu_limit"),
    "a busy loop in toJSON": ("() => ({ toJSON() { for (;;); } })", "cpu_limit"),
    "a busy loop in a getter of the error": ("() => { throw { get message() { for (;;); } } }", "cpu_limit"),
    "a busy loop in the stack of the error": (
        "() => { throw Object.defineProperty(new Error('x'), 'stack', { get() { for (;;); } }) }",
        "cpu_limit",
    ),
    "a busy loop in a proxy that is logged": ("() => { console.log(new Proxy({}, { ownKeys() { for (;;); } })) }", "cpu_limit"),
    "a busy loop in then": ("() => ({ get then() { for (;;); } })", "cpu_limit"),
    "an exploding regular expression": ("() => /^(a+)+$/.test('a'.repeat(40) + '!')", "cpu_limit"),
    "an exploding regular expression with alternatives": ("() => /^(a|aa|a?)*$/.test('a'.repeat(60) + '!')", "cpu_limit"),
    "promise jobs without end": ("() => { const again = () => Promise.resolve().then(again); again() }", "cpu_limit"),
    "awaits without end": ("async () => { for (;;) await null }", "cpu_limit"),
    "microtasks without end": ("() => { const again = () => queueMicrotask(again); again(); return new Promise(() => {}) }", "cpu_limit"),
    "rejections without end": ("async () => { for (;;) { try { await Promise.reject(1) } catch {} } }", "cpu_limit"),
    "unhandled rejections without end": ("async () => { for (;;) { Promise.reject(1); await null } }", "cpu_limit"),
    "an iterator without end": (
        "() => [...{ [Symbol.iterator]: () => ({ next: () => ({ done: false }) }) }].length",
        "cpu_limit|memory_limit",
    ),
    "a sort that is never done": ("() => { const a = Array.from({ length: 1e5 }, (_, i) => i); a.sort(() => { for (;;); }) }", "cpu_limit"),
    "an enormous BigInt": ("() => String(7n ** (7n ** 9n))", "cpu_limit|memory_limit|task_error"),
    "a timer that starts itself again": (
        "() => new Promise(() => { const again = () => setTimeout(again); again() })",
        "timeout|cpu_limit",
    ),
    "an interval that never ends": ("() => new Promise(() => setInterval(() => {}, 1))", "timeout|cpu_limit"),
    "a distant timer": ("() => new Promise((done) => setTimeout(done, 1e9))", "timeout"),
    "a call that is never answered": ("() => tasks.call('never')", "timeout"),
    "ten thousand timers": (
        "() => { for (let i = 0; i < 10_000; i++) setTimeout(() => {}, 1e6); return new Promise(() => {}) }",
        "timeout",
    ),
    "calls without end": ("async () => { for (;;) { try { await tasks.call('no') } catch {} } }", "timeout|cpu_limit"),
}

HUNGRY = {
    "an array": "() => { const a = []; for (;;) a.push(a.length) }",
    "an array of arrays": "() => { const a = []; for (;;) a.push([1, 2, 3, a.length]) }",
    "objects": "() => { const a = []; for (;;) a.push({ n: a.length }) }",
    "a string that doubles": "() => { let s = 'x'; for (;;) { s += s; s.charCodeAt(s.length - 1) } }",
    "a string that is repeated": "() => { const a = []; for (let i = 0; ; i++) a.push((i + 'x').repeat(1 << 20)) }",
    "many small strings": "() => { const a = []; for (let i = 0; ; i++) a.push('text ' + i) }",
    "an ArrayBuffer": "() => new ArrayBuffer(1 << 30).byteLength",
    "many ArrayBuffers": "() => { const a = []; for (;;) a.push(new ArrayBuffer(1 << 20)) }",
    "typed arrays that are filled": "() => { const a = []; for (;;) a.push(new Float64Array(1 << 17).fill(1)) }",
    "a Map": "() => { const m = new Map(); for (let i = 0; ; i++) m.set(i, { i }) }",
    "a Set": "() => { const s = new Set(); for (let i = 0; ; i++) s.add('k' + i) }",
    "a WeakMap with its keys": "() => { const w = new WeakMap(), k = []; for (;;) { const o = {}; k.push(o); w.set(o, [1, 2, 3]) } }",
    "closures": "() => { const a = []; for (let i = 0; ; i++) a.push(() => i) }",
    "JSON text": "() => { const a = Array.from({ length: 1e5 }, (_, i) => ({ i })); const all = []; for (;;) all.push(JSON.stringify(a)) }",
    "parsed JSON": "() => { const t = '[' + '[1],'.repeat(1e5) + '1]'; const all = []; for (;;) all.push(JSON.parse(t)) }",
    "a split string": "() => { const t = 'x,'.repeat(1e6), a = []; for (;;) a.push(t.split('')) }",
    "matches": "() => { const t = 'ab'.repeat(1e6), a = []; for (;;) a.push([...t.matchAll(/a/g)]) }",
    "BigInts": "() => { const a = []; for (let i = 1n; ; i++) a.push((1n << 200000n) + i) }",
    "symbols": "() => { const a = []; for (;;) a.push(Symbol('s'.repeat(100) + a.length)) }",
    "registered symbols": "() => { const a = []; for (let i = 0; ; i++) a.push(Symbol.for('leak ' + i + 'x'.repeat(1000))) }",
    "promises": "() => { const a = []; for (;;) a.push(new Promise(() => {})) }",
    "promise jobs": "() => { for (;;) Promise.resolve().then(() => {}) }",
    "errors": "() => { const a = []; for (;;) a.push(new Error('x'.repeat(1000) + a.length)) }",
    "properties": "() => { const o = {}; for (let i = 0; ; i++) o['property ' + i] = i }",
    "functions from text": "() => { const a = []; for (let i = 0; ; i++) a.push(Function('return ' + i + '/* ' + 'x'.repeat(10000) + ' */')) }",
    "encoded text": "() => { const t = 'x'.repeat(1e6), a = []; for (;;) a.push(new TextEncoder().encode(t)) }",
    "clones": "() => { const a = [Array.from({ length: 1e5 }, (_, i) => ({ i }))]; for (;;) a.push(structuredClone(a[0])) }",
    "parameters of a URL": "() => { const p = new URLSearchParams(); for (;;) p.append('key', 'v'.repeat(10000)) }",
    "labels of the console": "() => { for (let i = 0; ; i++) console.time('label '.repeat(1000) + i) }",
    "arguments of a call": "() => { const a = new Array(1e7).fill(1); return ((...all) => all.length)(...a, ...a, ...a, ...a) }",
    "a sparse array made dense": "() => new Array(2 ** 31).fill(0).length",
    "a string padded to the end": "() => { const a = []; for (let i = 0; ; i++) a.push(('' + i).padEnd(2 ** 28, 'xy').normalize('NFD')) }",
    "an async generator nobody reads": "async () => { async function* g() { for (;;) yield new Array(1000).fill(0) } const all = []; const it = g(); for (;;) all.push(it.next()) }",
    "a growing ArrayBuffer": "() => { const b = new ArrayBuffer(1, { maxByteLength: 2 ** 31 - 1 }); b.resize(2 ** 30); new Uint8Array(b).fill(1) }",
}

WRONG = {
    "throw 5": ("() => { throw 5 }", "task_error"),
    "throw null": ("() => { throw null }", "task_error"),
    "throw undefined": ("() => { throw undefined }", "task_error"),
    "throw a symbol": ("() => { throw Symbol('s') }", "task_error"),
    "throw a BigInt": ("() => { throw 1n }", "task_error"),
    "throw a function": ("() => { throw () => 1 }", "task_error"),
    "throw a proxy that throws": ("() => { throw new Proxy({}, { get() { throw 1 }, getPrototypeOf() { throw 2 } }) }", "task_error"),
    "throw a revoked proxy": ("() => { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); throw proxy }", "task_error"),
    "throw a promise": ("() => { throw Promise.resolve(1) }", "task_error"),
    "throw the global object": ("() => { throw globalThis }", "task_error"),
    "throw a detached view": ("() => { const b = new ArrayBuffer(9), v = new Uint8Array(b); b.transfer(); throw v }", "task_error"),
    "throw megabytes": ("() => { throw new Error('x'.repeat(5e6)) }", "task_error"),
    "throw megabytes of code": ("() => { throw Object.assign(new Error('x'), { code: 'x'.repeat(5e6) }) }", "task_error"),
    "throw megabytes of data": ("() => { throw new DataError('x', 'x'.repeat(5e6)) }", "task_error"),
    "throw half a character": ("() => { throw new Error('\\ud800') }", "task_error"),
    "throw with half a character as code": ("() => { throw Object.assign(new Error('x'), { code: '\\ud800' }) }", "task_error"),
    "throw with a name cut in half": (
        "() => { throw Object.assign(new Error('x'), { name: 'a'.repeat(199) + '\\u{1F600}' }) }",
        "task_error",
    ),
    "throw with deep data": ("() => { let d = []; for (let i = 0; i < 300; i++) d = [d]; throw new DataError('x', d) }", "task_error"),
    "throw with very deep data": (
        "() => { let d = []; for (let i = 0; i < 20000; i++) d = [d]; throw new DataError('x', d) }",
        "task_error",
    ),
    "throw with data that throws": ("() => { throw new DataError('x', { get a() { throw 1 } }) }", "task_error"),
    "throw with a place beyond numbers": (
        "() => { throw Object.defineProperty(new Error('x'), 'stack', { value: 'f@main.js:1:' + '9'.repeat(5000) }) }",
        "task_error",
    ),
    "throw with a place beyond 64 bits": (
        "() => { throw Object.defineProperty(new Error('x'), 'stack', { value: 'f@main.js:' + '9'.repeat(300) + ':1' }) }",
        "task_error",
    ),
    "throw with a column beyond the line": (
        "() => { throw Object.defineProperty(new Error('x'), 'stack', { value: 'f@main.js:1:999999999' }) }",
        "task_error",
    ),
    "throw with an infinite column": (
        "() => { const e = Object.defineProperties(new Error('x'), { stack: { value: '' }, lineNumber: { value: 1e300 }, columnNumber: { value: 1 / 0 } }); e.fileName = 'main.js'; throw e }",
        "task_error",
    ),
    **{
        f"an asynchronous throw of {what}": (f"async () => {{ throw {what} }}", "task_error")
        for what in (
            "null",
            "undefined",
            "5",
            "Symbol('s')",
            "10n ** 40n",
            "new Date(NaN)",
            "new Date(8.64e15)",
            "new Proxy({}, { getPrototypeOf() { throw 1 } })",
            "class A {}",
            "Promise.resolve(1)",
            "'x'.repeat(2 ** 28)",
            "'\\ud800'",
            "new Uint8Array(3)",
            "Object.create(null)",
            "globalThis",
        )
    },
    **{
        f"a lost rejection with {what}": (f"async () => {{ Promise.reject({what}); await null; return 1 }}", "unhandled_rejection")
        for what in ("null", "", "Symbol('s')", "new Date(NaN)", "new Proxy({}, { getPrototypeOf() { throw 1 } })", "1n", "new Error('x')")
    },
    "a promise that never settles": ("() => new Promise(() => {})", "never_settles"),
    "a thenable that never calls back": ("() => ({ then() {} })", "never_settles"),
    "a thenable that throws": ("() => ({ then() { throw new Error('x') } })", "task_error"),
    "endless recursion": ("() => { const f = () => f(); f() }", "stack_overflow"),
    "endless mutual recursion": ("() => { const f = (n) => g(n + 1), g = (n) => f(n + 1); f(0) }", "stack_overflow"),
    "endless recursion in toString": ("() => { const o = { toString() { return `${o}` } }; return `${o}` }", "stack_overflow"),
    "endless recursion in a getter": ("() => { const o = { get a() { return this.a } }; return o.a }", "stack_overflow"),
    "endless recursion through a proxy": (
        "() => { const p = new Proxy({}, { get(t, k, r) { return r[k] } }); return p.a }",
        "stack_overflow",
    ),
    "endless recursion through apply": ("() => { const f = function () { return f.apply(this, arguments) }; f() }", "stack_overflow"),
    "endless asynchronous recursion": (
        "() => { const f = async () => { await f() }; return f() }",
        "stack_overflow|memory_limit|task_error|cpu_limit|unhandled_rejection",
    ),
    "a regular expression nested deeply": ("() => new RegExp('('.repeat(1e5) + ')'.repeat(1e5))", "stack_overflow|task_error"),
    "source nested deeply": ("() => Function('return ' + '['.repeat(1e5) + ']'.repeat(1e5))", "stack_overflow|task_error"),
    "a circular output": ("() => { const a = {}; a.a = a; return a }", "output_not_serializable"),
    "NaN": ("() => ({ a: [1, NaN] })", "output_not_serializable"),
    "Infinity": ("() => 1 / 0", "output_not_serializable"),
    "a BigInt": ("() => [1n]", "output_not_serializable"),
    "a Map": ("() => ({ m: new Map() })", "output_not_serializable"),
    "a function": ("() => () => 1", "output_not_serializable"),
    "a symbol": ("() => Symbol('s')", "output_not_serializable"),
    "a place of megabytes": ("() => ({ ['k'.repeat(3e6)]: NaN })", "output_not_serializable"),
    "toJSON that throws": ("() => ({ toJSON() { throw new Error('x') } })", "task_error"),
    "toJSON that returns itself": ("() => { const o = { toJSON: () => ({ o }) }; return o }", "output_too_large|stack_overflow"),
    "a getter that throws": ("() => ({ get a() { throw new Error('x') } })", "task_error"),
    "100 MB of output": ("() => 'x'.repeat(100e6)", "output_too_large"),
    "100 MB of output in pieces": ("() => Array.from({ length: 1000 }, () => 'x'.repeat(1e5))", "output_too_large|memory_limit"),
    "output nested 150 levels deep": ("() => { let a = []; for (let i = 0; i < 150; i++) a = [a]; return a }", "output_too_large"),
    "output nested 10,000 levels deep": ("() => { let a = []; for (let i = 0; i < 10_000; i++) a = [a]; return a }", "output_too_large"),
    "output nested a million levels deep": ("() => { let a = []; for (let i = 0; i < 1e6; i++) a = [a]; return a }", "output_too_large"),
    "a log flood": ("() => { for (;;) console.log('flood') }", "log_limit"),
    "a log flood of long lines": ("() => { for (;;) console.error('x'.repeat(1e6)) }", "log_limit"),
    "too many timers": ("() => { for (let i = 0; i < 10_001; i++) setTimeout(() => {}, 1e6) }", "task_error"),
    "too many calls at once": (
        "() => { for (let i = 0; i < 1001; i++) tasks.call('never').catch(() => {}); return new Promise(() => {}) }",
        "timeout",
    ),
    "a call with 100 MB": ("() => tasks.call('no', 'x'.repeat(100e6))", "task_error|memory_limit"),
    "a call nested deeply": ("() => { let a = []; for (let i = 0; i < 10_000; i++) a = [a]; return tasks.call('no', a) }", "task_error"),
    "a call with itself": ("() => { const a = {}; a.a = a; return tasks.call('no', a) }", "task_error"),
    "prototype pollution": ("() => { Object.prototype.polluted = 1 }", "task_error"),
    "an error of a child that is nested deeply": ("() => tasks.call('deep')", "task_error"),
    "a child's output that JSON cannot say": ("() => tasks.call('unsayable')", "task_error"),
}

FINE = {
    "globals that are redefined": ("() => { globalThis.JSON = 5; globalThis.Object = null; console.log = 7; delete globalThis.Map; return 1 }", 1),
    "half characters everywhere": (
        "() => { for (const f of ['log', 'count', 'time', 'timeEnd', 'dir', 'group']) console[f]('\\ud800\\u{1F600}'); reportProgress(0.5, '\\udfff', '\\ud800'); return ['\\ud800', { '\\udc00': 1 }] }",
        ["\ufffd", {"\ufffd": 1}],
    ),
    "rejections of every kind that are handled late": (
        "async () => { const all = [null, undefined, Symbol('s'), 1n, new Date(NaN), {}].map((x) => Promise.reject(x)); await null; return (await Promise.allSettled(all)).length }",
        6,
    ),
    "a hundred thousand promises": ("async () => (await Promise.all(Array.from({ length: 1e5 }, (_, i) => i))).length", 100_000),
    "as many timers as there may be": ("() => new Promise((done) => { let n = 0; for (let i = 0; i < 10_000; i++) setTimeout(() => { if (++n === 10_000) done(n) }) })", 10_000),
    "timers that are cleared again and again": ("() => { for (let i = 0; i < 1e5; i++) clearTimeout(setTimeout(() => {}, 1e6)); return 1 }", 1),
    "a progress flood": ("() => { for (let i = 0; i < 1e5; i++) reportProgress(i); return 1 }", 1),
}  # fmt: skip


@pytest.fixture(scope="module")
async def pool() -> AsyncIterator[WorkerPool]:
    """A small pool for all of them, with little memory, so that it is soon used up."""
    settings = EngineSettings(max_workers=1, spare_workers=2, breaker_failures=10_000)
    async with WorkerPool(settings, Limits(memory_mb=MEMORY_MB)) as shared:
        yield shared


async def end(pool: WorkerPool, code: str, **limits: Any) -> tuple[str, dict[str, Any]]:
    """Run a bad task and then an honest one; return the code of the error, and the error."""
    host = RecordingHost()
    host.answers |= {"never": never, "deep": deep, "unsayable": unsayable}
    limits = {"timeout_seconds": 2, "cpu_seconds": 0.3, "memory_mb": MEMORY_MB, **limits}
    outcome = await pool.run(request(code, **limits), host)
    assert outcome.error is not None, outcome.output_json and outcome.output_json[:200]
    after = await pool.run(request("(input) => input.a", {"a": 1}), RecordingHost())
    assert after.output_json == "1", after.error
    assert len(json.dumps(outcome.error.to_dict())) < 200_000
    return outcome.error.code, outcome.error.to_dict()


async def never(_: object) -> None:
    import anyio

    await anyio.sleep_forever()


async def deep(_: object) -> None:
    from ratchet_mcp.errors import TaskFailed

    data: list[Any] = []
    for _ in range(400):
        data = [data]
    raise TaskFailed("deep", details={"data": data, "huge": 10**100})


async def unsayable(_: object) -> object:
    return {"huge": 10**100, "set": {1}}


@pytest.mark.parametrize(("code", "expected"), ENDLESS.values(), ids=list(ENDLESS))
async def test_a_task_that_never_ends_is_ended(code: str, expected: str, pool: WorkerPool) -> None:
    found, _ = await end(pool, code, timeout_seconds=0.8 if "timeout" in expected else 8)
    assert found in expected.split("|")


@pytest.mark.parametrize("code", HUNGRY.values(), ids=list(HUNGRY))
async def test_a_task_that_eats_memory_meets_the_limit(code: str, pool: WorkerPool) -> None:
    found, error = await end(pool, code, timeout_seconds=10, cpu_seconds=8)
    assert found == "memory_limit", error


@pytest.mark.parametrize(("code", "expected"), WRONG.values(), ids=list(WRONG))
async def test_a_task_that_is_wrong_gets_its_own_error(code: str, expected: str, pool: WorkerPool) -> None:
    found, error = await end(pool, code)
    assert found in expected.split("|"), error


@pytest.mark.parametrize(("code", "expected"), FINE.values(), ids=list(FINE))
async def test_what_looks_bad_and_is_not_runs(code: str, expected: Any, pool: WorkerPool) -> None:
    host = RecordingHost()
    outcome = await pool.run(request(code), host)
    assert outcome.error is None, outcome.error.to_dict()
    assert json.loads(outcome.output_json or "null") == expected


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_bad_tasks_leave_the_memory_of_the_server_flat(pool: WorkerPool) -> None:
    codes = [WRONG["100 MB of output"][0], WRONG["a log flood"][0], WRONG["throw megabytes"][0], HUNGRY["many ArrayBuffers"]]
    for code in codes:
        await end(pool, code, timeout_seconds=10, cpu_seconds=8)
    before = resident_mb()
    for _ in range(3):
        for code in codes:
            await end(pool, code, timeout_seconds=10, cpu_seconds=8)
    assert resident_mb() - before < 20


def resident_mb() -> float:
    """Return how much memory this process has now."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmRSS")
