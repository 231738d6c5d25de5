"""What the documentation says is so: references are generated, commands run, examples work."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import ratchet
from mcp import Client, StdioServerParameters

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
VERBS = {"setup", "demo", "test", "lint", "bench", "conformance"}
SCRIPTS = Path(sys.executable).parent


def blocks(document: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", document.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def write_guide_task(folder: Path) -> None:
    """Write the files that docs/tasks.md shows, each after its name in bold."""
    guide = (ROOT / "docs" / "tasks.md").read_text(encoding="utf-8")
    files = re.findall(r"^\*\*(greet/[\w.]+)\*\*\n\n```\w+\n(.*?)^```", guide, re.DOTALL | re.MULTILINE)
    assert len(files) == 4
    for name, text in files:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder as the documentation supposes it, with the commands on the PATH and a home of its own."""
    for name in ("registry", "sample", "tools"):
        (tmp_path / name).symlink_to(ROOT / name)
    write_guide_task(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}")
    for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    return tmp_path


def test_the_generated_references_are_up_to_date() -> None:
    done = subprocess.run([sys.executable, ROOT / "tools" / "write_docs.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_in_the_documentation_runs(document: Path, project: Path, start_http: Callable[..., object]) -> None:
    """Those of the README run in a shell, as they stand; the others in this process where no shell is needed."""
    for line in "".join(blocks(document, "sh")).splitlines():
        words = shlex.split(line)
        if words[0].startswith("tools/"):
            assert words[0].removeprefix("tools/") in VERBS
            assert os.access(ROOT / words[0], os.X_OK), f"{words[0]} cannot be run"
        elif words[0] == "claude":
            subprocess.run([*words[words.index("--") + 1 :], "--version"], check=True, capture_output=True)
        elif words[:2] == ["ratchet", "serve"]:
            start_http(command=("-m", "ratchet_mcp.cli.main", *words[1:-1], "0"))
        elif words[0] == "ratchet" and document.name != "README.md" and not re.search(r"[|<>&;$`*\\]", line):
            done = ratchet(*words[1:])
            assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        elif line != ". .venv/bin/activate":
            done = subprocess.run(line, shell=True, capture_output=True, text=True)
            assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"


def test_every_verb_is_in_the_readme() -> None:
    told = {
        line.strip().removeprefix("tools/") for line in "".join(blocks(ROOT / "README.md", "sh")).splitlines() if line.startswith("tools/")
    }
    assert told == VERBS


def test_ci_runs_nothing_that_is_not_in_the_readme() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    commands = [line for line in lines if line and not line.startswith(("#", "set ", "cd ", "export "))]
    assert commands == ["tools/lint", "tools/test"]


@pytest.mark.parametrize("text", [*blocks(ROOT / "README.md", "json"), (ROOT / "claude_desktop_config.example.json").read_text()])
async def test_every_client_configuration_starts_a_server(text: str, project: Path) -> None:
    configuration = json.loads(text)
    entry = next(iter(configuration.values()))["ratchet"]
    server = StdioServerParameters(command=entry["command"], args=entry.get("args", []), env=dict(os.environ), cwd=project)
    async with Client(server) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
    assert {"list_tasks", "execute_task"} <= names


def test_every_form_of_code_in_the_guide_doubles_its_input(project: Path) -> None:
    forms = [code for code in blocks(ROOT / "docs" / "tasks.md", "js") if "doubled" in code]
    assert len(forms) == 7
    for name in ("input", "output"):
        (project / "greet" / f"{name}.schema.json").write_text("true")
    for code in forms:
        (project / "greet" / "main.js").write_text(code, encoding="utf-8")
        done = ratchet("run-once", "--from-fs", "greet", "--input-json", '{"n": 21}')
        assert done.stdout and json.loads(done.stdout) == {"doubled": 42}, f"{code}\n{done.stderr}"


def test_the_settings_examples_are_valid(tmp_path: Path) -> None:
    from ratchet_mcp.settings.loader import load_with_origins

    for document in DOCUMENTS:
        for text in blocks(document, "yaml"):
            path = tmp_path / "example.yaml"
            path.write_text(text, encoding="utf-8")
            for profile in [None, *load_with_origins(path, env={}).profiles]:
                load_with_origins(path, profile, env={})


def test_every_link_between_documents_leads_somewhere() -> None:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"
