"""Alembic's entry: runs the migrations on the connection that `ratchet_mcp.store.migrate` gives it, in its transaction."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlmodel import AutoString

from ratchet_mcp.store import types
from ratchet_mcp.store.tables import metadata


def render_item(kind: str, item: Any, autogenerate: AutogenContext) -> str | Literal[False]:
    """Write our own column types by their names."""
    if kind != "type":
        return False
    if isinstance(item, AutoString):
        return "sa.String()"
    for name in ("Identifier", "JsonToTheLetter", "Json", "RowNumber"):
        if item is getattr(types, name):
            autogenerate.imports.add("from ratchet_mcp.store import types")
            return f"types.{name}"
    if isinstance(item, types.UtcMs):
        autogenerate.imports.add("from ratchet_mcp.store import types")
        return "types.UtcMs()"
    return False


def run() -> None:
    """Run what Alembic was asked for."""
    connection = context.config.attributes["connection"]
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, render_item=render_item)
    with context.begin_transaction():
        context.run_migrations()


run()
