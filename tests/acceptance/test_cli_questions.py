"""`ratchet run-once` asks on the terminal that it runs on, and nowhere else."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ratchet_mcp.cli.asking import read_value

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals on Windows")
CODE = """async () => {
  const size = { type: 'integer', minimum: 1, title: 'Size' };
  const a = await ask('Who are you?', { type: 'object', properties: { name: { type: 'string' }, size, note: { type: 'string' } }, required: ['name', 'size'] });
  try { await ask('Sure?'); return [a.content, 'sure']; } catch (error) { return [a.content, error.code]; }
}"""
LIMIT_SECONDS = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("asks")
    (folder / "metadata.json").write_text(json.dumps({"name": "asks", "version": "1.0.0", "description": "Asks."}))
    (folder / "main.js").write_text(CODE)
    return folder


def command(folder: Path, *options: str) -> dict[str, Any]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RATCHET_")} | {
        "RATCHET_STORE__URL": "sqlite://"
    }
    return {"args": [sys.executable, "-m", "ratchet_mcp.cli.main", "run-once", "--from-fs", str(folder), *options], "env": environment}


def on_terminal(folder: Path, conversation: list[tuple[str, str]]) -> tuple[Any, str]:
    """Run on a terminal of its own; each prompt that comes gets its line. Returns the output and what the user saw."""
    ours, theirs = os.openpty()
    process = subprocess.Popen(**command(folder), stdin=theirs, stderr=theirs, stdout=subprocess.PIPE, start_new_session=True)
    os.close(theirs)
    seen, left, limit = "", list(conversation), time.monotonic() + LIMIT_SECONDS
    try:
        while time.monotonic() < limit and select.select([ours], [], [], limit - time.monotonic())[0]:
            try:
                seen += os.read(ours, 4096).decode()
            except OSError:  # the other side is closed
                break
            if left and left[0][0] in seen.replace("\r", "").splitlines()[-1]:
                os.write(ours, left.pop(0)[1].encode())
        assert process.stdout is not None
        output = process.stdout.read()
        process.wait(LIMIT_SECONDS)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        assert process.stdout is not None
        process.stdout.close()
    assert left == [], seen
    return json.loads(output), seen


def test_a_terminal_is_asked_until_the_answer_fits(folder: Path):
    talk = [("name: ", "Ada\n"), ("Size: ", "0\n"), ("note (optional): ", "\n")]
    talk += [("name: ", "Ada\n"), ("Size: ", "3\n"), ("note (optional): ", "\n"), ("yes or no: ", "n\n")]
    output, seen = on_terminal(folder, talk)
    assert output == [{"name": "Ada", "size": 3}, "ask_declined"]
    assert "? Who are you?" in seen and "$.size" in seen and "? Sure?" in seen


def test_without_a_terminal_nobody_is_asked_and_a_mock_file_answers(folder: Path, tmp_path: Path):
    run = subprocess.run(**command(folder), capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=LIMIT_SECONDS)
    assert run.returncode == 1 and "nobody can be asked" in run.stderr and "terminal" in run.stderr
    mocks = tmp_path / "mocks.json"
    mocks.write_text(json.dumps({"answers": [{"content": {"name": "Eve", "size": 1}}, {"action": "cancel"}]}))
    options = command(folder, "--mock-file", str(mocks))
    run = subprocess.run(**options, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=LIMIT_SECONDS)
    assert json.loads(run.stdout) == [{"name": "Eve", "size": 1}, "ask_declined"], run.stderr


@pytest.mark.parametrize(
    ("text", "schema", "value"),
    [
        ("yes", {"type": "boolean"}, True),
        ("N", {"type": "boolean"}, False),
        ("maybe", {"type": "boolean"}, "maybe"),
        ("3", {"type": "integer"}, 3),
        ("3.5", {"type": "number"}, 3.5),
        ("1e400", {"type": "number"}, "1e400"),
        ("nan", {"type": "number"}, "nan"),
        ("three", {"type": "integer"}, "three"),
        ("a, b", {"type": "array"}, ["a", "b"]),
        ("3", {"type": "string"}, "3"),
    ],
)
def test_a_line_becomes_a_value_of_its_property(text: str, schema: dict[str, Any], value: Any):
    assert read_value(text, schema) == value
