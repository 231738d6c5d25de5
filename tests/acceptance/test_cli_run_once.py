from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import ratchet

COMMAND = [sys.executable, "-m", "ratchet_mcp.cli.main"]
ANY = "true"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("RATCHET_STORE__URL", f"sqlite:///{tmp_path / 'store.db'}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make_task(folder: Path, code: str, *, input_schema: str = ANY, output_schema: str = ANY, **metadata: object) -> Path:
    path = folder / "task"
    path.mkdir()
    facts = {"uuid": "6d3c1c0e-5f0a-4c38-9b53-0d4f0b7a9a11", "name": "sample", "version": "1.2.3", "description": "A sample.", **metadata}
    (path / "metadata.json").write_text(json.dumps(facts))
    (path / "main.js").write_text(code)
    (path / "input.schema.json").write_text(input_schema)
    (path / "output.schema.json").write_text(output_schema)
    return path


def test_stdout_is_only_the_output_and_the_log_goes_to_stderr(home: Path) -> None:
    task = make_task(
        home, "(input) => { console.log('working'); console.error('hm'); reportProgress(0.5, 'half'); return { twice: input.n * 2 }; }"
    )
    command = [*COMMAND, "run-once", "--from-fs", str(task), "--input-json", '{"n": 21}']
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert json.loads(done.stdout) == {"twice": 42}
    assert "[info] working\n[error] hm\n" in done.stderr
    assert "[progress] 0.5 half\n" in done.stderr


def test_a_known_task_is_run_by_name() -> None:
    done = ratchet("run-once", "--task", "text-statistics", "--input-json", '{"text": "One two three."}')
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["words"] == 3


def test_the_input_comes_from_a_file_or_from_stdin_or_is_empty(home: Path) -> None:
    task = make_task(home, "(input) => input")
    (home / "in.json").write_text('\ufeff{"é": [1]}', encoding="utf-8")
    assert json.loads(ratchet("run-once", "--from-fs", task, "--input-file", home / "in.json").stdout) == {"é": [1]}
    assert json.loads(ratchet("run-once", "--from-fs", task, "--input-file", "-", stdin="[1, 2]").stdout) == [1, 2]
    assert json.loads(ratchet("run-once", "--from-fs", task).stdout) == {}


def test_a_task_that_throws_shows_message_place_and_frame_on_stderr(home: Path) -> None:
    task = make_task(home, "function main(input) {\n  const total = input.n;\n  throw new DataError('too few: ' + total);\n}\n")
    done = ratchet("run-once", "--from-fs", task, "--input-json", '{"n": 3}')
    assert (done.returncode, done.stdout) == (1, "")
    assert "error[task_error]: " in done.stderr
    assert "DataError: too few: 3" in done.stderr
    assert "main.js:3:9" in done.stderr
    assert "> 3 |   throw new DataError" in done.stderr


def test_input_that_breaks_the_schema_names_each_path_and_nothing_runs(home: Path) -> None:
    schema = '{"type": "object", "properties": {"n": {"type": "number"}}, "required": ["n", "m"]}'
    task = make_task(home, "() => { console.log('ran'); }", input_schema=schema)
    done = ratchet("run-once", "--from-fs", task, "--input-json", '{"n": "x"}')
    assert (done.returncode, done.stdout) == (1, "")
    assert "error[input_invalid]" in done.stderr
    assert "$.n" in done.stderr
    assert "$.m: is required" in done.stderr
    assert "[info] ran" not in done.stderr


def test_output_that_breaks_its_schema_fails_the_run(home: Path) -> None:
    schema = '{"type": "object", "properties": {"n": {"type": "number"}}}'
    done = ratchet("run-once", "--from-fs", make_task(home, "() => ({ n: 'three' })", output_schema=schema))
    assert (done.returncode, done.stdout) == (1, "")
    assert "error[output_invalid]" in done.stderr
    assert "$.n" in done.stderr


def test_a_timeout_given_on_the_command_line_kills(home: Path) -> None:
    task = make_task(home, "() => { for (;;) {} }")
    done = ratchet("run-once", "--from-fs", task, "--timeout", "0.3")
    assert (done.returncode, done.stdout) == (1, "")
    assert "error[timeout]" in done.stderr


def test_an_unknown_task_suggests_a_near_name() -> None:
    done = ratchet("run-once", "--task", "text-statistic")
    assert (done.returncode, done.stdout) == (1, "")
    assert "error[task_not_found]" in done.stderr
    assert "text-statistics" in done.stderr


def test_a_broken_task_lists_all_its_problems(home: Path) -> None:
    task = make_task(home, "const x = ;\n", input_schema='{"type": "objekt"}', version="one")
    done = ratchet("run-once", "--from-fs", task)
    assert (done.returncode, done.stdout) == (1, "")
    for words in ("main.js", "input.schema.json", "metadata.json"):
        assert words in done.stderr


def test_json_prints_the_whole_record_of_a_success_and_of_a_failure(home: Path) -> None:
    task = make_task(home, "(input) => { console.log('a'); if (input.fail) throw new Error('b'); return 1; }")
    good = json.loads(ratchet("run-once", "--from-fs", task, "--json").stdout)
    assert (good["status"], good["output"], good["origin"], good["task"], good["version"]) == ("completed", 1, "cli", "sample", "1.2.3")
    assert [line["message"] for line in good["logs"]] == ["a"]
    assert good["limits"]["timeout_seconds"] == 30
    done = ratchet("run-once", "--from-fs", task, "--input-json", '{"fail": true}', "--json")
    bad = json.loads(done.stdout)
    assert (done.returncode, bad["status"], bad["error"]["code"]) == (1, "failed", "task_error")
    refused = ratchet("run-once", "--task", "nothing-like-it", "--json")
    assert (refused.returncode, json.loads(refused.stdout)["error"]["code"]) == (1, "task_not_found")


def test_each_run_is_recorded_with_the_origin_cli(home: Path) -> None:
    task = make_task(home, "() => 'kept'")
    ratchet("run-once", "--from-fs", task)
    database = sqlite3.connect(home / "store.db")
    rows = database.execute("select origin, status, task from executions").fetchall()
    database.close()
    assert rows == [("cli", "completed", "sample")]


def test_ctrl_c_ends_the_run_without_a_traceback(home: Path) -> None:
    task = make_task(home, "async () => { reportProgress(0.1, 'started'); await new Promise((done) => setTimeout(done, 25000)); }")
    command = [*COMMAND, "run-once", "--from-fs", str(task)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert "started" in process.stderr.readline()
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (process.returncode, stdout) == (130, ""), stderr
    assert "Traceback" not in stderr


def test_a_reader_that_goes_away_is_no_crash(home: Path) -> None:
    task = make_task(home, "() => 'x'.repeat(2000000)")
    read, write = os.pipe()
    process = subprocess.Popen([*COMMAND, "run-once", "--from-fs", str(task)], stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    os.close(read)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in stderr
