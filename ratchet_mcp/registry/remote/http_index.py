"""Tasks of a JSON index on a web server. The index is asked for now and then, the ZIP of a task when the task is first needed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from ratchet_mcp.errors import SourceFailed
from ratchet_mcp.registry.archives import Archive
from ratchet_mcp.registry.remote import addresses
from ratchet_mcp.registry.remote.addresses import Connect, Guard, Resolve
from ratchet_mcp.registry.remote.cache import Document, ZipCache, key_of
from ratchet_mcp.registry.remote.credentials import Credentials, CredentialsMissing, read_credentials
from ratchet_mcp.registry.remote.failures import source_failed
from ratchet_mcp.registry.remote.fetching import Fetcher, FetchFailed
from ratchet_mcp.registry.remote.index_format import BadEntry, IndexEntry, IndexInvalid, read_entry, read_index
from ratchet_mcp.registry.remote.options import HttpOptions
from ratchet_mcp.registry.remote.uris import RemoteUri, mask
from ratchet_mcp.registry.source import Found, TaskProblem
from ratchet_mcp.settings import Limits, NetworkSettings
from ratchet_mcp.tasks.definition import Task
from ratchet_mcp.tasks.files import TaskFiles, read_zip
from ratchet_mcp.tasks.loading import load_files
from ratchet_mcp.tasks.problems import Problems

PREFETCH_FAILURES = 5
"""How many ZIPs may fail before the others are left for later."""
_PLAIN = re.compile(r"(?!.*//)[A-Za-z0-9][A-Za-z0-9._~/+%-]*")
"""Relative URLs that need no parsing to be known as harmless."""


@dataclass(frozen=True, slots=True)
class HttpPlace:
    """One version of a task behind an index. Two are equal when the index promises the same content under the same name and version."""

    source: str
    sha256: str
    folder: str
    location: str
    _read: Callable[[Limits, str], Task] = field(compare=False, repr=False)

    def load(self, limits: Limits, origin: str) -> Task:
        """Fetch the ZIP if it is not cached, and load the task. Raises `SourceFailed` or `TaskInvalid`."""
        return self._read(limits, origin)


class HttpIndexSource:
    """A source of the kind `http`. `resolve` and `connect` take the place of the system's, for tests."""

    kind = "http"
    remote = True

    def __init__(
        self,
        name: str,
        uri: RemoteUri,
        options: HttpOptions,
        cache: Path,
        max_cache_bytes: int,
        *,
        network: NetworkSettings | None = None,
        resolve: Resolve = addresses.resolve,
        connect: Connect | None = None,
    ) -> None:
        self.name, self.uri = name, uri.shown
        self.refresh_seconds = options.refresh_seconds
        self._options = options
        self._url = httpx.URL(uri.url)
        self._document = Document(cache / "http" / f"{key_of(uri.url)}.index")
        self._zips = ZipCache(cache / "zips", max_cache_bytes)
        self._current = self._document.read()
        header = self._current[0] if self._current else {}
        known: Any = header.get("private")
        private = options.private if options.private is not None else known if isinstance(known, bool) else None
        port = self._url.port or (443 if self._url.scheme == "https" else 80)
        self._guard = Guard(self._url.host, port, private=private, resolve=resolve, connect=connect)
        self._fetcher = Fetcher(uri.url, options, self._guard, self._credentials, network)

    def watched(self) -> Path | None:
        """Return None: there is nothing on disk to watch."""
        return None

    # ------------------------------------------------------------ the index
    @property
    def fetched(self) -> bool:
        """Tell whether an index is here."""
        return self._current is not None

    def refresh(self) -> bool:
        """Ask for the index, unless it is still the one that is cached; True when it has changed. Raises `SourceFailed`."""
        before = self._current[1] if self._current else b""
        # Another server that shares the cache may have fetched it in the meantime.
        self._current = self._document.read() or self._current
        header, body = self._current or ({}, b"")
        answer = self._get(str(self._url), self._options.max_index_bytes, _conditions(header))
        if answer.status == 304:
            if self._current is None:
                raise self._failed("the server says that the index has not changed, but it was never fetched")
            self._document.touch()
            self._prefetch(body)
            return body != before
        try:
            read_index(answer.body, self._options.max_tasks)
        except IndexInvalid as error:
            raise self._failed(str(error), hint="docs/sources.md describes the index; `ratchet repo index` writes one.") from None
        kept = {name: answer.headers[name] for name in ("etag", "last-modified") if len(answer.headers.get(name, "x" * 1000)) < 1000}
        facts = {"uri": self.uri, "private": self._guard.private, **kept}
        self._current = (facts, answer.body)
        # A cache that cannot be written costs only the offline use.
        with suppress(OSError):
            self._document.write(facts, answer.body)
        self._prefetch(answer.body)
        return answer.body != before

    def scan(self, limits: Limits) -> Iterator[Found | TaskProblem]:
        """Yield the tasks of the index that was last fetched; nothing before the first time."""
        seen: set[str] = set()
        for entry in self._entries(limits):
            location = f"{self.uri}#{entry.reference}"
            if isinstance(entry, BadEntry):
                yield TaskProblem(self.name, location, entry.error)
            elif entry.reference in seen:
                twice = self._failed("the index lists this version twice; the first entry counts", task=entry.reference)
                yield TaskProblem(self.name, f"{location} (again)", twice)
            else:
                seen.add(entry.reference)
                try:
                    if not _PLAIN.fullmatch(entry.url):
                        self._fetcher.resolve(entry.url)
                except FetchFailed as error:
                    yield TaskProblem(self.name, location, self._failed(error.message, task=entry.reference))
                else:
                    yield Found(entry.metadata, self._place(entry, location), entry.digest)

    def _entries(self, limits: Limits) -> Iterator[IndexEntry | BadEntry]:
        if self._current is None:
            return
        try:
            raw = read_index(self._current[1], self._options.max_tasks)
        except IndexInvalid:
            # Options were tightened since it was cached; the next refresh says so.
            return
        for position, each in enumerate(raw):
            yield read_entry(each, position, limits)

    def _place(self, entry: IndexEntry, location: str) -> HttpPlace:
        return HttpPlace(
            self.name, entry.sha256, entry.folder, location, lambda limits, origin: self._load(entry, location, limits, origin)
        )

    # ------------------------------------------------------------ the tasks
    def _load(self, entry: IndexEntry, location: str, limits: Limits, origin: str) -> Task:
        data = self._zip(entry)
        task = load_files(_unpack(entry, data, limits, location), origin=origin, location=location, limits=limits)
        self._check_promises(entry, task)
        return task

    def _zip(self, entry: IndexEntry) -> bytes:
        data = self._zips.get(entry.sha256)
        if data is not None:
            return data
        if entry.size > self._options.max_zip_bytes:
            raise self._failed(f"its ZIP has {entry.size} bytes, and at most {self._options.max_zip_bytes} are taken", task=entry.reference)
        data = self._get(entry.url, entry.size, {}, task=entry.reference).body
        found = hashlib.sha256(data).hexdigest()
        if found != entry.sha256:
            where = mask(str(self._fetcher.resolve(entry.url)))
            raise self._failed(
                f"the index promises a ZIP with the SHA-256 {entry.sha256}, but {where} has {found}; it was thrown away",
                task=entry.reference,
                hint="Tell whoever publishes the index. If the task was changed, the index must be written anew.",
                promised=entry.sha256,
                found=found,
            )
        with suppress(OSError):
            self._zips.put(entry.sha256, data)
        return data

    def _check_promises(self, entry: IndexEntry, task: Task) -> None:
        promised = (entry.metadata.name, entry.metadata.version, str(entry.metadata.uuid))
        found = (task.name, task.version, str(task.uuid))
        if promised != found:
            told = "{}@{} ({})"
            raise self._failed(
                f"the index promises {told.format(*promised)}, but the ZIP holds {told.format(*found)}", task=entry.reference
            )
        if entry.digest is not None and entry.digest != task.digest:
            raise self._failed(
                f"the index promises the content {entry.digest[:12]}…, but the ZIP holds {task.digest[:12]}…", task=entry.reference
            )

    def _prefetch(self, body: bytes) -> None:
        """Fetch what is missing, as far as the cache has room; a ZIP that fails is told when its task is loaded."""
        room, patience = self._zips.max_bytes * 9 // 10, PREFETCH_FAILURES
        for position, raw in enumerate(read_index(body, self._options.max_tasks) if self._options.prefetch else ()):
            entry = read_entry(raw, position, Limits())
            if isinstance(entry, BadEntry):
                continue
            room -= entry.size
            if room < 0 or patience == 0:
                return
            if not self._zips.has(entry.sha256):
                try:
                    self._zip(entry)
                except SourceFailed:
                    patience -= 1

    # ------------------------------------------------------------ for people
    def facts(self) -> dict[str, Any]:
        """Return what `ratchet repo status` tells: when the index was last confirmed, how much is cached."""
        entries = [entry for entry in self._entries(Limits()) if isinstance(entry, IndexEntry)]
        cached = sum(self._zips.has(entry.sha256) for entry in entries)
        return {"checked_at": self._document.checked_at(), "tasks_in_index": len(entries), "cached_zips": cached}

    def _get(self, url: str, max_bytes: int, headers: dict[str, str], task: str | None = None) -> Any:
        try:
            return self._fetcher.get(url, max_bytes=max_bytes, headers=headers)
        except FetchFailed as error:
            raise self._failed(error.message, hint=error.hint, task=task) from None

    def _credentials(self) -> Credentials:
        try:
            return read_credentials(self._options)
        except CredentialsMissing as error:
            raise FetchFailed(str(error), hint="Set it where the server is started.") from None

    def _failed(self, message: str, *, hint: str | None = None, task: str | None = None, **details: Any) -> SourceFailed:
        return source_failed(self.name, self.uri, message, hint=hint, task=task, **details)


def _conditions(header: dict[str, Any]) -> dict[str, str]:
    names = (("etag", "If-None-Match"), ("last-modified", "If-Modified-Since"))
    return {sent: header[kept] for kept, sent in names if isinstance(header.get(kept), str)}


def _unpack(entry: IndexEntry, data: bytes, limits: Limits, location: str) -> TaskFiles:
    if entry.folder:
        with Archive(data, entry.metadata.name) as archive:
            return archive.read(archive.task(entry.folder), limits=limits)
    problems = Problems()
    files = read_zip(entry.metadata.name, data, problems, limits)
    if problems:
        raise problems.error(f"The task {entry.reference}", location)
    return files
