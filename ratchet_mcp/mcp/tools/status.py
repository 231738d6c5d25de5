"""The tool that tells where a run stands: an execution or a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ratchet_mcp.errors import BatchNotFound, ExecutionNotFound, JobNotFound
from ratchet_mcp.execution.models import Execution, Status
from ratchet_mcp.execution.tree import MOST_NODES, tree_of
from ratchet_mcp.mcp import batch_view, execution_view, job_view
from ratchet_mcp.mcp.asking import MAX_MESSAGE, attend, open_questions
from ratchet_mcp.mcp.long_output import ALL_LINES, items_that_fit, lines_that_fit, page_of_output, with_output
from ratchet_mcp.mcp.results import ToolResult, clipped, success, to_json
from ratchet_mcp.mcp.tools import schemas
from ratchet_mcp.mcp.tools.arguments import WHOLE, Arguments
from ratchet_mcp.mcp.tools.spec import READ_ONLY, Call, ToolSpec
from ratchet_mcp.tasks.visible import visible

if TYPE_CHECKING:
    from ratchet_mcp.app import Ratchet
    from ratchet_mcp.jobs.models import Job

Part = Literal["output", "logs", "error", "http", "children"]
PAGE_OF_LINES = 200
TAIL_OF_LINES = 20
PAGE_OF_FETCHES = 50
CHARACTERS_OF_NODE = 800
"""A fifth of a result's length holds the tree of the tasks that a run called: an entry has some 160 characters."""
ASKS_HINT = "It waits for answers of its user. Call get_status with wait_seconds, and the user is asked if your client can."
TASK_HINT = "It waits for answers of its user, which the client that began it gives with tasks/update."
FORGOTTEN_HINT = "The run of this job, and its output, are no longer kept."
UNFINISHED_HINT = "Not finished yet. Call get_status again with wait_seconds."


class GetStatus(Arguments):
    """Arguments of get_status."""

    id: Annotated[str, Field(description="of an execution, job or batch", min_length=1, max_length=100)]
    wait_seconds: Annotated[float, Field(ge=0, le=50, description="wait this long for the end")] = 0
    include: Annotated[
        list[Part],
        Field(
            description="by default all but http (the fetches of the run) and children (tasks it called)",
            default_factory=lambda: ["output", "logs", "error"],
        ),
    ]
    offset: Annotated[
        Annotated[int, Field(ge=0), WHOLE] | None,
        Field(description='first character of the output\'s JSON text; with include ["logs"] or ["http"], first line'),
    ] = None
    limit: Annotated[Annotated[int, Field(ge=1, le=1_000_000), WHOLE] | None, Field(description="how many of them")] = None


async def get_status(call: Call, arguments: GetStatus) -> ToolResult:
    """Return where a run stands, with the parts asked for."""
    ratchet = await call.app.get()
    try:
        execution = await _execution(call, ratchet, arguments)
    except ExecutionNotFound as unknown:
        return await _of_others(call, arguments, ratchet, unknown)
    view = execution_view.full(execution)
    if not execution.status.final:
        view["hint"] = UNFINISHED_HINT
    if waiting := open_questions(ratchet, execution.id):
        view |= {"questions": waiting, "hint": ASKS_HINT}
    return await _with_parts(view, execution, call, arguments, ratchet)


async def _execution(call: Call, ratchet: Ratchet, arguments: GetStatus) -> Execution:
    handle = ratchet.executions.handle(arguments.id)
    if arguments.wait_seconds and handle is not None and handle.execution.principal == call.principal.id:
        return await attend(call, handle, arguments.wait_seconds)
    if arguments.wait_seconds:
        return await ratchet.executions.wait(arguments.id, arguments.wait_seconds)
    return await ratchet.executions.get(arguments.id)


async def _of_others(call: Call, arguments: GetStatus, ratchet: Ratchet, unknown: ExecutionNotFound) -> ToolResult:
    """Tell where a job or a batch stands."""
    try:
        job = (
            await ratchet.jobs.wait(arguments.id, arguments.wait_seconds)
            if arguments.wait_seconds
            else await ratchet.jobs.get(arguments.id)
        )
    except JobNotFound:
        try:
            return await _of_batch(call, arguments, ratchet, {})
        except BatchNotFound:
            raise ExecutionNotFound(f"No execution, job or batch has the id {arguments.id!r}.") from unknown
    if job.kind == "batch":
        return await _of_batch(call, arguments, ratchet, job_view.listed(job))
    return await _of_job(call, arguments, ratchet, job)


async def _of_batch(call: Call, arguments: GetStatus, ratchet: Ratchet, job: dict[str, Any]) -> ToolResult:
    """Tell where a batch stands, with what its job says when it has one; its results from number `offset` on."""
    batches = await ratchet.batches()
    batch = await (batches.wait(arguments.id, arguments.wait_seconds) if arguments.wait_seconds and not job else batches.get(arguments.id))
    return success({**job, **batch_view.view(batch, call.characters - len(to_json(job)), offset=arguments.offset or 0)})


async def _of_job(call: Call, arguments: GetStatus, ratchet: Ratchet, job: Job) -> ToolResult:
    """Tell where a job stands, with the parts of its latest attempt."""
    view = job_view.listed(job)
    if not job.status.final:
        view["hint"] = UNFINISHED_HINT
    if waiting := ratchet.jobs.asking.open_questions(job):
        view |= {"questions": [visible(each["message"], MAX_MESSAGE) for each in waiting], "hint": TASK_HINT}
    if job.execution_id is None:
        return success(view)
    try:
        execution = await ratchet.executions.get(job.execution_id)
    except ExecutionNotFound:  # just taken by a process that has not recorded the run, or forgotten since
        return success({"hint": FORGOTTEN_HINT, **view})
    return await _with_parts({**execution_view.full(execution), **view}, execution, call, arguments, ratchet)


async def _with_parts(view: dict[str, Any], execution: Execution, call: Call, arguments: GetStatus, ratchet: Ratchet) -> ToolResult:
    if "error" in arguments.include and execution.error:
        view["error"] = clipped(execution.error)
    if "logs" in arguments.include:
        await _add_logs(view, ratchet, call, arguments, execution.id)
    if "http" in arguments.include:
        _add_http(view, execution, call, arguments)
    if "children" in arguments.include:
        tree = await tree_of(ratchet.executions, execution, nodes=min(MOST_NODES, call.characters // CHARACTERS_OF_NODE))
        view |= execution_view.branch(tree, "children", "more_children")
    if execution.status.final and (report := ratchet.replays.report_of(execution.id)):
        view["replay"] = clipped(report.to_dict())
    if "output" in arguments.include and execution.status is Status.COMPLETED:
        return _with_output(view, execution, call, arguments)
    return success(view)


def _with_output(view: dict[str, Any], execution: Execution, call: Call, arguments: GetStatus) -> ToolResult:
    if arguments.offset is None and arguments.limit is None:
        return with_output(view, execution.output, call.characters)
    return success(page_of_output(view, execution.output, arguments.offset or 0, arguments.limit, call.characters))


async def _add_logs(view: dict[str, Any], ratchet: Ratchet, call: Call, arguments: GetStatus, execution_id: str) -> None:
    """Add one page of lines when only logs are asked for, else the last lines."""
    if arguments.include == ["logs"]:
        offset, limit = arguments.offset or 0, arguments.limit or PAGE_OF_LINES
        lines = await ratchet.executions.logs(execution_id, offset, limit + 1)
        view["logs"] = lines_that_fit(lines[:limit], call.characters * 3 // 4, newest=False)
        view["offset"] = offset
        if len(view["logs"]) < len(lines):
            view["next_offset"] = offset + len(view["logs"])
        return
    lines = await ratchet.executions.logs(execution_id, 0, ALL_LINES)
    view["logs"] = lines_that_fit(lines[-TAIL_OF_LINES:], call.characters // 4, newest=True)
    view["logs_total"] = len(lines)


def _add_http(view: dict[str, Any], execution: Execution, call: Call, arguments: GetStatus) -> None:
    """Add a page of fetches when only they are asked for, else the first ones."""
    alone = arguments.include == ["http"]
    offset = (arguments.offset or 0) if alone else 0
    wanted = execution.http[offset : offset + (arguments.limit or PAGE_OF_FETCHES if alone else PAGE_OF_FETCHES)]
    view["http"] = items_that_fit(clipped(wanted), call.characters * 3 // 4 if alone else call.characters // 4)
    view["http_total"] = len(execution.http)
    if alone and offset + len(view["http"]) < len(execution.http):
        view["next_offset"] = offset + len(view["http"])


LOGS = schemas.array_of({"level": schemas.STRING, "message": schemas.STRING}, "level", "message")

TOOLS: list[ToolSpec[Any]] = [
    ToolSpec(
        name="get_status",
        title="Status of an execution or a job",
        description=(
            "Show an execution, a background job or a batch, running or finished: status, output, error, console lines. "
            'Long outputs and logs are read in pieces with offset and limit. Example: {"id": "0198c1d2-…", "wait_seconds": 25}'
        ),
        arguments=GetStatus,
        output=schemas.result(
            {
                **batch_view.BATCH,
                **job_view.JOB,
                **schemas.FULL,
                "status": batch_view.ANY_STATUS,
                "logs": LOGS,
                "logs_total": schemas.INTEGER,
                "http": {"type": "array", "items": {"type": "object"}},
                "http_total": schemas.INTEGER,
                "questions": {"type": "array", "items": schemas.STRING},
                "output_text": schemas.STRING,
                "children": {"type": "array", "items": schemas.OBJECT},
                "more_children": schemas.BOOLEAN,
                "offset": schemas.INTEGER,
                "next_offset": schemas.INTEGER,
            }
        ),
        annotations=READ_ONLY,
        handler=get_status,
    ),
]
