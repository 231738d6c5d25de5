"""Settings of the queue of jobs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ratchet_mcp.settings.base import Section


class JobSettings(Section):
    """Work that outlives a call: who runs it, how often it is tried, how long it is remembered."""

    workers_enabled: bool = Field(default=True, description="Whether a server runs jobs itself; ratchet worker always does.")
    concurrency: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="Jobs of one process at the same time.",
        json_schema_extra={"default_in_words": "engine.max_workers"},
    )
    dispatcher: Literal["auto", "embedded", "postgres"] = Field(
        default="auto", description="What hands jobs out: embedded for SQLite, postgres for many machines; auto follows store.url."
    )
    poll_seconds: float = Field(default=0.5, gt=0, le=60, description="How often to look for what other processes have submitted.")
    retry_attempts: int = Field(default=1, ge=1, le=100, description="How often a job is tried unless it says otherwise.")
    retry_backoff_seconds: float = Field(
        default=1.0, ge=0, le=86400, description="Pause before the second attempt; each further one is twice as long."
    )
    retry_max_delay_seconds: float = Field(default=300.0, ge=0, le=86400, description="The longest pause between two attempts.")
    max_crashes: int = Field(
        default=3, ge=1, le=100, description="How many processes may die while they run a job before it counts as failed."
    )
    retention_days: float = Field(default=30.0, gt=0, description="Jobs that ended are removed after so many days.")
    max_waiting: int = Field(default=1_000_000, ge=1, description="Jobs that may wait; more are refused as busy.")
