"""Settings of the cache of results, for tasks that say `cache` in their metadata."""

from __future__ import annotations

from pydantic import Field

from ratchet_mcp.settings.base import Section


class CacheSettings(Section):
    """How much of the database the outputs of tasks may take that are given again."""

    enabled: bool = Field(default=True, description="Give results again, of tasks that allow it in their metadata.")
    max_bytes: int = Field(default=64 << 20, ge=1024, description="All kept outputs together; those not used for longest go first.")
    max_entry_bytes: int = Field(default=1 << 20, ge=256, description="The largest output that is kept.")
