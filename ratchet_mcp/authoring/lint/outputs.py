"""Finds code and tests whose output can never match the output schema."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ratchet_mcp.authoring.findings import Finding, finding
from ratchet_mcp.authoring.lint.budget import tick
from ratchet_mcp.authoring.lint.function import inside, returned, task_function
from ratchet_mcp.authoring.lint.shapes import NOTHING, mismatch, shape_of_value, shapes_of

if TYPE_CHECKING:
    from tree_sitter import Node

    from ratchet_mcp.tasks.definition import Task
    from ratchet_mcp.tasks.syntax import Script
    from ratchet_mcp.tasks.testcase import TestCase

_ADVICE = "Change what is returned, or the output schema."


def check_output(task: Task, script: Script) -> list[Finding]:
    """Look at what the function returns, as far as it is written out."""
    function = task_function(script)
    if function is None or not task.output_schema or function.type.startswith("generator"):
        return []
    values = returned(function)
    if not any(value is not None for value in values):
        return _nothing(task, script, function)
    possible = 0
    found: list[tuple[Node | None, str, str]] = []
    for value in values:
        shapes = [NOTHING] if value is None else shapes_of(script, value)
        wrong = [reason for shape in shapes if (reason := mismatch(shape, task.output_schema))]
        possible += len(wrong) < len(shapes)
        found += [(value, *reason) for reason in wrong[:1]]
    code = "output-mismatch" if possible else "output-never-matches"
    made: list[Finding] = []
    for node, path, reason in found:
        line, column = script.places.at((node or function).start_byte)
        made.append(finding(code, task.code_file, f"the output at {path}: {reason}", line=line, column=column, suggestion=_ADVICE))
    return made


def _nothing(task: Task, script: Script, function: Node) -> list[Finding]:
    body = function.child_by_field_name("body")
    if mismatch(NOTHING, task.output_schema) is None or (body is not None and any(node.type == "throw_statement" for node in inside(body))):
        return []
    line, column = script.places.at(function.start_byte)
    message = "the function returns nothing, so its output is null, which the output schema does not allow"
    return [finding("returns-nothing", task.code_file, message, line=line, column=column, suggestion="Return the output.")]


def check_tests(task: Task) -> list[Finding]:
    """Check the inputs and the expected outputs of the tests against the schemas; nothing runs."""
    found: list[Finding] = []
    files = Counter(case.file for case in task.tests)
    for case in task.tests:
        tick(1000)
        alone = files[case.file] == 1
        if not case.should_fail and case.expected_error is None:
            found += _input_of(task, case, alone=alone)
        if case.has_output and not case.should_fail and case.match != "schema":
            wrong = _expected(task, case)
            if wrong is not None:
                advice = "Correct the test or the output schema."
                message = f"test {case.name[:80]!r} expects at {wrong[0]} what the output schema refuses: {wrong[1]}"
                found.append(_about(case, "test-output-impossible", "$.expected_output" if alone else None, message, advice))
    return found


def _input_of(task: Task, case: TestCase, *, alone: bool) -> list[Finding]:
    violations = task.input_validator.violations(case.input)
    if not violations:
        return []
    first = violations[0]
    more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
    message = f"the input of test {case.name[:80]!r} does not match the input schema: {first.path}: {first.message}{more}"
    advice = 'Correct the input, or expect the failure: "expected_error": {"code": "input_invalid"}.'
    return [_about(case, "test-input-invalid", "$.input" if alone else None, message, advice)]


def _expected(task: Task, case: TestCase) -> tuple[str, str] | None:
    if case.match == "exact":
        violations = task.output_validator.violations(case.expected_output)
        return (violations[0].path, violations[0].message) if violations else None
    return mismatch(shape_of_value(case.expected_output, open=True), task.output_schema)


def _about(case: TestCase, code: str, path: str | None, message: str, advice: str) -> Finding:
    return finding(code, case.file or "tests", message, path=path if case.file.startswith("tests/") else None, suggestion=advice)
