from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from command_line import ratchet
from typer.testing import CliRunner

from ratchet_mcp import __version__
from ratchet_mcp.cli.checks import SES_DIGEST, SES_VERSION
from ratchet_mcp.cli.main import app
from ratchet_mcp.cli.output import print_error, printable
from ratchet_mcp.errors import InputInvalid, SettingsInvalid, TaskFailed, TaskInvalid, TaskNotFound
from ratchet_mcp.settings import Settings

ROOT = Path(__file__).parents[3]


def run(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return ratchet(*arguments, env=env)


@pytest.fixture(autouse=True)
def a_home_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))


def test_the_version_is_printed() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout == f"ratchet {__version__}\n"


def test_the_version_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom ratchet_mcp.cli.main import app\n"
        "heavy = {'mcp', 'pydantic', 'rich', 'sqlmodel', 'starlette', 'uvicorn', 'anyio', 'jsonschema', 'tree_sitter', 'yaml'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


@pytest.mark.parametrize(
    "arguments",
    [
        ["run-once"],
        ["run-once", "--task", "a", "--from-fs", "b"],
        ["run-once", "--task", "a", "--input-json", "1", "--input-file", "f"],
        ["mcp", "--transport", "pigeon"],
        ["mcp", "--port", "80"],
        ["no-such-command"],
    ],
)
def test_wrong_usage_ends_with_2_and_leaves_stdout_empty(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr


def test_wrong_settings_end_with_1_and_name_the_key_on_stderr() -> None:
    result = run("config", "show", env={"RATCHET_LIMITS__TIMEOUT": "5"})
    assert (result.returncode, result.stdout) == (1, "")
    assert "RATCHET_LIMITS__TIMEOUT: limits.timeout: There is no such key." in result.stderr
    assert "Traceback" not in result.stderr


def test_input_that_is_no_json_names_line_and_column() -> None:
    result = run("run-once", "--task", "x", "--input-json", '{"a": }')
    assert result.returncode == 1
    assert "--input-json is not JSON: Expecting value (line 1, column 7)" in result.stderr


def test_input_that_holds_nan_is_refused() -> None:
    result = run("run-once", "--task", "x", "--input-json", "[NaN]")
    assert result.returncode == 1
    assert "JSON has no NaN" in result.stderr


def test_an_input_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = run("run-once", "--task", "x", "--input-file", str(tmp_path / "gone.json"))
    assert result.returncode == 1
    assert "gone.json cannot be read: No such file" in result.stderr


def test_config_show_prints_yaml_that_is_the_settings() -> None:
    shown = yaml.safe_load(CliRunner().invoke(app, ["config", "show"]).stdout)
    assert Settings.model_validate(shown) == Settings()


def test_config_show_tells_where_a_value_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("limits:\n  cpu_seconds: 3\n")
    monkeypatch.setenv("RATCHET_SERVER__PORT", "81")
    lines = CliRunner().invoke(app, ["config", "show", "--origin", "--config", str(path)]).stdout.splitlines()
    origins = {line.split(":")[0].strip(): line.split("# ")[1] for line in lines if "# " in line}
    assert (origins["cpu_seconds"], origins["port"], origins["memory_mb"]) == (f"{path}:2", "RATCHET_SERVER__PORT", "default")
    as_json = json.loads(CliRunner().invoke(app, ["config", "show", "--origin", "--json", "--config", str(path)]).stdout)
    assert as_json["limits.cpu_seconds"] == {"value": 3.0, "origin": f"{path}:2"}


def test_config_show_hides_the_password_of_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATCHET_STORE__URL", "postgresql://me:s3cret@db.example/ratchet")
    shown = CliRunner().invoke(app, ["config", "show"]).stdout
    assert "postgresql://me:***@db.example/ratchet" in shown
    assert "s3cret" not in shown


def test_config_validate_checks_every_profile(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("profiles:\n  good: {limits: {cpu_seconds: 3}}\n  bad: {limits: {cpu: 3}}\n")
    result = run("config", "validate", "--config", str(path))
    assert result.returncode == 1
    assert f"{path}:3: limits.cpu: There is no such key. Did you mean limits.cpu_seconds?" in result.stderr


def test_config_validate_says_what_it_checked(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("profiles: {fast: {}}\n")
    assert (
        CliRunner().invoke(app, ["config", "validate", "--config", str(path)]).stdout
        == f"The settings are valid ({path}, profiles: fast).\n"
    )
    report = json.loads(CliRunner().invoke(app, ["config", "validate", "--json", "--config", str(path)]).stdout)
    assert report == {"valid": True, "file": str(path), "profiles": ["fast"]}


def test_config_generate_writes_a_file_once(tmp_path: Path) -> None:
    path = tmp_path / "new" / "ratchet.yaml"
    assert run("config", "generate", "--output", str(path)).returncode == 0
    assert run("config", "validate", "--config", str(path)).returncode == 0
    again = run("config", "generate", "--output", str(path))
    assert again.returncode == 1
    assert "is there already" in again.stderr
    assert run("config", "generate", "--output", str(path), "--force").returncode == 0


def test_an_error_shows_place_frame_and_hint(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(TaskFailed("Error: no", hint="Do this.", details={"line": 3, "column": 5, "frame": "> 3 | throw x\n    |     ^"}))
    assert capsys.readouterr().err == "error[task_error]: Error: no\n  at main.js:3:5\n> 3 | throw x\n    |     ^\nhint: Do this.\n"


def test_an_error_lists_each_problem_and_violation(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(TaskInvalid("Bad task.", details={"problems": [{"file": "main.js", "line": 2, "column": 3, "message": "no"}]}))
    print_error(InputInvalid("Bad input.", details={"violations": [{"path": "$.a", "message": "must be a number", "keyword": "type"}]}))
    print_error(TaskNotFound("No x.", details={"suggestions": ["xy"]}))
    print_error(SettingsInvalid("Bad.", details={"problems": [{"key": "a.b", "source": "f:1", "message": "no"}]}))
    said = capsys.readouterr().err
    for line in ("  - main.js:2:3: no\n", "  - $.a: must be a number\n", "  near: xy\n", "  - f:1 a.b: no\n"):
        assert line in said


def test_text_of_a_task_cannot_move_the_cursor_of_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(TaskFailed("\x1b[2Jgone [bold]not markup[/bold]"))
    assert capsys.readouterr().err == "error[task_error]: \\x1b[2Jgone [bold]not markup[/bold]\n"
    assert printable("é\t✓\x07") == "é\t✓\\x07"


def test_the_doctor_knows_the_ses_that_package_json_brings() -> None:
    package = json.loads((ROOT / "package.json").read_text())
    assert package["dependencies"]["ses"] == SES_VERSION
    assert package["shipped"]["ses/dist/ses.umd.min.js"] == SES_DIGEST
