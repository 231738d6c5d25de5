"""What `prepare` makes of the source, without an engine."""

from __future__ import annotations

import pytest

from ratchet_mcp.errors import TaskSyntaxError
from ratchet_mcp.tasks.code import PreparedCode, prepare

REFUSED_BY_THE_SANDBOX = ("<!--", "-->", "import(", "import (", "import/*")


def refused(source: str) -> TaskSyntaxError:
    with pytest.raises(TaskSyntaxError) as caught:
        prepare(source)
    return caught.value


@pytest.mark.parametrize(
    ("source", "form"),
    [
        ("(function(input) { return input });", "expression"),
        ("(input) => input", "expression"),
        ("function main(input) { return input }", "main"),
        ("function main(input) { return input }\nmain;", "main"),
        ("const main = async (input) => input", "main"),
        ("module.exports = { main };\nfunction main(input) {}", "module.exports"),
        ("exports.main = (input) => input", "module.exports"),
        ("export default (input) => input", "export default"),
        ("export function main(input) {}", "export default"),
    ],
)
def test_the_form_is_recognised(source: str, form: str) -> None:
    assert prepare(source).form == form


def test_lines_stay_where_they_are() -> None:
    source = "/* <!--\n--> */\nconst a = `import(\n`;\r\nexport default function (input) {\n  return a\n}\n// end"
    body = prepare(source).body.split("\n")
    for number, line in enumerate(source.split("\n")):
        if "return a" in line:
            assert body[number] == line


def test_columns_stay_where_they_are_in_the_function_of_a_default_export() -> None:
    source = "export default function (input) { return missing }"
    assert prepare(source).body.index("missing") == source.index("missing")


def test_moved_columns_are_mapped_back() -> None:
    source = "const s = '<!-- ü😀 -->'; /* --> */ module.exports = { main: () => target }; const t = '-->', u = other"
    prepared = prepare(source)
    for name in ("target", "other"):
        moved = prepared.body.split("\n")[0].index(name)
        assert moved != source.index(name)
        units = len(prepared.body[:moved].encode("utf-16-le")) // 2
        expected = len(source[: source.index(name)].encode("utf-16-le")) // 2 + 1
        assert prepared.to_source(1, units + 1) == (1, expected)


def test_the_body_holds_nothing_that_the_sandbox_refuses() -> None:
    source = "// import (\nconst a = '<!-- -->', b = `import(`, c = /<!--|-->/, d = /import (x)/; let n = 3; while (n-->0); (input) => a"
    body = prepare(source).body
    assert not [text for text in REFUSED_BY_THE_SANDBOX if text in body]


def test_module_is_not_defined_unless_the_task_exports_through_it() -> None:
    bundle = "!function(e,t){'object'==typeof module?module.exports=t():e.Lib=t()}(this,function(){return 1});\n"
    assert "const module" not in prepare(bundle + "(input) => Lib").body
    assert "const module" not in prepare(bundle + "function main(input) { return Lib }").body
    assert "{let module,exports;!function" in prepare(bundle + "module.exports = (input) => Lib").body


def test_identifiers_hold_every_name_with_escapes_resolved() -> None:
    prepared: PreparedCode = prepare("const { a, b: c } = Math; (input) => ({ d: JSON, Date, m\\u0061x: \\u0041rray, e\\u{66}: g.h })")
    assert {"a", "c", "Math", "input", "JSON", "Date", "Array", "g"} <= prepared.identifiers
    assert "h" not in prepared.identifiers


@pytest.mark.parametrize(
    ("source", "message", "line", "column"),
    [
        ("", "empty", 1, 1),
        ("// nothing\n/* here */", "empty", 1, 1),
        ("const x = ;", "Unexpected token ';'", 1, 11),
        ("function main(input) {\n  return 1\n", "Missing '}'", 2, 11),
        ("(function (input) { return 1 }", "Missing ')'", 1, 31),
        ("function main(input) { return [1, 2 }", "expected ']'", 1, 37),
        ("}", "Unexpected '}'", 1, 1),
        ("const a = {b: 1;\n}", "Unexpected token ';'", 1, 16),
        ("f(1,\n2 3)", "Unexpected number '3'", 2, 3),
        ("let x = 1\nlet y = 'abc\nlet z", "Unterminated string", 2, 9),
        ("const s = `abc ${x", "Unterminated template string", 1, 11),
        ("/* never closed", "Unterminated comment", 1, 1),
        ("const x: number = 5", "TypeScript", 1, 8),
        ("function main(input: Input): string {}", "TypeScript", 1, 20),
        ("function main(a?: string) {}", "TypeScript", 1, 16),
        ("interface Input { a: string }", "TypeScript", 1, 1),
        ("const a = b as string", "TypeScript", 1, 13),
        ("const x = <div>hi</div>; (input) => x", "JSX", 1, 11),
        ("import fs from 'fs'; (input) => fs", "import statements", 1, 1),
        ("export { a } from './a.js'", "export … from", 1, 1),
        ("export * from './a.js'", "export … from", 1, 1),
        ("async (input) => await import('fs')", "Dynamic import()", 1, 24),
        ("(input) => import.meta.url", "import.meta", 1, 12),
        ("const fs = require('fs').promises; (input) => 1", "require is not available", 1, 12),
        ("(input) => { with (input) { return a } }", "with statement", 1, 14),
        ("(input) => { delete input }", "cannot be deleted", 1, 14),
        ("(input) => 0777", "cannot start with 0", 1, 12),
        ("return 5", "return outside", 1, 1),
        ("if (1) { return 5 }", "return outside", 1, 10),
        ("const a = await fetch('x'); (input) => a", "await outside", 1, 11),
        ("function main(input) { const a = await f() }", "only allowed in async", 1, 34),
        ("async (input) => input.map((x) => await x)", "only allowed in async", 1, 35),
        ("input.x * 2", "not a function", 1, 1),
        ("({ a: 1 })", "not a function", 1, 2),
        ("const main = 5", "not a function", 1, 14),
        ("function* main(input) {}", "generator", 1, 1),
        ("function process(input) {}", "No function named main", 1, 1),
        ("function main(input) {}\nmain();", "calls main itself", 2, 1),
        ("async function main(input) {}\nmain({}).then(console.log).catch(console.error)", "calls main itself", 2, 1),
        ("const a = 1\n(function (input) {})", "semicolon is missing", 2, 1),
        ("module.exports = { run }; function run() {}", "no main", 1, 18),
        ("export default { run }; function run() {}", "no main", 1, 16),
        ("export default class {}", "not a function", 1, 16),
        ("export const a = 1", "No default export", 1, 1),
        ("html`<!-- x -->`; (input) => 1", "tagged template", 1, 6),
        ("const a = 1;", "no function that takes the input", 1, 1),
    ],
)
def test_a_mistake_is_named_with_its_place(source: str, message: str, line: int, column: int) -> None:
    error = refused(source)
    assert message in error.message
    assert (error.details["line"], error.details["column"], error.details["file"]) == (line, column, "main.js")
    assert f"> {line} |" in error.details["frame"] or error.details["frame"].lstrip("> ").startswith(str(line))


def test_lines_count_as_in_javascript() -> None:
    error = refused("// a\r\n// b\r// c\u2028// d\u2029const x = ;")
    assert (error.details["line"], error.details["column"]) == (5, 11)


def test_columns_count_utf16_units() -> None:
    assert refused("const a = '😀é'; const x = ;").details["column"] == 28


def test_the_file_name_is_the_one_that_was_given() -> None:
    with pytest.raises(TaskSyntaxError, match=r"task\.js:1:1") as caught:
        prepare("", file="task.js")
    assert caught.value.details["file"] == "task.js"


def test_an_unpaired_surrogate_is_refused() -> None:
    assert "surrogate" in refused("(input) => '\ud800'").message


def test_an_unused_name_of_a_bundle_is_no_task() -> None:
    bundle = "!function(e,t){'object'==typeof module?module.exports=t():e.Lib=t()}(this,function(){return 1});\n"
    assert "No function named main" in refused("function run(input) {}\n" + bundle).message
    assert "no function that takes the input" in refused(bundle).message


@pytest.mark.parametrize("bracket", ["()", "[]", "{}"])
def test_deep_nesting_is_read_without_recursion(bracket: str) -> None:
    nested = bracket[0] * 10_000 + ("1" if bracket == "()" else "") + bracket[1] * 10_000
    source = f"function main(input) {{ {nested if bracket == '{}' else 'return ' + nested} }}"
    assert prepare(source).form == "main"
    assert "never closed" in refused("x = " + bracket[0] * 10_000).message


def test_large_sources_are_read() -> None:
    line = "function f() { return [1, 2, 3].map((x) => x + 1) } // <!-- ü\n"
    body = prepare(line * ((1 << 19) // len(line)) + "(input) => f()").body
    assert body.count("\n") == (1 << 19) // len(line)
    assert "<!--" not in body


def test_many_refused_texts_in_one_long_line_are_escaped() -> None:
    body = prepare("const a = [" + "'<!-- é',/import(/*s*/)/,x-->y," * 5000 + "]; (input) => a").body
    assert not [text for text in REFUSED_BY_THE_SANDBOX if text in body]
