"""The developer's verbs on machines that lack something."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """Make a fresh copy of the project beside a `bin` folder that holds no more than a shell needs."""
    project = tmp_path / "project"
    shutil.copytree(ROOT / "tools", project / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "constraints.txt", "package.json", "package-lock.json"):
        shutil.copy(ROOT / name, project)
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("dirname", "basename", "cat", "cksum", "rm", "mktemp"):
        (folder / name).symlink_to(str(shutil.which(name)))
    return tmp_path


def add(machine: Path, name: str, script: str) -> Path:
    path = machine / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def setup(machine: Path, **env: str) -> subprocess.CompletedProcess[str]:
    command = ["/bin/sh", str(machine / "project" / "tools" / "setup")]
    return subprocess.run(command, capture_output=True, text=True, env={"PATH": str(machine / "bin"), **env})


def test_setup_without_npm_says_what_npm_is_for(machine: Path) -> None:
    done = setup(machine)
    assert (done.returncode, done.stdout) == (1, "")
    assert "npm is missing. Ratchet takes SES, its JavaScript sandbox, from it" in done.stderr


def test_setup_without_python_says_how_to_name_one(machine: Path) -> None:
    add(machine, "npm", "exit 0")
    add(machine, "python3", "exit 1")
    done = setup(machine)
    assert done.returncode == 1
    assert "Python 3.11 or newer is missing" in done.stderr


def test_setup_with_a_python_that_is_too_old_names_it(machine: Path) -> None:
    add(machine, "npm", "exit 0")
    old = add(machine, "python2", "exit 1")
    done = setup(machine, PYTHON=str(old))
    assert done.returncode == 1
    assert f"PYTHON={old} is no Python 3.11 or newer." in done.stderr


def test_an_address_of_a_registry_is_found_with_its_line(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / "package-lock.json").write_text('{\n  "resolved": "x"\n}\n')
    (tmp_path / "notes.md").write_text("a\nfrom " + "py" + "pi.org\n")
    (tmp_path / "good.md").write_text("install it from PyPI or the npm registry\n")
    done = subprocess.run([sys.executable, ROOT / "tools" / "check_addresses.py"], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert sorted(line.split(": ")[0] for line in done.stdout.splitlines()) == ["notes.md:2", "package-lock.json:2"]


def test_the_build_refuses_without_npm_and_says_why(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; sys.path.insert(0, 'tools'); import hatch_build\nhatch_build.bring_ses(Path(sys.argv[1]))"
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(ROOT / name, tmp_path)
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, cwd=ROOT, env={"PATH": str(tmp_path)})
    assert done.returncode == 1
    assert "npm is missing: the build takes SES" in done.stderr
