"""Loads tasks when they are first needed, each once, and keeps those that were used last."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import partial

import anyio
import anyio.to_thread

from ratchet_mcp.errors import InternalError, RatchetError
from ratchet_mcp.registry.index import Entry
from ratchet_mcp.registry.source import Place, TaskProblem
from ratchet_mcp.settings import Limits
from ratchet_mcp.tasks.definition import Task

LOADED_TASKS = 256
"""How many loaded tasks are kept in memory."""


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """The last good content of a task whose place now holds something that cannot be used, or must not be."""

    task: Task
    place: Place

    @property
    def location(self) -> str:
        """Return where it was read."""
        return self.place.location

    def load(self, limits: Limits, origin: str) -> Task:
        """Return the task as it was."""
        return self.task


class Loader:
    """Loaded tasks by their places. `failed` holds what could not be loaded when it was last tried.

    `adopted` holds the locations whose task is not what is there.
    """

    def __init__(self, limits: Limits) -> None:
        self.failed: dict[str, TaskProblem] = {}
        self.adopted: set[str] = set()
        self._limits = limits
        self._loaded: OrderedDict[str, tuple[Place, Task]] = OrderedDict()
        self._loading: dict[str, anyio.Lock] = {}

    def peek(self, entry: Entry) -> Task | None:
        """Return the task of an entry if it is in memory."""
        if isinstance(entry.place, Kept):
            return entry.place.task
        known = self._loaded.get(entry.place.location)
        if known is None or not (known[0] is entry.place or known[0] == entry.place):
            return None
        self._loaded.move_to_end(entry.place.location)
        return known[1]

    async def load(self, entry: Entry) -> Task:
        """Return the task of an entry; several callers at once wait for one reading. Raises `RatchetError`."""
        task = self.peek(entry)
        if task is not None:
            return task
        location = entry.place.location
        lock = self._loading.setdefault(location, anyio.Lock())
        try:
            async with lock:
                task = self.peek(entry)
                return task if task is not None else await self._read(entry)
        finally:
            if not lock.statistics().tasks_waiting and not lock.locked():
                self._loading.pop(location, None)

    def adopt(self, entry: Entry, task: Task) -> None:
        """Serve this as the task of an entry, instead of what its place holds."""
        self._loaded[entry.place.location] = (entry.place, task)
        self.adopted.add(entry.place.location)

    def forget(self, entry: Entry) -> None:
        """Drop an entry's task from memory, and what was wrong with it."""
        self._loaded.pop(entry.place.location, None)
        self.adopted.discard(entry.place.location)
        self.failed.pop(entry.place.location, None)

    async def _read(self, entry: Entry) -> Task:
        place, origin = entry.place, entry.summary.origin
        try:
            task = await anyio.to_thread.run_sync(partial(place.load, self._limits, origin))
        except RatchetError as error:
            self.failed[place.location] = TaskProblem(origin, place.location, error)
            raise
        except Exception as error:
            from loguru import logger

            logger.opt(exception=error).error("Loading {} failed on a defect", place.location)
            raise InternalError(f"{entry.summary.reference} could not be loaded: {error}") from error
        self.failed.pop(place.location, None)
        self._loaded[place.location] = (place, task)
        self.adopted.discard(place.location)
        self._loaded.move_to_end(place.location)
        while len(self._loaded) > LOADED_TASKS:
            self._loaded.popitem(last=False)
        return task
