"""`ratchet repo` as a person uses it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import ratchet
from git_repositories import Repository
from index_server import IndexServer, index_server, task_files

from ratchet_mcp.cli import proofs

SECRET = "s3cret-t0ken"


@pytest.fixture(autouse=True)
def a_home_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def server() -> Iterator[IndexServer]:
    with index_server() as running:
        running.add()
        yield running


def repo(*arguments: object, status: int = 0) -> Any:
    done = ratchet("repo", *arguments, "--json")
    assert done.returncode == status, done.stdout + done.stderr
    return json.loads(done.stdout) if done.stdout else done.stderr


def settings_file(tmp_path: Path) -> Path:
    return tmp_path / "home" / "ratchet" / "config.yaml"


def test_a_new_collection_works_at_once(tmp_path: Path) -> None:
    report = repo("init", "mine")
    assert report["task"] == "mine/greet"
    assert ratchet("validate", "--from-fs", "mine").returncode == 0
    assert repo("add", "mine")["tasks"] == 1
    done = (
        ratchet("run-once", "--task", "greet", "--input-json", '{"name": "Ada"}') if "--task" in ratchet("run-once", "-h").stdout else None
    )
    assert done is None or json.loads(done.stdout) == {"greeting": "Hello, Ada!"}
    assert "greet is there already" in ratchet("repo", "init", "mine").stderr


def test_a_collection_is_published_and_used_by_others(tmp_path: Path) -> None:
    report = repo("init", "mine", "--index", "--title", "Our tasks")
    site = Path(report["index"]["index"]).parent
    with index_server() as server:
        server.files = {f"/{file.name}": file.read_bytes() for file in site.iterdir()}
        assert repo("add", server.index_url, "--name", "web")["tasks"] == 1
        verified = repo("verify", "web")
        assert [(each["task"], each["valid"], each["tests"]) for each in verified["tasks"]] == [("greet@1.0.0", True, 2)]


def test_adding_keeps_the_file_and_a_backup(tmp_path: Path, server: IndexServer) -> None:
    file = settings_file(tmp_path)
    file.parent.mkdir(parents=True)
    text = "# ours\nlimits:\n  timeout_seconds: 7  # short\n"
    file.write_text(text)
    dry = repo("add", server.index_url, "--name", "web", "--dry-run")
    assert file.read_text() == text and not dry["written"]
    report = repo("add", server.index_url, "--name", "web", "--set", "refresh_seconds=60")
    assert file.read_text().startswith(text)
    assert Path(report["backup"]).read_text() == text
    assert report["source"]["config"] == {"refresh_seconds": 60}
    assert "already" in repo("add", server.index_url, "--name", "web", status=1)
    assert ratchet("config", "validate").returncode == 0
    listed = repo("list")["sources"]
    assert [(each["name"], each["kind"], each["remote"]) for each in listed] == [("web", "http", True), ("bundled", "bundled", False)]
    assert repo("add", tmp_path, "--name", "early", "--first", "--no-check")["position"] == 1
    assert [each["name"] for each in repo("list")["sources"]] == ["early", "web", "bundled"]


def test_a_source_that_does_not_answer_is_not_added(tmp_path: Path) -> None:
    with index_server() as gone:
        url = gone.index_url
    assert "--no-check" in repo("add", url, "--set", "attempts=1", status=1)
    assert not settings_file(tmp_path).exists()
    assert repo("add", url, "--no-check")["written"]


@pytest.mark.parametrize(
    "arguments",
    [
        (f"https://user:{SECRET}@example.com/index.json",),
        (f"git+https://{SECRET}@example.com/tasks.git",),
        ("https://example.com/index.json", "--set", f"token={SECRET}"),
        ("https://example.com/index.json", "--token-env", SECRET),
    ],
)
def test_a_password_is_refused_with_advice_and_not_repeated(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = ratchet("repo", "add", *arguments, "--no-check")
    assert done.returncode == 1
    assert "token_env" in done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert not settings_file(tmp_path).exists()


def test_passwords_that_stand_in_the_settings_are_shown_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proofs, "PROOFS", ())
    file = settings_file(tmp_path)
    file.parent.mkdir(parents=True)
    file.write_text(
        f"registry:\n  sources:\n    - name: bad\n      uri: https://user:{SECRET}@example.com/index.json\n"
        f"    - name: worse\n      uri: https://example.com/index.json\n      config: {{token: {SECRET}}}\n"
    )
    for command in (
        ("repo", "list"),
        ("repo", "status"),
        ("repo", "verify", "bad"),
        ("repo", "refresh", "bad"),
        ("config", "show"),
        ("doctor",),
    ):
        for further in ((), ("--json",)):
            done = ratchet(*command, *further)
            assert SECRET not in done.stdout + done.stderr, command


def test_a_repository_is_refreshed_and_survives_its_disappearance(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    repository.task("tasks/double", task_files())
    commit = repository.commit()
    repo("add", repository.uri, "--name", "team", "--branch", "main", "--folder", "tasks")
    status = repo("status", "team")["sources"][0]
    assert (status["tasks"], status["commit"]) == (1, commit)
    repository.task("tasks/triple", task_files("triple"))
    repository.commit()
    assert repo("refresh", "team")["added"] == ["triple"]
    (tmp_path / "repository").rename(tmp_path / "moved")
    report = repo("refresh", "team", status=1)
    assert [problem["error"]["code"] for problem in report["problems"]] == ["source_failed"]
    assert repo("status", "team")["sources"][0]["tasks"] == 2
    assert all(task["valid"] for task in repo("verify", "team")["tasks"])


def test_a_task_that_was_never_fetched_is_not_found_with_the_command_that_fetches_it(tmp_path: Path, server: IndexServer) -> None:
    settings = settings_file(tmp_path)
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"registry": {"sources": [{"name": "web", "uri": server.index_url}]}}))
    run = ("run-once", "--task", "double", "--input-json", '{"n": 21}')
    missing = ratchet(*run)
    assert (missing.returncode, missing.stdout) == (1, "")
    assert "There is no task 'double'." in missing.stderr
    assert "Nothing has been fetched yet of web: `ratchet repo refresh` does that" in missing.stderr
    assert repo("refresh")["added"] == ["double"]
    assert json.loads(ratchet(*run).stdout) == {"doubled": 42}


def test_verify_tells_a_lying_index_from_an_honest_one(server: IndexServer) -> None:
    server.add("evil", entry={"sha256": "0" * 64})
    server.add("broken", code="function (")
    repo("add", server.index_url, "--name", "web")
    report = repo("verify", "web", status=1)
    assert {task["task"]: task["valid"] for task in report["tasks"]} == {"double@1.0.0": True, "evil@1.0.0": False, "broken@1.0.0": False}
    text = ratchet("repo", "verify", "web")
    assert text.returncode == 1
    assert "BAD evil@1.0.0 (web)" in text.stdout
    assert "SHA-256" in text.stderr and "'web'" in text.stderr


def test_changed_content_is_accepted_when_the_user_says_so(server: IndexServer) -> None:
    repo("add", server.index_url, "--name", "web")
    repo("refresh", "web", "--accept-changed")
    server.add(code="(function() { return 1; })")
    report = repo("refresh", "web", "--accept-changed")
    assert report["changed"] == ["double"]
    assert not report["problems"]


def test_tasks_are_disabled_and_enabled(server: IndexServer) -> None:
    assert repo("disable", "text-statistics") == {"task": "text-statistics", "enabled": False}
    assert repo("enable", "text-statistics") == {"task": "text-statistics", "enabled": True}
    assert "text-statistics" in repo("disable", "text-statistic", status=1)


@pytest.mark.parametrize("command", ["status", "refresh", "verify"])
def test_an_unknown_source_is_told_with_those_that_are_there(command: str) -> None:
    assert "bundled" in repo(command, "nowhere", status=1)


def test_tables_for_people_hold_every_source(server: IndexServer) -> None:
    repo("add", server.index_url, "--name", "web")
    for command in ("list", "status"):
        done = ratchet("repo", command)
        assert done.returncode == 0
        assert "web" in done.stdout and "bundled" in done.stdout


def test_publishing_into_the_folder_itself_is_refused(tmp_path: Path) -> None:
    repo("init", "mine")
    assert "--output" in repo("index", "mine", "--output", "mine", status=1)
    write: Callable[..., int] = (tmp_path / "mine" / "greet" / "main.js").write_text
    write("function (")
    report = repo("index", "mine", status=1)
    assert report["tasks"] == [] and len(report["problems"]) == 1


def test_tasks_are_exported_into_a_file_that_is_a_source(tmp_path: Path) -> None:
    for name in ("all.zip", "all.json"):
        report = repo("export", "csv-to-json", "text-diff@*", "json-query", "html-to-text", "--output", name)
        assert report["tasks"] == ["csv-to-json@1.0.0", "html-to-text@1.0.0", "json-query@1.0.0", "text-diff@1.0.0"]
        assert (tmp_path / name).stat().st_size == report["bytes"]
    assert repo("add", "all.zip")["tasks"] == 4
    assert "--force" in repo("export", "csv-to-json", "--output", "all.zip", status=1)
    assert ".json" in repo("export", "csv-to-json", "--output", "all.txt", status=1)
    assert "task_not_found" in repo("export", "nothing", "--output", "new.zip", status=1)
    assert not (tmp_path / "new.zip").exists()
