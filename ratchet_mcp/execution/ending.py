"""What is told of a run when it has ended, before its end is recorded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ratchet_mcp.engine.course import Course
from ratchet_mcp.engine.run import LogLine
from ratchet_mcp.execution.models import Execution

if TYPE_CHECKING:
    from ratchet_mcp.store.records import DeliveryRecord
    from ratchet_mcp.tasks.definition import Task


@dataclass(frozen=True, slots=True)
class Ended:
    """A final execution with its console lines, the course that it took or was to take, and its questions (`Asking.told`)."""

    execution: Execution
    lines: list[LogLine]
    course: Course | None
    questions: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


OnEnd = Callable[[Ended], Awaitable[None]]
"""Hears of the end of a run; what it raises becomes a warning of the execution."""


class Planner(Protocol):
    """Says what is to be delivered of a run that has ended."""

    def rows_of(self, execution: Execution, task: Task) -> list[DeliveryRecord]:
        """Return the rows that are written in the transaction of the end."""
        ...

    def announce(self) -> None:
        """Hear that rows were written."""
        ...
