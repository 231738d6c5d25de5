"""What a task finds on its global object, in real workers."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("() => new TextDecoder().decode(new TextEncoder().encode('€ ü 😀'))", "€ ü 😀"),
        ("() => [...new TextEncoder().encode('€\\ud800')]", [226, 130, 172, 239, 191, 189]),
        ("() => new TextDecoder().decode(Uint8Array.of(0x61, 0xff, 0xe2, 0x82, 0x62, 0xf0, 0x9f))", "a\ufffd\ufffdb\ufffd"),
        ("() => new TextDecoder('utf-16le').decode(Uint8Array.of(0x3d, 0xd8, 0, 0xde))", "😀"),
        ("() => new TextDecoder('latin1').decode(Uint8Array.of(0x80, 0xe9))", "€é"),
        ("() => { try { new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.of(255)) } catch (e) { return e.name } }", "TypeError"),
        ("() => { const d = new TextDecoder(); return d.decode(Uint8Array.of(0xe2, 0x82), { stream: true }) + d.decode(Uint8Array.of(0xac)) }", "€"),
        ("() => new TextDecoder().decode(Uint8Array.of(0xef, 0xbb, 0xbf, 65))", "A"),
        ("() => new TextEncoder().encodeInto('a€', new Uint8Array(3))", {"read": 1, "written": 1}),
        ("() => btoa('hello\\xff') + ' ' + atob('aGVsbG//')", "aGVsbG// hello\xff"),
        ("() => [btoa(''), btoa('a'), btoa('ab'), atob(' YQ== '), atob('YWI')]", ["", "YQ==", "YWI=", "a", "ab"]),
        ("() => { try { btoa('€') } catch (e) { return [e.name, e.code, e instanceof DOMException] } }", ["InvalidCharacterError", 5, True]),
        ("() => { try { atob('a') } catch (e) { return e.name } }", "InvalidCharacterError"),
        ("() => new URL('../c?x=1&y=a b#h', 'https://user:pw@Example.COM:8080/a/b/').href", "https://user:pw@example.com:8080/a/c?x=1&y=a%20b#h"),
        ("() => new URL('http://münchen.example/ä').href", "http://xn--mnchen-3ya.example/%C3%A4"),
        ("() => [URL.canParse('nope'), URL.parse('nope'), URL.canParse('/x', 'http://a')]", [False, None, True]),
        ("() => { try { new URL('nope') } catch (e) { return e.name + ': ' + e.message } }", 'TypeError: Invalid URL: "nope"'),
        ("() => { const u = new URL('http://a/?q=1'); u.searchParams.append('z', 'ä b'); return u.href }", "http://a/?q=1&z=%C3%A4+b"),
        ("() => { const u = new URL('http://a/'); u.search = '?b=2'; u.hash = 'x'; u.port = '99'; return [u.href, u.searchParams.get('b')] }", ["http://a:99/?b=2#x", "2"]),
        ("() => { const u = new URL('http://a:1/'); u.port = '99999'; return u.host }", "a:1"),
        ("() => JSON.stringify({ u: new URL('http://a/b') })", '{"u":"http://a/b"}'),
        ("() => [...new URLSearchParams('a=1&a=2&b=%20+')].flat()", ["a", "1", "a", "2", "b", "  "]),
        ("() => { const p = new URLSearchParams({ b: 1, a: 2 }); p.sort(); p.set('c', '&'); p.delete('b'); return `${p} ${p.size} ${p.has('a', '2')}` }", "a=2&c=%26 2 true"),
        ("() => { const h = new Headers({ 'X-A': ' 1 ' }); h.append('x-a', '2'); return [h.get('X-A'), [...h]] }", ["1, 2", [["x-a", "1, 2"]]]),
        ("() => { try { new Headers([['bad name', 'x']]) } catch (e) { return e.name } }", "TypeError"),
        ("() => { try { new Headers({ a: 'x\\r\\nb: y' }) } catch (e) { return e.name } }", "TypeError"),
        ("() => { const a = { d: new Date(0), m: new Map([[1, new Set([2])]]), n: [1, , 3] }; a.self = a; const c = structuredClone(a); return [c !== a, c.self === c, c.d.getTime(), c.m.get(1).has(2), 1 in c.n] }", [True, True, 0, True, False]),
        ("() => { try { structuredClone({ f() {} }) } catch (e) { return e.name } }", "DataCloneError"),
        ("() => { const id = crypto.randomUUID(); return [/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id), id !== crypto.randomUUID()] }", [True, True]),
        ("() => crypto.getRandomValues(new Uint32Array(64)).some((n) => n !== 0)", True),
        ("() => { try { crypto.getRandomValues(new Uint8Array(70000)) } catch (e) { return e.name } }", "QuotaExceededError"),
        ("() => { const c = new AbortController(); const seen = []; c.signal.addEventListener('abort', () => seen.push(c.signal.reason.name)); c.abort(); c.abort(); return [seen, c.signal.aborted] }", [["AbortError"], True]),
        ("() => { const s = AbortSignal.any([AbortSignal.abort('why')]); try { s.throwIfAborted() } catch (e) { return e } }", "why"),
        ("async () => { const s = AbortSignal.timeout(1); await new Promise((done) => s.addEventListener('abort', done)); return s.reason.name }", "TimeoutError"),
        ("async () => { const seen = []; const t = setInterval(() => seen.push(seen.length), 1); while (seen.length < 3) await new Promise((r) => setTimeout(r, 2)); clearInterval(t); return seen.length >= 3 }", True),
        ("async () => { const seen = []; setTimeout(() => seen.push('late'), 20); setTimeout((a, b) => seen.push(a + b), 1, 'so', 'on'); queueMicrotask(() => seen.push('micro')); await new Promise((r) => setTimeout(r, 30)); return seen }", ["micro", "soon", "late"]),
        ("async () => { const t = setTimeout(() => { throw new Error('no') }, 1); clearTimeout(t); await new Promise((r) => setTimeout(r, 5)); return 'quiet' }", "quiet"),
        ("() => [new Intl.NumberFormat('de').format(1234.5), (1234.5).toLocaleString('en')]", ["1.234,5", "1,234.5"]),
        ("() => [Math.random() !== Math.random(), Date.now() > 1e12, new Date().getTime() > 1e12]", [True, True, True]),
        ("() => [new Set([1, 2]).union(new Set([3])).size, [1, 2, 3].values().map((x) => x * 2).toArray(), typeof Promise.try]", [3, [2, 4, 6], "function"]),
        ("() => [eval('1 + 1'), Function('return 7')(), (0, eval)('typeof console')]", [2, 7, "object"]),
        ("() => [self === globalThis, global === globalThis, typeof window, typeof process, typeof require]", [True, True, "undefined", "undefined", "undefined"]),
    ],
)  # fmt: skip
async def test_a_global_does_what_the_web_platform_says(output: Any, code: str, expected: Any) -> None:
    assert await output(code) == expected


@pytest.mark.parametrize(
    "name",
    ["AuthenticationError", "AuthorizationError", "NetworkError", "ValidationError", "ConfigurationError", "RateLimitError",
     "ServiceUnavailableError", "TimeoutError", "DataError"],
)  # fmt: skip
async def test_a_typed_error_arrives_with_its_name_message_and_data(run: Any, name: str) -> None:
    outcome = await run(f"() => {{ throw new {name}('so it goes', {{ field: 'x' }}) }}")
    assert outcome.error.code == "task_error"
    assert outcome.error.details["name"] == name
    assert outcome.error.details["message"] == "so it goes"
    assert outcome.error.details["data"] == {"field": "x"}


async def test_an_http_error_carries_its_status(run: Any, output: Any) -> None:
    outcome = await run("() => { throw new HttpError('gone', 410) }")
    assert outcome.error.details["data"] == {"status": 410}
    assert await output("() => new HttpError('x', { status: 404 }).status") == 404


async def test_the_console_formats_what_it_is_given(run: Any, host: Any) -> None:
    await run(
        """() => {
          console.log('%s is %d years, %j', 'Ann', 41.5, { a: 1 }, [1, 'x']);
          console.warn(new Map([['k', { deep: { deeper: { deepest: { no: 1 } } } }]]), new Error('boom'), undefined, null, -0, 10n);
          const loop = { name: 'loop' }; loop.self = loop; console.error(loop, function named() {}, Symbol('s'), /x/g);
          console.group('outer'); console.debug('inner'); console.groupEnd(); console.count(); console.count();
          console.assert(1 === 2, 'math'); console.table([{ a: 1 }]);
        }"""
    )
    assert host.text == [
        'Ann is 41.5 years, { a: 1 } [ 1, "x" ]',
        'Map(1) { "k" => { deep: { deeper: { deepest: [Object] } } } } [Error: boom] undefined null -0 10n',
        '{ name: "loop", self: [Circular] } [Function named] Symbol(s) /x/g',
        "outer", "  inner", "default: 1", "default: 2", "Assertion failed: math", "0: { a: 1 }",
    ]  # fmt: skip
    assert [line.level for line in host.lines] == ["info", "warn", "error", "info", "debug", "info", "info", "error", "info"]


async def test_progress_reports_reach_the_host(run: Any, host: Any) -> None:
    await run(
        "async () => { reportProgress(0.25, 'load', 'reading', { rows: 3 }); await new Promise((r) => setTimeout(r, 40)); reportProgress(1) }"
    )
    assert [(update.progress, update.step, update.message, update.data) for update in host.updates] == [
        (0.25, "load", "reading", {"rows": 3}),
        (1.0, None, None, None),
    ]


async def test_a_flood_of_progress_reports_is_merged_into_the_latest(run: Any, host: Any) -> None:
    await run("() => { for (let i = 1; i <= 5000; i++) reportProgress(i / 5000) }")
    assert host.updates[-1].progress == 1
    assert len(host.updates) < 1000


async def test_the_context_names_the_execution(output: Any) -> None:
    context = await output("(input, context) => context")
    assert context == {"executionId": context["executionId"], "task": "test", "version": "1.0.0", "attempt": 1}
