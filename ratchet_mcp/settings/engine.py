"""Settings of the engine: the pool of workers, and the limits of each execution."""

from __future__ import annotations

import os
from typing import Literal

from pydantic import Field, model_validator

from ratchet_mcp.settings.base import Section


class Limits(Section):
    """What one execution may use. Every limit is on by default and is echoed in the result."""

    timeout_seconds: float = Field(default=30.0, gt=0, le=3600, description="Wall time of a run; the worker is killed after it.")
    max_timeout_seconds: float = Field(
        default=300.0, gt=0, le=86400, description="The largest timeout_seconds a caller or a task may ask for."
    )
    cpu_seconds: float = Field(default=20.0, gt=0, description="Processor time of a run.")
    memory_mb: int = Field(default=256, ge=64, le=16384, description="Memory of a run, in MiB, above what an idle worker needs.")
    input_bytes: int = Field(default=4 << 20, ge=1024, description="Size of the input as JSON.")
    output_bytes: int = Field(default=4 << 20, ge=1024, description="Size of the output as JSON.")
    log_bytes: int = Field(default=256 << 10, ge=1024, description="All console output of a run together.")
    json_depth: int = Field(default=100, ge=8, le=200, description="Nesting of input and output.")
    source_bytes: int = Field(default=2 << 20, ge=1024, description="Size of a task's code.")

    @model_validator(mode="after")
    def _default_is_within_the_largest(self) -> Limits:
        if self.timeout_seconds > self.max_timeout_seconds:
            raise ValueError(f"timeout_seconds ({self.timeout_seconds:g}) is above max_timeout_seconds ({self.max_timeout_seconds:g})")
        return self


class EngineSettings(Section):
    """The pool of worker processes."""

    min_workers: int = Field(default=1, ge=1, le=64, description="Workers that are kept, also when idle.")
    max_workers: int = Field(
        default_factory=lambda: max(2, os.cpu_count() or 2),
        ge=1,
        le=256,
        description="Runs at the same time.",
        json_schema_extra={"default_in_words": "one a processor, at least 2"},
    )
    spare_workers: int = Field(default=1, ge=0, le=8, description="Warm workers that wait to replace a killed one.")
    selection: Literal["least_loaded", "round_robin", "weighted"] = Field(
        default="least_loaded", description="Which idle worker runs next."
    )
    max_tasks_per_worker: int = Field(default=2000, ge=1, description="Runs after which a worker is replaced.")
    idle_seconds: float = Field(default=60.0, gt=0, description="Idle time after which workers above min_workers end.")
    ping_interval_seconds: float = Field(default=30.0, gt=0, description="How often an idle worker is asked whether it lives.")
    ping_timeout_seconds: float = Field(default=5.0, gt=0, description="How long its answer may take.")
    restart_delay_seconds: float = Field(default=0.1, ge=0, description="Pause before a failed start is tried again; doubles each time.")
    max_restarts: int = Field(default=5, ge=1, description="Failed starts in a row after which runs are refused.")
    start_timeout_seconds: float = Field(default=15.0, gt=0, description="How long a worker may take to start.")
    queue_limit: int = Field(default=1000, ge=1, description="Runs that may wait for a worker.")
    queue_wait_seconds: float = Field(default=30.0, gt=0, description="How long a run may wait for a worker.")
    isolation: Literal["full", "partial", "none"] | None = Field(
        default=None, description="The least isolation to accept; by default full on Linux, partial elsewhere."
    )
    breaker_failures: int = Field(default=3, ge=1, description="Worker deaths by one task after which it is paused.")
    breaker_window_seconds: float = Field(default=60.0, gt=0, description="Time in which those deaths count.")
    breaker_open_seconds: float = Field(default=30.0, gt=0, description="How long it is paused.")
    call_depth: int = Field(default=8, ge=1, le=64, description="Nesting of tasks.call.")
    max_waiting_parents: int = Field(
        default=16, ge=1, le=256, description="Workers beyond max_workers that may wait for tasks they called, or for the network."
    )
    max_waiting_questions: int = Field(
        default=16, ge=0, le=256, description="Workers beyond max_workers that may wait for an answer of the user."
    )

    @model_validator(mode="after")
    def _pool_bounds_agree(self) -> EngineSettings:
        if self.min_workers > self.max_workers:
            raise ValueError(f"min_workers ({self.min_workers}) is above max_workers ({self.max_workers})")
        return self
