"""What the lint says about sound tasks that are doubtful, and what it keeps quiet about."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ratchet_mcp.authoring.findings import CODES, Finding
from ratchet_mcp.authoring.lint import budget, checks
from ratchet_mcp.authoring.lint.checks import lint
from ratchet_mcp.settings import Limits
from ratchet_mcp.tasks.files import TaskFiles, read_files
from ratchet_mcp.tasks.loading import load_files
from ratchet_mcp.tasks.problems import Problems

ROOT = Path(__file__).parents[3]
ANY_TEST = {"tests/one.json": '{"input": {}, "should_fail": true}'}
COMPLETE = {"name": "t", "description": "Does something that is described at length."}


def findings(code: str, input_schema: Any = None, output_schema: Any = None, tests: dict[str, str] | None = None) -> list[Finding]:
    texts = {
        "metadata.json": json.dumps(COMPLETE),
        "main.js": code,
        "input.schema.json": json.dumps(input_schema or {}),
        "output.schema.json": json.dumps(output_schema or {}),
        **(ANY_TEST if tests is None else tests),
    }
    files = TaskFiles("t", {path: text.encode() for path, text in texts.items()})
    return lint(load_files(files, origin="test", location="test"), texts)


def codes(*arguments: Any, **options: Any) -> list[str]:
    silent = ("missing-schema", "undescribed-properties")
    return [each.code for each in findings(*arguments, **options) if each.code not in silent]


def schema(*names: str, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": "number"} for name in names}, **more}


# ---------------------------------------------------------------- the input
def test_a_property_that_nothing_reads_is_named_with_its_place() -> None:
    [found] = [each for each in findings("(input) => input.a", schema("a", "b")) if each.code == "unused-input"]
    assert (found.file, found.path, found.line) == ("input.schema.json", "$.properties.b", 1)
    assert found.severity == "warning" and "'b'" in found.message and found.suggestion


@pytest.mark.parametrize(
    "code",
    [
        "(input) => input.a + input.b",
        "(input) => input['a'] + input?.b",
        "({ a, b }) => a + b",
        "({ a: x = 1, ...rest }) => [x, rest]",
        "({ 'a': x, b = 2 } = {}) => x + b",
        "(input) => { const { a, b: c } = input; return a + c }",
        "(input) => { const { a, b } = input ?? {}; return a + b }",
        "(input) => { let a, b; ({ a, b } = input); return a + b }",
        "(input) => { const { a, ...more } = input; return more }",
        "(input) => ({ ...input })",
        "(input) => Object.keys(input)",
        "function main(input) { return help(input) }\nfunction help(x) { return x.a + x.b }",
        "(input) => ['a', 'b'].map((key) => input[key])",
        "(input) => { const all = input; return all.a + all.b }",
        "(input) => `${input}`",
        "(input) => { if (!input || typeof input !== 'object') return 0; return 'a' in input ? (input).b : 1 }",
        "function main() { return arguments[0].a }",
        "function main(...all) { return all[0].a }",
        "(input) => (input || {}).a + (input || {}).b",
        "module.exports = { main: (input) => input.a - input.b };",
        "export default function (input) { return [input].map((one) => one.a) }",
        "const wrap = (f) => (input) => f(input); wrap((x) => x.a)",
        "let main = (input) => input.a; main = ((inner) => (input) => inner(input))(main); main",
        "(input) => { input = { ...input }; return input.a }",
    ],
)
def test_what_may_be_read_is_not_called_unused(code: str) -> None:
    assert "unused-input" not in codes(code, schema("a", "b"))


@pytest.mark.parametrize(
    "code",
    [
        "function main(input) { return input.a }",
        "async function main({ a }) { return a }",
        "module.exports = { main({ a }) { return a } };",
        "export default (input) => input.a",
        "const main = function (input) { return (input ?? {}).a }; main",
        "(input) => { if (input && input.a) return 1; return 2 }",
        "(input) => { if (input === null) return 1; return input.a }",
    ],
)
def test_what_is_certainly_never_read_is_found_in_every_form(code: str) -> None:
    assert codes(code, schema("a", "b")) == ["unused-input"]


def test_a_name_that_the_schema_lacks_is_found_where_the_code_reads_it() -> None:
    [found] = [
        each
        for each in findings("(input) =>\n  input.totl", schema("total", additionalProperties=False))
        if each.code == "undeclared-input"
    ]
    assert (found.file, found.line, found.column, found.severity) == ("main.js", 2, 9, "warning")
    assert 'did you mean "total"' in found.message
    assert [each.severity for each in findings("(input) => input.a + input.x", schema("a")) if each.code == "undeclared-input"] == ["hint"]


@pytest.mark.parametrize(
    ("code", "input_schema"),
    [
        ("(input) => input.x + input.a", schema("a", additionalProperties=True)),
        ("(input) => input.x + input.a", schema("a", patternProperties={"^x": {}})),
        ("(input) => input.x + input.a", schema("a", allOf=[{"properties": {"x": {}}}])),
        ("(input) => [{ x: 1 }].map((input) => input.x + input.a)", schema("a")),
        ("(input) => input.a.hasOwnProperty('q') && input.hasOwnProperty('a')", schema("a")),
        ("(input) => input.length", {"type": "array", "items": schema("a")}),
        ("(input) => input.x", {}),
    ],
)
def test_a_name_that_may_be_there_is_left_alone(code: str, input_schema: Any) -> None:
    assert "undeclared-input" not in codes(code, input_schema)


def test_a_required_property_that_is_not_declared_is_found_at_any_depth() -> None:
    nested = {"type": "object", "properties": {"a": schema("b", required=["c"])}, "required": ["a"]}
    [found] = [each for each in findings("(i) => i", nested) if each.code == "undeclared-required"]
    assert (found.path, found.severity) == ("$.properties.a.required[0]", "warning")
    closed = schema("b", required=["c"], additionalProperties=False)
    assert [each.severity for each in findings("(i) => i", closed) if each.code == "undeclared-required"] == ["error"]
    assert codes("(i) => i", {"anyOf": [{"required": ["a"]}, {"required": ["b"]}]}) == []


# ---------------------------------------------------------------- the output
NEEDS_SUM = {"type": "object", "properties": {"sum": {"type": "number"}}, "required": ["sum"], "additionalProperties": False}


@pytest.mark.parametrize(
    "code",
    [
        "() => 'text'",
        "() => [1]",
        "() => ({})",
        "() => ({ total: 1 })",
        "() => ({ sum: 'one' })",
        "() => ({ sum: 1, more: 'x' })",
        "(i) => ({ sum: i > 2 })",
        "() => { return null }",
        "(i) => i ? 'a' : ['b']",
        "(i) => { if (i) { return true } return { sum: !i } }",
        "async () => `text`",
    ],
)
def test_an_output_that_cannot_match_is_an_error(code: str) -> None:
    assert set(codes(code, output_schema=NEEDS_SUM)) == {"output-never-matches"}


@pytest.mark.parametrize(
    "code",
    [
        "(i) => i",
        "(i) => ({ ...i })",
        "(i) => ({ [i]: 1 })",
        "(i) => ({ sum: i })",
        "(sum) => ({ sum })",
        "() => ({ sum: 1.5 })",
        "() => ({ 'sum': -1 })",
        "(i) => ({ sum: 1, extra: i.maybe })",
        "(i) => i ? { sum: 1 } : 'never'",
        "(i) => { throw new Error(i) }",
        "(i) => { function inner() { return 'x' } return { sum: inner.length } }",
        "() => ({ toJSON() { return { sum: 1 } } })",
    ],
)
def test_an_output_that_may_match_is_no_error(code: str) -> None:
    assert "output-never-matches" not in codes(code, output_schema=NEEDS_SUM)


def test_one_return_among_others_that_cannot_match_is_a_warning() -> None:
    [found] = [
        each
        for each in findings("(i) => {\n  if (i) return 'none';\n  return { sum: i };\n}", output_schema=NEEDS_SUM)
        if each.code.startswith("output")
    ]
    assert (found.code, found.severity, found.line, found.column) == ("output-mismatch", "warning", 2, 17)


def test_a_function_that_returns_nothing_is_found() -> None:
    assert codes("function main(input) { input.x }", output_schema=NEEDS_SUM) == ["returns-nothing"]
    assert codes("function main(input) { input.x }", output_schema={"type": ["object", "null"]}) == []


def test_enumerations_references_and_items_are_looked_into() -> None:
    assert codes("() => ({ kind: 'c' })", output_schema={"properties": {"kind": {"enum": ["a", "b"]}}}) == ["output-never-matches"]
    assert codes("() => [1, 'x']", output_schema={"items": {"type": "number"}}) == ["output-never-matches"]
    assert codes("() => ({ n: 1 })", output_schema={"properties": {"n": {"enum": [1.0]}}}) == []
    assert codes("() => 1", output_schema={"$ref": "#/$defs/x", "$defs": {"x": {"type": "string"}}}) == []


# ---------------------------------------------------------------- tests
def test_a_test_that_can_never_pass_is_found() -> None:
    tests = {
        "tests/bad-input.json": '{"input": {"a": "x"}, "expected_output": {"sum": 1}}',
        "tests/bad-output.json": '{\n "input": {"a": 1},\n "expected_output": {"sum": "1"}\n}',
        "tests/exact.json": '{"input": {"a": 1}, "match": "exact", "expected_output": {}}',
        "tests/expects-failure.json": '{"input": {"a": "x"}, "expected_error": {"code": "input_invalid"}}',
        "tests/subset.json": '{"input": {"a": 1}, "expected_output": {}}',
    }
    found = findings("(i) => ({ sum: i.a })", schema("a"), NEEDS_SUM, tests)
    assert [(each.code, each.file, each.path, each.line) for each in found if each.severity == "error"] == [
        ("test-input-invalid", "tests/bad-input.json", "$.input", 1),
        ("test-output-impossible", "tests/bad-output.json", "$.expected_output", 3),
        ("test-output-impossible", "tests/exact.json", "$.expected_output", 1),
    ]


# ---------------------------------------------------------------- what blocks, and what is never reached
@pytest.mark.parametrize(
    "body",
    [
        "while (true) { step() }",
        "while (true) { await step() }",
        "for (;;) {}",
        "do { i++ } while (1)",
        "while (true) { switch (i) { case 1: break } }",
        "while (true) { for (;;) { break } }",
        "let n = 3; while (n > 0) { i = i + n }",
        "for (let n = 0; n < 9;) { i += 1 }",
        "while (true) { [1].map(() => { return 2 }) }",
    ],
)
def test_a_loop_without_a_way_out_is_found(body: str) -> None:
    assert codes(f"const step = () => 1;\nasync function main(i) {{ {body} }}") == ["endless-loop"]


@pytest.mark.parametrize(
    "body",
    [
        "while (true) { if (i) break; }",
        "while (true) { if (i) return 1; }",
        "while (true) { throw new Error('x'); }",
        "out: while (true) { for (;;) { break out } }",
        "while (i.next()) {}",
        "let n = 3; while (n > 0) { n -= 1 }",
        "let n = 3; while (n--) {}",
        "let n = 3; const less = () => { n -= 1 }; while (n > 0) { less() }",
        "let [n] = [3]; while (n) { [n] = [n - 1] }",
        "for (let n = 0; n < 9; n++) {}",
        "let n = 0; for (;;) { if (n++ > 5) break }",
    ],
)
def test_a_loop_that_may_end_is_left_alone(body: str) -> None:
    assert "endless-loop" not in codes(f"async function main(i) {{ {body} }}")


def test_waiting_by_the_clock_is_found() -> None:
    code = "function main(i) { const end = Date.now() + i; while (Date.now() < end) {} return 1 }"
    assert codes(code) == ["busy-wait"]


@pytest.mark.parametrize(
    "loop",
    [
        "while (Date.now() < end) { work(i) }",
        "while (i.more && Date.now() < end) {}",
        "while (Date.now() < end) { await i.pause() }",
    ],
)
def test_working_until_the_clock_says_stop_is_fine(loop: str) -> None:
    code = f"async function main(i) {{ const end = Date.now() + 5; {loop} return 1 }}\nfunction work(x) {{ return x }}"
    assert codes(code) == []


def test_waiting_for_each_item_is_a_hint_unless_something_is_carried_on() -> None:
    serial = "async (i) => { const all = []; for (const x of i) { all.push(await tasks.call('t', x)) } return all }"
    assert codes(serial) == ["await-in-loop"]
    assert codes("async (i) => { let sum = 0; for (const x of i) { sum = await tasks.call('add', [sum, x]) } return sum }") == []
    assert codes("async (i) => { for await (const x of i) { await x } }") == []
    assert codes("async (i) => { for (const x of i) { if (await tasks.call('t', x)) break } }") == []


def test_code_behind_a_return_is_found_once_and_functions_there_are_fine() -> None:
    code = "function main(i) {\n  return help(i);\n  console.log(1);\n  console.log(2);\n  function help(x) { return x }\n}"
    [found] = [each for each in findings(code) if each.code == "unreachable-code"]
    assert (found.line, found.column) == (3, 3)
    assert codes("function main(i) { return help(i); function help(x) { return x } }") == []
    assert codes("function main(i) { switch (i) { case 1: return 1; case 2: break; default: return 3 } return 2 }") == []


@pytest.mark.parametrize(
    "body",
    [
        "tasks.call('t', i); return 1",
        "tasks.all([['t', i]]); return 1",
        "const [one] = tasks.all([['t', i]]); return one",
        "return tasks.call('t', i).rows",
        "const { rows } = tasks.call('t', i); return rows",
        "const answer = tasks.call('t', i); return answer.rows.length",
        "ask('Sure?'); return 1",
        "return ask('Name?', i.schema).content",
    ],
)
def test_a_call_that_nobody_awaits_is_found(body: str) -> None:
    assert codes(f"async (i) => {{ {body} }}") == ["call-not-awaited"]


@pytest.mark.parametrize(
    "body",
    [
        "return tasks.call('t', i)",
        "return (await ask('Name?', i.schema)).content",
        "const ask = (question) => question; return ask('Sure?').length",
        "return await tasks.call('t', i)",
        "return (await tasks.call('t', i)).rows",
        "return tasks.call('t', i).then((r) => r.rows)",
        "return Promise.all(i.map((x) => tasks.call('t', x)))",
        "const one = tasks.call('t', i), two = tasks.call('u', i); return [await one, await two]",
        "const all = [tasks.call('t', i)]; return Promise.all(all)",
        "const p = tasks.call('t', i); p.catch(() => 0); return p",
        "const answer = fetch('https://example.com'); return answer.body",
    ],
)
def test_a_call_whose_promise_goes_somewhere_is_left_alone(body: str) -> None:
    assert codes(f"async (i) => {{ {body} }}") == []


def test_a_name_that_nothing_declares_is_found_with_the_nearest_one() -> None:
    [found] = [each for each in findings("(i) => JSN.stringify(i)") if each.code == "unknown-name"]
    assert 'did you mean "JSON"' in found.message and (found.line, found.column) == (1, 8)
    assert codes("module.exports = { main: (i) => i };") == []


def test_patterns_are_looked_at_in_code_and_schemas() -> None:
    code = "(i) => [/^(a+)+$/.test(i.x), new RegExp('^(\\\\w+\\\\s?)*$').test(i.x), /^a+$/.test(i.x)]"
    found = findings(code, {"properties": {"x": {"type": "string", "pattern": "^(a|a)*$"}}})
    assert [(each.file, each.path) for each in found if each.code == "slow-pattern"] == [
        ("main.js", None),
        ("main.js", None),
        ("input.schema.json", "$.properties.x.pattern"),
    ]


def test_code_that_is_slow_to_look_at_is_looked_at_in_part_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "limited", lambda: budget.limited(0.0))
    found = {each.code for each in findings("(i) => " + "i ? 1 : " * 200 + "2", schema("a"))}
    assert "too-slow-to-check" in found


def test_code_that_looks_other_than_it_is_is_found() -> None:
    [found] = [each for each in findings("(i) => {\r\n  return 1; /* \u202e */\r\n}") if each.code == "hidden-characters"]
    assert (found.line, "U+202E" in found.message, found.severity) == (2, True, "warning")


def test_every_code_is_documented_with_its_severity() -> None:
    text = (ROOT / "docs" / "authoring.md").read_text()
    missing = [code for code, (severity, meaning) in CODES.items() if f"| `{code}` | {severity} | {meaning} |" not in text]
    assert missing == []


# ---------------------------------------------------------------- what is missing
def test_what_is_missing_is_told() -> None:
    texts = {"metadata.json": '{"name": "t"}', "main.js": "(i) => i"}
    files = TaskFiles("t", {path: text.encode() for path, text in texts.items()})
    found = lint(load_files(files, origin="test", location="test"), texts)
    assert [(each.code, each.file) for each in found] == [
        ("missing-description", "metadata.json"),
        ("missing-tests", "tests"),
        ("missing-schema", "metadata.json"),
        ("missing-schema", "metadata.json"),
    ]


def test_the_one_file_form_gets_its_lines_from_the_yaml() -> None:
    yaml = "name: t\ndescription: Adds two numbers, a and b.\ninput_schema:\n  properties:\n    a: {type: number, description: x}\n    b: {type: number, description: y}\n"
    texts = {"meta.yaml": yaml, "task.js": "(input) => input.a"}
    files = TaskFiles("t", {path: text.encode() for path, text in texts.items()})
    [found] = [each for each in lint(load_files(files, origin="test", location="test"), texts) if each.code == "unused-input"]
    assert (found.file, found.path, found.line, found.column) == ("meta.yaml", "$.input_schema.properties.b", 6, 8)


@pytest.mark.parametrize("folder", sorted(path.parent for path in ROOT.glob("registry/*/metadata.json")), ids=lambda path: path.name)
def test_the_bundled_tasks_raise_no_alarm(folder: Path) -> None:
    problems = Problems()
    files = read_files(folder, problems, Limits())
    texts = {path: data.decode() for path, data in files.contents.items()}
    found = lint(load_files(files, origin="bundled", location=str(folder)), texts)
    assert [each for each in found if each.severity != "hint"] == []


# ---------------------------------------------------------------- mocks
def test_each_mistake_in_a_mock_is_told_with_its_place() -> None:
    mock = {"http": [{"url": "a.example", "response": {"status": 99}}, {"urll": "b.example", "response": {}}]}
    tests = {"tests/one.json": json.dumps([{"input": {}, "should_fail": True, "mock": mock}], indent=1)}
    found = [each for each in findings("() => 1", tests=tests) if each.code == "invalid-test"]
    assert [(each.severity, each.file, each.path) for each in found] == [
        ("error", "tests/one.json", "$[0].mock.http[0].response.status"),
        ("error", "tests/one.json", "$[0].mock.http[1].urll"),
        ("error", "tests/one.json", "$[0].mock.http[1].url"),
    ]
    assert found[0].line == 10 and "99" in found[0].message and found[0].suggestion
