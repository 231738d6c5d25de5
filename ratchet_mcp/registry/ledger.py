"""What the store remembers of the catalog: since when each version is there, when it was last found good, and what may run."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson

from ratchet_mcp.registry.index import Entry, TaskSummary
from ratchet_mcp.registry.loader import Kept
from ratchet_mcp.registry.scans import Scan
from ratchet_mcp.tasks.definition import Task

if TYPE_CHECKING:
    from ratchet_mcp.store.records import CatalogRecord

Identity = tuple[str, str, str]


class Ledger:
    """The records of all versions, in memory. Nothing here waits for the database.

    `disabled` names the tasks that may not run; `remembers` tells whether what the database held at the start has been taken over.
    """

    def __init__(self) -> None:
        self.disabled: frozenset[str] = frozenset()
        self.remembers = False
        self._records: dict[Identity, CatalogRecord] = {}
        self._written: dict[Identity, Entry] = {}
        self._digests: dict[Identity, str] = {}
        self._validated: dict[Identity, datetime] = {}

    def remember(self, records: Iterable[CatalogRecord]) -> None:
        """Take over what the database holds."""
        for record in records:
            self._records[record.key] = record
            if record.digest is not None and _is_loaded(record):
                self._digests.setdefault(record.key, record.digest)
        self.remembers = True

    def digest_of(self, identity: Identity) -> str | None:
        """Return the digest of the content that was last loaded of a version, by any server."""
        return self._digests.get(identity)

    def known(self, sources: Collection[str]) -> dict[Identity, str]:
        """Return the digests of the versions of some sources that have ever been loaded."""
        return {identity: digest for identity, digest in self._digests.items() if identity[0] in sources}

    def forget_content(self, sources: Collection[str]) -> None:
        """Let whatever these sources hold now be right."""
        for identity in self.known(sources):
            del self._digests[identity]

    def take_accepted(self, records: Iterable[CatalogRecord], sources: Collection[str]) -> frozenset[Identity]:
        """Take over the digests that the database holds of these sources, and return the versions that are to have other content now."""
        differing: set[Identity] = set()
        for record in records:
            if record.key[0] in sources and _is_loaded(record) and record.digest is not None:
                if self._digests.get(record.key, record.digest) != record.digest:
                    differing.add(record.key)
                    self._validated.pop(record.key, None)
                self._records[record.key], self._digests[record.key] = record, record.digest
        return frozenset(differing)

    def note_loaded(self, entry: Entry, task: Task) -> None:
        """Note that a version has been loaded and found good just now."""
        self._digests[entry.identity] = task.digest
        self._validated[entry.identity] = datetime.now(UTC)

    def dress(self, entry: Entry) -> TaskSummary:
        """Return an entry's summary with what is remembered of it."""
        record = self._records.get(entry.identity)
        enabled = entry.summary.name not in self.disabled
        if record is None:
            return entry.summary if enabled else replace(entry.summary, enabled=False)
        return replace(
            entry.summary,
            enabled=enabled,
            in_sync=self._written.get(entry.identity) is entry and not isinstance(entry.place, Kept),
            created_at=record.created_at,
            updated_at=record.updated_at,
            validated_at=self._validated.get(entry.identity) or record.validated_at,
        )

    def due(self, scans: Iterable[Scan]) -> tuple[list[CatalogRecord], list[Entry]]:
        """Return the records that differ from those of the database, and all entries that they and the others stand for.

        What a source no longer offers gets its `removed_at`; a source that cannot be read removes nothing.
        """
        now = datetime.now(UTC)
        records: list[CatalogRecord] = []
        entries: list[Entry] = []
        gone = set(self._records)
        complete: set[str] = set()
        for scan in scans:
            if scan.failure is None:
                complete.add(scan.source.name)
            for entry in scan.entries.values():
                gone.discard(entry.identity)
                entries.append(entry)
                record = self._record(entry, now)
                if record is not None:
                    records.append(record)
        for identity in gone:
            record = self._records[identity]
            if identity[0] in complete and record.removed_at is None:
                records.append(replace(record, removed_at=now))
        return records, entries

    def loaded_from(self, scans: Iterable[Scan]) -> list[CatalogRecord]:
        """Return the records of what was loaded here of remote sources, as far as they differ from those of the database."""
        now = datetime.now(UTC)
        entries = [entry for scan in scans if scan.source.remote for entry in scan.entries.values() if entry.identity in self._validated]
        return [record for record in (self._record(entry, now) for entry in entries) if record is not None]

    def has_loaded(self, sources: Collection[str]) -> bool:
        """Tell whether anything of these sources was loaded here."""
        return any(identity[0] in sources for identity in self._validated)

    def written(self, records: Iterable[CatalogRecord], entries: Iterable[Entry]) -> None:
        """Note that the database holds these now."""
        self._records.update((record.key, record) for record in records)
        self._written = {entry.identity: entry for entry in entries}

    def _record(self, entry: Entry, now: datetime) -> CatalogRecord | None:
        """Return the record of an entry if it is new or differs."""
        from ratchet_mcp.store.records import CatalogRecord

        identity = entry.identity
        old = self._records.get(identity)
        validated = self._validated.get(identity)
        if old is not None and self._written.get(identity) is entry and validated in (None, old.validated_at):
            return None
        loaded, mark = self._digests.get(identity), _mark(entry)
        digest = loaded or entry.digest if entry.summary.remote else entry.digest or loaded
        uuid = str(entry.summary.uuid)
        if old is None:
            return CatalogRecord(*identity, uuid, digest, mark, now, now, validated)
        other = old.mark != mark or (old.digest is not None and digest is not None and old.digest != digest)
        record = replace(
            old,
            uuid=uuid,
            digest=digest or old.digest,
            mark=mark,
            updated_at=now if other else old.updated_at,
            validated_at=validated or old.validated_at,
            removed_at=None,
        )
        return None if record == old else record


def _is_loaded(record: CatalogRecord) -> bool:
    return record.validated_at is not None and record.removed_at is None


def _mark(entry: Entry) -> str:
    """Return a short digest of what a listing shows of a version."""
    its = entry.summary
    facts = [str(its.uuid), its.title, its.description, its.tags, its.expose, its.annotations]
    return hashlib.sha256(orjson.dumps(facts)).hexdigest()[:16]
