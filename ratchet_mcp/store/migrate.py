"""Bringing a database to this program's schema when it is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from ratchet_mcp.errors import StoreFailed
from ratchet_mcp.store.database import Database
from ratchet_mcp.store.failures import describe

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0006"
"""The newest migration; a test compares it with Alembic's."""

LOCK = 0x7261746368657400
"""The advisory lock on PostgreSQL that one migrating process holds."""


def migrate(database: Database) -> None:
    """Apply the migrations that are missing; a database that is at the newest one costs one read. Raises `StoreFailed`."""
    try:
        with database.guard:
            with database.engine.connect() as connection:
                if _revision(connection) == HEAD:
                    return
            _upgrade(database)
    except Exception as error:
        raise describe(error, database.location.shown) from error


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(database: Database) -> None:
    with database.connect() as connection:
        sqlite = database.location.backend == "sqlite"
        if sqlite:  # a rebuilt table would otherwise take the rows that refer to it along
            connection.connection.driver_connection.execute("PRAGMA foreign_keys=OFF")  # type: ignore[union-attr]  # sqlite3's connection
        try:
            with connection.begin():
                if not sqlite:
                    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
                _apply(connection, database.location.shown)
        finally:
            if sqlite:
                connection.connection.driver_connection.execute("PRAGMA foreign_keys=ON")  # type: ignore[union-attr]  # sqlite3's connection


def _apply(connection: Connection, shown: str) -> None:
    from alembic.command import upgrade
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    config = alembic_config(connection)
    current = _revision(connection)
    if current == HEAD:
        return
    try:
        if current is not None:
            ScriptDirectory.from_config(config).get_revision(current)
    except CommandError:
        raise StoreFailed(
            f"The database was made by a newer version of Ratchet: {shown} (schema {current}, this program knows {HEAD})",
            hint="Update Ratchet, or name another database in store.url.",
            details={"url": shown, "reason": "newer_schema", "schema": current, "known": HEAD},
        ) from None
    upgrade(config, "head")


def alembic_config(connection: Connection) -> Config:
    """Return Alembic's configuration for our migrations on this connection."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "ratchet_mcp.store:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
