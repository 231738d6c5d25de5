"""Tools that run JavaScript: a task of the catalog, or a function that comes with the call."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from ratchet_mcp.errors import InvalidArgument
from ratchet_mcp.execution.models import Execution, Origin, Status
from ratchet_mcp.jobs.models import JobRequest
from ratchet_mcp.mcp import execution_view, job_view
from ratchet_mcp.mcp.asking import answers_for
from ratchet_mcp.mcp.long_output import with_output
from ratchet_mcp.mcp.results import ToolResult, clipped, failure, success
from ratchet_mcp.mcp.running import OnProgress, failure_text, run_and_wait
from ratchet_mcp.mcp.tasks_extension.becoming import Becomes
from ratchet_mcp.mcp.tools import schemas
from ratchet_mcp.mcp.tools.arguments import Arguments
from ratchet_mcp.mcp.tools.background import Background, submit
from ratchet_mcp.mcp.tools.inputs import read_input
from ratchet_mcp.mcp.tools.spec import RUNS_CODE, Call, ToolSpec

if TYPE_CHECKING:
    from ratchet_mcp.app import Ratchet
    from ratchet_mcp.execution.service import Handle
    from ratchet_mcp.tasks.definition import Task

Timeout = Annotated[float | None, Field(gt=0, le=86400, description="stop the run after this time")]


class Execute(Arguments):
    """What execute_task runs, and how long."""

    task: Annotated[str, Field(description="name, name@version or UUID", min_length=1, max_length=200)]
    input: Annotated[Any, Field(description="JSON value that matches the task's input schema")] = None
    wait_seconds: Annotated[float | None, Field(ge=0, le=50, description="then answer with status running (default 25)")] = None
    timeout_seconds: Timeout = None
    record: Annotated[bool, Field(description="keep requests, clock and random numbers for replay_execution")] = False
    fresh: Annotated[bool, Field(description="run it although its result is cached")] = False


class ExecuteTask(Background, Execute):
    """Arguments of execute_task."""


class ReplayExecution(Arguments):
    """Arguments of replay_execution."""

    id: Annotated[str | None, Field(description="execution_id of a recorded run", max_length=100)] = None
    recording: Annotated[str | None, Field(description="or the folder of a recording", max_length=4096)] = None
    input_patch: Annotated[Any, Field(description="JSON Merge Patch of the recorded input")] = None


class RunJavascript(Arguments):
    """Arguments of run_javascript."""

    code: Annotated[str, Field(description="function main(input, context) {…}, an arrow function, or export default", min_length=1)]
    input: Annotated[Any, Field(description="JSON value, the function's first argument")] = None
    timeout_seconds: Timeout = None
    record: Annotated[bool, Field(description="for replay_execution")] = False


async def execute_task(call: Call, arguments: ExecuteTask) -> ToolResult:
    """Run a task of the catalog and wait for it, but not longer than the client's patience."""
    ratchet = await call.app.get()
    task = await ratchet.catalog.resolve(arguments.task)
    value, hint = _input_of(arguments, task)
    arguments.check()
    if arguments.background:
        if arguments.record:
            raise InvalidArgument("A background job cannot be recorded.", hint="Leave out record or background.")
        if arguments.fresh:
            raise InvalidArgument("A background job takes cached results.", hint="Leave out fresh or background, or purge the cache.")
        return await submit(call, arguments, arguments.task, value, origin=Origin.MCP, timeout_seconds=arguments.timeout_seconds)
    started = ratchet.recordings.start if arguments.record else partial(ratchet.executions.start, fresh=arguments.fresh)

    def start(on_progress: OnProgress) -> Awaitable[Handle]:
        return started(
            task,
            value,
            origin=Origin.MCP,
            principal=call.principal,
            timeout_seconds=arguments.timeout_seconds,
            on_progress=on_progress,
            answers=answers_for(call),
        )

    seconds = call.settings.mcp.wait_seconds if arguments.wait_seconds is None else arguments.wait_seconds
    request = JobRequest(task.reference, value, origin=Origin.MCP, principal=call.principal, timeout_seconds=arguments.timeout_seconds)
    becomes = Becomes("execute_task", request, {} if hint is None else {"hint": hint})
    return await _answer(call, ratchet, await run_and_wait(call, start, seconds, becomes), hint)


async def run_javascript(call: Call, arguments: RunJavascript) -> ToolResult:
    """Run a function that is not saved anywhere."""
    ratchet = await call.app.get()

    def start(on_progress: OnProgress) -> Awaitable[Handle]:
        return ratchet.run_javascript(
            arguments.code,
            arguments.input if "input" in arguments.model_fields_set else {},
            record=arguments.record,
            origin=Origin.MCP,
            principal=call.principal,
            timeout_seconds=arguments.timeout_seconds,
            on_progress=on_progress,
            answers=answers_for(call),
        )

    request = JobRequest("", origin=Origin.MCP, principal=call.principal, timeout_seconds=arguments.timeout_seconds, code=arguments.code)
    becomes = Becomes("run_javascript", request)
    return await _answer(call, ratchet, await run_and_wait(call, start, call.settings.mcp.wait_seconds, becomes), None)


async def _tell(call: Call, ratchet: Ratchet, execution: Execution, facts: Mapping[str, Any]) -> ToolResult:
    """Tell the run of a call that became a task."""
    return await _answer(call, ratchet, execution, facts.get("hint"))


async def replay_execution(call: Call, arguments: ReplayExecution) -> ToolResult:
    """Run a recorded execution once more, with what it got and saw then, and compare."""
    from ratchet_mcp.testing.replaying import NO_PATCH, Replayed

    if (arguments.id is None) == (arguments.recording is None):
        raise InvalidArgument("Say what to replay: either id or recording.", hint='Such as {"id": "0198c1d2-…"}.')
    ratchet = await call.app.get()
    recordings = ratchet.recordings
    recorded = await (recordings.of(arguments.id) if arguments.id is not None else recordings.read_allowed(str(arguments.recording)))
    task = recorded.unsaved_task() or await ratchet.catalog.resolve(recorded.task)
    patch = arguments.input_patch if "input_patch" in arguments.model_fields_set else NO_PATCH
    replays: list[Replayed] = []

    async def start(on_progress: OnProgress) -> Handle:
        replays.append(
            await ratchet.replays.start(
                recorded, task, input_patch=patch, origin=Origin.MCP, principal=call.principal, on_progress=on_progress
            )
        )
        return replays[0].handle

    execution = await run_and_wait(call, start, call.settings.mcp.wait_seconds)
    more: dict[str, Any] = {"replay": clipped(replays[0].report(execution).to_dict())} if execution.status.final else {}
    return await _answer(call, ratchet, execution, None, more)


def _input_of(arguments: ExecuteTask, task: Task) -> tuple[Any, str | None]:
    """Return the input, `{}` when none was given, and what to tell of it."""
    return ({}, None) if "input" not in arguments.model_fields_set else read_input(arguments.input, task)


async def _answer(call: Call, ratchet: Ratchet, execution: Execution, hint: str | None, more: dict[str, Any] | None = None) -> ToolResult:
    view = execution_view.outcome(execution) | (more or {})
    if hint is not None:
        view["hint"] = hint
    if execution.status is Status.COMPLETED:
        return with_output(view, execution.output, call.characters)
    if not execution.status.final:
        waiting = (
            f'Not finished yet. Call get_status(id="{execution.id}", wait_seconds=25) for the result, '
            f'or cancel_execution(id="{execution.id}").'
        )
        view["hint"] = f"{waiting} {hint}" if hint else waiting
        return success(view)
    error = clipped(execution.failure)
    view["error"] = error
    return failure(view, await failure_text(ratchet, execution, error))


TOOLS: list[ToolSpec[Any]] = [
    ToolSpec(
        name="execute_task",
        title="Execute a task",
        description=(
            "Run a task in the sandbox and return its output. A run that takes longer than wait_seconds answers with status running and an "
            "execution_id for get_status; with background: true it is a job, which may wait, be retried and survive a crash. "
            'Example: {"task": "text-statistics", "input": {"text": "to be or not to be"}}'
        ),
        arguments=ExecuteTask,
        output=schemas.result({**job_view.JOB, **schemas.EXECUTION, "status": job_view.ANY_STATUS}),
        annotations=RUNS_CODE,
        handler=execute_task,
        tells=_tell,
    ),
    ToolSpec(
        name="replay_execution",
        title="Replay an execution",
        description=(
            "Run what execute_task recorded (record: true) once more: the same responses, clock and random numbers, no network. "
            'Tells whether the result is the same. Example: {"id": "0198c1d2-…", "input_patch": {"city": "Rome"}}'
        ),
        arguments=ReplayExecution,
        output=schemas.result({**schemas.EXECUTION, "replay": schemas.OBJECT}),
        annotations=RUNS_CODE,
        handler=replay_execution,
    ),
    ToolSpec(
        name="run_javascript",
        title="Run JavaScript",
        description=(
            "Run one JavaScript function, sync or async, in the sandbox (no files; fetch asks public hosts) and return what it returns. "
            'Example: {"code": "(input) => input.numbers.reduce((a, b) => a + b, 0)", "input": {"numbers": [1, 2, 3]}}'
        ),
        arguments=RunJavascript,
        output=schemas.result(schemas.EXECUTION),
        annotations=RUNS_CODE,
        handler=run_javascript,
        tells=_tell,
    ),
]
