from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from ratchet_mcp.settings import Settings
from ratchet_mcp.settings.loader import load
from ratchet_mcp.settings.reference import keys, to_yaml


def test_every_key_has_a_description_and_a_kind() -> None:
    assert [key.path for key in keys() if not key.description or not key.kind] == []


def test_the_generated_file_is_valid_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "all.yaml"
    path.write_text(to_yaml())
    assert load(path, env={}) == Settings()


def test_the_generated_file_with_every_key_taken_in_gives_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "all.yaml"
    known = {part for key in keys() for part in key.name.split(".")}
    lines = [line.replace("# ", "", 1) if line.strip("# ").split(":")[0] in known else line for line in to_yaml().splitlines()]
    path.write_text("\n".join(lines))
    written = yaml.safe_load(path.read_text())
    assert all(_holds(written, key.path) for key in keys())
    assert load(path, env={}) == Settings()


def _holds(written: Any, path: str) -> bool:
    for part in path.split("."):
        if part not in written:
            return False
        written = written[part]
    return True


def test_loading_the_defaults_imports_neither_yaml_nor_pydantic_settings(tmp_path: Path) -> None:
    code = (
        "import sys, ratchet_mcp.settings.loader as l; l.load(env={}); "
        "print(sorted({'yaml', 'pydantic_settings', 'typer', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)},
    )
    assert done.stdout.strip() == "[]"
