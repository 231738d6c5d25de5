"""One task as a tool of its own: its arguments are the task's input, its structured content is the task's output."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from mcp.types import Tool, ToolAnnotations

from ratchet_mcp.errors import InvalidArgument
from ratchet_mcp.execution.models import Origin, Status
from ratchet_mcp.jobs.models import JobRequest
from ratchet_mcp.mcp.asking import answers_for
from ratchet_mcp.mcp.long_output import PREVIEW_CHARACTERS, output_uri
from ratchet_mcp.mcp.results import ToolResult, clipped, failure, mirror, to_json, wire
from ratchet_mcp.mcp.running import OnProgress, failure_text, run_and_wait
from ratchet_mcp.mcp.tasks_extension.becoming import Becomes
from ratchet_mcp.tasks.portable import Portable, portable_input, portable_output
from ratchet_mcp.tasks.visible import visible

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from ratchet_mcp.app import Ratchet
    from ratchet_mcp.execution.models import Execution
    from ratchet_mcp.execution.service import Handle
    from ratchet_mcp.mcp.tools.spec import Call
    from ratchet_mcp.tasks.annotations import Annotations
    from ratchet_mcp.tasks.definition import Task

MAX_DESCRIPTION = 1_000
MAX_TITLE = 100
EXECUTION_META = "ratchet/execution"
"""Where the `_meta` of a result names its execution."""


@dataclass(frozen=True)
class TaskTool:
    """A task under the name of a tool. `given` and `told` are the advertised schemas of input and output."""

    name: str
    task: Task
    given: Portable
    told: Portable

    @classmethod
    def of(cls, name: str, task: Task) -> TaskTool:
        """Make the tool of a task. Raises `Unportable` when no client could take its schema."""
        return cls(name, task, portable_input(task.input_schema), portable_output(task.output_schema))

    @property
    def input_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the arguments."""
        return self.given.schema

    @cached_property
    def wire(self) -> Tool:
        """Return the entry of `tools/list`."""
        task = self.task
        title = visible(task.annotations.title or task.title, MAX_TITLE)
        return Tool(
            name=self.name,
            title=title or None,
            description=visible(task.description, MAX_DESCRIPTION) or f"Runs the task {task.name}.",
            input_schema=self.given.schema,
            output_schema=self.told.schema,
            annotations=_hints(task.annotations),
        )

    async def call(self, call: Call, arguments: dict[str, Any]) -> ToolResult:
        """Run the newest version of the task and wait for it. Raises what resolving and starting it raise."""
        ratchet = await call.app.get()
        task = await ratchet.catalog.resolve(str(self.task.uuid))
        if task.origin != self.task.origin:
            task = self.task  # a source that has just brought a newer version was not asked whether it may be a tool
        value = self._input_of(arguments)

        def start(on_progress: OnProgress) -> Awaitable[Handle]:
            return ratchet.executions.start(
                task, value, origin=Origin.MCP, principal=call.principal, on_progress=on_progress, answers=answers_for(call)
            )

        becomes = Becomes(self.name, JobRequest(task.reference, value, origin=Origin.MCP, principal=call.principal))
        execution = await run_and_wait(call, start, call.settings.mcp.wait_seconds, becomes)
        return await self.answer(call, ratchet, execution, {})

    async def answer(self, call: Call, ratchet: Ratchet, execution: Execution, facts: Mapping[str, Any]) -> ToolResult:
        """Return what a call answers whose run has ended, or goes on."""
        return {**await self._answer(call, ratchet, execution), "_meta": {EXECUTION_META: execution.id}}

    def _input_of(self, arguments: dict[str, Any]) -> Any:
        if self.given.wrapped is None:
            return arguments
        if set(arguments) != {self.given.wrapped}:
            raise InvalidArgument(
                f"{self.name} takes one argument, {self.given.wrapped}, and got {', '.join(sorted(arguments)[:10]) or 'none'}.",
                hint=f'Call it with {{"{self.given.wrapped}": …}}.',
            )
        return arguments[self.given.wrapped]

    async def _answer(self, call: Call, ratchet: Ratchet, execution: Execution) -> ToolResult:
        if execution.status is Status.COMPLETED:
            return self._output(execution, call.characters)
        view: dict[str, Any] = {"execution_id": execution.id, "status": execution.status.value}
        if not execution.status.final:
            return failure(
                view,
                f'{self.name} is still running; this is no failure. Call get_status(id="{execution.id}", wait_seconds=25) for its output, '
                f'or cancel_execution(id="{execution.id}").',
            )
        view["error"] = clipped(execution.failure)
        return failure(view, await failure_text(ratchet, execution, view["error"]))

    def _output(self, execution: Execution, characters: int) -> ToolResult:
        """Return the output. One that is too long cannot be cut, since it must match its schema: it is pointed to instead."""
        output: Any = execution.output
        structured = cast("dict[str, Any]", output) if self.told.wrapped is None else {self.told.wrapped: output}
        text, sound = mirror(structured)
        if len(text) <= characters:
            return wire(sound, text)
        whole = to_json(output)
        view = {"execution_id": execution.id, "status": "completed", "output_bytes": len(whole.encode())}
        note = (
            f"{self.name} has completed; this is no failure. Its output is too long for one result ({len(whole):,} characters of JSON). "
            f'Read it in pieces with get_status(id="{execution.id}", include=["output"], offset=0), '
            f"or as the resource {output_uri(execution.id)}. It begins: {whole[:PREVIEW_CHARACTERS]}"
        )
        return failure(view, note)


def _hints(said: Annotations) -> ToolAnnotations:
    return ToolAnnotations(
        read_only_hint=said.read_only,
        destructive_hint=said.destructive,
        idempotent_hint=said.idempotent,
        open_world_hint=said.open_world,
    )
