"""`tasks.call`: a running task runs another one and waits for its output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import anyio

from ratchet_mcp.errors import CallDepthExceeded, Cancelled, InvalidArgument, TimedOut, from_dict
from ratchet_mcp.execution.live import Live
from ratchet_mcp.execution.models import Execution, Status

if TYPE_CHECKING:
    from ratchet_mcp.execution.service import Executions
    from ratchet_mcp.registry.catalog import Catalog

PARENT_ENDED = "The execution that called this task has ended."
GIVEN_UP = "The execution that called this task gave the call up, or has ended."


class NestedCalls:
    """Answers the host call `tasks.call` of running tasks."""

    def __init__(self, executions: Executions, catalog: Catalog, depth: int) -> None:
        self._executions = executions
        self._catalog = catalog
        self._depth = depth

    async def __call__(self, parent: Live, arguments: Any) -> Any:
        """Run the task that a parent calls, as the same principal, within the parent's time; returns its output.

        Raises the called task's error, and `InvalidArgument`, `CallDepthExceeded`, `TimedOut`, `TaskNotFound`, `InputInvalid`, …
        """
        reference, value = _arguments(arguments)
        number = parent.calls_made
        parent.calls_made += 1
        if parent.request.depth + 1 > self._depth:
            raise CallDepthExceeded(
                f"tasks.call was nested deeper than engine.call_depth = {self._depth}.", details={"limit": self._depth, "task": reference}
            )
        task = await self._catalog.resolve(reference)
        course = None if parent.request.course is None else parent.request.course.of_child(number)
        child = await self._executions.start_nested(task, value, parent=parent, seconds=_remaining(parent), course=course)
        parent.children.add(child)
        try:
            await child.wait(None)
        except anyio.get_cancelled_exc_class():
            child.end(Cancelled(GIVEN_UP, details={"reason": GIVEN_UP}))
            raise
        finally:
            parent.children.discard(child)
            if child.course is not None:
                parent.child_courses[number] = child.course
        return _answer(child.execution)


def _arguments(arguments: Any) -> tuple[str, Any]:
    given = cast("dict[str, Any]", arguments) if isinstance(arguments, dict) else {}
    reference = given.get("task")
    if not isinstance(reference, str) or not reference:
        raise InvalidArgument("tasks.call(name, input) needs the name of a task.")
    return reference, given.get("input", {})


def _remaining(parent: Live) -> float:
    left = parent.clock.remaining
    if left <= 0:
        raise TimedOut("No time is left for the task that was to be called.")
    return left


def _answer(child: Execution) -> Any:
    if child.status is Status.COMPLETED:
        return child.output
    error = from_dict(child.error or {})
    error.details.setdefault("task", child.task)
    error.details.setdefault("execution_id", child.id)
    raise error
