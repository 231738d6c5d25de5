"""What the engine answered becomes what the execution says."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import anyio.to_thread

from ratchet_mcp.engine.run import RunOutcome
from ratchet_mcp.errors import Cancelled, InputInvalid, Interrupted, OutputInvalid, RatchetError, TimedOut
from ratchet_mcp.execution.live import Live
from ratchet_mcp.execution.models import Status
from ratchet_mcp.execution.values import decode_output
from ratchet_mcp.tasks.definition import Task

LARGE = 256 << 10
"""JSON text above this many characters is validated in a thread."""

KEPT = 4 << 10
"""An output that breaks its schema stays in the error up to this many characters of JSON."""

STATUSES = {TimedOut.code: Status.TIMED_OUT, Cancelled.code: Status.CANCELLED, Interrupted.code: Status.INTERRUPTED}


def check_input(task: Task, value: Any) -> None:
    """Raise `InputInvalid` when a value does not match the task's input schema."""
    violations = [violation.to_dict() for violation in task.input_validator.violations(value)]
    if violations:
        raise InputInvalid(
            f"The input does not match the input schema of {task.name}: {_summary(violations)}",
            hint="Nothing ran. Correct the input; get_task shows the schema.",
            details={"violations": violations},
        )


async def settle(live: Live, outcome: RunOutcome | None) -> str | None:
    """Bring an execution to its final state; returns the JSON text of its output when it completed."""
    text, error = (None, live.ending) if outcome is None else (outcome.output_json, outcome.error)
    if outcome is not None:
        execution = live.execution
        execution.queue_ms, execution.run_ms, execution.worker_id = round(outcome.queue_ms, 3), round(outcome.run_ms, 3), outcome.worker_id
        execution.warnings.extend(outcome.warnings)
    if error is None and text is not None:
        try:
            text = await _accept(live, text)
        except RatchetError as refused:
            error = refused
    finish(live, error)
    return text if error is None else None


def finish(live: Live, error: RatchetError | None) -> None:
    """Make an execution final, with its error or without."""
    execution = live.execution
    execution.error = None if error is None else error.to_dict()
    execution.status = Status.COMPLETED if error is None else STATUSES.get(error.code, Status.FAILED)
    execution.finished_at = datetime.now(UTC)
    execution.total_ms = round((time.perf_counter() - live.created) * 1000, 3)


async def _accept(live: Live, text: str) -> str:
    """Take an output that matches its schema. Raises `OutputInvalid`."""
    if len(text) > LARGE:
        value, warning, violations = await anyio.to_thread.run_sync(_examine, live.task, text)
    else:
        value, warning, violations = _examine(live.task, text)
    if violations:
        details: dict[str, Any] = {"violations": violations}
        if len(text) <= KEPT:
            details["output"] = value
        raise OutputInvalid(
            f"The output of {live.task.name} does not match its output schema: {_summary(violations)}",
            hint="Change the task's code or its output schema.",
            details=details,
        )
    live.execution.output = value
    if warning is None:
        return text
    live.execution.warnings.append(warning)
    return _encode(value)


def _examine(task: Task, text: str) -> tuple[Any, str | None, list[dict[str, Any]]]:
    value, warning = decode_output(text)
    return value, warning, [violation.to_dict() for violation in task.output_validator.violations(value)]


def _encode(value: Any) -> str:
    import orjson

    return orjson.dumps(value).decode()


def _summary(violations: list[dict[str, Any]]) -> str:
    first = violations[0]
    more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
    return f"{first['path']}: {first['message']}{more}"
