"""How runs end, and what they leave behind, in real workers."""

from __future__ import annotations

import json
import re
from typing import Any

import anyio
import pytest
from engine_runs import RecordingHost, open_pool, request

from ratchet_mcp.engine.process import PROGRAM
from ratchet_mcp.engine.script import GLOBALS

NEXT = "() => 'next'"


@pytest.mark.parametrize(
    "code",
    [
        "(function (input) { return input.n + 1; })",
        "function main(input) { return input.n + 1; }",
        "async function main({ n }) { await null; return n + 1; }\nmain;",
        "(input) => input.n + 1",
        "async ({ n }) => n + 1",
        "const one = 1;\nmodule.exports = { main: (input) => input.n + one };",
        "export default async function (input) { return input.n + 1; }",
    ],
)
async def test_every_accepted_form_runs(output: Any, code: str) -> None:
    assert await output(code, {"n": 41}) == 42


async def test_text_that_looks_like_html_comments_or_imports_is_kept_to_the_letter(output: Any) -> None:
    code = "() => ['<!-- a -->', `-->${'<!--'}`, 'import(x)', /<!--/.test('<!--'), \"im\" + 'port (']"
    assert await output(code) == ["<!-- a -->", "--><!--", "import(x)", True, "import ("]


async def test_an_error_tells_where_it_happened(run: Any) -> None:
    outcome = await run("function main(input) {\n  const a = null;\n  const inner = () => a.b;\n  return inner();\n}")
    details = outcome.error.details
    assert (outcome.error.code, details["name"], details["line"], details["column"]) == ("task_error", "TypeError", 3, 23)
    assert details["frame"].splitlines()[2].startswith("> 3 |")
    assert details["stack"][0] == "inner (main.js:3:23)"


async def test_an_error_on_the_first_line_has_its_own_column(run: Any) -> None:
    outcome = await run("() => { Math.max(1); throw new RangeError('here') }")
    assert (outcome.error.details["line"], outcome.error.details["column"]) == (1, 28)


@pytest.mark.parametrize(
    ("code", "error", "words"),
    [
        ("() => { throw 5 }", "task_error", "5, which is not an Error"),
        ("() => { throw null }", "task_error", "null"),
        ("() => ({ a: [1, { 'b c': NaN }] })", "output_not_serializable", '$.a[1]["b c"]'),
        ("() => Infinity", "output_not_serializable", "Infinity"),
        ("() => ({ m: new Map() })", "output_not_serializable", "Object.fromEntries"),
        ("() => [1n]", "output_not_serializable", "BigInt"),
        ("() => ({ late: Promise.resolve(1) })", "output_not_serializable", "await"),
        ("() => () => 1", "output_not_serializable", "Function"),
        ("() => { const a = {}; a.a = a; return a }", "output_not_serializable", "cycle"),
        ("() => { let a = []; for (let i = 0; i < 10000; i++) a = [a]; return a }", "output_too_large", "nested"),
        ("() => { let a = []; for (let i = 0; i < 101; i++) a = [a]; return a }", "output_too_large", "json_depth"),
        ("() => 'x'.repeat(2e6)", "output_too_large", "output_bytes"),
        ("() => '€'.repeat(5e5)", "output_too_large", "output_bytes"),
        ("() => new Promise(() => {})", "never_settles", "pending"),
        ("() => { const f = () => f() + 1; return f() }", "stack_overflow", "recursed"),
        ("() => { for (;;) console.log('flood') }", "log_limit", "log_bytes"),
        ("() => { let s = 'x'; for (;;) s += s }", "memory_limit", "memory_mb"),
        ("() => new ArrayBuffer(2 ** 31 - 8).byteLength", "memory_limit", "memory_mb"),
        ("() => { Promise.reject(new Error('lost')); return 1 }", "unhandled_rejection", "lost"),
        ("async () => { (async () => { throw 5 })(); return 1 }", "unhandled_rejection", "5"),
        ("async () => { const p = (async () => { throw new Error('x') })(); p.then(() => 1); }", "unhandled_rejection", "x"),
        ("async () => { await new Promise((r) => setTimeout(r, 1)); throw new DataError('late') }", "task_error", "late"),
        ("() => { setTimeout(() => { throw new Error('in a timer') }, 1); return new Promise(() => {}) }", "task_error", "in a timer"),
        ("async () => await tasks.call('nobody')", "task_error", "nobody"),
    ],
)
async def test_a_failing_run_has_its_own_code_and_the_next_run_succeeds(run: Any, output: Any, code: str, error: str, words: str) -> None:
    outcome = await run(code)
    assert outcome.output_json is None
    assert outcome.error.code == error
    assert words in outcome.error.message
    assert await output(NEXT) == "next"


async def test_a_busy_loop_is_killed_at_its_time_limit(run: Any, output: Any) -> None:
    outcome = await run("() => { for (;;); }", timeout_seconds=0.3)
    assert outcome.error.code == "timeout"
    assert await output(NEXT) == "next"


async def test_a_regular_expression_that_explodes_is_killed(run: Any, output: Any) -> None:
    outcome = await run("() => /^(a+)+$/.test('a'.repeat(40) + '!')", timeout_seconds=0.3)
    assert outcome.error.code == "timeout"
    assert await output(NEXT) == "next"


async def test_a_run_is_killed_when_it_used_up_its_processor_time(run: Any) -> None:
    outcome = await run("() => { for (;;); }", cpu_seconds=0.2)
    assert outcome.error.code == "cpu_limit"


@pytest.mark.parametrize(
    "code",
    [
        "async () => { const f = async () => { throw new Error('x') }; try { await f() } catch {} return 1 }",
        "async () => { const p = (async () => { throw new Error('x') })(); await null; try { await Promise.all([p]) } catch {} return 1 }",
        "async () => { const p = Promise.reject(5); await null; p.catch(() => {}); return 1 }",
        "async () => { const all = await Promise.allSettled([1, 2].map(async (n) => { throw n })); return all.length - 1 }",
        "async () => Promise.any([(async () => { throw 1 })(), 1])",
        "() => (async () => { throw new Error('x') })().catch(() => 1)",
        "async () => { class Mine extends Promise {} try { await Mine.reject(3) } catch {} return 1 }",
    ],
)
async def test_a_rejection_that_is_handled_later_is_no_failure(output: Any, code: str) -> None:
    assert await output(code) == 1


async def test_what_a_task_leaves_pending_is_reported_and_cancelled(run: Any, host: RecordingHost) -> None:
    outcome = await run("() => { setTimeout(() => console.log('ghost'), 5); setInterval(() => {}, 5); return 1 }")
    assert outcome.output_json == "1"
    assert "2 timer(s)" in outcome.warnings[0]
    await run("async () => { await new Promise((r) => setTimeout(r, 20)) }")
    assert host.text == []


async def test_a_lone_surrogate_in_the_output_becomes_the_replacement_character(output: Any) -> None:
    assert await output(r"() => ['\ud800', '😀', '\\ud800', 'a\udc00b']") == ["\ufffd", "😀", "\\ud800", "a\ufffdb"]


async def test_proto_keys_of_the_input_are_plain_data(output: Any) -> None:
    value = json.loads('{"__proto__": {"polluted": true}}')
    assert await output("(input) => [Object.keys(input), ({}).polluted === undefined]", value) == [["__proto__"], True]


async def test_a_cancelled_run_is_killed_and_frees_its_slot() -> None:
    host = RecordingHost()
    async with open_pool(max_workers=1) as pool:
        started = anyio.Event()
        async with anyio.create_task_group() as group:

            async def endless() -> None:
                await pool.run(request("() => { for (;;); }"), host, started.set)

            group.start_soon(endless)
            await started.wait()
            group.cancel_scope.cancel()
        assert (await pool.run(request(NEXT), host)).output_json == '"next"'


async def test_state_does_not_survive_from_one_run_to_the_next_on_the_same_worker() -> None:
    code = """() => {
      const seen = [typeof globalThis.kept, console.kept, Array.prototype.kept, String(RegExp.$1), setTimeout(() => {}, 0)];
      globalThis.kept = 1; console.kept = 1; try { Array.prototype.kept = 1 } catch {} /(a)/.exec('a');
      return seen;
    }"""
    host = RecordingHost()
    async with open_pool(max_workers=1, spare_workers=0) as pool:
        first, second = [await pool.run(request(code), host) for _ in range(2)]
    assert first.worker_id == second.worker_id
    assert first.output_json == second.output_json


@pytest.mark.parametrize("direct", ["eval", "(0, eval)", "Function", "new Function"])
async def test_text_evaluated_at_run_time_stays_in_the_compartment(output: Any, direct: str) -> None:
    body = (
        "return typeof harden + typeof lockdown + typeof python"
        if "Function" in direct
        else "typeof harden + typeof lockdown + typeof python"
    )
    call = f"{direct}({body!r})" + ("()" if "Function" in direct else "")
    assert await output(f"() => {call}") == "undefinedundefinedundefined"


@pytest.mark.parametrize(
    "code", ["(input) => inputt.a", "() => require('fs').readFileSync('/etc/passwd')", "() => process.env", "() => { x = 5 }"]
)
async def test_a_name_that_nothing_declares_is_an_error_and_not_undefined(run: Any, code: str) -> None:
    outcome = await run(code)
    assert outcome.error.details["name"] == "ReferenceError"
    assert outcome.error.message.partition(" (")[0].endswith(" is not defined")
    assert "require" in outcome.error.hint


async def test_names_that_libraries_create_at_run_time_are_found(output: Any) -> None:
    bundle = (
        "!function (root, make) { typeof exports === 'object' ? make(exports) : make(root.lib = {}) }(this || self, (e) => { e.two = 2 });"
    )
    assert await output(bundle + "\nfunction main() { return [lib.two, typeof nothing]; }") == [2, "undefined"]


def test_the_globals_that_are_never_undeclared_are_those_of_the_realm() -> None:
    realm = (PROGRAM.parent / "realm" / "run.js").read_text()
    listed = re.findall(r"const (?:LANGUAGE|OURS) = \[(.*?)\];", realm, re.DOTALL)
    assert {name for part in listed for name in re.findall(r"'([^']+)'", part)} == GLOBALS
