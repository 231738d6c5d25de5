"""Browser builds of well-known libraries, pasted into a task as its author would do it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

LIBRARIES = Path(__file__).parents[2] / "support" / "libraries"


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the libraries from npm, as the lock file has them."""
    npm = shutil.which("npm")
    assert npm is not None, "npm is needed, as for the project's own set-up"
    folder = tmp_path_factory.mktemp("libraries")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(LIBRARIES / name, folder / name)
    subprocess.run(
        [npm, "ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund"],
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=180,
    )
    return folder / "node_modules"


@pytest.mark.parametrize(
    ("file", "body", "expected"),
    [
        ("lodash/lodash.min.js", "_.chunk(_.uniq([1, 2, 2, 3, 4]), 2)", [[1, 2], [3, 4]]),
        ("dayjs/dayjs.min.js", "dayjs('2024-02-28T00:00:00Z').add(2, 'day').toISOString()", "2024-03-01T00:00:00.000Z"),
        ("papaparse/papaparse.min.js", "Papa.parse('a,b\\n1,\"x,y\"', { header: true }).data", [{"a": "1", "b": "x,y"}]),
        (
            "handlebars/dist/handlebars.min.js",
            "Handlebars.compile('<b>{{name}}</b> {{#each n}}{{this}};{{/each}}')({ name: 'A & B', n: [1, 2] })",
            "<b>A &amp; B</b> 1;2;",
        ),
        ("marked/lib/marked.umd.js", "marked.parse('# Hi\\n\\n*there*').trim()", "<h1>Hi</h1>\n<p><em>there</em></p>"),
        ("validator/validator.min.js", "[validator.isEmail('a@b.example'), validator.isIBAN('x')]", [True, False]),
    ],
)
async def test_a_library_that_is_pasted_above_main_works(modules: Path, output: Any, file: str, body: str, expected: Any) -> None:
    bundle = (modules / file).read_text(encoding="utf-8")
    assert await output(f"{bundle}\n;function main() {{ return {body}; }}") == expected
    assert await output(f"{bundle}\n;module.exports = {{ main: () => {body} }};") == expected
