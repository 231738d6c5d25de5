"""One run on one worker, as the coordinator follows it."""

from __future__ import annotations

import asyncio
import math
import time
from typing import Any

import anyio
import orjson

from ratchet_mcp import errors
from ratchet_mcp.engine import outcome
from ratchet_mcp.engine.course import read_events
from ratchet_mcp.engine.depth import nested_deeper
from ratchet_mcp.engine.frames import Violation
from ratchet_mcp.engine.observing import Observing
from ratchet_mcp.engine.run import LogLine, ProgressUpdate, RunHost, RunOutcome, RunRequest

LEVELS = {"trace", "debug", "info", "warn", "error"}
MAX_OPEN_CALLS = 1000
"""Host calls of one run that may be unanswered at the same time. Workers refuse earlier."""

PROGRESS_RATE = 200
"""Progress reports a second that a run may send, and how many more in advance. Workers send a quarter of them."""


class ActiveRun:
    """Takes the frames of a run, keeps count of its limits, and ends with a `RunOutcome`."""

    def __init__(self, request: RunRequest, host: RunHost, worker_id: str) -> None:
        self.request = request
        self.host = host
        self.ended: asyncio.Future[RunOutcome] = asyncio.get_running_loop().create_future()
        self.calls: dict[int, anyio.CancelScope] = {}
        self.call_bytes = 0
        self.open_calls = 0
        self.calls_made = 0
        self.cancels = 0
        self.holds_slot = True
        self.asks = False
        self.recycle = False
        self.lost = False
        self.observing = None if request.observe is None else Observing(request, request.observe)
        self.cpu_base: float | None = None
        self.memory_peak_mb = 0.0
        self._worker_id = worker_id
        self._started = time.perf_counter()
        self._log_bytes = 0
        self._lines = 0
        self._reports = 0

    @property
    def seconds(self) -> float:
        """How long the run has lasted."""
        return time.perf_counter() - self._started

    # ------------------------------------------------------------ frames
    def on_log(self, frame: dict[str, Any]) -> None:
        """Hand a console line to the host; over the limit the run ends."""
        message = frame["message"]
        self._log_bytes += len(message) + 1
        if self._log_bytes > self.request.limits.log_bytes:
            self.on_limit({"code": errors.LogLimit.code})
            return
        level = frame["level"] if frame["level"] in LEVELS else "info"
        self.host.log(LogLine(self._lines, frame["at"], level, message))
        self._lines += 1

    def on_progress(self, frame: dict[str, Any]) -> None:
        """Hand a progress report to the host."""
        self._reports += 1
        if self._reports > PROGRESS_RATE * (1 + self.seconds):
            raise Violation("progress reports faster than any worker does")
        if len(frame["value"]) > 1 << 17 or nested_deeper(frame["value"], self.request.limits.json_depth):
            raise Violation("a progress report that is too large")
        try:
            value = orjson.loads(frame["value"])
            progress = float(value["progress"])
        except (ValueError, TypeError, KeyError, OverflowError):
            raise Violation("a progress report that is not one") from None
        if not math.isfinite(progress):
            raise Violation("a progress report that is not one")
        step, message = value.get("step"), value.get("message")
        self.host.progress(
            ProgressUpdate(
                at=frame["at"],
                progress=progress,
                step=step if isinstance(step, str) else None,
                message=message if isinstance(message, str) else None,
                data=value.get("data"),
            )
        )

    def on_limit(self, frame: dict[str, Any]) -> None:
        """End the run for a limit that the worker counts."""
        limit = self.request.limits.log_bytes
        if frame["code"] != errors.LogLimit.code:
            raise Violation("a limit that does not exist")
        self.fail(
            errors.LogLimit(
                f"The run logged more than limits.log_bytes = {limit} bytes and was ended.",
                hint="Log less inside loops, or return the data as output.",
                details={"log_bytes": limit},
            )
        )

    def on_observed(self, frame: dict[str, Any]) -> None:
        """Take what the debugger saw."""
        if self.observing is None:
            raise Violation("an observation of a run that is not observed")
        self.observing.take(frame["what"], frame["value"])

    def on_result(self, frame: dict[str, Any]) -> None:
        """End the run with what the worker says."""
        self.recycle = frame["recycle"]
        if self.observing is not None:
            self.observing.ended()
        error = outcome.error_of(frame["ended"], self.request)
        if isinstance(error, errors.WorkerCrashed) and self._was_full:
            error = outcome.memory_limit(self.request.limits)
        output = frame["output"]
        if error is None and output is None:
            raise Violation("a result without output and without error")
        if error is None:
            error = self._too_large(output)
        events = () if self.request.course is None else read_events(frame["ended"].get("events", []))
        if events is None:
            raise Violation("events that are none")
        if error is None:
            self._check_json(output)
            self._finish(RunOutcome(output, warnings=outcome.warnings_of(frame["ended"]), events=events))
        else:
            self._finish(RunOutcome(error=error, events=events))

    @staticmethod
    def _check_json(output: str) -> None:
        try:
            orjson.loads(output)
        except orjson.JSONDecodeError:
            raise Violation("an output that is not JSON") from None

    def _too_large(self, output: str) -> errors.RatchetError | None:
        limits = self.request.limits
        size = len(output) if output.isascii() else len(output.encode("utf-8", "replace"))
        if size > limits.output_bytes:
            return errors.OutputTooLarge(
                f"The output has {size} bytes as JSON; limits.output_bytes is {limits.output_bytes}.",
                hint="Return less: a part, a summary, or counts.",
                details={"bytes": size, "limit": limits.output_bytes},
            )
        if nested_deeper(output, limits.json_depth):
            return errors.OutputTooLarge(
                f"The output is nested deeper than limits.json_depth = {limits.json_depth} levels.", details={"limit": limits.json_depth}
            )
        return None

    # ------------------------------------------------------------ the end
    def fail(self, error: errors.RatchetError) -> None:
        """End the run with an error; the first end counts. The worker has to be thrown away."""
        self.recycle = True
        self._finish(RunOutcome(error=error))

    def died(self, description: str, *, by_signal: bool) -> None:
        """End the run because its worker is gone."""
        self.recycle = True
        if self.lost:
            self._finish(RunOutcome(error=outcome.nameless_rejection()))
            return
        if by_signal and self._was_full:
            self._finish(RunOutcome(error=outcome.memory_limit(self.request.limits)))
            return
        self._finish(
            RunOutcome(
                error=errors.WorkerCrashed(
                    f"The worker process died during the run ({description}).",
                    hint="Other runs are not affected. If it happens again with this input, the task drives the engine into a crash.",
                    details={"exit": description},
                )
            )
        )

    @property
    def _was_full(self) -> bool:
        """Tell whether the run had used so much memory that an engine which fails, in whatever way, fails for want of it."""
        return self.memory_peak_mb > 0.6 * self.request.limits.memory_mb

    def _finish(self, result: RunOutcome) -> None:
        if not self.ended.done():
            result.run_ms = self.seconds * 1000
            result.worker_id = self._worker_id
            if self.observing is not None:
                result.observed = self.observing.observed
            self.ended.set_result(result)

    def cancel_calls(self) -> None:
        """Give up on answers that nobody waits for any more."""
        for scope in self.calls.values():
            scope.cancel()
