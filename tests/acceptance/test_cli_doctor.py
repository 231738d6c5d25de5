from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from command_line import ratchet

from ratchet_mcp.cli import proofs


@pytest.fixture(autouse=True)
def a_home_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))


@pytest.fixture
def one_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prove one limit, where the proofs are not what a test is about."""
    monkeypatch.setattr(proofs, "PROOFS", proofs.PROOFS[:1])


def doctor(*options: str) -> subprocess.CompletedProcess[str]:
    return ratchet("doctor", *options)


def checks(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in json.loads(done.stdout)["checks"]}


def test_the_doctor_proves_every_limit_with_real_workers() -> None:
    done = doctor("--json")
    found = checks(done)
    assert (done.returncode, json.loads(done.stdout)["healthy"]) == (0, True), done.stdout + done.stderr
    proven = {name: check["detail"].split(" ")[0] for name, check in found.items() if check["area"] == "limits"}
    assert proven == {
        "a busy loop meets the time limit": "timeout",
        "a busy loop meets the processor limit": "cpu_limit",
        "a memory bomb meets the memory limit": "memory_limit",
        "a flood of log lines meets the log limit": "log_limit",
        "a huge output meets the output limit": "output_too_large",
        "endless recursion is an error of the task": "stack_overflow",
        "a promise that nothing can settle is noticed": "never_settles",
        "a task finds no way to the machine": "it",
    }
    assert found["isolation"]["detail"].startswith("full")
    assert {"Python", "pythonmonkey", "SES", "store", "tasks", "settings"} <= set(found)


@pytest.mark.usefixtures("one_proof")
def test_the_doctor_talks_to_people_and_leaves_stderr_empty() -> None:
    done = doctor()
    assert (done.returncode, done.stderr) == (0, "")
    assert "✓ a busy loop meets the time limit" in done.stdout
    assert "checks passed." in done.stdout


@pytest.mark.usefixtures("one_proof")
def test_wrong_settings_are_one_finding_and_the_rest_is_examined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATCHET_LIMITS__CPU", "3")
    done = doctor("--json")
    found = checks(done)
    assert done.returncode == 1
    assert (found["settings"]["state"], found["isolation"]["state"]) == ("missing", "ok")
    assert "RATCHET_LIMITS__CPU" in found["settings"]["detail"]


@pytest.mark.usefixtures("one_proof")
def test_a_store_that_cannot_be_written_is_one_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATCHET_STORE__URL", "sqlite:////proc/nowhere/ratchet.db")
    done = doctor("--json")
    assert done.returncode == 1
    assert (checks(done)["store"]["state"], checks(done)["isolation"]["state"]) == ("missing", "ok")
