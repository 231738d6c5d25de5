"""Tools of the tasks scenarios. Their runs are real ones: JavaScript on a worker, a job in the store."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import mcp.types as t
from mcp.shared.exceptions import MCPError

from ratchet_mcp.errors import InternalError
from ratchet_mcp.execution.models import Execution, Origin, Status
from ratchet_mcp.jobs.models import JobRequest
from ratchet_mcp.mcp.asking import answers_for
from ratchet_mcp.mcp.elicitation import asked, responses
from ratchet_mcp.mcp.results import ToolResult, wire
from ratchet_mcp.mcp.running import run_and_wait
from ratchet_mcp.mcp.tasks_extension.becoming import Becomes
from ratchet_mcp.mcp.tasks_extension.protocol import require
from ratchet_mcp.mcp.tools.arguments import Arguments
from ratchet_mcp.mcp.tools.spec import RUNS_CODE, Call, ToolSpec

TIMEOUT = 120.0
NAME: dict[str, Any] = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
CONFIRM: dict[str, Any] = {"type": "object", "properties": {"confirm": {"type": "boolean"}}, "required": ["confirm"]}
REST = "await new Promise((done) => setTimeout(done, {}));"
Tells = Callable[[Call, Any, Execution, Mapping[str, Any]], Awaitable[ToolResult]]


class Nothing(Arguments):
    pass


class Greet(Arguments):
    name: str = "World"


class Slow(Arguments):
    seconds: float | int = 0
    label: str = ""


class Delete(Arguments):
    filename: str = ""


async def say(call: Call, ratchet: Any, execution: Execution, facts: Mapping[str, Any]) -> ToolResult:
    """Tell the output of a run, or what it threw, as text."""
    completed = execution.status is Status.COMPLETED
    return wire({}, str(execution.output) if completed else str(execution.failure["message"]), failed=not completed)


async def crash(call: Call, ratchet: Any, execution: Execution, facts: Mapping[str, Any]) -> ToolResult:
    """Fail as a request does whose tool has a defect."""
    raise MCPError(code=t.INTERNAL_ERROR, message="The engine crashed.")


async def run(call: Call, name: str, code: str, tells: Tells = say) -> ToolResult:
    """Run a function, as a task when it takes longer than a moment."""
    ratchet = await call.app.get()

    def start(on_progress: Any) -> Any:
        answers = answers_for(call)
        return ratchet.run_javascript(code, {}, origin=Origin.MCP, timeout_seconds=TIMEOUT, on_progress=on_progress, answers=answers)

    becomes = Becomes(name, JobRequest("", origin=Origin.MCP, timeout_seconds=TIMEOUT, code=code))
    execution = await run_and_wait(call, start, call.settings.mcp.wait_seconds, becomes)
    if not execution.status.final:
        raise InternalError("The fixture takes too long.")
    return await tells(call, ratchet, execution, {})


async def greet(call: Call, arguments: Greet) -> ToolResult:
    return wire({}, f"Hello, {arguments.name}!")


async def slow_compute(call: Call, arguments: Slow) -> ToolResult:
    rest = REST.format(arguments.seconds * 1000)
    return await run(call, "slow_compute", f"async () => {{ {rest} return {json.dumps('computed ' + arguments.label)}; }}")


async def failing_job(call: Call, arguments: Nothing) -> ToolResult:
    require(call.context)
    return await run(call, "failing_job", f"async () => {{ {REST.format(500)} throw new Error('it failed'); }}")


async def protocol_error_job(call: Call, arguments: Nothing) -> ToolResult:
    return await run(call, "protocol_error_job", f"async () => {{ {REST.format(500)} }}", crash)


async def confirm_delete(call: Call, arguments: Delete) -> ToolResult:
    question = f"ask({json.dumps(f'Delete {arguments.filename}?')}, {json.dumps(CONFIRM)})"
    return await run(call, "confirm_delete", f"async () => `deleted: ${{(await {question}).content.confirm}}`")


async def multi_input(call: Call, arguments: Nothing) -> ToolResult:
    questions = f"[ask('Who?', {json.dumps(NAME)}), ask('Sure?', {json.dumps(CONFIRM)})]"
    return await run(call, "multi_input", f"async () => JSON.stringify(await Promise.all({questions}))")


async def tool_with_task(call: Call, arguments: Nothing) -> ToolResult:
    """Ask for a name before anything runs, then become a task that says it."""
    require(call.context)
    given = responses(call).get("user_name")
    if given is None:
        question = t.ElicitRequest(params=t.ElicitRequestFormParams(message="Name?", requested_schema=NAME))
        raise await asked(call, {"user_name": question}, "first-round")
    name = json.dumps(str(given["content"]["name"]))
    return await run(call, "test_tool_with_task", f"async () => {{ {REST.format(500)} return 'Hello, ' + {name} + '!'; }}")


def _tool(name: str, arguments: type[Any], handler: Any, tells: Tells = say) -> ToolSpec[Any]:
    return ToolSpec(name, name, f"Fixture {name}", arguments, {"type": "object"}, RUNS_CODE, handler, tells)


TASK_TOOLS: list[ToolSpec[Any]] = [
    _tool("greet", Greet, greet),
    _tool("slow_compute", Slow, slow_compute),
    _tool("failing_job", Nothing, failing_job),
    _tool("protocol_error_job", Nothing, protocol_error_job, crash),
    _tool("confirm_delete", Delete, confirm_delete),
    _tool("multi_input", Nothing, multi_input),
    _tool("test_tool_with_task", Nothing, tool_with_task),
]
