from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_demo_runs_tasks_shows_a_failure_and_leaves_nothing_behind(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, ROOT / "sample" / "clients" / "demo.py"], capture_output=True, text=True, cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    for words in (
        "text-statistics",
        "csv-to-json",
        "input_invalid",
        "timeout",
        "completed",
        "expected 90, got -900",
        "tools/list has it now: True",
        ": completed at attempt 1 of 3",
    ):
        assert words in done.stdout
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
