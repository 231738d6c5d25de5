"""Taking a run's input: as JSON text, and checked against the task's schema; large ones in a thread."""

from __future__ import annotations

from typing import Any

import anyio.to_thread

from ratchet_mcp.engine.run import RunLimits
from ratchet_mcp.execution.outcome import LARGE, check_input
from ratchet_mcp.execution.values import encode_input, is_small
from ratchet_mcp.tasks.definition import Task


async def take_input(task: Task, value: Any, limits: RunLimits) -> str:
    """Return an input as JSON text. Raises `InputTooLarge`, `InputInvalid` and `InvalidArgument`."""

    def take() -> str:
        text = encode_input(value, limits)
        check_input(task, value)
        return text

    if not is_small(value):
        return await anyio.to_thread.run_sync(take)
    text = encode_input(value, limits)
    if len(text) > LARGE:
        await anyio.to_thread.run_sync(check_input, task, value)
    else:
        check_input(task, value)
    return text
