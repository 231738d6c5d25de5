"""Reaching the store without making start-up wait for its imports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio.to_thread

if TYPE_CHECKING:
    from ratchet_mcp.store.store import Store


async def import_store() -> type[Store]:
    """Import the store in a thread (SQLModel and SQLAlchemy take a quarter of a second) and return its class."""
    return await anyio.to_thread.run_sync(_import)


def _import() -> type[Store]:
    from ratchet_mcp.store.store import Store

    return Store
