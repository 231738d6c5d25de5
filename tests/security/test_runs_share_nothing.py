"""What one run leaves behind must not be there for the next one on the same worker."""

from __future__ import annotations

import json
from typing import Any

import pytest
from engine_runs import RecordingHost, request, response

from ratchet_mcp.engine.pool import WorkerPool

STAINS = {
    "a global variable": ("globalThis.stain = 1", "typeof globalThis.stain !== 'undefined'"),
    "a global by eval": ("(0, eval)('var stain = 1')", "typeof stain !== 'undefined'"),
    "a global function by Function": ("Function('globalThis.stain = 1')()", "typeof globalThis.stain !== 'undefined'"),
    "a global hidden behind a symbol": ("globalThis[Symbol.for('stain')] = 1", "Symbol.for('stain') in globalThis"),
    "a getter on the global object": ("Object.defineProperty(globalThis, 'JSON', { get: () => 'mine' })", "globalThis.JSON === 'mine'"),
    "a deleted global": ("delete globalThis.Map", "typeof Map === 'undefined'"),
    "a frozen global object": ("Object.freeze(globalThis)", "Object.isFrozen(globalThis)"),
    "the prototype of the global object": ("Object.setPrototypeOf(globalThis, { stain: 1 })", "'stain' in globalThis"),
    "Object.prototype": ("Object.prototype.stain = 1", "'stain' in {}"),
    "Array.prototype": ("Array.prototype.stain = 1", "'stain' in []"),
    "Function.prototype": ("Function.prototype.stain = 1", "'stain' in (() => 1)"),
    "Promise.prototype.then": ("Promise.prototype.then = () => 'mine'", "Promise.resolve().then() === 'mine'"),
    "Array.prototype[Symbol.iterator]": ("Array.prototype[Symbol.iterator] = function* () { yield 'mine' }", "[...[]].length"),
    "URL.prototype": ("URL.prototype.stain = 1", "'stain' in URL.prototype"),
    "a static of URL": ("URL.stain = 1", "'stain' in URL"),
    "Headers.prototype.get": ("Headers.prototype.get = () => 'mine'", "new Headers().get('a') === 'mine'"),
    "Response, Request, FormData, Blob": (
        "for (const C of [Response, Request, FormData, Blob, File]) { try { C.prototype.stain = 1 } catch { C.stain = 1 } }",
        "[Response, Request, FormData, Blob, File].some((C) => 'stain' in C || 'stain' in C.prototype)",
    ),
    "the getters of what fetch returns": (
        "const p = fetch('https://a.example'); p.catch(() => {}); Object.getOwnPropertyDescriptor(p, 'ok').get.stain = 1",
        "(() => { const p = fetch('https://a.example'); p.catch(() => {}); return 'stain' in Object.getOwnPropertyDescriptor(p, 'ok').get })()",
    ),
    "the stream of a body": (
        "Object.getPrototypeOf(new Response('x').body).stain = 1",
        "'stain' in new Response('x').body",
    ),
    "the typed errors": ("HttpError.prototype.stain = 1", "'stain' in HttpError.prototype"),
    "console.log": ("console.log = () => 1; console.stain = 1", "'stain' in console"),
    "tasks.call": ("tasks.call = () => 'mine'; tasks.stain = 1", "'stain' in tasks"),
    "reportProgress": ("reportProgress.stain = 1", "'stain' in reportProgress"),
    "setTimeout": ("setTimeout.stain = 1", "'stain' in setTimeout"),
    "fetch": ("fetch.stain = 1", "'stain' in fetch"),
    "crypto": ("crypto.stain = 1", "'stain' in crypto"),
    "Math": ("Math.stain = 1", "'stain' in Math"),
    "JSON.stringify": ("JSON.stringify = () => 'mine'", "JSON.stringify(1) === 'mine'"),
    "Date": ("Date.stain = 1; Date.now = () => 0", "'stain' in Date || Date.now() === 0"),
    "Intl": ("Intl.stain = 1; Intl.DateTimeFormat.prototype.stain = 1", "'stain' in Intl || 'stain' in Intl.DateTimeFormat.prototype"),
    "segments of Intl.Segmenter": (
        "Object.getPrototypeOf(new Intl.Segmenter('en').segment('a')).stain = 1",
        "'stain' in new Intl.Segmenter('en').segment('a')",
    ),
    "iterators of segments": (
        "Object.getPrototypeOf(new Intl.Segmenter('en').segment('a')[Symbol.iterator]()).stain = 1",
        "'stain' in new Intl.Segmenter('en').segment('a')[Symbol.iterator]()",
    ),
    "generators": (
        "Object.getPrototypeOf(Object.getPrototypeOf((function* () {})())).stain = 1",
        "'stain' in (function* () {})()",
    ),
    "asynchronous functions": ("Object.getPrototypeOf(async () => 1).stain = 1", "'stain' in (async () => 1)"),
    "iterator helpers": ("Object.getPrototypeOf([].values().map((x) => x)).stain = 1", "'stain' in [].values().map((x) => x)"),
    "wrapped iterators": ("Object.getPrototypeOf(Iterator.from({ next() {} })).stain = 1", "'stain' in Iterator.from({ next() {} })"),
    "matches of a regular expression": ("/(sta)in/.exec('stain')", "RegExp.$1 || RegExp.lastMatch || RegExp.input"),
    "the last index of a literal": ("/a/g.test('aa')", "/a/g.lastIndex"),
    "Error.stackTraceLimit": ("Error.stackTraceLimit = 3", "Error.stackTraceLimit === 3"),
    "a template object": ("((strings) => { strings.stain = 1 })`x`", "((strings) => 'stain' in strings)`x`"),
    "a property of a symbol's description": ("Object(Symbol.iterator).stain = 1", "'stain' in Object(Symbol.iterator)"),
    "Symbol statics": ("Symbol.stain = 1", "'stain' in Symbol"),
    "the frozen state of an intrinsic": ("Object.freeze(console); Object.freeze(tasks)", "Object.isFrozen(console)"),
    "the caller's input": ("input.stain = 1", "'stain' in input"),
    "a private registry in a WeakMap": (
        "new WeakMap([[Object.prototype, 1], [Array, 1]])",
        "new WeakMap().has(Object.prototype) || new WeakSet().has(Array)",
    ),
}


@pytest.mark.parametrize(("stain", "look"), STAINS.values(), ids=list(STAINS))
async def test_a_stain_is_gone_in_the_next_run(stain: str, look: str, pool: WorkerPool) -> None:
    code = f"(input) => {{ if (input.first) {{ try {{ {stain} }} catch {{ /* frozen */ }} return null; }} return Boolean({look}); }}"
    first = await pool.run(request(code, {"first": True}), RecordingHost())
    second = await pool.run(request(code, {"first": False}), RecordingHost())

    assert first.error is None
    assert first.worker_id == second.worker_id
    assert second.output_json == "false"


async def two(pool: WorkerPool, first: str, second: str) -> tuple[Any, RecordingHost]:
    """Run two tasks on one worker; return the output of the second and what it said."""
    host = RecordingHost()
    before = await pool.run(request(first), RecordingHost())
    after = await pool.run(request(second), host)
    assert before.worker_id == after.worker_id
    assert after.error is None, after.error.to_dict()
    return json.loads(after.output_json or "null"), host


WAIT = "new Promise((done) => setTimeout(() => done('own'), 30))"


@pytest.mark.parametrize(
    "leftover",
    [
        "() => { setTimeout(() => console.log('stale'), 1) }",
        "() => { setInterval(() => console.log('stale'), 1) }",
        "() => { setImmediate(() => console.log('stale')) }",
        "() => { AbortSignal.timeout(1).onabort = () => console.log('stale') }",
        "() => { const again = () => Promise.resolve().then(() => { console.log('stale'); again() }); setTimeout(again, 1) }",
        "() => { tasks.call('x').catch(() => console.log('stale')) }",
        "() => { tasks.call('x').catch(() => reportProgress(1, 'stale')) }",
        "() => { throw { get message() { Promise.resolve().then(() => console.log('stale')); return 'x' } } }",
        "() => ({ toJSON() { Promise.resolve().then(() => console.log('stale')); return 1 } })",
        "() => { const e = new Error('x'); Object.defineProperty(e, 'data', { value: { toJSON() { queueMicrotask(() => console.log('stale')) } } }); throw e }",
        "() => { const e = new Error('x'); Object.defineProperty(e, 'stack', { get() { setTimeout(() => console.log('stale')); tasks.call('x').catch(() => {}); console.log('late'); reportProgress(1); return '' } }); throw e }",
        "() => { fetch('https://a.example').catch(() => console.log('stale')) }",
        "() => { AbortSignal.timeout(1).addEventListener('abort', () => fetch('https://a.example').catch(() => console.log('stale'))) }",
        "() => { throw { get message() { try { fetch('https://a.example').ok } catch { Promise.resolve().then(() => console.log('stale')) } return 'x' } } }",
        "async () => { for (let i = 0; i < 50; i++) tasks.call('slow').finally(() => console.log('stale')) }",
    ],
)
async def test_work_that_a_run_left_behind_never_happens(leftover: str, pool: WorkerPool) -> None:
    found, host = await two(pool, leftover, f"async () => {WAIT}")

    assert found == "own"
    assert host.text == []
    assert host.updates == []


async def test_a_rejection_of_one_run_is_not_reported_in_the_next(pool: WorkerPool) -> None:
    lost = await pool.run(request("() => { for (let i = 0; i < 2000; i++) Promise.reject(new Error('stale')) }"), RecordingHost())
    assert lost.error is not None
    assert lost.error.code == "unhandled_rejection"

    found, _ = await two(pool, "async () => { throw new Error('stale') }", f"async () => {WAIT}")
    assert found == "own"


async def test_timers_and_calls_of_two_runs_are_not_confused(pool: WorkerPool) -> None:
    found, host = await two(
        pool,
        "() => { for (let i = 0; i < 100; i++) setTimeout(() => console.log('stale'), 20) }",
        "() => new Promise((done) => { const id = setTimeout(() => done('own'), 40); for (let i = 1; i < 200; i++) if (i !== id) clearTimeout(i) })",
    )
    assert found == "own"
    assert host.text == []


async def test_labels_and_indentation_of_the_console_start_afresh(pool: WorkerPool) -> None:
    _, host = await two(
        pool,
        "() => { console.count('a'); console.count('a'); console.time('t'); console.group(); console.group() }",
        "() => { console.count('a'); console.timeEnd('t'); console.log('flush left') }",
    )
    assert host.text == ["a: 1", "Timer 't' does not exist", "flush left"]


async def test_objects_of_two_runs_never_meet(pool: WorkerPool) -> None:
    found, _ = await two(
        pool,
        "() => { globalThis.keep = Array.from({ length: 1000 }, (_, i) => ({ secret: 'canary' + i })); return keep.length }",
        "() => { const seen = []; for (const key of Reflect.ownKeys(globalThis)) seen.push(String(globalThis[key])); return seen.join().includes('canary') }",
    )
    assert found is False


async def test_fresh_memory_holds_nothing_of_the_run_before(pool: WorkerPool) -> None:
    found, _ = await two(
        pool,
        "() => { for (let i = 0; i < 50; i++) new Uint8Array(1 << 20).fill(0xa7) }",
        "() => { let dirty = 0; for (let i = 0; i < 50; i++) for (const byte of new Uint8Array(1 << 20)) if (byte) dirty++; return dirty }",
    )
    assert found == 0


async def test_a_fat_run_leaves_its_memory_to_the_next_one(pool: WorkerPool) -> None:
    fat = "() => { const a = []; for (let i = 0; i < 150; i++) a.push(new Uint8Array(1 << 20).fill(1)); return a.length }"
    for _ in range(6):
        outcome = await pool.run(request(fat), RecordingHost())
        assert outcome.output_json == "150", outcome.error


async def test_a_task_cannot_pass_for_another_one_in_the_cache(pool: WorkerPool) -> None:
    honest, forged = request("() => 'honest'"), request("() => 'forged'")
    assert (await pool.run(forged, RecordingHost())).output_json == '"forged"'
    assert honest.digest != forged.digest
    assert (await pool.run(honest, RecordingHost())).output_json == '"honest"'


FAT = "() => { const a = []; for (let i = 0; i < 150; i++) a.push(new Uint8Array(1 << 20).fill(1)); return a.length }"


@pytest.mark.parametrize(
    "many",
    [
        "() => { for (let i = 0; i < 20_000; i++) crypto.randomUUID() }",
        "() => { for (let i = 0; i < 20_000; i++) new URL(`https://example.com/${i}?a=b`) }",
        "async () => { for (let i = 0; i < 3_000; i++) await tasks.call('echo', 'some text that is not short ' + i) }",
    ],
)
async def test_texts_from_the_host_do_not_stall_the_collection_that_follows(many: str, pool: WorkerPool) -> None:
    host = RecordingHost()
    host.answers["echo"] = echo
    first = await pool.run(request(many, timeout_seconds=10), host)
    second = await pool.run(request(FAT, timeout_seconds=4), RecordingHost())

    assert first.error is None, first.error.to_dict()
    assert second.output_json == "150", second.error


async def echo(value: Any) -> Any:
    return value


async def test_memory_that_a_run_lost_for_good_is_not_missing_in_the_next(pool: WorkerPool) -> None:
    for leaky in (
        "() => { for (let i = 0; i < 500_000; i++) reportProgress(i) }",
        "async () => { for (let i = 0; i < 3e5; i++) await null }",
    ):
        first = await pool.run(request(leaky), RecordingHost())
        second = await pool.run(request(FAT), RecordingHost())
        assert first.error is None, first.error.to_dict()
        assert second.output_json == "150", second.error


@pytest.mark.parametrize(
    "code",
    [
        "async () => { let n = 0; for (let i = 0; i < 20; i++) n += (await (await fetch('https://a.example/')).text()).length; return n }",
        "() => { let n = 0; for (let i = 0; i < 20; i++) n += fetch('https://a.example/').body.length; return n }",
        "async () => { let n = 0; for (let i = 0; i < 20; i++) n += (await Promise.resolve('x'.repeat(4e6) + i)).length; return n }",
    ],
)
async def test_what_a_promise_held_is_free_when_nothing_holds_it_any_more(code: str, pool: WorkerPool) -> None:
    async def network(asked: Any) -> Any:
        return response("x" * 4_000_000)

    host = RecordingHost()
    host.network = network
    outcomes = [await pool.run(request(code, timeout_seconds=30, cpu_seconds=30, memory_mb=128), host) for _ in range(2)]
    assert [outcome.error for outcome in outcomes] == [None, None]
