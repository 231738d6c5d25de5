"""The manifest of requirements, checked both ways."""

from __future__ import annotations

import ast
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS: dict[str, dict[str, object]] = tomllib.loads((ROOT / "tests" / "requirements.toml").read_text(encoding="utf-8"))


@cache
def names_in(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    found = {node.name for node in tree.body if isinstance(node, functions)}
    for group in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        found |= {f"{group.name}::{node.name}" for node in group.body if isinstance(node, functions)}
    return frozenset(found)


@pytest.mark.parametrize("row", sorted(ROWS))
def test_each_requirement_names_tests_that_exist_or_says_not_yet(row: str) -> None:
    entry = ROWS[row]
    assert set(entry) <= {"says", "tests", "status"}
    assert entry.get("says"), "say what is required"
    assert ("tests" in entry) != ("status" in entry), "name the tests, or say that there are none yet"
    assert entry.get("status", "not yet") == "not yet"
    tests = entry.get("tests", ["-"])
    assert isinstance(tests, list) and tests
    for test in tests if "tests" in entry else []:
        file, _, name = test.partition("::")
        assert (ROOT / file).is_file(), f"{file} is not there"
        assert name.startswith(("test_", "Test")) and name in names_in(ROOT / file), f"{file} has no {name}"


def test_the_ids_read_as_area_and_row() -> None:
    assert [row for row in ROWS if row.count(".") != 1 or row != row.lower() or " " in row] == []
