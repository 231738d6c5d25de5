"""The tool that checks tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from ratchet_mcp.errors import InvalidArgument
from ratchet_mcp.mcp.results import ToolResult, success, to_json
from ratchet_mcp.mcp.tools import schemas
from ratchet_mcp.mcp.tools.given import FINDINGS, STRINGS, Given
from ratchet_mcp.mcp.tools.spec import RUNS_CODE, Call, ToolSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ratchet_mcp.authoring.findings import Finding


class ValidateTask(Given):
    """Arguments of validate_task."""

    task: Annotated[str | None, Field(description="a saved task, or give code", min_length=1, max_length=200)] = None
    run_tests: bool = False


async def validate_task(call: Call, arguments: ValidateTask) -> ToolResult:
    """Check a saved task, or parts of one. What is wrong is the answer, and no failure of the call."""
    parts = arguments.parts()
    if (arguments.task is None) == (not parts.given):
        raise InvalidArgument("validate_task takes task, or code with its schemas.", hint="Give exactly one of both.")
    ratchet = await call.app.get()
    check = ratchet.authoring.validation
    if arguments.task is not None:
        report = await check.saved(arguments.task, run_tests=arguments.run_tests, principal=call.principal)
    else:
        report = await check.unsaved(None, parts, run_tests=arguments.run_tests, principal=call.principal)
    view: dict[str, Any] = {
        "valid": report.valid,
        "errors": report.count("error"),
        "warnings": report.count("warning"),
        "findings": _fitting(report.findings, call.characters - 1000),
        "notes": report.notes,
    }
    if report.task is not None and arguments.task is not None:
        view["task"] = report.task.reference
    if report.tests is not None:
        view["tests"] = {"passed": report.tests[0], "total": report.tests[1]}
    return success(view)


def _fitting(findings: Sequence[Finding], characters: int) -> list[dict[str, Any]]:
    """Return as many findings as fit, the worst first."""
    kept: list[dict[str, Any]] = []
    for each in findings:
        view = each.to_dict()
        characters -= len(to_json(view)) + 1
        if characters < 0:
            break
        kept.append(view)
    return kept


TOOLS: list[ToolSpec[Any]] = [
    ToolSpec(
        name="validate_task",
        title="Validate a task",
        description=(
            "List everything wrong or doubtful in a saved task, or in code and schemas before saving them. "
            'Example: {"code": "(input) => input.a", "input_schema": {"type": "object"}}'
        ),
        arguments=ValidateTask,
        output=schemas.result(
            {
                "valid": schemas.BOOLEAN,
                "task": schemas.STRING,
                "errors": schemas.INTEGER,
                "warnings": schemas.INTEGER,
                "findings": FINDINGS,
                "tests": {"type": "object", "properties": {"passed": schemas.INTEGER, "total": schemas.INTEGER}},
                "notes": STRINGS,
            }
        ),
        annotations=RUNS_CODE,
        handler=validate_task,
        toolset="author",
        runs_if="run_tests",
    ),
]
