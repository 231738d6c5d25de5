"""Prompts: writing a task, mending one that fails, explaining one."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    GetPromptRequestParams,
    GetPromptResult,
    ListPromptsResult,
    PaginatedRequestParams,
    Prompt,
    PromptArgument,
    PromptMessage,
    TextContent,
)

from ratchet_mcp.errors import RatchetError
from ratchet_mcp.mcp import prompt_texts
from ratchet_mcp.mcp.results import printable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mcp.server import ServerRequestContext

    from ratchet_mcp.app import Ratchet
    from ratchet_mcp.mcp.tools.spec import RatchetSource

WRITE, FIX, EXPLAIN = "write_task", "fix_failing_task", "explain_task"
MAX_ARGUMENT = 20_000


def _argument(name: str, description: str, *, required: bool = False) -> PromptArgument:
    return PromptArgument(name=name, description=description, required=required)


PROMPTS = [
    Prompt(
        name=WRITE,
        title="Write a task",
        description="Write, check and test a new task: the rules for authors, and the steps.",
        arguments=[
            _argument("goal", "what the task is to do", required=True),
            _argument("name", "name of the task, if it has one already"),
        ],
    ),
    Prompt(
        name=FIX,
        title="Fix a failing task",
        description="Find out why a run failed and repair the task: its error, console, input and code, and the steps.",
        arguments=[
            _argument("execution_id", "the run that failed"),
            _argument("task", "or the task: its newest failed run is taken"),
        ],
    ),
    Prompt(
        name=EXPLAIN,
        title="Explain a task",
        description="Explain what a task does, how to call it and what to watch out for, from its code, schemas and tests.",
        arguments=[_argument("task", "name or name@version", required=True)],
    ),
]
NEEDS_TASKS = {FIX, EXPLAIN}
"""Prompts that are about a task, and of no use while there is none."""


def listed(*, has_tasks: bool) -> list[Prompt]:
    """Return the prompts that make sense."""
    return [prompt for prompt in PROMPTS if has_tasks or prompt.name not in NEEDS_TASKS]


class Prompts:
    """The handlers of `prompts/*`. `catch_up` returns the services, or None when they are not there in time."""

    def __init__(self, app: RatchetSource, catch_up: Callable[[], Awaitable[Ratchet | None]]) -> None:
        self._app = app
        self._catch_up = catch_up

    async def list(self, context: ServerRequestContext[Any, Any], params: PaginatedRequestParams | None) -> ListPromptsResult:
        """Return all prompts on one page."""
        if params is not None and params.cursor is not None:
            raise MCPError(code=INVALID_PARAMS, message="Invalid cursor: all prompts are on the first page.")
        ratchet = await self._catch_up()
        return ListPromptsResult(prompts=listed(has_tasks=ratchet is None or ratchet.catalog.find(limit=1).total > 0))

    async def get(self, context: ServerRequestContext[Any, Any], params: GetPromptRequestParams) -> GetPromptResult:
        """Return one prompt, filled in. A wrong name or argument is a protocol error."""
        prompt = next((prompt for prompt in PROMPTS if prompt.name == params.name), None)
        if prompt is None:
            near = get_close_matches(params.name, [prompt.name for prompt in PROMPTS], n=1)
            raise _wrong(f"Unknown prompt: {params.name[:100]}" + (f"; did you mean {near[0]}?" if near else ""))
        arguments = _checked(prompt, params.arguments or {})
        try:
            text = await self._text(prompt.name, arguments)
        except RatchetError as error:
            raise _wrong(f"{error.message} {error.hint or ''}".strip()) from None
        message = PromptMessage(role="user", content=TextContent(type="text", text=printable(text)))
        return GetPromptResult(description=prompt.description, messages=[message])

    async def _text(self, name: str, arguments: dict[str, str]) -> str:
        if name == WRITE:
            return prompt_texts.write_task(arguments["goal"], arguments.get("name"))
        ratchet = await self._app.get()
        if name == EXPLAIN:
            return await prompt_texts.explain_task(ratchet, arguments["task"])
        if not arguments:
            raise _wrong(f"{FIX} needs an argument: execution_id, or task.")
        return await prompt_texts.fix_failing_task(ratchet, arguments.get("execution_id"), arguments.get("task"))


def _checked(prompt: Prompt, given: dict[str, str]) -> dict[str, str]:
    known = {argument.name: bool(argument.required) for argument in prompt.arguments or ()}
    arguments = {name: value.strip() for name, value in given.items() if value.strip()}
    for name, value in arguments.items():
        if name not in known:
            raise _wrong(f"{name[:100]} is no argument of {prompt.name}; its arguments are {', '.join(known)}.")
        if len(value) > MAX_ARGUMENT:
            raise _wrong(f"The argument {name} is longer than {MAX_ARGUMENT:,} characters.")
    missing = [name for name, required in known.items() if required and name not in arguments]
    if missing:
        raise _wrong(f"Missing argument of {prompt.name}: {', '.join(missing)}.")
    return arguments


def _wrong(message: str) -> MCPError:
    return MCPError(code=INVALID_PARAMS, message=message)
