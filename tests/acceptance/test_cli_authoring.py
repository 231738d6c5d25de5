"""`ratchet validate --fix` and `ratchet generate task`, as a user runs them."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from command_line import ratchet

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def a_home_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))


def careless_task(folder: Path) -> Path:
    task = folder / "Careless Task"
    (task / "tests").mkdir(parents=True)
    (task / "metadata.json").write_text('{\n  // mine\n  "descripton": "Adds one to a number that is given.",\n}\n')
    (task / "main.js").write_text("\ufeff(input) => ({ sum: input.n + 1 })\n")
    (task / "tests" / "one.json").write_text("{input: {n: 1}, expected: {sum: 2},}")
    return task


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_fix_repairs_a_task_shows_the_changes_and_keeps_backups(tmp_path: Path) -> None:
    task = careless_task(tmp_path)
    before = contents(task)
    assert ratchet("validate", "--from-fs", task).returncode == 1
    done = ratchet("validate", "--from-fs", task, "--fix")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("careless-task@0.1.0: valid")
    assert '-  "descripton"' in done.stderr and '+  "description"' in done.stderr
    assert "made the schema from 1 tests" in done.stderr
    after = contents(task)
    backups = {name.partition(".backup-")[0]: data for name, data in after.items() if ".backup-" in name}
    assert backups == before
    assert json.loads((task / "input.schema.json").read_text())["required"] == ["n"]
    again = ratchet("validate", "--from-fs", task, "--fix")
    assert "nothing to repair" in again.stderr and contents(task) == after


def test_a_dry_run_writes_nothing_and_says_so_by_its_status(tmp_path: Path) -> None:
    task = careless_task(tmp_path)
    before = contents(task)
    done = ratchet("validate", "--from-fs", task, "--fix", "--dry-run", "--json")
    assert done.returncode == 1
    [fixes] = json.loads(done.stdout)["fixes"]
    assert fixes["written"] is False
    assert {each["file"] for each in fixes["changes"]} == {
        *("metadata.json", "main.js", "tests/one.json", "input.schema.json", "output.schema.json"),
    }
    assert contents(task) == before
    assert ratchet("validate", "--from-fs", ROOT / "registry" / "csv-to-json", "--fix", "--dry-run").returncode == 0


def test_what_cannot_be_repaired_is_told_and_the_rest_is_repaired(tmp_path: Path) -> None:
    task = careless_task(tmp_path)
    (task / "main.js").write_text("function main( {")
    done = ratchet("validate", "--from-fs", task, "--fix")
    assert done.returncode == 1
    assert "main.js:1" in done.stderr
    assert json.loads((task / "metadata.json").read_text())["name"] == "careless-task"


def test_a_link_that_leaves_the_task_is_not_written_through(tmp_path: Path) -> None:
    task = careless_task(tmp_path)
    outside = tmp_path / "outside.json"
    (task / "input.schema.json").symlink_to(outside)
    done = ratchet("validate", "--from-fs", task, "--fix")
    assert done.returncode == 1 and not outside.exists()


def test_a_zip_is_not_repaired(tmp_path: Path) -> None:
    archive = tmp_path / "task.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(careless_task(tmp_path) / "main.js", "main.js")
    done = ratchet("validate", "--from-fs", archive, "--fix")
    assert done.returncode == 1 and "not a folder" in done.stderr


def test_validate_tells_what_is_doubtful_and_fails_for_what_can_never_work(tmp_path: Path) -> None:
    task = careless_task(tmp_path)
    ratchet("validate", "--from-fs", task, "--fix")
    (task / "main.js").write_text("(input) => {\n  while (true) {}\n}\n")
    done = ratchet("validate", "--from-fs", task)
    assert done.returncode == 1
    assert "not valid" in done.stdout
    assert "error[returns-nothing] main.js:1:1" in done.stderr
    assert "warning[endless-loop] main.js:2:3" in done.stderr
    report = json.loads(ratchet("validate", "--from-fs", task, "--json").stdout)
    assert {each["code"] for each in report["findings"]} >= {"returns-nothing", "endless-loop", "unused-input"}


def test_every_task_of_a_collection_zip_is_checked(tmp_path: Path) -> None:
    archive = tmp_path / "col.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name in ("csv-to-json", "text-statistics"):
            for path in (ROOT / "registry" / name).rglob("*.*"):
                file.write(path, path.relative_to(ROOT / "registry"))
    report = json.loads(ratchet("validate", "--from-fs", archive, "--json").stdout)
    assert [each["task"].partition("@")[0] for each in report["tasks"]] == ["csv-to-json", "text-statistics"]


# ---------------------------------------------------------------- generate
def test_a_generated_task_is_valid_and_its_tests_pass(tmp_path: Path) -> None:
    task = tmp_path / "My Words"
    done = ratchet("generate", "task", "--path", task, "--label", "Count my words", "--template", "text", "--json")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert (made["task"], made["template"]) == ("my-words@1.0.0", "text")
    metadata = json.loads((task / "metadata.json").read_text())
    assert (metadata["title"], metadata["uuid"]) == ("Count my words", made["uuid"])
    assert ratchet("validate", "--from-fs", task).returncode == 0
    assert ratchet("test", "--from-fs", task, "--no-coverage").returncode == 0


def test_templates_are_listed(tmp_path: Path) -> None:
    listed = json.loads(ratchet("generate", "task", "--list", "--json").stdout)
    assert "pipeline" in {each["name"] for each in listed["templates"]}
    assert "pipeline" in ratchet("generate", "task", "--list").stdout


@pytest.mark.parametrize("wrong", ["folder", "template", "name", "label"])
def test_a_task_that_cannot_be_generated_leaves_nothing_behind(tmp_path: Path, wrong: str) -> None:
    task = tmp_path / ("日本" if wrong == "name" else "mine")
    if wrong == "folder":
        task.mkdir()
        (task / "precious.txt").write_text("mine")
    options = {"template": ["--template", "tect"], "label": ["--label", "a\u202eb"]}.get(wrong, [])
    done = ratchet("generate", "task", "--path", task, *options)
    assert done.returncode == 1 and "error[" in done.stderr
    if wrong == "template":
        assert "did you mean text?" in done.stderr
    assert [path.name for path in task.iterdir()] == ["precious.txt"] if wrong == "folder" else not task.exists()
