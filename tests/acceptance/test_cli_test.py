"""`ratchet test`; in processes of its own where a signal or a terminal is in play."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import command_line
import pytest

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "ratchet_mcp.cli.main"]
LIMIT_SECONDS = 60
CODE = """function main(input) {
  console.log(`got ${input.n}`);
  if (input.n < 0) {
    throw new DataError('negative');
  }
  return { twice: input.n * 2 };
}
"""
GOOD = {"input": {"n": 2}, "expected_output": {"twice": 4}}
WRONG = {"input": {"n": 2}, "expected_output": {"twice": 5}}
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("RATCHET_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RATCHET_STORE__URL", f"sqlite:///{tmp_path}/store.db")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def ratchet() -> Run:
    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return command_line.ratchet("test", *arguments)

    return run


def make_task(folder: Path, code: str = CODE, **tests: Any) -> Path:
    (folder / "tests").mkdir(parents=True, exist_ok=True)
    (folder / "metadata.json").write_text(json.dumps({"name": folder.name, "version": "1.0.0", "description": "For tests."}))
    (folder / "main.js").write_text(code)
    for name, test in tests.items():
        (folder / "tests" / f"{name}.json").write_text(json.dumps(test))
    return folder


def test_tests_that_pass_end_with_0_and_the_lines_never_run_are_told(ratchet: Run, home: Path) -> None:
    done = ratchet("--from-fs", make_task(home / "twice", good=GOOD))
    assert done.returncode == 0, done.stderr
    assert "✓ twice@1.0.0  1 of 1 passed" in done.stdout and "✓ good" in done.stdout
    assert re.search(r"twice@1\.0\.0 +4 +75\.0%  4\n", done.stdout)
    assert "1 passed, 0 failed in" in done.stdout


def test_a_failing_test_ends_with_1_and_shows_diff_error_and_console(ratchet: Run, home: Path) -> None:
    done = ratchet("--from-fs", make_task(home / "twice", good=GOOD, wrong=WRONG, breaks={"input": {"n": -1}}), "--no-coverage")
    assert done.returncode == 1
    assert "$.twice: expected 5, got 4" in done.stdout
    assert '-  "twice": 5\n' in done.stdout and '+  "twice": 4\n' in done.stdout
    assert "[info] got 2" in done.stdout
    assert "the run failed with task_error: DataError: negative" in done.stdout
    assert "> 4 |     throw new DataError('negative');" in done.stdout
    assert "1 passed, 2 failed" in done.stdout and "coverage" not in done.stdout
    assert "Traceback" not in done.stderr


def test_a_folder_of_tasks_is_tested_as_a_whole(ratchet: Run, home: Path) -> None:
    make_task(home / "all" / "one", good=GOOD)
    make_task(home / "all" / "deep" / "two", wrong=WRONG)
    make_task(home / "all" / "untested")
    make_task(home / "all" / "broken", code="function main( {", good=GOOD)
    shutil.make_archive(str(home / "all" / "three"), "zip", make_task(home / "three", good=GOOD))
    done = ratchet("--from-fs", home / "all")
    assert done.returncode == 1
    assert "✓ one@1.0.0" in done.stdout and "✗ two@1.0.0" in done.stdout and "✓ three@1.0.0" in done.stdout
    assert "broken cannot be tested" in done.stdout and "main.js:1" in done.stderr
    assert "untested@1.0.0 has no tests" in done.stdout
    assert "2 passed, 1 failed, 1 cannot be loaded" in done.stdout


def test_tasks_of_the_folder_can_call_each_other(ratchet: Run, home: Path) -> None:
    make_task(home / "all" / "twice", good=GOOD)
    make_task(home / "all" / "calls", code="async (input) => await tasks.call('twice', input)", good=GOOD)
    assert ratchet("--from-fs", home / "all").returncode == 0


def test_a_known_task_is_tested_by_name(ratchet: Run) -> None:
    done = ratchet("--task", "text-statistics", "--no-coverage", "--parallel", "2")
    assert done.returncode == 0
    assert "✓ empty-text" in done.stdout
    unknown = ratchet("--task", "text-statistic")
    assert unknown.returncode == 1 and "error[task_not_found]" in unknown.stderr


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("Quot", ["never-closed-quote", "quotes"]),
        ("*quotes", ["quotes"]),
        ("csv-to-json/n*", ["never-closed-quote", "no-header", "nothing-is-lost", "null-values"]),
    ],
)
def test_a_pattern_chooses_tests(pattern: str, found: list[str], ratchet: Run) -> None:
    report = json.loads(ratchet("--task", "csv-to-json", "--filter", pattern, "--json", "--no-coverage").stdout)
    assert [test["name"] for test in report["tasks"][0]["tests"]] == found


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--task", "a", "--from-fs", "."],
        ["--from-fs", "gone"],
        ["--from-fs", "untested/metadata.json"],
        ["--from-fs", ".", "--parallel", "0"],
        ["--from-fs", ".", "--watch", "--json"],
        ["--from-fs", "."],
        ["--from-fs", "untested"],
        ["--task", "csv-to-json", "--filter", "no such test"],
    ],
)
def test_nothing_to_run_and_wrong_usage_end_with_2(arguments: list[str], ratchet: Run, home: Path) -> None:
    make_task(home / "untested")
    done = ratchet(*arguments)
    assert done.returncode == 2, done.stdout
    assert done.stderr and "Traceback" not in done.stderr


def test_json_is_all_that_stdout_holds(ratchet: Run, home: Path) -> None:
    done = ratchet("--from-fs", make_task(home / "twice", good=GOOD, wrong=WRONG), "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["passed"]) == (1, False)
    assert report["totals"] == {"tasks": 1, "tests": 2, "passed": 1, "failed": 1, "not_loaded": 0}
    [task] = report["tasks"]
    assert [test["passed"] for test in task["tests"]] == [True, False]
    wrong = task["tests"][1]
    assert wrong["differences"] == [{"path": "$.twice", "message": "expected 5, got 4"}]
    assert (wrong["expected"], wrong["actual"]) == ({"twice": 5}, {"twice": 4})
    assert wrong["console"] == [{"level": "info", "message": "got 2"}]
    assert task["coverage"] == {"percent": 75.0, "lines": 4, "lines_missed": [4], "never_run": "4"}


def test_junit_xml_is_written_for_ci(ratchet: Run, home: Path) -> None:
    make_task(home / "all" / "twice", good=GOOD, wrong=WRONG)
    make_task(home / "all" / "broken", code="const x = ;")
    done = ratchet("--from-fs", home / "all", "--junit", home / "report.xml")
    assert done.returncode == 1
    root = ElementTree.parse(home / "report.xml").getroot()
    assert root.tag == "testsuites" and (root.get("tests"), root.get("failures"), root.get("errors")) == ("3", "1", "1")
    assert {suite.get("name", "").rpartition("/")[2] for suite in root} == {"twice@1.0.0", "broken"}
    bad = ratchet("--from-fs", home / "all", "--junit", home / "no" / "such" / "report.xml")
    assert bad.returncode == 1 and "report.xml cannot be written" in bad.stderr


def test_tests_of_a_known_task_are_recorded_and_those_of_a_folder_leave_nothing_behind(ratchet: Run, home: Path) -> None:
    assert ratchet("--from-fs", make_task(home / "twice", good=GOOD)).returncode == 0
    assert not (home / "store.db").exists()
    assert ratchet("--task", "text-statistics", "--filter", "empty-text").returncode == 0
    with sqlite3.connect(home / "store.db") as database:
        rows = database.execute("select origin, task, status from executions").fetchall()
    database.close()
    assert rows == [("test", "text-statistics", "completed")]


def test_text_of_a_task_cannot_move_the_cursor(ratchet: Run, home: Path) -> None:
    code = "() => { console.log('\\x1b[2J'); return '\\x1b[31m'; }"
    done = ratchet("--from-fs", make_task(home / "evil", code=code, wrong={"input": {}, "expected_output": "\x1b[0m"}))
    assert done.returncode == 1 and "\x1b" not in done.stdout and "\\x1b[2J" in done.stdout


def test_a_bundled_collection_passes(ratchet: Run, home: Path) -> None:
    for name in ("csv-to-json", "text-statistics", "weather"):
        (home / "some" / name).parent.mkdir(exist_ok=True)
        shutil.copytree(ROOT / "registry" / name, home / "some" / name)
    done = ratchet("--from-fs", home / "some")
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("✓ csv-to-json@") == 1 and " 0 failed in" in done.stdout


def test_on_a_terminal_there_are_colours_and_a_bar(home: Path) -> None:
    task = make_task(home / "twice", good=GOOD, wrong=WRONG)
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"}
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "CI"):
        environment.pop(name, None)
    process = subprocess.Popen([*COMMAND, "test", "--from-fs", str(task)], stdout=follower, stderr=follower, env=environment)
    os.close(follower)
    text = b""
    while True:
        try:
            data = os.read(leader, 65536)
        except OSError:  # the other side is closed
            break
        if not data:
            break
        text += data
    os.close(leader)
    assert process.wait(LIMIT_SECONDS) == 1
    shown = text.decode()
    assert '\x1b[31m      -  "twice": 5' in shown and '\x1b[32m      +  "twice": 4' in shown
    assert "testing" in shown and "2/2" in shown


# ---------------------------------------------------------------- watching
class Watching:
    """A `ratchet test --watch` process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.text = ""

    async def until(self, pattern: str) -> str:
        """Read until a line matches; return what was read since the last time."""
        assert self.process.stdout is not None
        read = ""
        while not re.search(pattern, read):
            line = await asyncio.wait_for(self.process.stdout.readline(), LIMIT_SECONDS)
            assert line, f"it ended before {pattern!r}: {self.text}{read}"
            read += line.decode()
        self.text += read
        return read

    async def interrupt(self) -> int:
        assert self.process.stdout is not None
        self.process.send_signal(signal.SIGINT)
        self.text += (await asyncio.wait_for(self.process.stdout.read(), LIMIT_SECONDS)).decode()
        return await asyncio.wait_for(self.process.wait(), LIMIT_SECONDS)


Watch = Callable[..., Awaitable[Watching]]


@pytest.fixture
async def watch() -> AsyncIterator[Watch]:
    started: list[asyncio.subprocess.Process] = []

    async def start(*arguments: str | Path) -> Watching:
        process = await asyncio.create_subprocess_exec(
            *COMMAND, "test", "--watch", "--no-coverage", *map(str, arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        started.append(process)
        return Watching(process)

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.wait()
        transport = getattr(process, "_transport", None)
        if transport is not None:
            transport.close()


async def test_a_changed_task_is_tested_again_and_only_that(watch: Watch, home: Path) -> None:
    make_task(home / "all" / "one", good=GOOD)
    two = make_task(home / "all" / "two", good=GOOD)
    watching = await watch("--from-fs", home / "all")
    assert "one@1.0.0" in await watching.until("Watching")
    (two / "main.js").write_text(CODE.replace("* 2", "* 3"))
    again = await watching.until("failed in")
    assert "✗ two@1.0.0" in again and "one@1.0.0" not in again
    (two / "main.js").write_text("function main( {")
    assert "two cannot be tested" in await watching.until("cannot be loaded in")
    (two / "main.js").write_text(CODE)
    assert "✓ two@1.0.0" in await watching.until("1 passed, 0 failed in")
    make_task(home / "all" / "three", good=GOOD)
    assert "✓ three@1.0.0" in await watching.until("1 passed, 0 failed in")
    shutil.rmtree(home / "all" / "one")
    (two / "tests" / "good.json").write_text(json.dumps(WRONG))
    assert "✗ two@1.0.0" in await watching.until("failed in")
    assert await watching.interrupt() == 0
    assert "Traceback" not in watching.text


async def test_a_burst_of_changes_is_one_round(watch: Watch, home: Path) -> None:
    task = make_task(home / "twice", good=GOOD)
    watching = await watch("--from-fs", task)
    await watching.until("Watching")
    for number in range(20):
        (task / "main.js").write_text(f"{CODE}// {number}\n")
    (task / "tests" / "more.json").write_text(json.dumps(GOOD))
    await watching.until("2 passed, 0 failed in")
    (task / "tests" / "good.json").write_text(json.dumps(WRONG))
    await watching.until("1 passed, 1 failed in")
    assert await watching.interrupt() == 0
    assert 3 <= watching.text.count(" failed in") <= 4, watching.text


async def test_a_zip_that_is_replaced_is_tested_again(watch: Watch, home: Path) -> None:
    task = make_task(home / "twice", good=GOOD)
    file = Path(shutil.make_archive(str(home / "packed"), "zip", task))
    watching = await watch("--from-fs", file)
    await watching.until("Watching")
    (task / "tests" / "good.json").write_text(json.dumps(WRONG))
    os.replace(shutil.make_archive(str(home / "other"), "zip", task), file)
    await watching.until("0 passed, 1 failed in")
    assert await watching.interrupt() == 0


async def test_ctrl_c_during_a_test_ends_cleanly(watch: Watch, home: Path) -> None:
    code = "async () => { await new Promise((resolve) => setTimeout(resolve, 20000)); }"
    make_task(home / "all" / "a", good=GOOD)
    make_task(home / "all" / "b", code=code, slow={"input": {}})
    watching = await watch("--from-fs", home / "all")
    await watching.until("a@1.0.0")
    assert await watching.interrupt() == 0
    assert "Traceback" not in watching.text


async def test_a_folder_that_disappears_is_told(watch: Watch, home: Path) -> None:
    task = make_task(home / "twice", good=GOOD)
    watching = await watch("--from-fs", task)
    await watching.until("Watching")
    shutil.rmtree(task)
    await watching.until("there is no such file or folder")
    assert watching.process.stdout is not None
    assert b"Traceback" not in await watching.process.stdout.read()
    assert await asyncio.wait_for(watching.process.wait(), LIMIT_SECONDS) == 1
