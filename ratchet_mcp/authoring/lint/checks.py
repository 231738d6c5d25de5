"""Everything that is looked at in a task that loads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from ratchet_mcp.authoring.findings import Finding, finding, placed
from ratchet_mcp.authoring.lint.budget import SECONDS, OutOfTime, limited
from ratchet_mcp.authoring.lint.calls import check_calls, check_hidden, check_names, check_patterns, check_schema_patterns
from ratchet_mcp.authoring.lint.flow import check_flow
from ratchet_mcp.authoring.lint.inputs import check_input, check_required
from ratchet_mcp.authoring.lint.mocks import check_mocks
from ratchet_mcp.authoring.lint.outputs import check_output, check_tests
from ratchet_mcp.tasks.files import METADATA_FILES
from ratchet_mcp.tasks.json_values import is_object
from ratchet_mcp.tasks.syntax import Script

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ratchet_mcp.tasks.definition import Task

MAX_FINDINGS = 50
MAX_LINTED_CHARACTERS = 400_000
"""Larger code is a pasted library; reading its meaning takes long and says nothing about the task."""
_SHORT = 20
_ORDER = {"error": 0, "warning": 1, "hint": 2}


def lint(task: Task, texts: Mapping[str, str]) -> list[Finding]:
    """Return what is doubtful in a sound task, errors first. `texts` are its files, for the lines of JSON paths."""
    found: list[Finding] = []
    try:
        with limited():
            for check in _checks(task, texts):
                found += check()
    except OutOfTime:
        message = f"looking at the task took longer than {SECONDS:g} seconds, so not everything was looked at"
        found.append(finding("too-slow-to-check", task.code_file, message, suggestion="Make the code or the schemas smaller."))
    found.sort(key=lambda each: _ORDER[each.severity])
    return [placed(each, texts) for each in found[:MAX_FINDINGS]]


def _checks(task: Task, texts: Mapping[str, str]) -> Iterator[Callable[[], Iterable[Finding]]]:
    """Yield the checks, quick ones first."""
    places = {kind: _place_of(kind, texts) for kind in ("input", "output")}
    schemas = [(task.input_schema, *places["input"]), (task.output_schema, *places["output"])]
    yield lambda: _completeness(task, texts, places)
    yield lambda: check_hidden(task.source, task.code_file)
    yield lambda: [each for schema in schemas for each in check_required(*schema)]
    if len(task.source) <= MAX_LINTED_CHARACTERS:
        script = Script.parse(task.source.removeprefix("\ufeff"), task.code_file)
        yield lambda: check_output(task, script)
        yield lambda: check_input(task, script, *places["input"])
        yield lambda: check_names(task, script, task.code_file)
        yield lambda: check_calls(script, task.code_file)
        yield lambda: check_flow(script, task.code_file)
        yield lambda: check_patterns(script, task.code_file)
    yield lambda: [each for schema in schemas for each in check_schema_patterns(*schema)]
    yield lambda: check_tests(task)
    yield lambda: check_mocks(task)


def _place_of(kind: str, texts: Mapping[str, str]) -> tuple[str, str]:
    """Return the file of a schema and the JSON path of the schema in it."""
    file = f"{kind}.schema.json"
    return (file, "$") if file in texts or not texts else (_metadata_file(texts), f"$.{kind}_schema")


def _metadata_file(texts: Mapping[str, str]) -> str:
    return next((file for file in METADATA_FILES if file in texts), METADATA_FILES[0])


def _completeness(task: Task, texts: Mapping[str, str], places: Mapping[str, tuple[str, str]]) -> Iterator[Finding]:
    metadata = _metadata_file(texts)
    advice = "Say what the task does, when to use it, what goes in and what comes out."
    if not task.description:
        yield finding("missing-description", metadata, "the task has no description", path="$.description", suggestion=advice)
    elif len(task.description) < _SHORT:
        yield finding("short-description", metadata, "the description is very short", path="$.description", suggestion=advice)
    if not task.tests:
        yield finding("missing-tests", "tests", "the task has no tests", suggestion="Add test cases with input and expected_output.")
    for kind, schema in (("input", task.input_schema), ("output", task.output_schema)):
        if not schema:
            advice = f"Describe the {kind} with a JSON Schema."
            yield finding("missing-schema", places[kind][0], f"the {kind} schema accepts anything", suggestion=advice)
    properties = task.input_schema.get("properties")
    members = properties if is_object(properties) else {}
    silent = [name for name, schema in members.items() if is_object(schema) and not schema.get("description") and "$ref" not in schema]
    if silent:
        named = ", ".join(name[:40] for name in silent[:5]) + (", …" if len(silent) > 5 else "")
        file, prefix = places["input"]
        message = f"these properties have no description: {named}"
        yield finding("undescribed-properties", file, message, path=f"{prefix}.properties", suggestion="Say what each of them means.")
