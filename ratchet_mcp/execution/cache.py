"""The cache of results: what a task gave is given again, for as long as its metadata allows.

Only outputs of completed runs are kept. A key is made of the task's UUID, version and digest and of the input (or the places of it that
`cache.key` names), so that a new version never gives old results. Runs that were given secrets share results only with runs of the same
principal. What users were asked for is nobody else's result. Runs that are tested, observed, mocked, recorded or replayed neither take
results nor leave any.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import orjson
from loguru import logger

from ratchet_mcp.engine.run import RunOutcome
from ratchet_mcp.errors import RatchetError
from ratchet_mcp.execution.canonical import canonical
from ratchet_mcp.execution.models import Origin, Status
from ratchet_mcp.execution.values import is_small
from ratchet_mcp.store.cached import OVERHEAD, CachedResult
from ratchet_mcp.store.clock import DIFFERENCE
from ratchet_mcp.store.records import JsonText
from ratchet_mcp.tasks.pointers import MISSING, at_pointer, read_pointer

if TYPE_CHECKING:
    from ratchet_mcp.execution.live import Live
    from ratchet_mcp.settings.cache import CacheSettings
    from ratchet_mcp.store.cached import CachedRepository
    from ratchet_mcp.tasks.caching import CacheRules
    from ratchet_mcp.tasks.definition import Task

PART = 20
"""All entries are counted again after a twentieth of the limit was added, so that several processes together do not pass it by far."""


class ResultsCache:
    """The results of all tasks that say `cache`. `leaders` are the runs under way that others with the same key wait for."""

    def __init__(self, repository: CachedRepository, settings: CacheSettings) -> None:
        self.repository = repository
        self.settings = settings
        self.leaders: dict[str, Live] = {}
        self._total: int | None = None
        self._added = 0

    def take_part(self, live: Live, rules: CacheRules, *, fresh: bool) -> None:
        """Let a run that has not started take part; a `fresh` one takes no result, but leaves its own."""
        plain = live.request.course is None and live.request.observe is None and live.given_network is None
        if self.settings.enabled and plain and live.execution.origin is not Origin.TEST:
            live.cached = CachedRun(self, live, rules, fresh=fresh)

    async def keep(self, entry: CachedResult, began: datetime) -> bool:
        """Keep a result, and make room for it when it is time to; not one that was purged since its run began, which it tells."""
        most = self.settings.max_bytes
        due = self._total is None or self._total + self._added + entry.bytes > most or self._added > most // PART
        self._added += entry.bytes
        kept, total = await self.repository.put(entry, began, most=most, counted=due)
        if total is not None:
            self._total, self._added = total, 0
        return kept


class CachedRun:
    """The part of one run in the cache."""

    def __init__(self, cache: ResultsCache, live: Live, rules: CacheRules, *, fresh: bool) -> None:
        self._cache = cache
        self._live = live
        self._rules = rules
        self._fresh = fresh
        self._key = ""
        self._began = now()
        self.purged = False

    async def answer(self) -> RunOutcome | None:
        """Return an earlier result as the outcome of the run, or that of one under way; None when the task has to run."""
        live = self._live
        value, secret = live.execution.input, bool(live.request.secrets)
        arguments = (live.task, value, self._rules, live.principal.id if secret else None)
        self._key = key_of(*arguments) if is_small(value) else await anyio.to_thread.run_sync(key_of, *arguments)
        if self._fresh:
            return None
        leader = self._cache.leaders.setdefault(self._key, live)
        if leader is not live and live.execution.parent_id is None:  # one that was called does not wait: its caller may be the leader
            followed = await self._follow(leader)
            if followed is not None:
                return followed
            self._cache.leaders.setdefault(self._key, live)
        try:
            hit = await self._cache.repository.get(self._key, now())
        except RatchetError as error:
            logger.warning("The cache of results could not be read: {}", error.message)
            return None
        if hit is None or not -DIFFERENCE <= now() - hit.created_at < timedelta(seconds=self._rules.ttl_seconds):
            return None
        self._use()
        return self._outcome(hit.output, hit.execution_id)

    async def _follow(self, leader: Live) -> RunOutcome | None:
        """Wait for a run with the same key, and take its result if it completes in the time that this run has."""
        ended = await leader.wait(self._live.request.limits.timeout_seconds)
        if not ended or leader.execution.status is not Status.COMPLETED or leader.asking.told:
            return None
        if leader.cached is None or leader.cached.purged:
            return None
        return self._outcome(leader.execution.output, leader.execution.cached_from or leader.execution.id)

    def _outcome(self, output: Any, execution_id: str) -> RunOutcome:
        self._live.on_start()
        self._live.execution.cached_from = execution_id
        return RunOutcome(output_json=_text(output))

    def _use(self) -> None:
        try:
            self._cache.repository.used(self._key, now())
        except RatchetError as error:
            logger.debug("The use of a cached result is not noted: {}", error.message)

    def accepts(self, text: str | None) -> bool:
        """Tell whether the result of the run is to be kept; one that is too large is told in a warning."""
        execution = self._live.execution
        if execution.status is not Status.COMPLETED or execution.cached_from is not None or text is None or self._live.asking.told:
            return False
        most, size = self._cache.settings.max_entry_bytes, _size(text)
        if size > most:
            execution.warnings.append(f"The output has {size:,} bytes, so it is not cached; cache.max_entry_bytes allows {most:,}.")
        return size <= most

    async def keep(self, text: str) -> None:
        """Keep the result of the run; a store that refuses is only logged."""
        task, execution, moment = self._live.task, self._live.execution, now()
        expires = moment + timedelta(seconds=self._rules.ttl_seconds)
        size = _size(text) + OVERHEAD
        entry = CachedResult(self._key, task.name, task.version, task.digest, execution.id, JsonText(text), size, moment, expires, moment)
        try:
            self.purged = not await self._cache.keep(entry, self._began)
        except RatchetError as error:
            logger.warning("The result of execution {} could not be cached: {}", execution.id, error.message)

    def leave(self) -> None:
        """Let nobody wait for the run any more."""
        if self._cache.leaders.get(self._key) is self._live:
            del self._cache.leaders[self._key]


def now() -> datetime:
    """Return what time it is; tests replace this."""
    return datetime.now(UTC)


def key_of(task: Task, value: Any, rules: CacheRules, principal: str | None) -> str:
    """Return the key of a run: 64 hexadecimal digits."""
    parts: list[Any] = [str(task.uuid), task.version, task.digest, principal]
    if rules.key is None:
        parts.append([value])
    else:  # an empty list stands where the input has nothing
        found = [(pointer, at_pointer(value, read_pointer(pointer))) for pointer in rules.key]
        parts.append([[pointer, [] if part is MISSING else [part]] for pointer, part in found])
    return hashlib.sha256(canonical(parts)).hexdigest()


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _text(output: Any) -> str:
    try:
        return orjson.dumps(output).decode()
    except TypeError:  # an integer beyond 64 bits
        return json.dumps(output, ensure_ascii=False, separators=(",", ":"))
