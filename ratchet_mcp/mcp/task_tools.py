"""Which tasks are tools of their own, and under which names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
from loguru import logger

from ratchet_mcp.errors import RatchetError
from ratchet_mcp.mcp.task_tool import TaskTool
from ratchet_mcp.tasks.plain_schema import Unportable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from ratchet_mcp.registry.catalog import Catalog, TaskSummary
    from ratchet_mcp.settings.server import McpSettings
    from ratchet_mcp.tasks.definition import Task

PAGE = 500
MAX_NAME = 64


class TaskTools:
    """The tools made of tasks. `taken` are the names of our own tools.

    One bad task keeps none of the others away: it is left out and stands in `problems`, by its name. When more tasks want to be tools than
    `mcp.task_tools_cap` allows, none is (`catalogue`): they are found with list_tasks.
    """

    def __init__(self, settings: McpSettings, taken: Collection[str]) -> None:
        self._settings = settings
        self._taken = taken
        self.enabled = settings.task_tools != "off" and not settings.read_only
        self.tools: Mapping[str, TaskTool] = {}
        self.problems: dict[str, str] = {}
        self.wanting = 0
        self._stale = True
        self._building = anyio.Lock()

    @property
    def catalogue(self) -> bool:
        """Tell whether too many tasks want to be tools."""
        return self.wanting > self._settings.task_tools_cap

    def invalidate(self) -> None:
        """Have the tools made again when they are next asked for: the catalog has changed."""
        self._stale = True

    def status(self) -> dict[str, Any]:
        """Return what `server_status` shows."""
        status: dict[str, Any] = {"mode": self._settings.task_tools if self.enabled else "off", "count": len(self.tools)}
        if self.catalogue:
            cap = f"mcp.task_tools_cap ({self._settings.task_tools_cap})"
            status["hint"] = f"{self.wanting} tasks want to be tools, more than {cap} allows; they are run with execute_task."
        if self.problems:
            status["problems"] = [{"task": task, "message": message} for task, message in list(self.problems.items())[:50]]
        return status

    async def current(self, catalog: Catalog) -> Mapping[str, TaskTool]:
        """Return the tools of the tasks that the catalog has now, by name."""
        async with self._building:
            while self._stale and self.enabled:
                self._stale = False
                try:
                    await self._build(catalog)
                except BaseException:
                    self._stale = True
                    raise
        return self.tools

    async def _build(self, catalog: Catalog) -> None:
        wanting = self._find(catalog)
        self.wanting = len(wanting)
        known = {(tool.name, id(tool.task)): tool for tool in self.tools.values()}
        tools: dict[str, TaskTool] = {}
        problems: dict[str, str] = {}
        for summary in [] if self.catalogue else wanting:
            try:
                task = await catalog.resolve(str(summary.uuid))
                name = self._name(task, tools)
                tools[name] = known.get((name, id(task))) or _checked(TaskTool.of(name, task))
            except (RatchetError, Unportable) as error:
                problems[summary.name] = f"{summary.reference} is not offered as a tool: {error}"
            except Exception:
                logger.exception("{} cannot be made a tool", summary.reference)
                problems[summary.name] = f"{summary.reference} is not offered as a tool because of a defect of the server; see its log."
        for task_name, message in problems.items():
            if self.problems.get(task_name) != message:
                logger.warning("{}", message)
        self.tools, self.problems = tools, problems

    def _find(self, catalog: Catalog) -> list[TaskSummary]:
        found: list[TaskSummary] = []
        cursor: str | None = None
        while True:
            page = catalog.find(limit=PAGE, cursor=cursor)
            found += [summary for summary in page.tasks if self._wants(summary)]
            if page.next_cursor is None:
                return found
            cursor = page.next_cursor

    def _wants(self, summary: TaskSummary) -> bool:
        """Tell whether a task is to be a tool. One from a remote source never is unless the settings name it."""
        wants = summary.enabled and (self._settings.task_tools == "all" or summary.expose == "tool")
        return wants and (not summary.remote or summary.name in self._settings.expose_remote)

    def _name(self, task: Task, others: Collection[str]) -> str:
        """Return a name that no other tool has: the task's own if it can be."""
        ends = ("", f"-{task.uuid.hex[:8]}", f"-{task.uuid.hex}")
        for candidate in (f"{start}{task.name}"[: MAX_NAME - len(end)] + end for end in ends for start in ("", "task_")):
            if candidate not in self._taken and candidate not in others:
                return candidate
        raise Unportable("no name is left for it")


def _checked(tool: TaskTool) -> TaskTool:
    """Write the tool out once, so that what cannot be written shows here and not in a listing."""
    tool.wire.model_dump_json(by_alias=True, exclude_none=True)
    return tool
