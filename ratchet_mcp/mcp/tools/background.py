"""Running a task as a job: what execute_task takes for it, and what it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ratchet_mcp.errors import InvalidArgument
from ratchet_mcp.jobs.models import JobRequest, Priority
from ratchet_mcp.jobs.retry import RetryPolicy
from ratchet_mcp.mcp import job_view
from ratchet_mcp.mcp.results import ToolResult, success
from ratchet_mcp.mcp.tools.arguments import Arguments, Moment

if TYPE_CHECKING:
    from ratchet_mcp.execution.models import Origin
    from ratchet_mcp.mcp.tools.spec import Call

JOB_ARGUMENTS = ("priority", "run_at", "retry", "unique_key", "delivery")


class Background(Arguments):
    """The arguments of a tool that may run a task as a job."""

    background: Annotated[bool, Field(description="answer at once with a job_id for get_status")] = False
    priority: Annotated[Literal["low", "normal", "high", "urgent"] | None, Field(description="of a background job")] = None
    run_at: Annotated[Moment | None, Field(description="not before this")] = None
    retry: Annotated[
        dict[str, Any] | None, Field(description='such as {"attempts": 3, "delay": "5s", "backoff": "exponential", "on": ["timeout"]}')
    ] = None
    unique_key: Annotated[str | None, Field(description="one job only for this key", min_length=1, max_length=200)] = None
    delivery: Annotated[
        list[dict[str, Any]] | None, Field(description="where its result goes: files, webhooks (guide://tasks)", max_length=20)
    ] = None

    def check(self) -> None:
        """Raise `InvalidArgument` when something is said about a job and none is asked for."""
        told = [name for name in JOB_ARGUMENTS if getattr(self, name) is not None]
        if told and not self.background:
            raise InvalidArgument(f"{', '.join(told)}: only for background jobs.", hint="Add background: true, or leave it out.")


async def submit(
    call: Call, arguments: Background, reference: str, value: Any, *, origin: Origin, timeout_seconds: float | None
) -> ToolResult:
    """Make a job of a run and answer with its id. Raises what `Jobs.submit` raises."""
    ratchet = await call.app.get()
    job = await ratchet.jobs.submit(
        JobRequest(
            task=reference,
            input=value,
            origin=origin,
            principal=call.principal,
            priority=Priority.named(arguments.priority or "normal"),
            run_at=arguments.run_at,
            retry=None if arguments.retry is None else RetryPolicy.from_dict(arguments.retry),
            unique_key=arguments.unique_key,
            timeout_seconds=timeout_seconds,
            delivery=arguments.delivery,
        )
    )
    return success(job_view.submitted(job))
