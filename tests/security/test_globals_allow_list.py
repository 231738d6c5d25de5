"""The names a task may find. Whoever adds a global adds it here too, and thinks about it meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

Output = Callable[..., Awaitable[Any]]

ALLOWED = set(
    """
    globalThis self global undefined NaN Infinity eval Function isFinite isNaN parseFloat parseInt decodeURI decodeURIComponent encodeURI
    encodeURIComponent escape unescape Object Array ArrayBuffer BigInt BigInt64Array BigUint64Array Boolean DataView Date Error AggregateError
    EvalError RangeError ReferenceError SyntaxError TypeError URIError Float32Array Float64Array Int8Array Int16Array Int32Array Uint8Array
    Uint8ClampedArray Uint16Array Uint32Array Intl Iterator JSON Map Math Number Promise Proxy Reflect RegExp Set String Symbol WeakMap WeakSet
    console fetch Headers Request Response FormData Blob File URL URLSearchParams TextEncoder TextDecoder atob btoa structuredClone setTimeout clearTimeout setInterval clearInterval
    setImmediate clearImmediate queueMicrotask crypto Event EventTarget AbortController AbortSignal DOMException reportProgress tasks
    AuthenticationError AuthorizationError NetworkError HttpError ValidationError ConfigurationError RateLimitError ServiceUnavailableError
    TimeoutError DataError ask AskDeclined
    """.split()
)


async def test_a_task_sees_no_other_global(output: Output) -> None:
    names = await output("() => Object.getOwnPropertyNames(globalThis)")
    assert set(names) - ALLOWED == set()


async def test_a_task_sees_no_symbol_but_what_keeps_with_out(output: Output) -> None:
    symbols = await output("() => Object.getOwnPropertySymbols(globalThis).map((symbol) => [String(symbol), typeof globalThis[symbol]])")
    assert symbols == [["Symbol(Symbol.unscopables)", "undefined"]]


async def test_the_global_object_inherits_from_object_only(output: Output) -> None:
    assert await output("() => Object.getPrototypeOf(globalThis) === Object.prototype && Object.getPrototypeOf(Object.prototype) === null")
    inherited = await output("() => Object.getOwnPropertyNames(Object.prototype)")
    assert set(inherited) == {
        "constructor", "__proto__", "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__", "hasOwnProperty",
        "isPrototypeOf", "propertyIsEnumerable", "toLocaleString", "toString", "valueOf",
    }  # fmt: skip


async def test_every_way_to_the_global_object_leads_to_the_same_one(output: Output) -> None:
    code = (
        "() => [self, global, (0, eval)('globalThis'), Function('return globalThis')(), Function('return this')() || globalThis,"
        " globalThis.globalThis].every((found) => found === globalThis)"
    )
    assert await output(code) is True


@pytest.mark.parametrize(
    "name",
    [
        "python", "debuggerGlobal", "Debugger", "require", "process", "module", "exports", "WebAssembly", "Compartment", "lockdown", "harden",
        "hardenIntrinsics", "repairIntrinsics", "assert", "SharedArrayBuffer", "Atomics", "WeakRef", "FinalizationRegistry", "ShadowRealm", "window",
        "document", "XMLHttpRequest", "WebSocket", "Worker", "importScripts", "Deno", "Bun", "Buffer", "pmEval", "realm", "host", "run", "parts",
        "endowments", "compartment", "script", "globals", "log", "call", "parseUrl", "random", "scopeTerminator", "evalScope",
    ],
)  # fmt: skip
async def test_a_name_from_outside_is_not_in_scope(name: str, output: Output) -> None:
    for code in (
        f"() => typeof {name}",
        f"() => eval('typeof {name}')",
        f"() => (0, eval)('typeof {name}')",
        f"() => Function('return typeof {name}')()",
    ):
        assert await output(code) == "undefined", code


async def test_the_arguments_around_evaluated_code_hold_its_own_text_only(output: Output) -> None:
    assert await output("() => (0, eval)('[...arguments]')") == ["[...arguments]"]
    assert await output("() => { try { return typeof (0, eval)('arguments.callee') } catch (error) { return error.name } }") == "TypeError"


async def test_everything_that_runs_share_is_frozen(output: Output) -> None:
    own = "console|tasks|setTimeout|setInterval|setImmediate|clearTimeout|clearInterval|clearImmediate|queueMicrotask|fetch|ask|reportProgress|globalThis|self|global|eval|Function"
    code = (
        f"() => {{ const own = /^({own})$/, seen = new Set(), soft = [];"
        " const walk = (value, path) => { if ((typeof value !== 'object' && typeof value !== 'function') || value === null || seen.has(value)) return;"
        " seen.add(value); if (!Object.isFrozen(value)) soft.push(path);"
        " for (const key of Reflect.ownKeys(value)) { const slot = Object.getOwnPropertyDescriptor(value, key);"
        " for (const part of ['value', 'get', 'set']) walk(slot[part], `${path}.${String(key)}`); }"
        " walk(Object.getPrototypeOf(value), `${path}.__proto__`); };"
        " for (const key of Reflect.ownKeys(globalThis)) if (!own.test(String(key))) walk(globalThis[key], String(key));"
        " const segments = new Intl.Segmenter('en').segment('a');"
        " const made = [[].values(), new Map().keys(), new Set().values(), ''[Symbol.iterator](), 'a'.matchAll(/a/g), [].values().map((x) => x),"
        " Iterator.from({ next() {} }), segments, segments[Symbol.iterator](), async () => 1, function* () {}, async function* () {}];"
        " for (const value of made) walk(Object.getPrototypeOf(value), Object.prototype.toString.call(value));"
        " return soft; }"
    )
    assert await output(code) == []
