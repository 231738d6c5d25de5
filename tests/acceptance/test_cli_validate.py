from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path

import pytest
from command_line import ratchet

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def a_home_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))


def validate(path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return ratchet("validate", "--from-fs", path, *options)


def broken_task(folder: Path) -> Path:
    path = folder / "broken"
    path.mkdir()
    (path / "metadata.json").write_text('{"uuid": "no", "name": "Broken Name", "version": "1"}')
    (path / "main.js").write_text("function main(input) {\n  return input.;\n}\n")
    (path / "input.schema.json").write_text('{"type": "objekt"}')
    (path / "output.schema.json").write_text("{")
    return path


def test_every_bundled_task_is_valid() -> None:
    done = validate(ROOT / "registry", "--json")
    assert done.returncode == 0, done.stdout
    report = json.loads(done.stdout)
    assert len(report["tasks"]) >= 8
    assert all(task["tests"] >= 3 for task in report["tasks"])


def test_a_valid_task_says_its_name_form_and_tests() -> None:
    done = validate(ROOT / "registry" / "text-statistics")
    assert done.returncode == 0
    assert done.stdout.startswith("text-statistics@")
    assert "tests)" in done.stdout


def test_a_zip_of_a_task_is_valid_too(tmp_path: Path) -> None:
    archive = tmp_path / "task.zip"
    folder = ROOT / "registry" / "text-statistics"
    with zipfile.ZipFile(archive, "w") as file:
        for path in folder.rglob("*.*"):
            file.write(path, path.relative_to(folder))
    assert validate(archive).returncode == 0


def test_everything_wrong_with_a_task_is_told_at_once(tmp_path: Path) -> None:
    done = validate(broken_task(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    for words in ("uuid", "Broken Name", "version", "main.js:2", "input.schema.json", "output.schema.json"):
        assert words in done.stderr


def test_problems_come_as_json_with_file_and_line(tmp_path: Path) -> None:
    done = validate(broken_task(tmp_path), "--json")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert report["valid"] is False
    assert [problem["line"] for problem in report["problems"] if problem["file"] == "main.js"] == [2]


def test_a_path_that_is_no_task_is_an_error(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "gone"):
        done = validate(path)
        assert (done.returncode, done.stdout) == (1, "")
        assert "error[task_invalid]" in done.stderr
