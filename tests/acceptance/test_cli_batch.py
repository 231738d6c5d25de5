"""`ratchet batch` and `ratchet cache` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import ratchet
from task_folders import add_task


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RATCHET_STORE__URL", f"sqlite:///{tmp_path / 'store.db'}")
    monkeypatch.setenv("RATCHET_REGISTRY__SOURCES", json.dumps([{"name": "mine", "uri": str(tmp_path / "tasks")}]))
    monkeypatch.chdir(tmp_path)
    add_task(tmp_path / "tasks", "chance", "() => Math.random()", name="chance", version="1.0.0", cache={"ttl": "1h"})
    add_task(tmp_path / "tasks", "fail", "() => { throw new Error('no') }", name="fail", version="1.0.0")
    return tmp_path


BATCH = """
mode: dependency
requests:
  - id: count
    task: text-statistics
    input: {text: to be or not to be}
  - id: again
    task: chance
    input: {seen: {$from: count, path: /words}, day: 2026-01-31}
    when: {from: count, path: /words, op: ">", value: 3}
"""


def test_a_file_of_requests_runs_as_a_batch_and_results_are_cached(home: Path) -> None:
    (home / "batch.yaml").write_text(BATCH)
    first = ratchet("batch", "batch.yaml")
    assert first.returncode == 0, first.stderr
    told = json.loads(first.stdout)
    assert told["status"] == "completed"
    assert [each["status"] for each in told["results"]] == ["completed", "completed"]
    assert "[batch] 2 of 2: again" in first.stderr
    second = json.loads(ratchet("batch", "batch.yaml").stdout)
    assert second["results"][1]["output"] == told["results"][1]["output"]
    assert second["results"][1]["cached_from"] == told["results"][1]["execution_id"]
    status = json.loads(ratchet("cache", "status", "--json").stdout)
    assert [each["task"] for each in status["tasks"]] == ["chance"]
    assert "chance" in ratchet("cache", "status").stdout
    again = ratchet("run-once", "--task", "chance", "--input-json", json.dumps({"seen": 6, "day": "2026-01-31"}))
    assert json.loads(again.stdout) == told["results"][1]["output"]
    assert f"[cached] this is the output of {told['results'][1]['execution_id']}" in again.stderr
    fresh = ratchet("run-once", "--task", "chance", "--fresh", "--input-json", json.dumps({"seen": 6, "day": "2026-01-31"}))
    assert json.loads(fresh.stdout) != told["results"][1]["output"]
    assert ratchet("cache", "purge", "chance@2.0.0").stdout == "0 results are forgotten.\n"
    assert ratchet("cache", "purge", "chance").stdout == "1 result is forgotten.\n"
    third = json.loads(ratchet("batch", "batch.yaml").stdout)
    assert "cached_from" not in third["results"][1]


def test_a_batch_that_fails_in_part_ends_with_status_1(home: Path) -> None:
    (home / "batch.json").write_text(json.dumps([{"id": "a", "task": "fail"}, {"id": "b", "task": "chance"}]))
    done = ratchet("batch", "batch.json", "--mode", "sequential", "--stop-on-error")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert [each["status"] for each in told["results"]] == ["failed", "skipped"]


def test_in_the_background_it_is_a_job_that_waits_for_a_server(home: Path) -> None:
    (home / "batch.json").write_text(json.dumps({"requests": [{"id": "b", "task": "chance"}]}))
    done = ratchet("batch", "batch.json", "--background")
    assert done.returncode == 0, done.stderr
    job = json.loads(ratchet("jobs", "show", done.stdout.strip()).stdout)
    assert (job["kind"], job["status"]) == ("batch", "queued")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("none.json", None, "cannot be read"),
        ("bad.json", "[", "cannot be read"),
        ("bad.yaml", "a: [", "cannot be read"),
        ("bomb.yaml", "a: &a [x, x]\nb: [*a, *a]", "aliases"),
        ("odd.json", '{"request": []}', "its members are requests, mode"),
        ("empty.yaml", "", "a list of requests is expected"),
        ("cycle.json", '[{"id": "a", "task": "chance", "depends_on": ["a"]}]', "circle"),
        ("number.yaml", "requests: [{id: 1, task: chance}]", "the id is a text"),
        ("many.json", json.dumps([{"id": str(n), "task": "chance"} for n in range(101)]), "batches.max_requests"),
    ],
)
def test_a_file_that_cannot_run_says_why(home: Path, name: str, text: str | None, message: str) -> None:
    if text is not None:
        (home / name).write_text(text)
    done = ratchet("batch", name)
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stdout == ""
