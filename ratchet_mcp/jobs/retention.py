"""Forgetting: jobs that ended long ago are removed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import anyio
from loguru import logger

from ratchet_mcp.errors import RatchetError

if TYPE_CHECKING:
    from ratchet_mcp.store.jobs import JobRepository

FIRST_SECONDS = 60.0
EVERY_SECONDS = 3600.0
PAUSE_SECONDS = 0.05
"""Pause between two removals, so that others get to write."""


async def forget_finished(jobs: JobRepository, days: float) -> int:
    """Remove all jobs that ended more than so many days ago; returns how many. Raises `StoreFailed`."""
    total = 0
    while removed := await jobs.remove_finished(jobs.clock() - timedelta(days=days)):
        total += removed
        await anyio.sleep(PAUSE_SECONDS)
    return total


async def keep_forgetting(jobs: JobRepository, days: float) -> None:
    """Remove old jobs every hour, until cancelled."""
    await anyio.sleep(FIRST_SECONDS)
    while True:
        try:
            removed = await forget_finished(jobs, days)
            if removed:
                logger.info("Removed {} jobs that ended more than {:g} days ago", removed, days)
        except RatchetError as error:
            logger.warning("Old jobs could not be removed: {}", error.message)
        await anyio.sleep(EVERY_SECONDS)
