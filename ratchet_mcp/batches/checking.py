"""Checks a batch before anything runs: its shape, its tasks, and the inputs that refer to nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import anyio.to_thread
import orjson

from ratchet_mcp.batches.plan import Plan, PlanProblems, Request, read_mode, read_requests
from ratchet_mcp.batches.references import resolve
from ratchet_mcp.errors import BatchInvalid, RatchetError
from ratchet_mcp.execution.limits import run_limits
from ratchet_mcp.execution.outcome import check_input
from ratchet_mcp.execution.values import encode_input, is_small
from ratchet_mcp.settings import Settings
from ratchet_mcp.tasks.json_values import is_array
from ratchet_mcp.tasks.violations import shown

if TYPE_CHECKING:
    from ratchet_mcp.registry.catalog import Catalog
    from ratchet_mcp.tasks.definition import Task

INPUTS = 4
"""All inputs of a batch together may be so many times as large as `limits.input_bytes`."""


class Checking:
    """Turns what was asked for into a plan."""

    def __init__(self, catalog: Catalog, settings: Settings) -> None:
        self._catalog = catalog
        self._settings = settings

    async def plan(self, requests: Any, mode: Any, max_parallel: Any, stop_on_error: Any) -> Plan:
        """Return the plan of a batch. Raises `BatchInvalid` that lists everything that is wrong."""
        most = self._settings.batches.max_requests
        if is_array(requests) and len(requests) > most:
            raise BatchInvalid(
                f"The batch has {len(requests):,} requests; at most {most:,} are allowed (batches.max_requests).",
                hint="Nothing ran. Split it into several batches.",
                details={"limit": most, "violations": [{"path": "$.requests", "message": f"at most {most:,} requests"}]},
            )
        problems = PlanProblems()
        mode = read_mode(mode, problems)
        together = self._together(max_parallel, problems)
        if not isinstance(stop_on_error, bool):
            problems.add(f"stop_on_error is true or false, not {shown(stop_on_error)}", "stop_on_error")
        read = read_requests(requests, mode, problems)
        _check_writable(read, problems)
        sizes: list[int] = []
        pinned = [await self._pin(request, problems, sizes) for request in read]
        if sum(sizes) > INPUTS * self._settings.limits.input_bytes:
            problems.add(f"the inputs have {sum(sizes):,} bytes together; {INPUTS} times limits.input_bytes is allowed", "requests")
        problems.refuse()
        return Plan(tuple(pinned), mode, 1 if mode == "sequential" else together, stop_on_error)

    def _together(self, given: Any, problems: PlanProblems) -> int:
        most = self._settings.batches.max_parallel
        if given is None:
            return min(self._settings.engine.max_workers, most)
        if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= most:
            problems.add(f"max_parallel is a whole number from 1 to {most} (batches.max_parallel), not {shown(given)}", "max_parallel")
            return 1
        return given

    async def _pin(self, request: Request, problems: PlanProblems, sizes: list[int]) -> Request:
        """Name the version that will run; notes a task that is not there, and an input that does not fit it."""
        where = ("requests", request.index)
        try:
            task = await self._catalog.resolve(request.task)
        except RatchetError as error:
            near = cast("list[str]", error.details.get("suggestions") or [])
            unfetched = f" {error.hint}" if error.details.get("unfetched") else ""
            problems.add(error.message + (f" Near: {', '.join(near[:5])}." if near else "") + unfetched, *where, "task")
            return request
        try:
            if is_small(request.input):
                sizes.append(self._check_input(task, request))
            else:
                sizes.append(await anyio.to_thread.run_sync(self._check_input, task, request))
        except RatchetError as error:
            violations = cast("list[dict[str, Any]]", error.details.get("violations") or [])
            for violation in violations[:10]:
                path = str(violation.get("path", "$"))
                problems.violations.append(
                    {"path": f"$.requests[{request.index}].input{path[1:]}", "message": str(violation.get("message"))}
                )
            if not violations:
                problems.add(error.message, *where, "input")
        return replace(request, task=task.reference)

    def _check_input(self, task: Task, request: Request) -> int:
        """Return the length of an input as JSON text. Raises `InputInvalid` and `InputTooLarge`."""
        limits = run_limits(self._settings.limits, task_seconds=task.timeout_seconds)
        text = encode_input(request.input, limits)
        if not request.refers:
            check_input(task, resolve(request.input, {}))
        return len(text)


def _check_writable(requests: list[Request], problems: PlanProblems) -> None:
    """Note what cannot be kept: it is nested too deeply, has half of a surrogate pair, or an integer beyond 64 bits."""
    for request in requests:
        try:
            orjson.dumps(request.given)
        except TypeError as error:
            problems.add(f"depends_on and when cannot be written as JSON: {error}", "requests", request.index)
