"""tasks/get, tasks/update and tasks/cancel: the row of the job is the state, so any process and any connection can serve them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from mcp.shared.exceptions import MCPError
from mcp.types import INTERNAL_ERROR, INVALID_PARAMS

from ratchet_mcp.errors import AnswerInvalid, BatchNotFound, ExecutionNotFound, JobFinished, JobNotFound
from ratchet_mcp.execution.asking import Answer, read_answer
from ratchet_mcp.jobs.models import Job, JobStatus
from ratchet_mcp.mcp.asking import MAX_MESSAGE, request_of
from ratchet_mcp.mcp.results import clipped
from ratchet_mcp.mcp.tasks_extension.becoming import TOOL
from ratchet_mcp.mcp.tasks_extension.protocol import TASKS, TaskIdParams, TaskUpdateParams, admit, task
from ratchet_mcp.tasks.visible import visible

if TYPE_CHECKING:
    from mcp.server import Server, ServerRequestContext

    from ratchet_mcp.app import Ratchet
    from ratchet_mcp.execution.models import Execution
    from ratchet_mcp.mcp.results import ToolResult
    from ratchet_mcp.mcp.tools.spec import Call

Context = Any
CANCELLED = "The client cancelled the task."


class Telling(Protocol):
    """A tool that tells the result of a run as its own call would have told it."""

    async def answer(self, call: Call, ratchet: Ratchet, execution: Execution, facts: Mapping[str, Any]) -> ToolResult:
        """Return the result of a call whose run has ended. Raises `MCPError` when the call would have failed as a request."""
        ...


class TasksExtension:
    """Serves the tasks of all clients of a server. `call_of` makes a call of a request, `tool_of` finds the tool of a name."""

    def __init__(self, call_of: Callable[[Context], Call], tool_of: Callable[[str], Awaitable[Telling]]) -> None:
        self.call_of = call_of
        self._tool_of = tool_of

    def install(self, server: Server[Any]) -> None:
        """Announce the extension and serve its methods."""
        server.extensions[TASKS] = {}
        server.add_request_handler("tasks/get", TaskIdParams, self.get)
        server.add_request_handler("tasks/update", TaskUpdateParams, self.update)
        server.add_request_handler("tasks/cancel", TaskIdParams, self.cancel)

    # ------------------------------------------------------------ requests
    async def get(self, context: ServerRequestContext[Any, Any], params: TaskIdParams) -> dict[str, Any]:
        """Return where a task stands: its result once it has ended, its questions while it waits for answers."""
        admit(context, params.task_id)
        call = self.call_of(context)
        return {"resultType": "complete", **await self.detailed(call, await self.find(call, params.task_id))}

    async def update(self, context: ServerRequestContext[Any, Any], params: TaskUpdateParams) -> dict[str, Any]:
        """Take answers to questions of a task; what answers no open question is ignored."""
        admit(context, params.task_id)
        call = self.call_of(context)
        job = await self.find(call, params.task_id)
        ratchet = await call.app.get()
        asked = {each["key"] for each in ratchet.jobs.asking.open_questions(job)}
        given: dict[str, Answer] = {}
        for key, response in params.input_responses.items():
            if key in asked:
                answer = read_answer(response)
                if answer is None:
                    raise MCPError(code=INVALID_PARAMS, message=f"inputResponses.{key[:100]} is no result of elicitation/create.")
                given[key] = answer
        try:
            await ratchet.jobs.asking.answer(job, given)
        except AnswerInvalid as error:
            raise MCPError(code=INVALID_PARAMS, message=error.message, data=clipped(error.to_dict())) from None
        except JobFinished:
            pass  # nobody waits for the answer any more
        return {"resultType": "complete"}

    async def cancel(self, context: ServerRequestContext[Any, Any], params: TaskIdParams) -> dict[str, Any]:
        """Cancel a task; one that has ended stays as it is."""
        admit(context, params.task_id)
        call = self.call_of(context)
        job = await self.find(call, params.task_id)
        with suppress(JobFinished):
            await (await call.app.get()).jobs.cancel(job.id, CANCELLED)
        return {"resultType": "complete"}

    # ------------------------------------------------------------ what there is to tell
    async def find(self, call: Call, task_id: str) -> Job:
        """Return the job of a task of this principal. Raises `MCPError` for any other, and for one whose time is up."""
        ratchet = await call.app.get()
        unknown = MCPError(code=INVALID_PARAMS, message="There is no task with this taskId.", data={"taskId": task_id[:100]})
        try:
            job = await ratchet.jobs.get(task_id)
        except JobNotFound:
            raise unknown from None
        forgotten = datetime.now(UTC) - timedelta(seconds=call.settings.mcp.task_ttl_seconds)
        if job.call is None or job.principal != call.principal.id or (job.status.final and job.created_at < forgotten):
            raise unknown
        return job

    async def knows(self, call: Call, task_id: str) -> bool:
        """Tell whether a principal has such a task."""
        try:
            await self.find(call, task_id)
        except MCPError:
            return False
        return True

    async def detailed(self, call: Call, job: Job) -> dict[str, Any]:
        """Return a task with its result, error or questions."""
        ratchet = await call.app.get()
        settings = call.settings.mcp
        if job.status is JobStatus.CANCELLED:
            return task(job, "cancelled", settings)
        if job.status.final:
            return await self._ended(call, ratchet, job)
        questions = ratchet.jobs.asking.open_questions(job)
        if questions:
            requests = {each["key"]: request_of(each["message"], each["schema"]) for each in questions}
            dumped = {key: request.model_dump(by_alias=True, mode="json", exclude_none=True) for key, request in requests.items()}
            return {**task(job, "input_required", settings), "inputRequests": dumped}
        view = task(job, "working", settings)
        message = await _progress(ratchet, job)
        return {**view, "statusMessage": message} if message else view

    async def _ended(self, call: Call, ratchet: Ratchet, job: Job) -> dict[str, Any]:
        settings = call.settings.mcp
        facts: Mapping[str, Any] = job.call or {}
        try:
            result = await (_batch_result(call, ratchet, job) if job.kind == "batch" else self._result(call, ratchet, job, facts))
        except MCPError as error:
            return {**task(job, "failed", settings), "error": error.error.model_dump(by_alias=True, mode="json", exclude_none=True)}
        except (ExecutionNotFound, BatchNotFound):
            failed = job.last_error or {"code": "internal_error", "message": "The run and its result are gone."}
            error = {"code": INTERNAL_ERROR, "message": str(failed.get("message")), "data": clipped(failed)}
            return {**task(job, "failed", settings), "error": error}
        return {**task(job, "completed", settings), "result": {name: value for name, value in result.items() if name != "resultType"}}

    async def _result(self, call: Call, ratchet: Ratchet, job: Job, facts: Mapping[str, Any]) -> ToolResult:
        """Return what the call of a run would have answered. Raises `ExecutionNotFound` when the run tells nothing of the job's end."""
        if job.execution_id is None:
            raise ExecutionNotFound("Nothing ran.")
        execution = await ratchet.executions.get(job.execution_id)
        if not execution.status.final or (job.status is JobStatus.COMPLETED) != (execution.status.value == "completed"):
            raise ExecutionNotFound("The run was given up.")
        return await (await self._tool_of(str(facts.get(TOOL)))).answer(call, ratchet, execution, facts)


async def _batch_result(call: Call, ratchet: Ratchet, job: Job) -> ToolResult:
    from ratchet_mcp.mcp import batch_view  # it imports the tools

    batch = await (await ratchet.batches()).get(job.id)
    if not batch.status.final:
        raise BatchNotFound("The batch was given up.")
    return batch_view.answer(batch, call.characters)


async def _progress(ratchet: Ratchet, job: Job) -> str | None:
    """Return the last progress that the run of a job has reported, in words."""
    if job.kind == "batch":
        batch = await (await ratchet.batches()).get(job.id)
        return f"{batch.done} of {len(batch.results)}"
    if job.execution_id is None:
        return None
    try:
        progress = (await ratchet.executions.get(job.execution_id)).progress or {}
    except ExecutionNotFound:
        return None
    words = ": ".join(str(progress[name]) for name in ("step", "message") if progress.get(name))
    done = progress.get("progress")
    text = (
        f"{words} ({done:g})"
        if words and isinstance(done, int | float)
        else words or (f"{done:g}" if isinstance(done, int | float) else "")
    )
    return visible(text, MAX_MESSAGE) or None
