"""Settings of batches: several requests in one call."""

from __future__ import annotations

from pydantic import Field

from ratchet_mcp.settings.base import Section


class BatchSettings(Section):
    """What one batch may ask for."""

    max_requests: int = Field(default=100, ge=1, le=10_000, description="Requests in one batch; more are refused.")
    max_parallel: int = Field(default=32, ge=1, le=1000, description="The largest max_parallel that a batch may ask for.")
