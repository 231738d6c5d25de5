"""What the commands of `ratchet jobs` do: they look into the queue and change it, and run nothing themselves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from ratchet_mcp.app import Ratchet
    from ratchet_mcp.jobs.models import Job

T = TypeVar("T")
SHORT_ERROR = 80


@dataclass(frozen=True, slots=True)
class Order:
    """What `ratchet jobs add` was given."""

    task: str
    input: Any
    priority: str
    run_at: datetime | None
    retry: dict[str, Any]
    unique_key: str | None
    timeout_seconds: float | None
    delivery: list[dict[str, Any]] | None


def with_services(config: Path | None, profile: str | None, work: Callable[[Ratchet], Awaitable[T]]) -> T:
    """Open the services of the settings without running any jobs, do some work with them, and close them."""
    import anyio

    from ratchet_mcp.cli.settings import for_one_run

    settings = for_one_run(config, profile)

    async def run() -> T:
        from ratchet_mcp.app import Ratchet
        from ratchet_mcp.observability.log import configure

        configure(settings.logging)
        async with Ratchet.open(settings, work=False) as ratchet:
            return await work(ratchet)

    return anyio.run(run)


def add(order: Order, wait: float, config: Path | None, profile: str | None, *, as_json: bool) -> None:
    """Submit a job and print its id, or how it ended within `wait` seconds."""
    from ratchet_mcp.cli.output import print_json, print_text
    from ratchet_mcp.execution.models import Origin
    from ratchet_mcp.jobs.models import JobRequest, Priority
    from ratchet_mcp.jobs.retry import RetryPolicy

    request = JobRequest(
        task=order.task,
        input=order.input,
        origin=Origin.CLI,
        priority=Priority.named(order.priority),
        run_at=order.run_at,
        retry=RetryPolicy.from_dict(order.retry) if order.retry else None,
        unique_key=order.unique_key,
        timeout_seconds=order.timeout_seconds,
        delivery=order.delivery,
    )

    async def submit(ratchet: Ratchet) -> dict[str, Any]:
        job = await ratchet.jobs.submit(request)
        if wait:
            job = await ratchet.jobs.wait(job.id, wait)
        return await _whole(ratchet, job)

    told = with_services(config, profile, submit)
    if as_json or wait:
        print_json(told)
    else:
        print_text(told["id"])


def show_list(task: str | None, status: str | None, limit: int, config: Path | None, profile: str | None, *, as_json: bool) -> None:
    """Print jobs, newest first."""
    from ratchet_mcp.cli.output import print_json, print_table
    from ratchet_mcp.jobs.models import JobStatus

    wanted = None if status is None else JobStatus(status)

    async def find(ratchet: Ratchet) -> list[Job]:
        return (await ratchet.jobs.find(task=task, status=wanted, limit=limit)).jobs

    jobs = with_services(config, profile, find)
    if as_json:
        print_json({"jobs": [job.to_dict() for job in jobs]})
        return
    print_table(
        ("job", "task", "status", "priority", "attempts", "run at", "error"),
        [
            (
                job.id,
                job.task if job.version is None else f"{job.task}@{job.version}",
                job.status.value,
                job.priority.name.lower(),
                f"{job.attempts}/{job.max_attempts}",
                job.run_at.isoformat(timespec="seconds"),
                str((job.last_error or {}).get("message", ""))[:SHORT_ERROR],
            )
            for job in jobs
        ],
    )


def show(id: str, wait: float, config: Path | None, profile: str | None) -> None:
    """Print everything about one job."""
    from ratchet_mcp.cli.output import print_json

    async def find(ratchet: Ratchet) -> dict[str, Any]:
        return await _whole(ratchet, await (ratchet.jobs.wait(id, wait) if wait else ratchet.jobs.get(id)))

    print_json(with_services(config, profile, find))


def cancel(id: str, reason: str | None, config: Path | None, profile: str | None) -> None:
    """Cancel a job and print it."""
    from ratchet_mcp.cli.output import print_json

    print_json(with_services(config, profile, lambda ratchet: ratchet.jobs.cancel(id, reason)).to_dict())


def retry(id: str | None, task: str | None, config: Path | None, profile: str | None) -> None:
    """Put one job, or all failed ones, into the queue again."""
    from ratchet_mcp.cli.output import print_text

    async def again(ratchet: Ratchet) -> int:
        if id is None:
            return await ratchet.jobs.retry_all(task=task, limit=10_000)
        await ratchet.jobs.retry(id)
        return 1

    count = with_services(config, profile, again)
    print_text(f"{count} {'job runs' if count == 1 else 'jobs run'} again.")


def switch(task: str | None, config: Path | None, profile: str | None, *, paused: bool) -> None:
    """Pause or resume the queue, or one task."""
    from ratchet_mcp.cli.output import print_text

    with_services(config, profile, lambda ratchet: (ratchet.jobs.pause if paused else ratchet.jobs.resume)(task))
    print_text(f"{'All jobs' if task is None else f'Jobs of {task}'} {'are paused' if paused else 'run again'}.")


def limit(task: str, concurrency: int | None, rate: str | None, config: Path | None, profile: str | None) -> None:
    """Set the limits of one task."""
    from ratchet_mcp.cli.output import print_text

    with_services(config, profile, lambda ratchet: ratchet.jobs.limit(task, concurrency=concurrency, rate=rate))
    told = [f"{concurrency} at once"] * (concurrency is not None) + [f"{rate} starts"] * (rate is not None)
    print_text(f"Jobs of {task}: {', '.join(told) or 'no limit'}.")


def status(config: Path | None, profile: str | None, *, as_json: bool) -> None:
    """Print how many jobs stand where, and the controls."""
    from ratchet_mcp.cli.output import print_json, print_table

    async def look(ratchet: Ratchet) -> dict[str, Any]:
        return {"counts": await ratchet.jobs.counts(), "controls": [control.to_dict() for control in await ratchet.jobs.controls()]}

    state = with_services(config, profile, look)
    if as_json:
        print_json(state)
        return
    print_table(("status", "jobs"), list(state["counts"].items()))
    if state["controls"]:
        print_table(
            ("task", "paused", "concurrency", "rate"),
            [(each["task"], each["paused"], each.get("concurrency", ""), each.get("rate", "")) for each in state["controls"]],
        )


async def _whole(ratchet: Ratchet, job: Job) -> dict[str, Any]:
    """Return a job with what its latest attempt gave."""
    from ratchet_mcp.errors import ExecutionNotFound

    told = job.to_dict()
    if job.execution_id is not None and job.status.final:
        try:
            execution = await ratchet.executions.get(job.execution_id)
        except ExecutionNotFound:
            return {**told, "hint": "The run of this job, and its output, are no longer kept."}
        told |= {"error": execution.error} if execution.error else {"output": execution.output}
    return told
