"""Run a task and look into it: what its variables were at chosen lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import anyio

from ratchet_mcp.engine.observe import Evaluated, Observation, Observed, Snapshot
from ratchet_mcp.execution.models import Execution, Origin
from ratchet_mcp.security.principal import LOCAL, Principal
from ratchet_mcp.tasks.frame import split_lines

if TYPE_CHECKING:
    from ratchet_mcp.engine.run import LogLine, ProgressUpdate
    from ratchet_mcp.execution.service import Executions
    from ratchet_mcp.settings import Settings
    from ratchet_mcp.tasks.definition import Task

ALL_LINES = 1_000_000


@dataclass(frozen=True)
class DebugReport:
    """A run that was looked into. `execution` and `lines` (its console) are as of any run; `observed` is what was seen."""

    task: Task
    execution: Execution
    lines: list[LogLine]
    observed: Observed
    breakpoints: tuple[int, ...]

    @property
    def hits(self) -> dict[int, int] | None:
        """Return how often each line with a breakpoint ran; None when the run was killed before it could be told."""
        coverage = self.observed.coverage
        if coverage is None:
            return None
        places = (self.observed.moved.get(line, line) for line in self.breakpoints if line not in self.observed.unreachable)
        taken = {snapshot.line: snapshot.hit for snapshot in self.observed.snapshots}
        return {line: coverage.get(line, taken.get(line, 0)) for line in sorted(set(places))}

    def code(self, line: int) -> str:
        """Return a line of the task's source."""
        lines = split_lines(self.task.source)
        return lines[line - 1].strip() if 1 <= line <= len(lines) else ""

    def to_dict(self) -> dict[str, Any]:
        """Return what was seen as JSON values."""
        observed = self.observed
        body: dict[str, Any] = {"snapshots": [snapshot_to_dict(snapshot, self.code(snapshot.line)) for snapshot in observed.snapshots]}
        if observed.at_throw is not None:
            body["at_throw"] = snapshot_to_dict(observed.at_throw, self.code(observed.at_throw.line))
        if self.hits is not None:
            body["hits"] = {str(line): hits for line, hits in self.hits.items()}
        if observed.moved:
            body["moved"] = {str(asked): line for asked, line in observed.moved.items()}
        if observed.unreachable:
            body |= {"unreachable": observed.unreachable, "nearest": observed.nearest}
        if observed.truncated:
            body["truncated"] = True
        return body


class Debugging:
    """Runs tasks on debugging workers."""

    def __init__(self, executions: Executions, settings: Settings) -> None:
        self._executions = executions
        self._limits = settings.limits

    async def run(
        self,
        task: Task,
        input: Any = None,
        breakpoints: Sequence[int] = (),
        expressions: Sequence[str] = (),
        max_snapshots: int = 50,
        *,
        origin: Origin = Origin.TEST,
        principal: Principal = LOCAL,
        seconds: float | None = None,
        on_progress: Callable[[ProgressUpdate], None] | None = None,
    ) -> DebugReport:
        """Run to the end, or for `seconds` at most, and tell what was seen; how the run ended is in the report.

        Raises `InvalidArgument` for what no `Observation` takes, and what `Executions.start` raises. Cancelling kills the run.
        """
        lines = tuple(sorted(set(breakpoints)))
        observation = Observation(lines, tuple(dict.fromkeys(expressions)), max_snapshots, coverage=True, throws=True)
        handle = await self._executions.start(
            task,
            input,
            origin=origin,
            principal=principal,
            timeout_seconds=self._timeout(task, seconds),
            on_progress=on_progress,
            observe=observation,
        )
        try:
            execution = await handle.wait(None)
        except anyio.get_cancelled_exc_class():
            handle.cancel("The caller stopped waiting.")
            raise
        return DebugReport(task, execution, await self._executions.logs(handle.id, 0, ALL_LINES), handle.observed or Observed(), lines)

    def _timeout(self, task: Task, seconds: float | None) -> float | None:
        if seconds is None:
            return None
        return min(task.timeout_seconds or self._limits.timeout_seconds, seconds, self._limits.max_timeout_seconds)


def snapshot_to_dict(snapshot: Snapshot, code: str) -> dict[str, Any]:
    """Return a snapshot as JSON values; what it has nothing of is left out."""
    body: dict[str, Any] = {"line": snapshot.line, "column": snapshot.column, "code": code, "function": snapshot.function}
    body |= {"error": snapshot.error} if snapshot.error is not None else {"hit": snapshot.hit}
    for name in ("expressions", "locals", "outer", "arguments", "stack"):
        value: Any = getattr(snapshot, name)
        if name == "expressions":
            value = [_evaluated(one) for one in snapshot.expressions]
        elif name == "stack":
            value = [asdict(frame) for frame in snapshot.stack]
        if value:
            body[name] = value
    return body


def _evaluated(one: Evaluated) -> dict[str, Any]:
    return {"expression": one.expression, **({"value": one.value} if one.error is None else {"error": one.error})}
