"""Which dispatcher a process uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ratchet_mcp.jobs.dispatcher import Dispatcher

if TYPE_CHECKING:
    from ratchet_mcp.jobs.running import Running
    from ratchet_mcp.settings import Settings
    from ratchet_mcp.store.store import Store


def make_dispatcher(settings: Settings, store: Store, running: Running) -> Dispatcher:
    """Return the dispatcher that the settings name, or that fits the database."""
    from ratchet_mcp.jobs.embedded import EmbeddedDispatcher

    places = settings.jobs.concurrency or settings.engine.max_workers
    return EmbeddedDispatcher(store.jobs, running.claim, places, settings.jobs.poll_seconds)
