"""What a tool is: its description for the model, its schemas, and the function behind it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from mcp.types import Tool, ToolAnnotations

from ratchet_mcp.errors import InternalError, InvalidArgument
from ratchet_mcp.mcp.results import ToolResult
from ratchet_mcp.mcp.tools.arguments import Arguments, parse, schema_of
from ratchet_mcp.security.principal import LOCAL, Principal
from ratchet_mcp.settings.server import Toolset

if TYPE_CHECKING:
    from mcp.server import ServerRequestContext

    from ratchet_mcp.app import Ratchet
    from ratchet_mcp.execution.models import Execution
    from ratchet_mcp.mcp.task_tools import TaskTools
    from ratchet_mcp.settings import Settings

A = TypeVar("A", bound=Arguments)


class RatchetSource(Protocol):
    """Where a call gets the services from: `LazyRatchet`, or anything that answers like it."""

    async def get(self) -> Ratchet:
        """Return the services once they are up, or raise the `RatchetError` that kept them down."""
        ...

    async def up(self) -> Ratchet:
        """Do the same as `get`, but do not start what starts when it is first needed."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool: where the services are, who asks, and the way back to the client."""

    app: RatchetSource
    settings: Settings
    context: ServerRequestContext[Any, Any]
    principal: Principal = LOCAL
    task_tools: TaskTools | None = None

    @property
    def characters(self) -> int:
        """Return how long the text of a result may be (a token counts as four characters)."""
        return self.settings.mcp.result_tokens * 4


@dataclass(frozen=True)
class ToolSpec(Generic[A]):
    """One tool. `output` is the JSON Schema of its structured result; `error` is a property of each of them.

    `tells` makes the result of a call of an execution, for calls that have become tasks. `runs_if` names the argument that makes a tool
    run code which otherwise only reads; a read-only server offers the tool without it.
    """

    name: str
    title: str
    description: str
    arguments: type[A]
    output: dict[str, Any]
    annotations: ToolAnnotations
    handler: Callable[[Call, A], Awaitable[ToolResult]]
    tells: Callable[[Call, Ratchet, Execution, Mapping[str, Any]], Awaitable[ToolResult]] | None = None
    toolset: Toolset = "core"
    runs_if: str | None = None
    left_out: str | None = None

    def reading_only(self) -> ToolSpec[A]:
        """Return the tool without the argument that makes it run code."""
        return replace(self, annotations=READ_ONLY, runs_if=None, left_out=self.runs_if)

    @cached_property
    def input_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the arguments."""
        schema = schema_of(self.arguments)
        if self.left_out is not None:
            schema["properties"].pop(self.left_out)
        return schema

    @cached_property
    def wire(self) -> Tool:
        """Return the entry of `tools/list`."""
        return Tool(
            name=self.name,
            title=self.title,
            description=self.description,
            input_schema=self.input_schema,
            output_schema=self.output,
            annotations=self.annotations,
        )

    async def call(self, call: Call, arguments: dict[str, Any]) -> ToolResult:
        """Check the arguments and run. Raises `InvalidArgument` and what the tool raises."""
        if self.left_out is not None and self.left_out in arguments:
            raise InvalidArgument(f"{self.name} takes no {self.left_out} here: this server is read-only, and runs nothing.")
        return await self.handler(call, parse(self.name, self.arguments, arguments))

    async def answer(self, call: Call, ratchet: Ratchet, execution: Execution, facts: Mapping[str, Any]) -> ToolResult:
        """Return what a call answers whose run has ended. Raises `InternalError` for a tool whose calls never become tasks."""
        if self.tells is None:
            raise InternalError(f"{self.name} tells of no run.")
        return await self.tells(call, ratchet, execution, facts)


READ_ONLY = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
RUNS_CODE = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False)
CHANGES = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
STOPS = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=False)
