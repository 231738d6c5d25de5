"""Which limits apply to one run."""

from __future__ import annotations

from ratchet_mcp.engine.run import RunLimits
from ratchet_mcp.errors import InvalidArgument
from ratchet_mcp.settings import Limits


def run_limits(limits: Limits, *, task_seconds: float | None = None, asked_seconds: float | None = None) -> RunLimits:
    """Return the limits of a run: its timeout is what the caller asked for, else what the task says, else the default.

    Raises `InvalidArgument` when the caller asks for more than `limits.max_timeout_seconds`; a task's own wish is cut to it.
    """
    most = limits.max_timeout_seconds
    if asked_seconds is not None and not 0 < asked_seconds <= most:
        raise InvalidArgument(
            f"timeout_seconds must be above 0 and at most {most:g}, not {asked_seconds:g}.",
            hint="Ask for less; the maximum is limits.max_timeout_seconds in the settings.",
            details={"maximum": most, "violations": [{"path": "$.timeout_seconds", "message": f"must be above 0 and at most {most:g}"}]},
        )
    return RunLimits(
        timeout_seconds=min(asked_seconds or task_seconds or limits.timeout_seconds, most),
        cpu_seconds=limits.cpu_seconds,
        memory_mb=limits.memory_mb,
        input_bytes=limits.input_bytes,
        output_bytes=limits.output_bytes,
        log_bytes=limits.log_bytes,
        json_depth=limits.json_depth,
    )
