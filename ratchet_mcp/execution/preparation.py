"""What running a task needs, made once for each content of a task."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import anyio.to_thread

from ratchet_mcp.engine.run import Locate
from ratchet_mcp.execution.recording import UNSAVED, task_record
from ratchet_mcp.store.records import TaskRecord
from ratchet_mcp.tasks.definition import Task

SMALL_SOURCE = 32 << 10
KEPT = 512


@dataclass(frozen=True, slots=True)
class Prepared:
    """The script for the engine, its digest, which is also the breaker's key, the way back to places in the source, the task's row."""

    script: str
    digest: str
    key: str
    locate: Locate
    record: TaskRecord | None


class Preparation:
    """Prepares tasks and remembers the recent ones.

    The first one is prepared in a thread, because it imports the parsers; so are large ones.
    """

    def __init__(self) -> None:
        self._recent: OrderedDict[tuple[str, str, str], Prepared] = OrderedDict()
        self._imported = False

    async def of(self, task: Task) -> Prepared:
        """Return what running a task needs. Raises `TaskSyntaxError` and `TaskInvalid`."""
        key = (str(task.uuid), task.version, task.digest)
        known = self._recent.get(key)
        if known is not None:
            self._recent.move_to_end(key)
            return known
        if self._imported and len(task.source) <= SMALL_SOURCE:
            prepared = _prepare(task)
        else:
            prepared = await anyio.to_thread.run_sync(_prepare, task)
            self._imported = True
        if task.digest and task.origin != UNSAVED:
            self._recent[key] = prepared
            if len(self._recent) > KEPT:
                self._recent.popitem(last=False)
        return prepared


def _prepare(task: Task) -> Prepared:
    from ratchet_mcp.engine.script import compose

    script, digest = compose(task.code)
    _ = task.input_validator, task.output_validator
    return Prepared(script, digest, digest, task.code.to_source, task_record(task))
