"""Settings of deliveries: where results may go by themselves, and how often that is tried."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from ratchet_mcp.settings.base import Section


class DeliverySettings(Section):
    """Where the results of tasks are sent to by themselves: files and webhooks."""

    roots: list[Path] = Field(
        default_factory=list[Path],
        description="Folders that files may be delivered into: the first, unless a destination names another. By default none.",
    )
    destinations: list[dict[str, Any]] = Field(
        default_factory=list[dict[str, Any]], description="Where the results of all tasks go, beside their own; docs/delivery.md."
    )
    from_remote: list[str] = Field(
        default_factory=list[str],
        description="Names of tasks from remote sources that may say themselves where their results go; what others say is left out.",
    )
    send: bool = Field(default=True, description="Send what is due. A server without it only writes down what others are to send.")
    attempts: int = Field(default=8, ge=1, le=100, description="How often a delivery is tried, unless its destination says otherwise.")
    retry_wait_seconds: float = Field(default=2.0, gt=0, le=3600, description="Pause before the second try; it doubles, with jitter.")
    retry_max_wait_seconds: float = Field(
        default=3600.0, gt=0, le=86_400, description="Longest pause between tries, also of those that a receiver asks for."
    )
    timeout_seconds: float = Field(default=15.0, gt=0, le=300, description="How long a receiver may take to answer.")
    parallel: int = Field(default=4, ge=1, le=64, description="Deliveries that this server sends at the same time.")
    max_bytes: int = Field(
        default=64 << 20, ge=1024, description="Size of one file or body; a body is also bound by network.request_bytes."
    )
    poll_seconds: float = Field(default=5.0, ge=0.1, le=3600, description="How often to look for what other servers have left.")
    retention_days: float = Field(default=30.0, gt=0, description="How long the record of a delivery that has ended is kept.")
