"""Tasks of real git repositories."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from git_repositories import Repository
from index_server import task_files, task_zip
from remote_scans import LIMITS, failure, found, problems

from ratchet_mcp.errors import SourceFailed, TaskInvalid
from ratchet_mcp.registry.remote import open_remote
from ratchet_mcp.registry.source import Source, TaskProblem
from ratchet_mcp.settings import RegistrySettings, SourceSettings

SECRET = "s3cret-t0ken"
pytestmark = pytest.mark.usefixtures("no_pauses")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "repository")
    made.task("tasks/double", task_files())
    made.commit()
    return made


@pytest.fixture
def opened(repository: Repository, tmp_path: Path) -> Callable[..., Source]:
    """Open the repository as a source; each call is another server with the same cache."""

    def source(uri: str | None = None, **config: Any) -> Source:
        settings = SourceSettings(name="team", uri=uri or repository.uri, config=config)
        return open_remote(settings, RegistrySettings(cache_folder=tmp_path / "cache"), LIMITS)

    return source


def test_the_tasks_of_the_main_branch_are_listed_and_loaded(repository: Repository, opened: Callable[..., Source]) -> None:
    source = opened()
    assert not list(source.scan(LIMITS)), "nothing is asked for before a refresh"
    assert source.refresh()
    assert not source.refresh()
    task = found(source)["double@1.0.0"].place.load(LIMITS, "team")
    assert task.origin == "team"
    assert task.location == f"{repository.uri}#HEAD:tasks/double"
    assert len(task.tests) == 1


def test_a_new_commit_is_fetched_and_tasks_that_stayed_the_same_keep_their_place(
    repository: Repository, opened: Callable[..., Source]
) -> None:
    source = opened()
    source.refresh()
    before = found(source)["double@1.0.0"].place
    repository.task("tasks/triple", task_files("triple"))
    repository.commit()
    assert source.refresh()
    assert set(found(source)) == {"double@1.0.0", "triple@1.0.0"}
    assert found(source)["double@1.0.0"].place == before
    repository.task("tasks/double", task_files(code="(function() { return 1; })"))
    repository.commit()
    source.refresh()
    assert found(source)["double@1.0.0"].place != before
    assert before.load(LIMITS, "team").source != found(source)["double@1.0.0"].place.load(LIMITS, "team").source


def test_branches_tags_and_commits(repository: Repository, opened: Callable[..., Source]) -> None:
    first = repository.git("rev-parse", "HEAD")
    repository.git("tag", "light")
    repository.git("tag", "-a", "v1", "-m", "The first")
    repository.git("checkout", "--quiet", "-b", "feature/next")
    repository.task("tasks/next", task_files("next", "2.0.0-rc.1"))
    repository.commit()
    repository.git("checkout", "--quiet", "main")
    for config, names in (
        ({}, {"double@1.0.0"}),
        ({"branch": "main"}, {"double@1.0.0"}),
        ({"branch": "feature/next"}, {"double@1.0.0", "next@2.0.0-rc.1"}),
        ({"tag": "v1"}, {"double@1.0.0"}),
        ({"tag": "light"}, {"double@1.0.0"}),
        ({"commit": first}, {"double@1.0.0"}),
    ):
        source = opened(**config)
        source.refresh()
        assert set(found(source)) == names, config
    for config in ({"branch": "nowhere"}, {"tag": "main"}, {"commit": "0" * 40}):
        assert isinstance(failure(opened(**config).refresh), SourceFailed)


def test_a_pinned_commit_is_fetched_once_and_never_again(repository: Repository, opened: Callable[..., Source]) -> None:
    commit = repository.git("rev-parse", "HEAD")
    source = opened(commit=commit)
    assert source.refresh()
    assert source.refresh_seconds is None
    shutil.rmtree(repository.path)
    assert not source.refresh()
    assert not opened(commit=commit).refresh()
    assert found(opened(commit=commit))["double@1.0.0"].place.load(LIMITS, "team").name == "double"


def test_a_repository_that_disappears_is_one_clear_error_and_its_tasks_go_on_working(
    repository: Repository, opened: Callable[..., Source]
) -> None:
    source = opened()
    source.refresh()
    shutil.rmtree(repository.path)
    error = failure(source.refresh)
    assert isinstance(error, SourceFailed)
    assert error.details == {"source": "team", "uri": repository.uri}
    assert "'team'" in error.message and "\n" not in error.message and "does not appear to be a git repository" in error.message
    for each in (source, opened()):
        assert found(each)["double@1.0.0"].place.load(LIMITS, "team").name == "double"


def test_a_history_that_was_rewritten_is_taken_as_it_is(repository: Repository, opened: Callable[..., Source]) -> None:
    source = opened()
    source.refresh()
    repository.task("tasks/other", task_files("other"))
    repository.git("checkout", "--quiet", "--orphan", "fresh")
    repository.commit()
    repository.git("branch", "--quiet", "-M", "fresh", "main")
    assert source.refresh()
    assert set(found(source)) == {"double@1.0.0", "other@1.0.0"}


def test_old_commits_are_cleared_away_but_unchanged_tasks_stay_readable(
    repository: Repository, opened: Callable[..., Source], tmp_path: Path
) -> None:
    source = opened()
    source.refresh()
    place = found(source)["double@1.0.0"].place
    for number in range(6):
        repository.write("README.md", str(number))
        repository.commit()
        source.refresh()
    assert len(list((tmp_path / "cache" / "git").glob("*/*.git"))) == 3
    assert place.load(LIMITS, "team").name == "double"


def test_a_folder_of_the_repository_can_be_the_source(repository: Repository, opened: Callable[..., Source]) -> None:
    repository.task("other/triple", task_files("triple"))
    repository.commit()
    source = opened(folder="other")
    source.refresh()
    assert set(found(source)) == {"triple@1.0.0"}
    single = opened(folder="tasks/double/")
    single.refresh()
    assert set(found(single)) == {"double@1.0.0"}
    missing = opened(folder="nowhere")
    missing.refresh()
    (problem,) = missing.scan(LIMITS)
    assert isinstance(problem, TaskProblem)
    assert "nowhere" in f"{problem.error.to_dict()}"


def test_a_repository_may_itself_be_a_task(tmp_path: Path, opened: Callable[..., Source]) -> None:
    single = Repository(tmp_path / "single.git")
    single.task("", task_files("single"))
    single.commit()
    source = opened(single.uri)
    source.refresh()
    assert found(source)["single@1.0.0"].place.load(LIMITS, "team").name == "single"


def test_folders_and_zips_are_found_as_on_disk(repository: Repository, opened: Callable[..., Source]) -> None:
    repository.write("tasks/one.zip", task_zip(task_files("one")))
    repository.write("tasks/many.zip", task_zip({f"{name}/{path}": text for name in ("a", "b") for path, text in task_files(name).items()}))
    repository.task("a/b/c/d", task_files("depth-4"))
    repository.task("a/b/c/d2/e", task_files("depth-5"))
    repository.task(".hidden/x", task_files("hidden"))
    repository.task("node_modules/x", task_files("module"))
    repository.task("tasks/double/inner", task_files("inner"))
    repository.write("stray/main.js", "1")
    repository.commit()
    source = opened()
    source.refresh()
    assert {name.partition("@")[0] for name in found(source)} == {"double", "one", "a", "b", "depth-4"}
    for each in found(source).values():
        each.place.load(LIMITS, "team")
    (problem,) = problems(source)
    assert "stray" in problem.location
    deeper = opened(depth=5)
    assert "depth-5@1.0.0" in found(deeper)


# ---------------------------------------------------------------- what a repository could try
def test_links_submodules_and_lfs_pointers_are_not_followed(repository: Repository, opened: Callable[..., Source], tmp_path: Path) -> None:
    (tmp_path / "secret.js").write_text("top secret")
    repository.task("tasks/linked", {name: text for name, text in task_files("linked").items() if name != "main.js"})
    (repository.path / "tasks/linked/main.js").symlink_to(tmp_path / "secret.js")
    (repository.path / "tasks/all").symlink_to("/")
    repository.task("tasks/pointer", task_files("pointer", code="version https://git-lfs.example.com/spec/v1\noid sha256:0\nsize 1\n"))
    other = Repository(tmp_path / "other")
    other.task("inner", task_files("inner"))
    other.commit()
    repository.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other.path), "tasks/module")
    repository.commit()
    source = opened()
    source.refresh()
    assert set(found(source)) == {"double@1.0.0", "pointer@1.0.0"}
    assert "symbolic link" in str([problem.error.message for problem in problems(source)])
    assert "Git LFS" in failure(lambda: found(source)["pointer@1.0.0"].place.load(LIMITS, "team")).message


def test_hooks_filters_and_attributes_never_run(
    repository: Repository, opened: Callable[..., Source], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "ran"
    home = tmp_path / "home"
    hook = f"#!/bin/sh\ntouch {mark}\n"
    repository.write(".gitattributes", "* filter=x\n")
    repository.commit()
    for name in ("post-checkout", "post-merge", "reference-transaction", "pre-auto-gc", "post-update"):
        for folder in (repository.path / ".git" / "hooks", home / "hooks", home / "template" / "hooks"):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(hook)
            (folder / name).chmod(stat.S_IRWXU)
    (home / ".gitconfig").write_text(
        f"[core]\n\thooksPath = {home}/hooks\n\tfsmonitor = touch {mark}\n[init]\n\ttemplateDir = {home}/template\n"
        f'[filter "x"]\n\tsmudge = touch {mark}\n\trequired = true\n[credential]\n\thelper = "!touch {mark}"\n'
    )
    monkeypatch.setenv("HOME", str(home))
    for name, value in (
        ("GIT_TEMPLATE_DIR", f"{home}/template"),
        ("GIT_EXEC_PATH", str(home)),
        ("GIT_DIR", "/nowhere"),
        ("GIT_SSH_COMMAND", f"touch {mark}"),
        ("GIT_ASKPASS", f"{home}/hooks/post-update"),
    ):
        monkeypatch.setenv(name, value)
    source = opened()
    assert source.refresh()
    assert found(source)["double@1.0.0"].place.load(LIMITS, "team").name == "double"
    assert not mark.exists()


@pytest.mark.parametrize(
    "uri",
    [
        "git+file:///--upload-pack=touch",
        "git+file://{repository}/../repository",
    ],
)
def test_odd_paths_are_only_paths(repository: Repository, opened: Callable[..., Source], uri: str) -> None:
    source = opened(uri.replace("{repository}", str(repository.path)))
    if "--" in uri:
        assert isinstance(failure(source.refresh), SourceFailed)
    else:
        assert source.refresh()


def test_a_repository_that_is_too_large_is_given_up(repository: Repository, opened: Callable[..., Source]) -> None:
    repository.write("noise", os.urandom(3 << 20))
    repository.commit()
    source = opened(max_bytes=1 << 20)
    error = failure(source.refresh)
    assert isinstance(error, SourceFailed)
    assert "larger than 1048576 bytes" in error.message
    assert "max_bytes" in str(error.hint)


def test_a_repository_with_too_many_files_is_a_problem(repository: Repository, opened: Callable[..., Source]) -> None:
    source = opened(max_files=3)
    source.refresh()
    (problem,) = source.scan(LIMITS)
    assert isinstance(problem, TaskProblem)
    assert "more than 3 files" in problem.error.message


def test_a_tree_that_contains_itself_many_times_is_cut_off(repository: Repository, opened: Callable[..., Source]) -> None:
    tree = repository.git("rev-parse", "HEAD^{tree}")
    for _ in range(8):
        lines = "".join(f"040000 tree {tree}\tf{number}\n" for number in range(10))
        tree = subprocess.run(
            ["git", "mktree"], cwd=repository.path, input=lines, capture_output=True, text=True, check=True
        ).stdout.strip()
    commit = repository.git("commit-tree", tree, "-m", "bomb")
    repository.git("update-ref", "refs/heads/bomb", commit)
    source = opened(branch="bomb")
    source.refresh()
    (problem,) = source.scan(LIMITS)
    assert isinstance(problem, TaskProblem)
    assert "files" in problem.error.message or "bytes" in problem.error.message


def test_metadata_without_end_is_not_read_for_ever(
    repository: Repository, opened: Callable[..., Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ratchet_mcp.registry.remote.git_source.SCAN_BYTES", 100_000)
    for number in range(30):
        metadata = json.dumps({"name": f"t{number}", "about": "x" * 10_000})
        repository.task(f"many/t{number:02}", {**task_files(f"t{number}"), "metadata.json": metadata})
    repository.commit()
    source = opened()
    source.refresh()
    assert 5 <= len(found(source)) < 30
    assert "over" in problems(source)[0].error.message


def test_several_servers_fetch_into_one_cache_at_once(repository: Repository, opened: Callable[..., Source], tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        for number in range(3):
            repository.task(f"tasks/t{number}", task_files(f"t{number}"))
            repository.commit()
            list(pool.map(lambda _: opened().refresh(), range(8)))
            assert f"t{number}@1.0.0" in found(opened())
    assert not list((tmp_path / "cache").rglob(".new-*"))


def test_files_over_the_limits_are_told_and_not_read(repository: Repository, opened: Callable[..., Source]) -> None:
    repository.task("tasks/huge", task_files("huge", code="//" + "x" * (3 << 20)))
    repository.task("tasks/fat", {**task_files("fat"), "metadata.json": json.dumps({"name": "fat", "x": "y" * (2 << 20)})})
    repository.commit()
    source = opened()
    source.refresh()
    assert set(found(source)) == {"double@1.0.0", "huge@1.0.0"}
    assert isinstance(failure(lambda: found(source)["huge@1.0.0"].place.load(LIMITS, "team")), TaskInvalid)
    assert "larger than" in problems(source)[0].error.message


def test_names_that_cannot_be_shown_are_problems(repository: Repository, opened: Callable[..., Source]) -> None:
    repository.task("tasks/\u202eevil", task_files("evil"))
    repository.task("tasks/new\nline", task_files("line"))
    (repository.path / os.fsdecode(b"tasks/\xff\xfe")).mkdir()
    repository.task(os.fsdecode(b"tasks/\xff\xfe"), task_files("bytes"))
    repository.commit()
    source = opened()
    source.refresh()
    assert set(found(source)) - {"line@1.0.0"} == {"double@1.0.0"}
    assert len(problems(source)) >= 2
    for problem in problems(source):
        json.dumps(problem.to_dict()).encode()
        assert "\u202e" not in problem.location


def test_broken_tasks_do_not_hide_the_others(repository: Repository, opened: Callable[..., Source]) -> None:
    repository.task("tasks/broken", {**task_files("broken"), "metadata.json": "{"})
    repository.write("tasks/not.zip", b"PK nothing")
    repository.commit()
    source = opened()
    source.refresh()
    assert set(found(source)) == {"double@1.0.0"}
    assert len(problems(source)) == 2


def test_an_empty_repository_is_one_clear_error(tmp_path: Path, opened: Callable[..., Source]) -> None:
    empty = Repository(tmp_path / "empty")
    assert "HEAD" in failure(opened(empty.uri).refresh).message


def test_a_cache_that_was_tampered_with_fails_its_check(opened: Callable[..., Source], tmp_path: Path) -> None:
    source: Any = opened()
    source.refresh()
    source.check()
    (pack,) = (tmp_path / "cache").glob("git/*/*.git/objects/pack/*.pack")
    pack.chmod(0o600)
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 0xFF
    pack.write_bytes(data)
    assert isinstance(failure(source.check), SourceFailed)


def test_git_that_is_not_installed_is_one_clear_error(
    opened: Callable[..., Source], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    error = failure(opened().refresh)
    assert "git is not installed" in error.message


# ---------------------------------------------------------------- credentials, and git that misbehaves
FAKE_GIT = f"""#!{sys.executable}
import json, os, sys, time
with open(os.environ["TMPDIR"] + "/calls.jsonl", "a") as log:
    log.write(json.dumps({{"arguments": sys.argv[1:], "environment": dict(os.environ)}}) + "\\n")
behaviour = open(os.environ["TMPDIR"] + "/behaviour").read()
if behaviour == "hang":
    time.sleep(600)
if behaviour in ("talk", "complain"):
    while True:
        (sys.stdout if behaviour == "talk" else sys.stderr).write("x" * 65536)
values = " ".join(value for name, value in os.environ.items() if name.startswith("GIT_CONFIG_VALUE"))
sys.stderr.write("fatal: Authentication failed, sent " + values + "\\n")
sys.exit(128)
"""


@pytest.fixture
def fake_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[dict[str, Any]]]:
    """Put a program in the place of git that notes how it was called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "git").write_text(FAKE_GIT)
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    def behave(behaviour: str) -> list[dict[str, Any]]:
        log = tmp_path / "calls.jsonl"
        (tmp_path / "behaviour").write_text(behaviour)
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    return behave


def test_credentials_reach_git_through_the_environment_only(
    opened: Callable[..., Source],
    fake_git: Callable[[str], list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    monkeypatch.setenv("TASKS_TOKEN", SECRET)
    fake_git("fail")
    source = opened("git+https://127.0.0.1/team/tasks.git", token_env="TASKS_TOKEN")
    error = failure(source.refresh)
    (call,) = fake_git("fail")
    environment = call["environment"]
    settings = {
        environment[f"GIT_CONFIG_KEY_{number}"]: environment[f"GIT_CONFIG_VALUE_{number}"]
        for number in range(int(environment["GIT_CONFIG_COUNT"]))
    }
    header = settings["http.https://127.0.0.1/.extraHeader"]
    assert header.startswith("Authorization: Basic ")
    encoded = header.rpartition(" ")[2]
    for text in (json.dumps(call["arguments"]), json.dumps(error.to_dict()), repr(error), repr(vars(source)), caplog.text, source.uri):
        assert SECRET not in text
        assert encoded not in text
    assert "TASKS_TOKEN" not in environment
    assert environment["GIT_ALLOW_PROTOCOL"] == "https"
    assert environment["GIT_TERMINAL_PROMPT"] == "0"
    assert settings["http.followRedirects"] == "false"
    assert "token_env" in str(error.hint)


def test_git_that_hangs_is_ended(opened: Callable[..., Source], fake_git: Callable[[str], list[dict[str, Any]]]) -> None:
    fake_git("hang")
    error = failure(opened(timeout_seconds=0.5, attempts=1).refresh)
    assert "did not end within 0.5 seconds" in error.message


@pytest.mark.parametrize("behaviour", ["talk", "complain"])
def test_git_that_never_stops_talking_is_ended(
    opened: Callable[..., Source], fake_git: Callable[[str], list[dict[str, Any]]], behaviour: str
) -> None:
    fake_git(behaviour)
    assert "bytes" in failure(opened(attempts=1).refresh).message


def test_ssh_asks_nobody_and_trusts_only_known_hosts(
    opened: Callable[..., Source], fake_git: Callable[[str], list[dict[str, Any]]], tmp_path: Path
) -> None:
    fake_git("fail")
    failure(opened("git+ssh://git@example.com/team/tasks.git", ssh_key_file=str(tmp_path / "my key"), attempts=1).refresh)
    (call,) = fake_git("fail")
    command = call["environment"]["GIT_SSH_COMMAND"]
    assert "BatchMode=yes" in command
    assert "StrictHostKeyChecking=yes" in command
    assert f"'-oIdentityFile={tmp_path}/my key'" in command
    assert call["environment"]["GIT_ALLOW_PROTOCOL"] == "ssh"
