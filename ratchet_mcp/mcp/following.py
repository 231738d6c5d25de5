"""Keeps what clients see in step with the catalog, and tells them when it has changed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
from loguru import logger

from ratchet_mcp.errors import RatchetError
from ratchet_mcp.mcp.announcements import Announcements
from ratchet_mcp.mcp.uris import EXECUTION, PARTS_OF_EXECUTION, execution_of, task_name_of

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from ratchet_mcp.app import Ratchet
    from ratchet_mcp.mcp.task_tool import TaskTool
    from ratchet_mcp.mcp.task_tools import TaskTools
    from ratchet_mcp.mcp.tools.spec import RatchetSource
    from ratchet_mcp.registry.catalog import Catalog
    from ratchet_mcp.registry.changes import Changes

LIST_SECONDS = 5.0
"""How long a listing waits for the services to start; what is missing then is announced later."""
MAX_WATCHED = 200
"""Executions whose ends are watched at the same time; each of another server costs a look at the database now and then."""
DOWN_SECONDS = 2.0
"""How often services whose start failed are asked for: it is tried again."""
LOOK_SECONDS = 30.0
"""How often a watched execution is asked whether anybody still wants to know of its end."""


class Following:
    """Follows the catalog for one server. `install` takes the tools made of tasks whenever they may have changed."""

    def __init__(self, app: RatchetSource, task_tools: TaskTools, install: Callable[[Mapping[str, TaskTool]], None]) -> None:
        self.announcements = Announcements(self._subscribed)
        self._app = app
        self._task_tools = task_tools
        self._install = install
        self._catalog: Catalog | None = None
        self._changes: list[Changes] = []
        self._news = anyio.Event()
        self._leading = anyio.Lock()
        self._watching: tuple[TaskGroup, Ratchet] | None = None
        self._watched: set[str] = set()
        self._told: dict[str, Any] | None = None
        self._told_tasks: bool | None = None
        self._incomplete = False
        self._serving = 0

    @asynccontextmanager
    async def running(self, server: Any) -> AsyncGenerator[dict[str, Any]]:
        """Follow while the server serves; a lifespan of the SDK. Of several at once, one follows and the others stand by."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._follow)
            self._serving += 1
            yield {}
            self._serving -= 1
            if not self._serving:
                self.announcements.close()
            tasks.cancel_scope.cancel()

    async def catch_up(self) -> Ratchet | None:
        """Install the tools of now. Returns the services, or None when they are not up in time or failed to start."""
        with anyio.move_on_after(LIST_SECONDS):
            try:
                ratchet = await self._app.get()
                await self._refresh(ratchet)
                return ratchet
            except RatchetError as error:
                logger.debug("Listed without the tasks: {}", error.message)
            except Exception:
                logger.exception("Listed without the tasks")
        self._incomplete = True
        return None

    async def _refresh(self, ratchet: Ratchet) -> None:
        if self._catalog is not ratchet.catalog:
            self._catalog = ratchet.catalog
            ratchet.catalog.subscribe(self._take)
        tools = await self._task_tools.current(ratchet.catalog)
        self._install(tools)
        if self._told is None:
            self._told, self._told_tasks = _shown(tools), _has_tasks(ratchet)

    def _take(self, changes: Changes) -> None:
        self._task_tools.invalidate()
        self._changes.append(changes)
        self._news.set()

    # ------------------------------------------------------------ while the server serves
    async def _follow(self) -> None:
        async with self._leading:
            ratchet = await self._services()
            if ratchet is None:
                return
            try:
                async with anyio.create_task_group() as watching:
                    self._watching = watching, ratchet
                    for uri in self.announcements.subscribed:
                        self._subscribed(uri)
                    await self._without_end(ratchet)
            finally:
                self._watching = None
                self._watched.clear()

    async def _services(self) -> Ratchet | None:
        """Wait for the services; None when they will never be up. Each call tells why they are down."""
        while True:
            try:
                return await self._app.up()
            except RatchetError as error:
                if not error.retryable:
                    return None
                await anyio.sleep(DOWN_SECONDS)
            except Exception:
                logger.exception("The catalog cannot be followed")
                return None

    async def _without_end(self, ratchet: Ratchet) -> None:
        """Announce each change; a defect in one announcement must not end the others, nor the server."""
        changes: list[Changes] | None = None
        while True:
            try:
                await (self._announce_start(ratchet) if changes is None else self._announce(ratchet, changes))
            except Exception:
                logger.exception("Clients could not be told what changed")
            await self._news.wait()
            self._news = anyio.Event()
            changes, self._changes = self._changes, []

    async def _announce_start(self, ratchet: Ratchet) -> None:
        """Install the tools of tasks, and tell those who were given a list without them."""
        await self._refresh(ratchet)
        if self._incomplete:
            self._incomplete = False
            await self.announcements.tools_changed()
            await self.announcements.prompts_changed()

    async def _announce(self, ratchet: Ratchet, changes: list[Changes]) -> None:
        await self._refresh(ratchet)
        shown, has_tasks = _shown(self._task_tools.tools), _has_tasks(ratchet)
        names = frozenset[str]().union(*(each.added | each.changed | each.removed for each in changes))
        uris = sorted(uri for uri in self.announcements.subscribed if task_name_of(uri) in names)
        async with anyio.create_task_group() as telling:  # at once: a stuck client must not delay the later ones for everybody
            if shown != self._told:
                telling.start_soon(self.announcements.tools_changed)
            if has_tasks != self._told_tasks:
                telling.start_soon(self.announcements.prompts_changed)
            telling.start_soon(self.announcements.resources_changed)
            telling.start_soon(self.announcements.updated, uris)
        self._told, self._told_tasks = shown, has_tasks

    # ------------------------------------------------------------ the ends of executions
    def _subscribed(self, uri: str) -> None:
        """Watch an execution for as long as somebody wants to know of its end."""
        id = execution_of(uri)
        if id is not None and self._watching is not None and id not in self._watched and len(self._watched) < MAX_WATCHED:
            self._watched.add(id)
            self._watching[0].start_soon(self._watch, self._watching[1], id)

    async def _watch(self, ratchet: Ratchet, id: str) -> None:
        uris = {f"{EXECUTION}{id}/{part}" for part in PARTS_OF_EXECUTION}
        try:
            execution = await ratchet.executions.get(id)
            while not execution.status.final and uris & self.announcements.subscribed:
                execution = await ratchet.executions.wait(id, LOOK_SECONDS)
                if execution.status.final:
                    await self.announcements.updated(sorted(uris & self.announcements.subscribed))
        except RatchetError as error:
            logger.debug("Stopped watching {}: {}", id[:100], error.message)
        except Exception:
            logger.exception("The end of {} cannot be told", id[:100])
        finally:
            self._watched.discard(id)


def _shown(tools: Mapping[str, TaskTool]) -> dict[str, Any]:
    return {name: tool.wire for name, tool in tools.items()}


def _has_tasks(ratchet: Ratchet) -> bool:
    return ratchet.catalog.find(limit=1).total > 0
