"""What is told of a run when it has ended, before its end is recorded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ratchet_mcp.engine.course import Course
from ratchet_mcp.engine.run import LogLine
from ratchet_mcp.execution.models import Execution


@dataclass(frozen=True, slots=True)
class Ended:
    """A final execution with its console lines, and the course that it took or was to take."""

    execution: Execution
    lines: list[LogLine]
    course: Course | None


OnEnd = Callable[[Ended], Awaitable[None]]
"""Hears of the end of a run; what it raises becomes a warning of the execution."""
