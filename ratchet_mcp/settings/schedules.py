"""Settings of schedules."""

from __future__ import annotations

from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from ratchet_mcp.settings.base import Section


class ScheduleSettings(Section):
    """Tasks that run again and again. Schedules come true on servers that run jobs (jobs.workers_enabled)."""

    timezone: str = Field(default="UTC", description="Time zone of a schedule that names none, by its IANA name, such as Europe/Berlin.")
    missed: Literal["skip", "run_once", "run_all"] = Field(
        default="run_once", description="What happens to times at which no server ran, unless a schedule says otherwise."
    )
    late_seconds: float = Field(default=60.0, ge=1, le=3600, description="A time that comes up to this late has not been missed.")
    most_missed: int = Field(default=100, ge=1, le=1000, description="Missed times that run_all makes up for, the latest ones.")
    poll_seconds: float = Field(default=1.0, gt=0, le=60, description="How often to look for schedules that other processes have made.")
    limit: int = Field(default=10_000, ge=1, description="Schedules there may be.")

    @field_validator("timezone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"{name[:60]!r} is no time zone; write an IANA name such as Europe/Berlin or UTC") from None
        return name
