"""Settings of the store."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ratchet_mcp.settings.base import Section


class StoreSettings(Section):
    """Where executions and their companions are kept."""

    url: str | None = Field(
        default=None, description="sqlite:///FILE, sqlite:// (memory) or postgresql://…; by default a file in the user's data directory."
    )
    durability: Literal["normal", "full"] = Field(default="normal", description="full waits for the disk at each commit.")
    direct_commits: bool = Field(
        default=True,
        description="Write a run's rows to an SQLite file without a thread while nothing else is written; off for slow disks.",
    )
    busy_timeout_seconds: float = Field(
        default=10.0, gt=0, description="How long to wait for another process that writes, or a server that is gone."
    )
    queue_size: int = Field(default=20_000, ge=100, description="Rows that may wait for the writer; more are refused as busy.")
    heartbeat_seconds: float = Field(default=2.0, gt=0, description="How often this server says that it lives.")
    owner_timeout_seconds: float = Field(default=15.0, gt=0, description="Silence after which a server's runs count as interrupted.")
