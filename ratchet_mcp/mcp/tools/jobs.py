"""Tools that look after the queue: its jobs, its pauses and its limits."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ratchet_mcp.errors import InvalidArgument
from ratchet_mcp.jobs.models import JobStatus
from ratchet_mcp.mcp import job_view
from ratchet_mcp.mcp.results import ToolResult, success
from ratchet_mcp.mcp.tools import schemas
from ratchet_mcp.mcp.tools.arguments import WHOLE, Arguments, Cursor, PageSize, Since
from ratchet_mcp.mcp.tools.spec import CHANGES, READ_ONLY, RUNS_CODE, STOPS, Call, ToolSpec

JobId = Annotated[str, Field(description="job_id", min_length=1, max_length=100)]
OneTask = Annotated[str | None, Field(description="name of one task; all jobs by default", max_length=200)]


class ListJobs(Arguments):
    """Arguments of list_jobs."""

    task: Annotated[str | None, Field(description="name", max_length=200)] = None
    status: Literal["scheduled", "queued", "running", "completed", "failed", "cancelled"] | None = None
    since: Since = None
    schedule_id: Annotated[str | None, Field(max_length=100)] = None
    limit: PageSize = 50
    cursor: Cursor = None


class CancelJob(Arguments):
    """Arguments of cancel_job."""

    id: JobId
    reason: Annotated[str | None, Field(max_length=500)] = None


class RetryJob(Arguments):
    """Arguments of retry_job."""

    id: Annotated[str | None, Field(description="job_id of one failed or cancelled job", max_length=100)] = None
    all_failed: Annotated[bool, Field(description="or all failed jobs: those of task, those since")] = False
    task: Annotated[str | None, Field(description="name", max_length=200)] = None
    since: Since = None
    limit: Annotated[Annotated[int, Field(ge=1, le=10_000), WHOLE], Field(description="most jobs to retry")] = 1000


class PauseJobs(Arguments):
    """Arguments of pause_jobs and resume_jobs."""

    task: OneTask = None


class LimitJobs(Arguments):
    """Arguments of limit_jobs."""

    task: Annotated[str, Field(description="name", min_length=1, max_length=200)]
    concurrency: Annotated[
        Annotated[int, Field(ge=1, le=1000), WHOLE] | None,
        Field(description="jobs of it at once, on all servers; null: no limit"),
    ] = None
    rate: Annotated[str | None, Field(description='starts in a time, such as "10/m" or "100/h"; null: no limit', max_length=30)] = None


class QueueStatus(Arguments):
    """Arguments of queue_status: none."""


async def list_jobs(call: Call, arguments: ListJobs) -> ToolResult:
    """Return one page of jobs, newest first."""
    ratchet = await call.app.get()
    page = await ratchet.jobs.find(
        task=arguments.task,
        status=JobStatus(arguments.status) if arguments.status else None,
        since=arguments.since,
        schedule_id=arguments.schedule_id,
        limit=arguments.limit,
        cursor=arguments.cursor,
    )
    view: dict[str, Any] = {"jobs": [job_view.listed(job) for job in page.jobs]}
    return success(view if page.next_cursor is None else {**view, "next_cursor": page.next_cursor})


async def cancel_job(call: Call, arguments: CancelJob) -> ToolResult:
    """End a job, also when it runs on another machine."""
    ratchet = await call.app.get()
    return success(job_view.listed(await ratchet.jobs.cancel(arguments.id, arguments.reason)))


async def retry_job(call: Call, arguments: RetryJob) -> ToolResult:
    """Let failed jobs run again."""
    if (arguments.id is None) == (not arguments.all_failed):
        raise InvalidArgument("Say what to retry: either id or all_failed.", hint='Such as {"all_failed": true, "task": "weather"}.')
    ratchet = await call.app.get()
    if arguments.id is not None:
        return success({"retried": 1, "job": job_view.listed(await ratchet.jobs.retry(arguments.id))})
    retried = await ratchet.jobs.retry_all(task=arguments.task, since=arguments.since, limit=arguments.limit)
    return success({"retried": retried})


async def pause_jobs(call: Call, arguments: PauseJobs) -> ToolResult:
    """Start no further jobs; those under way go on."""
    ratchet = await call.app.get()
    await ratchet.jobs.pause(arguments.task)
    return await queue_status(call, QueueStatus())


async def resume_jobs(call: Call, arguments: PauseJobs) -> ToolResult:
    """Start jobs again."""
    ratchet = await call.app.get()
    await ratchet.jobs.resume(arguments.task)
    return await queue_status(call, QueueStatus())


async def limit_jobs(call: Call, arguments: LimitJobs) -> ToolResult:
    """Limit how many jobs of a task run at once and how many start in a time."""
    ratchet = await call.app.get()
    await ratchet.jobs.limit(arguments.task, concurrency=arguments.concurrency, rate=arguments.rate)
    return await queue_status(call, QueueStatus())


async def queue_status(call: Call, arguments: QueueStatus) -> ToolResult:
    """Return how many jobs stand where, and what is paused or limited."""
    ratchet = await call.app.get()
    return success({"counts": await ratchet.jobs.counts(), "controls": [control.to_dict() for control in await ratchet.jobs.controls()]})


STATE = schemas.result({"counts": schemas.OBJECT, "controls": {"type": "array", "items": schemas.OBJECT}})

TOOLS: list[ToolSpec[Any]] = [
    ToolSpec(
        name="list_jobs",
        title="List jobs",
        description='List jobs, newest first; failed ones have used up their attempts. Example: {"status": "failed", "limit": 10}',
        arguments=ListJobs,
        output=schemas.result({"jobs": schemas.array_of(job_view.JOB, "job_id", "status"), "next_cursor": schemas.STRING}),
        annotations=READ_ONLY,
        handler=list_jobs,
        toolset="jobs",
    ),
    ToolSpec(
        name="cancel_job",
        title="Cancel a job",
        description='End a job that waits or runs, on whichever machine. Example: {"id": "0198c1d2-…", "reason": "no longer needed"}',
        arguments=CancelJob,
        output=schemas.result(job_view.JOB),
        annotations=STOPS,
        handler=cancel_job,
        toolset="jobs",
    ),
    ToolSpec(
        name="retry_job",
        title="Retry jobs",
        description='Let one failed or cancelled job run again, or all failed ones. Example: {"all_failed": true, "task": "weather"}',
        arguments=RetryJob,
        output=schemas.result({"retried": schemas.INTEGER, "job": {"type": "object", "properties": job_view.JOB}}),
        annotations=RUNS_CODE,
        handler=retry_job,
        toolset="jobs",
    ),
    ToolSpec(
        name="pause_jobs",
        title="Pause jobs",
        description='Start no more jobs of a task, or none at all; those under way go on. Example: {"task": "weather"}',
        arguments=PauseJobs,
        output=STATE,
        annotations=CHANGES,
        handler=pause_jobs,
        toolset="jobs",
    ),
    ToolSpec(
        name="resume_jobs",
        title="Resume jobs",
        description='Undo pause_jobs. Example: {"task": "weather"}',
        arguments=PauseJobs,
        output=STATE,
        annotations=CHANGES,
        handler=resume_jobs,
        toolset="jobs",
    ),
    ToolSpec(
        name="limit_jobs",
        title="Limit jobs of a task",
        description=(
            'Limit how many jobs of a task run at once or start in a time. Example: {"task": "weather", "concurrency": 2, "rate": "10/m"}'
        ),
        arguments=LimitJobs,
        output=STATE,
        annotations=CHANGES,
        handler=limit_jobs,
        toolset="jobs",
    ),
    ToolSpec(
        name="queue_status",
        title="State of the queue",
        description="Count jobs that wait and run; tell what is paused or limited. Example: {}",
        arguments=QueueStatus,
        output=STATE,
        annotations=READ_ONLY,
        handler=queue_status,
        toolset="jobs",
    ),
]
