"""What a check of a task finds: a stable code, how bad it is, where, and what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from ratchet_mcp.authoring.positions import position_of

Severity = Literal["error", "warning", "hint"]

CODES: dict[str, tuple[Severity, str]] = {
    "invalid-metadata": ("error", "The metadata holds a wrong value or key."),
    "invalid-code": ("error", "The code cannot be parsed, or has a form that is not accepted."),
    "invalid-schema": ("error", "A schema is not a JSON Schema that can be used."),
    "invalid-test": ("error", "A test case is not one."),
    "invalid-file": ("error", "A file is missing, too large or cannot be read."),
    "unused-input": ("warning", "The input schema declares a property that the code never reads."),
    "undeclared-input": ("warning", "The code reads a property of the input that the input schema does not declare."),
    "undeclared-required": ("warning", "A schema requires a property that it does not declare."),
    "unknown-name": ("warning", "The code reads a name that nothing declares; reading it fails the run."),
    "output-never-matches": ("error", "Whatever the code returns, it cannot match the output schema."),
    "output-mismatch": ("warning", "One return statement gives what cannot match the output schema."),
    "returns-nothing": ("error", "The function returns nothing, but the output schema wants a value."),
    "endless-loop": ("warning", "A loop has no way out."),
    "busy-wait": ("warning", "A loop burns processor time until the clock says so."),
    "slow-pattern": ("warning", "A regular expression takes exponential time on some texts."),
    "hidden-characters": ("warning", "The code holds control or direction characters, so that it may not be what it looks like."),
    "await-in-loop": ("hint", "A loop waits for each item before it starts the next."),
    "unreachable-code": ("warning", "Code stands after a return, throw, break or continue."),
    "call-not-awaited": ("warning", "The promise of tasks.call or tasks.all is not awaited."),
    "test-input-invalid": ("error", "The input of a test does not match the input schema, but the test expects an output."),
    "test-output-impossible": ("error", "The output that a test expects cannot match the output schema."),
    "test-output-invalid": ("error", "On a test the code returned what does not match the output schema."),
    "test-failed": ("error", "A test failed."),
    "unusable-delivery": ("warning", "A destination in the metadata cannot be used with the settings of this server."),
    "too-slow-to-check": ("hint", "The code takes so long to look at that not everything was."),
    "missing-description": ("warning", "The task has no description, by which models choose it."),
    "short-description": ("hint", "The description is too short to choose the task by."),
    "missing-tests": ("warning", "The task has no tests."),
    "missing-schema": ("hint", "A schema accepts anything."),
    "undescribed-properties": ("hint", "Properties of the input have no description."),
}
"""Every code with its usual severity and meaning."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, doubtful or could be better. `line` and `column` count from 1."""

    code: str
    file: str
    message: str
    severity: Severity = "error"
    path: str | None = None
    line: int | None = None
    column: int | None = None
    suggestion: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return what is known, without empty fields."""
        return {key: value for key, value in asdict(self).items() if value is not None}


def finding(code: str, file: str, message: str, **places: Any) -> Finding:
    """Make a finding with the usual severity of its code, unless `severity` says otherwise."""
    severity: Severity = places.pop("severity", CODES[code][0])
    return Finding(code, file, message, severity, **places)


def of_problem(problem: Mapping[str, Any], texts: Mapping[str, str]) -> Finding:
    """Turn a problem of loading into a finding; the line of a JSON path is looked up in the file's text."""
    file, message = str(problem.get("file", "")), str(problem.get("message", ""))
    made = finding(
        _code_of(file, problem),
        file,
        message,
        path=problem.get("path"),
        line=problem.get("line"),
        column=problem.get("column"),
        suggestion=problem.get("hint") or _suggestion(message),
    )
    return placed(made, texts)


def placed(made: Finding, texts: Mapping[str, str]) -> Finding:
    """Add line and column of the JSON path, where the file's text is at hand."""
    if made.line is not None or made.path is None or made.file not in texts:
        return made
    place = position_of(texts[made.file], made.path)
    return made if place is None else replace(made, line=place[0], column=place[1])


def _code_of(file: str, problem: Mapping[str, Any]) -> str:
    if not ({"path", "line", "frame", "hint"} & problem.keys()):
        return "invalid-file"
    if file.endswith(".js"):
        return "invalid-code"
    path = str(problem.get("path", ""))
    if file.endswith("schema.json") or path.startswith(("$.input_schema", "$.output_schema")):
        return "invalid-schema"
    return "invalid-test" if file.startswith("tests/") or path.startswith("$.tests") else "invalid-metadata"


_NEAR = re.compile(r'\(did you mean (".*?")\?\)')
_SUGGESTIONS = (
    ("only references that start with #", "Copy that schema in under $defs and refer to it as #/$defs/…."),
    ("only leads back to itself", "Give the reference something to describe: put properties or items between it and its target."),
    ("does not exist in this schema", "Define it under $defs, or correct the reference."),
    ("is not a regular expression", "Correct the pattern; it is read as in JavaScript, without slashes around it."),
    ("is not a task name", 'Write a name such as "csv-to-json".'),
    ("is not a version", 'Write a version such as "1.0.0".'),
    ("cannot be seen", "Delete the character, or write the text anew."),
    ("nested deeper", "Flatten the schema."),
    ("is not JSON", "`ratchet validate --fix` removes comments and trailing commas."),
    ("is there twice", "Keep one of them."),
    ("keep one of them", "Delete one of them."),
    ("the file is missing", "Add the file."),
    ("is larger than", "Make it smaller."),
    ("has no input", 'Add "input".'),
)


def _suggestion(message: str) -> str | None:
    near = _NEAR.search(message)
    if near:
        return f"Write {near[1]}."
    return next((advice for words, advice in _SUGGESTIONS if words in message), None)
