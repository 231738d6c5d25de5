"""Replays: a recorded run once more, with the answers, the clock and the random numbers of then."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ratchet_mcp.errors import from_dict
from ratchet_mcp.execution.models import Execution, Origin, Status
from ratchet_mcp.security.principal import LOCAL, Principal
from ratchet_mcp.tasks.json_values import is_object
from ratchet_mcp.tasks.testcase import TestCase
from ratchet_mcp.testing.answers import RecordedAnswers
from ratchet_mcp.testing.compare import compare

if TYPE_CHECKING:
    from ratchet_mcp.egress.replay import Mode, Replay
    from ratchet_mcp.egress.service import Egress
    from ratchet_mcp.engine.run import ProgressUpdate
    from ratchet_mcp.execution.ending import Ended
    from ratchet_mcp.execution.service import Executions, Handle
    from ratchet_mcp.tasks.definition import Task
    from ratchet_mcp.testing.recordings import Recorded

NO_PATCH: Any = object()
MOST_LISTED = 20
REPORTS_KEPT = 200
"""Comparisons of this process's replays that are still known after their end."""


@dataclass(frozen=True)
class ReplayReport:
    """How a replay compares with its recording.

    `same` tells whether output or error are the same to the letter, `differences` where they are not. `missed` are requests that the
    recording does not have, `unused` recorded requests that were not made. `task_changed`: the task is not the one that was recorded.
    """

    same: bool
    differences: list[dict[str, str]]
    missed: list[str]
    unused: list[str]
    task_changed: bool
    input_changed: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values, without what does not apply."""
        body: dict[str, Any] = {"same": self.same}
        optional = {"differences": self.differences, "missed": self.missed, "unused": self.unused}
        body |= {name: value[:MOST_LISTED] for name, value in optional.items() if value}
        return body | {name: True for name in ("task_changed", "input_changed") if getattr(self, name)}


class Replayed:
    """A replay under way."""

    def __init__(self, recorded: Recorded, replay: Replay, task: Task, *, input_changed: bool) -> None:
        self.handle: Handle
        self._recorded, self._replay, self._task, self._input_changed = recorded, replay, task, input_changed

    def report(self, execution: Execution) -> ReplayReport:
        """Compare the run, which has ended, with the recording."""
        facts = self._recorded.recording.facts
        if "output" in facts:
            differences = _output_differences(facts["output"], execution)
        else:
            differences = _error_differences(facts.get("error"), execution)
        return ReplayReport(
            not differences,
            differences,
            self._replay.missed,
            self._replay.unused,
            self._recorded.digest != self._task.digest,
            self._input_changed,
        )


class Replays:
    """Repeats recorded runs."""

    def __init__(self, executions: Executions, egress: Callable[[], Awaitable[Egress]]) -> None:
        self._executions, self._egress = executions, egress
        self._reports: OrderedDict[str, ReplayReport] = OrderedDict()

    def report_of(self, execution_id: str) -> ReplayReport | None:
        """Return how a replay that ended in this process compared with its recording; None for other runs, and for those long ago."""
        return self._reports.get(execution_id)

    async def start(
        self,
        recorded: Recorded,
        task: Task,
        *,
        mode: Mode = "replay",
        input_patch: Any = NO_PATCH,
        origin: Origin,
        principal: Principal = LOCAL,
        timeout_seconds: float | None = None,
        on_progress: Callable[[ProgressUpdate], None] | None = None,
    ) -> Replayed:
        """Start a replay of a task. `input_patch` changes the recorded input as RFC 7396 (JSON Merge Patch) says.

        Raises `RecordingInvalid` and what `Executions.start` raises.
        """
        course = recorded.course
        egress = await self._egress()
        replay = egress.replay(recorded.recording, mode)
        was = recorded.recording.facts.get("input")
        value = was if input_patch is NO_PATCH else merged(was, input_patch)
        secrets = egress.secrets_for(task, recorded.nonce)
        network = await self._executions.network_for(task, timeout_seconds, replay=replay, secrets=secrets)
        replayed = Replayed(recorded, replay, task, input_changed=json.dumps(value) != json.dumps(was))

        async def note(ended: Ended) -> None:
            self._reports[ended.execution.id] = replayed.report(ended.execution)
            if len(self._reports) > REPORTS_KEPT:
                self._reports.popitem(last=False)

        replayed.handle = await self._executions.start(
            task,
            value,
            origin=origin,
            principal=principal,
            timeout_seconds=timeout_seconds,
            on_progress=on_progress,
            network=network,
            course=course,
            answers=RecordedAnswers(recorded.recording.facts.get("questions")),
            on_end=note,
        )
        return replayed


def merged(value: Any, patch: Any) -> Any:
    """Return a value changed by a JSON Merge Patch: members are set, those that are null are removed, anything else takes its place."""
    if not is_object(patch):
        return patch
    result: dict[str, Any] = dict(value) if is_object(value) else {}
    for name, change in patch.items():
        if change is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), change)
    return result


def _output_differences(wanted: Any, execution: Execution) -> list[dict[str, str]]:
    case = TestCase("replay", expected_output=wanted, has_output=True, match="exact")
    if execution.status is not Status.COMPLETED:
        return [each.to_dict() for each in compare(case, output=None, error=from_dict(execution.failure))]
    found = [each.to_dict() for each in compare(case, output=execution.output, error=None)]
    if not found and json.dumps(wanted) != json.dumps(execution.output):
        found.append({"path": "$", "message": "the members are the same, but their order or the way numbers are written is not"})
    return found


def _error_differences(wanted: Any, execution: Execution) -> list[dict[str, str]]:
    if execution.status is Status.COMPLETED:
        return [{"path": "$", "message": f"the recorded run failed ({_told(wanted)}), this one completed"}]
    now = execution.failure
    if _told(wanted) == _told(now):
        return []
    return [{"path": "$", "message": f"the recorded run failed with {_told(wanted)}, this one with {_told(now)}"}]


def _told(error: Any) -> str:
    return f"{error.get('code')}: {error.get('message')}" if is_object(error) else "nothing"
