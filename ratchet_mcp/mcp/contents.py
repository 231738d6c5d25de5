"""What stands in the resources of tasks and executions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ratchet_mcp.errors import ExecutionNotFound
from ratchet_mcp.execution.models import Status
from ratchet_mcp.mcp.long_output import ALL_LINES
from ratchet_mcp.mcp.results import to_json

if TYPE_CHECKING:
    from ratchet_mcp.app import Ratchet
    from ratchet_mcp.mcp.uris import TaskUri
    from ratchet_mcp.tasks.definition import Task

Content = tuple[str, str]
"""A media type and a text."""


async def read_task(ratchet: Ratchet, uri: TaskUri) -> Content:
    """Return a task, or one of its files; also of a task that is disabled. Raises what `Catalog.resolve` raises."""
    task = await ratchet.catalog.resolve(uri.reference, disabled=True)
    if uri.part is None:
        return "application/json", _pretty(_overview(ratchet, task))
    if uri.part == "main.js":
        return "text/javascript", task.source
    if uri.part == "tests":
        return "application/json", _pretty([case.to_dict() for case in task.tests])
    schema = task.input_schema if uri.part == "input.schema.json" else task.output_schema
    return "application/schema+json", _pretty(dict(schema))


def _overview(ratchet: Ratchet, task: Task) -> dict[str, Any]:
    return {
        **task.facts(),
        "origin": task.origin,
        "versions": ratchet.catalog.versions(task.name),
        "tests": len(task.tests),
        "input_schema": task.input_schema,
        "output_schema": task.output_schema,
    }


async def read_execution(ratchet: Ratchet, id: str, part: str) -> Content:
    """Return the output, logs or error of an execution. Raises `ExecutionNotFound`, also when it has no such part."""
    execution = await ratchet.executions.get(id)
    if part == "logs":
        lines = await ratchet.executions.logs(id, 0, ALL_LINES)
        return "text/plain", "".join(f"[{line.level}] {line.message}\n" for line in lines)
    if part == "output" and execution.status is Status.COMPLETED:
        return "application/json", to_json(execution.output)
    if part == "error" and execution.error:
        return "application/json", to_json(execution.error)
    raise ExecutionNotFound(f"This execution has no {part}; it is {execution.status.value}.", hint="")


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
