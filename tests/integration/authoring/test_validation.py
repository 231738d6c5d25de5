"""Validation tells everything that is wrong with a task, saved or not, with the place and what to do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ratchet_mcp.app import Ratchet
from ratchet_mcp.authoring.drafts import Parts
from ratchet_mcp.authoring.findings import Finding
from ratchet_mcp.authoring.service import Authoring
from ratchet_mcp.errors import TaskNotFound
from ratchet_mcp.execution.models import Origin
from ratchet_mcp.settings import EngineSettings, Settings, StoreSettings

from .conftest import GREET, Opening, greet


def places(findings: list[Finding]) -> set[tuple[str, str, str | None, int | None]]:
    return {(each.code, each.file, each.path, each.line) for each in findings}


async def test_a_sound_task_is_valid(authoring: Authoring) -> None:
    await authoring.create("greet", greet())
    report = await authoring.validation.saved("greet")
    assert (report.valid, report.form, [each.code for each in report.findings]) == (True, "main", ["undescribed-properties"])


async def test_code_is_checked_before_anything_is_saved(authoring: Authoring) -> None:
    report = await authoring.validation.unsaved(None, Parts(code="(input) => input.nam", input_schema=GREET["input_schema"]))
    assert report.valid
    assert {each.code for each in report.findings} == {"unused-input", "undeclared-input", "undescribed-properties"}
    assert authoring.catalog.find(limit=1).total == 0


async def test_all_problems_come_at_once_and_what_is_sound_is_linted_all_the_same(authoring: Authoring) -> None:
    parts = Parts(
        code="function main(input) {\n  while (true) {}\n}",
        input_schema='{\n  "type": "object",\n  "properties": {\n    "a": {"type": "strin"}\n  }\n}',
        output_schema={"$ref": "https://example.com/other.json"},
        tests=[{"input": {}}, {"expected_output": 1}],
        tags=["x" * 60],
    )
    report = await authoring.validation.unsaved("Bad Name", parts)
    assert not report.valid and report.task is None
    assert places(report.findings) >= {
        ("invalid-schema", "input.schema.json", "$.properties.a.type", 4),
        ("invalid-metadata", "metadata.json", "$.name", None),
        ("invalid-metadata", "metadata.json", "$.tags", None),
        ("invalid-test", "tests/2-test.json", "$.input", None),
        ("endless-loop", "main.js", None, 2),
    }
    reference = next(each for each in report.findings if each.file == "output.schema.json")
    assert "$defs" in (reference.suggestion or "")


async def test_a_syntax_error_is_told_with_its_place(authoring: Authoring) -> None:
    report = await authoring.validation.unsaved(None, Parts(code="function main(input) {\n  return (;\n}"))
    [found] = report.findings
    assert (found.code, found.file, found.line) == ("invalid-code", "main.js", 2)
    assert not (await authoring.validation.unsaved(None, Parts(input_schema={}))).valid


async def test_a_broken_task_of_a_folder_is_reported_with_lines(opening: Opening, tmp_path: Path) -> None:
    folder = tmp_path / "tasks" / "broken"
    (folder / "tests").mkdir(parents=True)
    (folder / "metadata.json").write_text('{\n  "name": "broken",\n  "version": "1.0.0"\n}')
    (folder / "main.js").write_text("(input) => input.a")
    (folder / "output.schema.json").write_text('{\n  "type": "object",\n  "required": "a"\n}')
    (folder / "tests" / "one.json").write_text('{"input": 1,}')
    async with opening(sources=[{"name": "mine", "uri": str(tmp_path / "tasks")}]) as authoring:
        report = await authoring.validation.saved("broken")
        assert places(report.findings) == {
            ("invalid-schema", "output.schema.json", "$.required", 3),
            ("invalid-test", "tests/one.json", None, 1),
        }
        assert any("--fix" in (each.suggestion or "") for each in report.findings)
        with pytest.raises(TaskNotFound):
            await authoring.validation.saved("nobody")


async def test_lines_of_a_saved_task_are_those_of_its_files(authoring: Authoring) -> None:
    schema = '{\n  "type": "object",\n  "properties": {\n    "name": {"type": "string"},\n    "never": {"type": "string"}\n  }\n}'
    await authoring.create("greet", greet(input_schema=schema))
    report = await authoring.validation.saved("greet")
    assert ("unused-input", "input.schema.json", "$.properties.never", 5) in places(report.findings)


# ---------------------------------------------------------------- with the tests
@pytest.fixture(scope="module")
async def ratchet() -> AsyncIterator[Ratchet]:
    async with Ratchet.open(Settings(store=StoreSettings(url="sqlite://"), engine=EngineSettings(max_workers=2))) as opened:
        yield opened


async def test_an_output_that_does_not_match_on_a_test_is_found_by_running_it(ratchet: Ratchet) -> None:
    changes: dict[str, Any] = {
        "code": "(input) => { const key = input.name; return { [key]: 1 } }",
        "tests": [{"name": "fits", "input": {"name": "text"}}, {"name": "fails", "input": {"name": "other"}}],
        "output_schema": {"type": "object", "required": ["text"]},
    }
    quiet = await ratchet.authoring.validation.unsaved(None, greet(**changes))
    assert quiet.valid and quiet.tests is None
    report = await ratchet.authoring.validation.unsaved(None, greet(**changes), run_tests=True)
    assert (report.valid, report.tests) == (False, (1, 2))
    [found] = [each for each in report.findings if each.severity == "error"]
    assert (found.code, found.file) == ("test-output-invalid", "tests/2-fails.json")
    kept = (await ratchet.executions.find(limit=10)).executions
    assert {each.origin for each in kept} == {Origin.TEST}


async def test_a_test_that_fails_is_a_finding(ratchet: Ratchet) -> None:
    wrong = [{"name": "wrong", "input": {"name": "Ada"}, "expected_output": {"text": "Bye"}}]
    report = await ratchet.authoring.validation.unsaved(None, greet(tests=wrong), run_tests=True)
    assert [(each.code, each.file) for each in report.findings if each.severity == "error"] == [("test-failed", "tests/wrong.json")]
