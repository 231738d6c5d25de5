"""The known content of a version whose source offers something else now: the database keeps every content that ran."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ratchet_mcp.registry.index import Entry
from ratchet_mcp.registry.ledger import Ledger
from ratchet_mcp.tasks.definition import Task
from ratchet_mcp.tasks.loading import digest_of

if TYPE_CHECKING:
    from ratchet_mcp.store.store import Store


async def known_digest(store: Store | None, ledger: Ledger, entry: Entry) -> str | None:
    """Return the digest of the content that was last loaded; of remote sources the first calls of a server ask the store."""
    known = ledger.digest_of(entry.identity)
    if known is not None or ledger.remembers or store is None or not entry.summary.remote:
        return known
    return await store.registry.validated_digest(*entry.identity)


async def from_history(store: Store | None, entry: Entry, digest: str, offered: Task) -> Task | None:
    """Return the content of this digest as it ran here, or None. Its limits, tags and hints are those that are offered; it has no tests.

    Raises `StoreFailed`.
    """
    if store is None:
        return None
    summary = entry.summary
    record = await store.tasks.of_content(str(summary.uuid), summary.name, summary.version, digest)
    if record is None or digest_of(record.source, record.input_schema, record.output_schema) != digest:
        return None
    return replace(
        offered,
        title=record.title,
        description=record.description,
        source=record.source,
        input_schema=record.input_schema,
        output_schema=record.output_schema,
        digest=digest,
        tests=(),
    )
