"""What batches have to know of jobs, which stand beside them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

from ratchet_mcp.execution.models import Origin


class BatchJob(Protocol):
    """What a batch has to know of the job that runs it (`jobs.models.Job`)."""

    id: str
    input: Any
    origin: Origin
    principal: str
    attempts: int
    created_at: datetime
    cancel_requested_at: datetime | None
    cancel_reason: str | None
    status: Any


class JobLink(Protocol):
    """Where the jobs of batches are found (`jobs.service.Jobs`)."""

    async def get(self, id: str) -> BatchJob:
        """Return a job."""
        ...

    async def cancel(self, id: str, reason: str | None = None) -> BatchJob:
        """Cancel a job."""
        ...
