"""The catalog: finds tasks by name, version, UUID or search, and loads them when they are first needed."""

from __future__ import annotations

import difflib
import re
from collections import OrderedDict
from collections.abc import Sequence
from uuid import UUID

import anyio
import anyio.to_thread

from ratchet_mcp.errors import AmbiguousTask, InvalidArgument, RatchetError, TaskInvalid, TaskNotFound
from ratchet_mcp.registry.index import Entry, Index, TaskSummary
from ratchet_mcp.registry.listing import TaskPage, list_page
from ratchet_mcp.registry.sources import TaskProblem, open_sources
from ratchet_mcp.settings import Limits, RegistrySettings
from ratchet_mcp.tasks.definition import Task
from ratchet_mcp.tasks.loading import load_task
from ratchet_mcp.tasks.versions import is_version

__all__ = ["Catalog", "TaskPage", "TaskProblem", "TaskSummary"]

LOADED_TASKS = 256
"""How many loaded tasks are kept in memory."""
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")


class Catalog:
    """All tasks of all sources. Listings come from memory; a task is loaded and checked when it is first resolved."""

    def __init__(self, settings: RegistrySettings, limits: Limits) -> None:
        self._settings, self._limits = settings, limits
        self._index = Index()
        self._loaded: OrderedDict[str, Task] = OrderedDict()
        self._references: dict[str, str] = {}
        self._failed: dict[str, TaskProblem] = {}
        self._loading: dict[str, anyio.Lock] = {}

    async def start(self) -> None:
        """Scan the sources in a thread. Tasks that cannot be read become `problems`; nothing is raised for them."""
        await self.reload()

    async def reload(self) -> None:
        """Scan the sources again; callers see the old tasks until the new ones are complete."""
        self._swap(await anyio.to_thread.run_sync(self._scan))

    def _scan(self) -> Index:
        sources, problems = open_sources(self._settings)
        return Index.scan(sources, problems, self._limits)

    def _swap(self, index: Index) -> None:
        self._index = index
        self._loaded, self._references, self._failed, self._loading = OrderedDict(), {}, {}, {}

    @property
    def problems(self) -> list[TaskProblem]:
        """Return what cannot be served: found by the scan, or when a task was first loaded."""
        return [*self._index.problems, *self._failed.values()]

    def find(self, *, query: str | None = None, tags: Sequence[str] = (), limit: int = 50, cursor: str | None = None) -> TaskPage:
        """Return a page of tasks, the best version of each. Tasks must have all `tags`. Raises `InvalidCursor`."""
        return list_page(self._index, query, tags, limit, cursor)

    def versions(self, name: str) -> list[str]:
        """Return the versions of a task, newest first, releases before pre-releases; empty when there is no such task."""
        return [entry.summary.version for entry in self._index.by_name.get(name, ())]

    async def resolve(self, reference: str) -> Task:
        """Return the task that a name, `name@version` or UUID means.

        A bare name means the highest release, or the highest pre-release when there is no release. Raises `TaskNotFound` (with
        suggestions), `AmbiguousTask`, `TaskInvalid` (listing all problems) or `InvalidArgument` (a version range).
        """
        known = self._references.get(reference)
        task = self._loaded.get(known) if known is not None else None
        if known is not None and task is not None:
            self._loaded.move_to_end(known)
            return task
        for _ in range(3):
            index = self._index
            task = await self._load(index, _choose(index, reference.strip()))
            if task is not None:
                if index is self._index and len(reference) <= 200:
                    self._remember(reference, task)
                return task
            await self.reload()
        raise TaskInvalid(f"The task {reference[:200]!r} changes while it is read.", hint="Try again when its files are complete.")

    def _remember(self, reference: str, task: Task) -> None:
        if len(self._references) > 4 * LOADED_TASKS:
            self._references.clear()
        self._references[reference] = str(task.location)

    async def _load(self, index: Index, entry: Entry) -> Task | None:
        """Load a task once; None when its files no longer hold the task that was scanned."""
        key = str(entry.path)
        async with self._loading.setdefault(key, anyio.Lock()):
            task = self._loaded.get(key) if index is self._index else None
            if task is None:
                task = await self._read(index, entry)
            wanted = entry.summary
            if (task.name, task.version, task.uuid) != (wanted.name, wanted.version, wanted.uuid):
                return None
            if index is self._index:
                self._failed.pop(key, None)
                self._loaded[key] = task
                self._loaded.move_to_end(key)
                while len(self._loaded) > LOADED_TASKS:
                    self._loaded.popitem(last=False)
            return task

    async def _read(self, index: Index, entry: Entry) -> Task:
        try:
            return await anyio.to_thread.run_sync(lambda: load_task(entry.path, origin=entry.summary.origin, limits=self._limits))
        except RatchetError as error:
            if index is self._index:
                self._failed[str(entry.path)] = TaskProblem(entry.summary.origin, str(entry.path), error)
            raise


def _choose(index: Index, reference: str) -> Entry:
    base, at, version = reference.partition("@")
    entries = index.by_uuid.get(UUID(base)) if _UUID.fullmatch(base) else index.by_name.get(base)
    if not entries:
        raise _not_found(index, reference, base)
    if at:
        return _of_version(entries, base, version)
    if len({entry.summary.uuid for entry in entries}) > 1:
        candidates = [
            {"task": entry.summary.reference, "uuid": str(entry.summary.uuid), "origin": entry.summary.origin} for entry in entries
        ]
        named = ", ".join(f"{each['task']} ({each['uuid']})" for each in candidates)
        raise AmbiguousTask(
            f"{base!r} means several tasks: {named}.", hint="Name one of them by its version or UUID.", details={"candidates": candidates}
        )
    return entries[0]


def _of_version(entries: list[Entry], name: str, version: str) -> Entry:
    for entry in entries:
        if entry.summary.version == version:
            return entry
    available = [entry.summary.version for entry in entries]
    listed = ", ".join(available[:10])
    if not is_version(version):
        raise InvalidArgument(
            f"{version[:64]!r} is not an exact version, and version ranges are not supported.",
            hint=f"Ask for {name}@{available[0]}, or for {name} to get the newest. Versions: {listed}.",
            details={"versions": available},
        )
    suggestions = [entry.summary.reference for entry in entries[:5]]
    raise TaskNotFound(
        f"{name} has no version {version[:64]}.", hint=f"Versions: {listed}.", details={"suggestions": suggestions, "versions": available}
    )


def _not_found(index: Index, reference: str, base: str) -> RatchetError:
    broken = index.broken.get(base)
    if broken is not None:
        return type(broken)(broken.message, hint=broken.hint, details=broken.details)
    shown = reference[:200]
    if not base:
        return TaskNotFound("The name of a task is missing.")
    plain = re.sub(r"[^a-z0-9_]+", "-", base[:64].lower())
    suggestions = difflib.get_close_matches(plain, index.by_name, 3, 0.5)
    if not suggestions and len(plain) >= 3:
        suggestions = [name for name in index.by_name if plain in name or name in plain][:3]
    near = f" Did you mean {' or '.join(suggestions)}?" if suggestions else ""
    return TaskNotFound(f"There is no task {shown!r}.{near}", details={"suggestions": suggestions})
