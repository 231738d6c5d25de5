"""Which dispatcher a process uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ratchet_mcp.errors import SettingsInvalid
from ratchet_mcp.jobs.dispatcher import Dispatcher

if TYPE_CHECKING:
    from ratchet_mcp.jobs.running import Running
    from ratchet_mcp.settings import Settings
    from ratchet_mcp.store.store import Store

HINT = "Set store.url to postgresql://…, or jobs.dispatcher to auto."


def make_dispatcher(settings: Settings, store: Store, running: Running) -> Dispatcher:
    """Return the dispatcher that the settings name, or that fits the database."""
    queue = store.shared_queue
    if queue is not None and settings.jobs.dispatcher != "embedded":
        from ratchet_mcp.jobs.postgres import PostgresDispatcher

        return PostgresDispatcher(queue, running, settings.jobs.poll_seconds)
    if settings.jobs.dispatcher == "postgres":
        raise SettingsInvalid("jobs.dispatcher is postgres, but store.url names no PostgreSQL database.", hint=HINT)
    from ratchet_mcp.jobs.embedded import EmbeddedDispatcher

    return EmbeddedDispatcher(store.jobs, running.claim, running.pace, settings.jobs.poll_seconds)
