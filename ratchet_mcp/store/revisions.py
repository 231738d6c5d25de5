"""Counters that tell other servers on the same database that something has changed."""

from __future__ import annotations

from sqlalchemy import Connection, select

from ratchet_mcp.store.statements import REVISIONS, insert_or

AUTHORED, SWITCHES, ACCEPTED = "authored", "switches", "accepted"


def bump(connection: Connection, name: str) -> None:
    """Count a change, in the transaction that makes it."""
    add = insert_or(connection.dialect.name, REVISIONS).values(name=name, number=1)
    connection.execute(add.on_conflict_do_update(index_elements=["name"], set_={"number": REVISIONS.c.number + 1}))


def read_revisions(connection: Connection) -> dict[str, int]:
    """Return all counters; a part that never changed has none."""
    return {row.name: row.number for row in connection.execute(select(REVISIONS))}
