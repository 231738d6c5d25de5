"""Tests again what changes in a folder."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from ratchet_mcp.cli.test_session import Candidate
from ratchet_mcp.registry.folders import FolderSource
from ratchet_mcp.registry.source import TaskProblem
from ratchet_mcp.settings import Limits

if TYPE_CHECKING:
    from anyio.abc import TaskStatus
    from rich.console import Console

    from ratchet_mcp.tasks.definition import Task

DEBOUNCE_MS = 500
"""How long the files must rest before their changes count as complete; changes that follow each other faster are one."""

LONGEST_MS = 3000
"""How long changes are waited for that never come to rest."""


class TaskFolder:
    """The tasks of a folder or ZIP, and which of them have changed since the last look; `only` leaves out tasks with other names."""

    def __init__(self, source: FolderSource, limits: Limits, only: str | None = None) -> None:
        self.source = source
        self._limits, self._only = limits, only
        self._known: dict[str, Any] = {}

    async def changed(self) -> list[Candidate]:
        """Return what is new or has changed, at the first time everything. Raises `SourceFailed` when there is no such folder."""
        return await anyio.to_thread.run_sync(self._look)

    def _look(self) -> list[Candidate]:
        seen: dict[str, Any] = {}
        candidates: list[Candidate] = []
        for found in self.source.scan(self._limits):
            if isinstance(found, TaskProblem):
                location, state = found.location, (found.error.message, found.error.details)
                candidate = Candidate(location, lambda problem=found: _raise(problem))
            else:
                if self._only is not None and found.metadata.name != self._only:
                    continue
                location, state = found.place.location, found.place
                candidate = Candidate(location, lambda place=found.place: place.load(self._limits, self.source.name))
            seen[location] = state
            if location not in self._known or self._known[location] != state:
                candidates.append(candidate)
        self._known = seen
        return candidates


def _raise(problem: TaskProblem) -> Task:
    raise problem.error


async def watch(folder: TaskFolder, test: Callable[[list[Candidate]], Awaitable[None]], console: Console) -> None:
    """Test everything, then each time what changed. Raises `SourceFailed` when the folder is gone."""
    path = folder.source.path
    news = _News()
    async with anyio.create_task_group() as group:
        await group.start(news.gather, path)
        await test(await folder.changed())
        console.print(f"Watching {path}. Ctrl+C ends.", style="dim")
        while True:
            await news.wait()
            changed = await folder.changed()
            if changed:
                console.rule(style="dim")
                await test(changed)


class _News:
    """Tells that something changed, however often it did."""

    def __init__(self) -> None:
        self._changed = anyio.Event()

    async def wait(self) -> None:
        """Wait for a change after the last one that was waited for."""
        await self._changed.wait()
        self._changed = anyio.Event()

    async def gather(self, path: Path, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Watch a folder, or the folder of a file, for a file that is replaced is another one."""
        import watchfiles

        library: Any = watchfiles  # its types name a library that is not installed
        inside = await anyio.to_thread.run_sync(path.is_dir)
        watched = path if inside else path.parent
        task_status.started()
        async for _ in library.awatch(watched, debounce=LONGEST_MS, step=DEBOUNCE_MS, recursive=inside):
            self._changed.set()


async def until_interrupted(scope: anyio.CancelScope) -> None:
    """Cancel the scope at SIGINT or SIGTERM."""
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            scope.cancel("the user ended it")
            return
