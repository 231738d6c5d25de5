"""The wheel, as a stranger gets it: built from the source distribution, installed beside nothing but what it asks for, run from elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]


def check(*command: object, cwd: Path) -> str:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    check(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder, cwd=ROOT)
    (source,) = folder.glob("*.tar.gz")
    check(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", folder, source, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and what it asks for, linked from the environment of the tests; all versions fit."""
    home = tmp_path_factory.mktemp("empty")
    check(sys.executable, "-m", "venv", "--without-pip", home / "venv", cwd=home)
    python = home / "venv" / "bin" / "python"
    install = ("-m", "pip", "--python", python)
    check(sys.executable, *install, "install", "--quiet", "--no-index", "--no-deps", "--no-compile", wheel, cwd=home)
    (packages,) = (home / "venv" / "lib").glob("python*/site-packages")
    (own,) = distributions(name="ratchet-mcp", path=[str(packages)])
    for needed in needed_by(own):
        for top in {Path(file).parts[0] for file in needed.files or () if not str(file).startswith("..")}:
            (packages / top).exists() or (packages / top).symlink_to(Path(str(needed.locate_file(top))))
    check(sys.executable, *install, "check", cwd=home)
    return python.parent


def needed_by(own: Distribution) -> list[Distribution]:
    """Return the distributions that one needs, and those that these need."""
    found: dict[str, Distribution] = {}
    wanted: dict[str, set[str]] = {}

    def want(needing: Distribution, extras: set[str]) -> None:
        for requirement in map(Requirement, needing.requires or ()):
            marker, name = requirement.marker, canonicalize_name(requirement.name)
            if name not in found and (marker is None or any(marker.evaluate({"extra": extra}) for extra in extras)):
                wanted.setdefault(name, {""}).update(requirement.extras)

    want(own, {""})
    while wanted:
        name, extras = wanted.popitem()
        found[name] = distribution(name)
        want(found[name], extras)
    return list(found.values())


def test_the_wheel_holds_the_sandbox_the_bundled_tasks_and_the_types(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"ratchet_mcp/engine/worker/ses.umd.min.js", "ratchet_mcp/mcp/guide.md", "ratchet_mcp/py.typed"} <= names
    assert any(name.startswith("ratchet_mcp/engine/worker/realm/") for name in names)
    bundled = {name.split("/")[2] for name in names if name.startswith("ratchet_mcp/bundled/")}
    assert bundled == {path.name for path in (ROOT / "registry").iterdir() if path.is_dir()}
    assert not [name for name in names if "__pycache__" in name or name.startswith(("tests/", "tools/"))]


async def test_the_installed_server_lists_and_runs_the_bundled_tasks(scripts: Path, tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    server = StdioServerParameters(command=str(scripts / "ratchet-mcp"), env=env, cwd=tmp_path)
    async with Client(server) as client:
        listed = (await client.call_tool("list_tasks", {})).structured_content
        assert listed is not None
        assert listed["total"] == len([path for path in (ROOT / "registry").iterdir() if path.is_dir()])
        result = await client.call_tool("execute_task", {"task": "text-statistics", "input": {"text": "One two three."}})
        assert result.structured_content is not None
        assert result.structured_content["status"] == "completed", result.structured_content
        assert result.structured_content["output"]["words"] == 3


def test_the_installed_command_line_knows_its_version(scripts: Path, tmp_path: Path) -> None:
    assert check(scripts / "ratchet", "--version", cwd=tmp_path).startswith("ratchet ")
    assert check(scripts / "ratchet-mcp", "--version", cwd=tmp_path).startswith("ratchet-mcp ")
