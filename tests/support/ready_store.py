"""A database that is at today's schema: a server that opens it has no migrations to import and to apply."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from ratchet_mcp.settings import StoreSettings
from ratchet_mcp.store.database import Database
from ratchet_mcp.store.migrate import migrate


def ready_store(file: Path) -> str:
    """Write a new, empty database into `file` and return its URL."""
    file.write_bytes(_empty())
    file.chmod(0o600)
    return f"sqlite:///{file}"


@functools.cache
def _empty() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ready.db"
        database = Database.at(StoreSettings(url=f"sqlite:///{file}"))
        migrate(database)
        database.close()
        return file.read_bytes()
