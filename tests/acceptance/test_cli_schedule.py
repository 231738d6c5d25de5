"""`ratchet schedule`: schedules from the terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import ratchet

WHAT = ("text-statistics", "30 6 * * MON-FRI", "--input-json", '{"text": "a b"}')


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RATCHET_STORE__URL", f"sqlite:///{tmp_path / 'store.db'}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(*arguments: str) -> dict:
    done = ratchet("schedule", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_schedule_is_added_listed_changed_paused_resumed_and_removed() -> None:
    added = ratchet("schedule", "add", *WHAT, "--name", "morning", "--timezone", "Europe/Berlin", "--attempts", "3")
    assert added.stdout.startswith("morning: text-statistics, At 06:30 on Monday through Friday (Europe/Berlin); next: 20")
    (shown,) = told("list")["schedules"]
    assert (shown["name"], shown["retry"]["attempts"], len(shown["next_runs"])) == ("morning", 3, 5)
    assert "morning" in ratchet("schedule", "list", "--task", "text-statistics").stdout

    changed = told("update", "morning", "--cron", "@daily", "--missed", "skip", "--priority", "low", "--name", "nightly")
    assert (changed["cron"], changed["missed"], changed["priority"], changed["name"]) == ("@daily", "skip", "low", "nightly")
    assert (changed["timezone"], changed["input"]) == ("Europe/Berlin", {"text": "a b"})

    assert ratchet("schedule", "pause", "nightly").stdout.endswith("next: paused\n")
    assert told("resume", shown["id"])["status"] == "active"
    assert ratchet("schedule", "remove", "nightly").stdout == "nightly is deleted.\n"
    assert told("list")["schedules"] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(("add", "text-statistics", "61 * * * *"), "bad minute: '61'", id="bad cron"),
        pytest.param(("add", "text-statistics", "0 0 31 2 *"), "never comes true", id="never"),
        pytest.param(("add", *WHAT, "--timezone", "Berlin"), "Did you mean Europe/Berlin?", id="unknown zone"),
        pytest.param(("add", "text-statistics", "@daily", "--input-json", '{"text": 5}'), "input_invalid", id="bad input"),
        pytest.param(("add", "no-such-task", "@daily"), "task_not_found", id="unknown task"),
        pytest.param(("pause", "nobody"), "schedule_not_found", id="unknown schedule"),
    ],
)
def test_what_cannot_be_is_told(arguments: tuple[str, ...], words: str) -> None:
    done = ratchet("schedule", *arguments)
    assert done.returncode == 1
    assert words in done.stderr
    assert done.stdout == ""


def test_a_change_of_nothing_is_wrong_usage() -> None:
    done = ratchet("schedule", "update", "nobody")
    assert done.returncode == 2
    assert "say what to change" in done.stderr
