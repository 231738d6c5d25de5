"""`ratchet jobs`: the queue from the terminal, while a server runs what is in it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from command_line import ratchet

HTTP_SETTINGS = {"RATCHET_MCP__TOOLSETS": '["core", "jobs"]'}
ADD = ("add", "text-statistics", "--input-json", '{"text": "a"}')
LATER = (datetime.now(UTC) + timedelta(days=30)).isoformat()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RATCHET_STORE__URL", f"sqlite:///{tmp_path / 'store.db'}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(*arguments: str) -> dict:
    done = ratchet("jobs", *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_job_is_added_shown_listed_cancelled_and_put_back() -> None:
    added = ratchet("jobs", "add", "text-statistics", "--input-json", '{"text": "a b"}', "--run-at", LATER, "--priority", "high")
    id = added.stdout.strip()
    assert told("show", id)["status"] == "scheduled"
    assert told("list", "--json", "--task", "text-statistics")["jobs"][0]["priority"] == "high"
    assert id in ratchet("jobs", "list", "--status", "scheduled").stdout
    assert told("cancel", id, "--reason", "not now")["cancel_reason"] == "not now"
    twice = ratchet("jobs", "cancel", id)
    assert (twice.returncode, "job_finished" in twice.stderr) == (1, True)
    assert ratchet("jobs", "retry", id).stdout == "1 job runs again.\n"
    assert told("show", id)["status"] == "queued"
    assert ratchet("jobs", "retry", "--all-failed").stdout == "0 jobs run again.\n"


def test_the_queue_is_paused_limited_and_resumed() -> None:
    assert ratchet("jobs", "pause").stdout == "All jobs are paused.\n"
    assert ratchet("jobs", "limit", "text-statistics", "--concurrency", "2", "--rate", "10/m").returncode == 0
    controls = told("status", "--json")["controls"]
    assert {"task": "*", "paused": True} in controls
    assert {"task": "text-statistics", "paused": False, "concurrency": 2, "rate": "10/m"} in controls
    assert "10/m" in ratchet("jobs", "status").stdout
    assert ratchet("jobs", "resume").stdout == "All jobs run again.\n"
    assert ratchet("jobs", "limit", "text-statistics").stdout == "Jobs of text-statistics: no limit.\n"
    assert told("status", "--json")["controls"] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(("add", "no-such-task"), "task_not_found", id="an unknown task"),
        pytest.param(("add", "text-statistics", "--input-json", '{"text": 5}'), "input_invalid", id="an input that does not fit"),
        pytest.param(("add", "text-statistics", "--run-at", "soon"), "2030-01-31", id="no time"),
        pytest.param(("add", "text-statistics", "--delay", "later", "--input-json", '{"text": "a"}'), "delay must be", id="no delay"),
        pytest.param(("show", "nonsense"), "job_not_found", id="an unknown job"),
        pytest.param(("retry",), "all-failed", id="nothing to retry"),
        pytest.param((*ADD, "--delivery", '{"type": "pigeon"}'), "pigeon", id="an unknown kind of destination"),
        pytest.param((*ADD, "--delivery", "nowhere"), "not JSON", id="destinations that are no JSON"),
        pytest.param((*ADD, "--delivery", "@nowhere.json"), "nowhere.json", id="a file of destinations that is not there"),
        pytest.param(("limit", "text-statistics", "--rate", "fast"), "10/m", id="no rate"),
    ],
)
def test_what_cannot_be_done_is_told(arguments: tuple[str, ...], words: str) -> None:
    done = ratchet("jobs", *arguments)
    assert done.returncode != 0
    assert words in done.stderr


def test_a_database_server_that_is_away_is_told_and_waited_for_no_longer_than_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATCHET_STORE__URL", "postgresql://nobody@/none?host=/nowhere")
    monkeypatch.setenv("RATCHET_STORE__BUSY_TIMEOUT_SECONDS", "0.1")
    done = ratchet("jobs", "list")
    assert (done.returncode, done.stdout) == (1, "")
    assert " WARNING ratchet_mcp.store.outage: The database server does not answer" in done.stderr
    assert "error[store_failed]: The database server cannot be reached" in done.stderr
    assert "hint: Check that it runs" in done.stderr


def test_a_job_that_the_terminal_adds_is_run_by_the_server(
    http_server, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    for name, value in http_server.environment.items():
        if name.startswith("RATCHET_"):
            monkeypatch.setenv(name, value)
    done = told("add", "add", "--input-json", '{"a": 20, "b": 22}', "--wait", "20")
    assert (done["status"], done["output"]) == ("completed", 42)
