"""Prepared code in real workers: every form returns its function, and text keeps its value."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ratchet_mcp.engine.pool import WorkerPool
from ratchet_mcp.errors import TaskFailed
from tests.support.engine_runs import RecordingHost, open_pool, request


@pytest.fixture(scope="module")
async def pool() -> AsyncIterator[WorkerPool]:
    async with open_pool(min_workers=1, max_workers=1, spare_workers=0) as pool:
        yield pool


async def run(pool: WorkerPool, code: str, value: Any = None) -> Any:
    outcome = await pool.run(request(code, value), RecordingHost())
    if outcome.error is not None:
        raise outcome.error
    return json.loads(outcome.output_json or "null")


UMD = (
    '!function(e,t){"object"==typeof exports&&"undefined"!=typeof module?module.exports=t():'
    '"function"==typeof define&&define.amd?define(t):(e="undefined"!=typeof globalThis?globalThis:e||self).Twice=t()}'
    "(this,function(){return function(n){return n*2}});\n"
)

FORMS = {
    "function in parentheses": "(function(input, context) { return input.n * 2 })",
    "function in parentheses and a semicolon": "(function(input) { return input.n * 2 });",
    "function without parentheses": "function(input) { return input.n * 2 }",
    "async function": "(async function(input) { await null; return input.n * 2 })",
    "async function without parentheses": "async function(input) { await null; return input.n * 2 }",
    "main": "function main(input) { return input.n * 2 }",
    "main and its name": "function main(input) { return input.n * 2 }\nmain",
    "main and its name with a semicolon": "function main(input) { return input.n * 2 }\nmain;\n// end",
    "async main": "async function main(input) { return input.n * 2 }",
    "constant main": "const main = (input) => input.n * 2",
    "constant main and its name": "const main = function (input) { return input.n * 2 };\nmain;",
    "arrow": "(input) => input.n * 2",
    "async arrow": "async (input) => input.n * 2;",
    "arrow after declarations": "// doubles\nconst factor = 2;\nfunction times(n) { return n * factor }\n\n(input) => times(input.n)\n/* end */",
    "another name at the end": "function twice(input) { return input.n * 2 }\ntwice",
    "a function that makes the task": "const make = (factor) => (input) => input.n * factor;\nmake(2)",
    "module.exports with main": "const main = (input) => input.n * 2;\nmodule.exports = { main };",
    "module.exports with a method": "module.exports = { main(input) { return input.n * 2 } }",
    "module.exports is a function": "module.exports = async function (input) { return input.n * 2 }",
    "exports.main": "exports.helper = (n) => n * 2;\nexports.main = (input) => exports.helper(input.n);",
    "module.exports.main": "module.exports.main = (input) => input.n * 2",
    "both exports": "exports = module.exports = { main: (input) => input.n * 2 }",
    "compiled module": 'Object.defineProperty(exports, "__esModule", { value: true });\nexports.default = main;\nfunction main(input) { return input.n * 2 }',
    "guarded module.exports": "function main(input) { return input.n * 2 }\nif (typeof module !== 'undefined') module.exports = { main };",
    "only a guarded module.exports": "if (typeof module !== 'undefined') { module.exports = { main: (input) => input.n * 2 } }",
    "default function": "export default function (input) { return input.n * 2 }",
    "default function with a name": "export default function twice(input) { return input.n * factor }\nconst factor = 2;",
    "default async function": "export default async function main(input) { return input.n * 2 }",
    "default arrow": "export default (input) => input.n * 2;",
    "default name": "const main = (input) => input.n * 2;\nexport default main;",
    "default object": "function main(input) { return input.n * 2 }\nexport default { main };",
    "export function main": "export const factor = 2;\nexport function main(input) { return input.n * factor }",
    "export const main": "export const main = async (input) => input.n * 2",
    "export list": "function run(input) { return input.n * 2 }\nexport { run as main, run as other };",
    "export list with default": "const run = (input) => input.n * 2;\nexport { run as default };",
    "bundle and main": UMD + "function main(input) { return Twice(input.n) }",
    "bundle and module.exports": UMD + "module.exports = { main: (input) => Twice(input.n) };",
    "bundle and export default": UMD + "export default (input) => Twice(input.n)",
    "bundle and an expression": UMD + "(input) => Twice(input.n)",
    "bundle after main": "function main(input) { return Twice(input.n) }\n" + UMD,
    "pasted CommonJS file and main": "module.exports = twice;\nfunction twice(n) { return n * 2 }\nfunction main(input) { return twice(input.n) }",
    "byte order mark and CRLF": "\ufeff// doubles\r\nfunction main(input) {\r\n  return input.n * 2\r\n}\r\n",
    "first line for a shell": "#!/usr/bin/env node\n(input) => input.n * 2",
    "use strict": "'use strict';\nfunction main(input) { return input.n * 2 }",
    "HTML comments": "<!-- doubles\nfunction main(input) { return input.n * 2 }\n--> the end",
}


@pytest.mark.parametrize("code", FORMS.values(), ids=FORMS.keys())
async def test_each_form_returns_its_function(pool: WorkerPool, code: str) -> None:
    assert await run(pool, code, {"n": 21}) == 42


TEXTS = {
    "'<!-- a -->'": "<!-- a -->",
    '"<!-->"': "<!-->",
    r"'\<!-- x'": "<!-- x",
    "`<!--${1}--> import(${'x'})`": "<!--1--> import(x)",
    "`${`-->`}<!--`": "--><!--",
    "'import(\"x\")'": 'import("x")',
    "'import (x) import/*'": "import (x) import/*",
    "`import\n(`": "import\n(",
    "'import\\u00a0'.length + 'import\u00a0('": "7import\u00a0(",
    "/<!--/.test('<!--')": True,
    "/[<!--a]/.test('&')": True,
    "/x(?<!--)x/.test('xx')": True,
    "/--[-->]/.exec('--=')[0]": "--=",
    "/import(s)/.exec('imports')[1]": "s",
    "({ '<!--': 1 })['<!--']": 1,
    "(() => { let n = 3, m = 0; while (n-->0) m++; return m })()": 3,
    "(() => { let y = 1; return 5<!--y })()": False,
    "(() => { let y = 2, x = 0; return x<!--y })()": False,
    "({ import(n) { return n } }).import(4)": 4,
    "({ import(n) { return n } }) . import (4)": 4,
    "(() => { const $import = (n) => n; return $import(5) })()": 5,
    "(class { static import(n) { return n } }).import(6)": 6,
    "/* <!-- import( --> */ 7": 7,
    "[1, // -->\n2].length": 2,
}


@pytest.mark.parametrize("expression", TEXTS)
async def test_text_that_the_sandbox_refuses_keeps_its_value(pool: WorkerPool, expression: str) -> None:
    assert await run(pool, f"(input) => {{ return {expression} }}") == TEXTS[expression]


async def test_the_line_and_column_of_an_error_are_those_of_the_source(pool: WorkerPool) -> None:
    for code in (
        "(input) => { null.x }",
        "module.exports = { main(input) { null.x } }",
        "export default function main(input) { null.x }",
        "/* <!-- */ const s = '<!-- import( -->'; (input) => { null.x }",
        "\n\n  (input) => { null.x }",
    ):
        with pytest.raises(TaskFailed) as caught:
            await run(pool, code)
        line = code.split("\n")[caught.value.details["line"] - 1]
        assert caught.value.details["line"] == code.count("\n", 0, code.index("null")) + 1, code
        assert line[caught.value.details["column"] - 1 :].startswith(("null", "x")), (code, caught.value.details)
