"""Small tasks that the acceptance tests run, written into a folder."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

ANY: dict[str, Any] = {}
TASKS: dict[str, tuple[str, dict[str, Any]]] = {
    "add": (
        "function main(input) { return input.a + input.b; }",
        {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number"}}, "required": ["a", "b"]},
    ),
    "echo": ("(input) => input", ANY),
    "never": (
        "() => { console.log('begun'); reportProgress(1, 'begin'); return new Promise((resolve) => setTimeout(resolve, 1e9)); }",
        ANY,
    ),
    "pause": (
        "async (input) => { reportProgress(1, 'begin'); await new Promise((resolve) => setTimeout(resolve, input.ms)); return 'rested'; }",
        {"type": "object", "properties": {"ms": {"type": "number"}}, "required": ["ms"]},
    ),
    "steps": (
        "async () => { for (const step of [0, 25, 50, 100]) { reportProgress(step, 'work', `at ${step}`); "
        "await new Promise((resolve) => setTimeout(resolve, 1)); } return 'all steps'; }",
        ANY,
    ),
    "breaks": (
        "function main(input) {\n  console.log('before');\n  console.warn('careful');\n  const nothing = null;\n  return nothing.length;\n}\n",
        ANY,
    ),
    "long": (
        "(input) => 'x'.repeat(input.length)",
        {"type": "object", "properties": {"length": {"type": "integer"}}, "required": ["length"]},
    ),
    "asks-later": (
        "async () => { await new Promise((go) => setTimeout(go, 50)); const who = { type: 'string', minLength: 2 };\n"
        "const a = await ask('Who are you?', { type: 'object', properties: { name: who }, required: ['name'] });\n"
        "return `Hello, ${a.content.name}!`; }",
        ANY,
    ),
    "chatty": ("(input) => { for (let n = 0; n < 500; n++) console.log('line ' + n); return 'said'; }", ANY),
}


def write_tasks(folder: Path) -> Path:
    """Write `TASKS` as task folders into `folder` and return it."""
    for name, (code, input_schema) in TASKS.items():
        task = folder / name
        task.mkdir(parents=True)
        metadata = {"name": name, "version": "1.0.0", "uuid": str(uuid.uuid5(uuid.NAMESPACE_URL, name)), "title": name.title()}
        metadata |= {"description": f"Task {name} of the acceptance tests.", "tags": ["acceptance"]}
        (task / "metadata.json").write_text(json.dumps(metadata))
        (task / "main.js").write_text(code)
        (task / "input.schema.json").write_text(json.dumps(input_schema))
        (task / "output.schema.json").write_text("{}")
        (task / "tests").mkdir()
    return folder
