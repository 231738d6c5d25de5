"""Responses that may be used again (RFC 9111, by hishel), in bounded memory, for each task apart.

Requests with credentials, cookies or secrets never meet the cache. Nothing is fresh by a guess: a response that does not say how long it is
fresh is only used again after the server has confirmed it.
"""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, cast

from ratchet_mcp.egress.calls import CacheOutcome
from ratchet_mcp.egress.client import Incoming
from ratchet_mcp.egress.messages import Headers
from ratchet_mcp.egress.preparing import Outgoing

_OVERHEAD = 1024
_MAX_SHARE = 8
"""One response takes at most this part of the cache."""
_VALIDATORS = ("if-none-match", "if-modified-since", "if-match", "if-unmodified-since", "if-range", "range")
_OPTIONS: Any = {"shared": True}
"""What a server means for one user alone is not kept."""
Send = Callable[[Outgoing], Awaitable[Incoming]]


@dataclass(slots=True)
class _Stored:
    key: str
    entry: Any
    incoming: Incoming
    size: int


class ResponseCache:
    """Keeps what was used last. `max_bytes` 0 keeps nothing."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes, self._bytes = max_bytes, 0
        self._stored: OrderedDict[uuid.UUID, _Stored] = OrderedDict()
        self._keys: dict[str, list[uuid.UUID]] = {}

    @property
    def size(self) -> int:
        """Return the bytes in use."""
        return self._bytes

    def applies(self, outgoing: Outgoing, mode: str, *, private: bool) -> bool:
        """Tell whether a request may meet the cache at all; `private` means that it carries credentials."""
        if self._max_bytes == 0 or mode == "no-store" or private:
            return False
        return outgoing.method in ("GET", "HEAD") and not any(outgoing.header(name) for name in _VALIDATORS)

    async def fetch(self, partition: str, outgoing: Outgoing, mode: str, send: Send) -> tuple[Incoming | None, CacheOutcome]:
        """Answer from the cache, or by sending, as RFC 9111 says; None when `only-if-cached` finds nothing.

        Modes are those of fetch: `reload` asks the server in any case, `no-cache` lets it confirm, `force-cache` and `only-if-cached` take
        what is there whatever its age.
        """
        import hishel

        key = f"{partition} {outgoing.target.href}"
        request = _request(outgoing)
        if mode in ("force-cache", "only-if-cached") and (found := self._any(key, request)) is not None:
            return found, "hit"
        if mode == "only-if-cached":
            return None, "miss"
        if mode == "no-cache":
            request.headers["cache-control"] = "no-cache"
        entries = [] if mode == "reload" else [self._stored[each].entry for each in self._keys.get(key, ())]
        if not entries:
            incoming = await send(outgoing)
            if not _can_be_used_again(incoming):
                return incoming, "miss"
            return await self._run(hishel.CacheMiss(options=_OPTIONS, request=request), key, outgoing, _already(incoming))
        return await self._run(hishel.IdleClient(options=_OPTIONS).next(request, entries), key, outgoing, send)

    async def _run(self, state: Any, key: str, outgoing: Outgoing, send: Send) -> tuple[Incoming, CacheOutcome]:
        import hishel

        outcome: CacheOutcome = "miss"
        latest: Incoming | None = None
        while True:
            if isinstance(state, hishel.CacheMiss | hishel.NeedRevalidation):
                outcome = "revalidated" if isinstance(state, hishel.NeedRevalidation) else "miss"
                latest = await send(_with_validators(outgoing, state.request.headers))
                state = cast("Any", state).next(_response(latest))
            elif isinstance(state, hishel.StoreAndUse):
                self._store(key, _request(outgoing), state.response.headers, cast("Incoming", latest))
                return cast("Incoming", latest), "stored"
            elif isinstance(state, hishel.CouldNotBeStored):
                return cast("Incoming", latest), "miss"
            elif isinstance(state, hishel.FromCache):
                return self._use(state.entry), "revalidated" if outcome == "revalidated" else "hit"
            elif isinstance(state, hishel.NeedToBeUpdated):
                for entry in state.updating_entries:
                    self._update(entry)
                state = state.next()
            else:
                for identity in state.entry_ids:
                    self._remove(identity)
                state = state.next()

    def _any(self, key: str, request: Any) -> Incoming | None:
        for identity in reversed(self._keys.get(key, [])):
            stored = self._stored[identity]
            if stored.entry.request.method == request.method and _varies_not(request, stored.entry):
                self._stored.move_to_end(identity)
                return stored.incoming
        return None

    def _use(self, entry: Any) -> Incoming:
        stored = self._stored.get(entry.id)
        if stored is None:
            # Another request has pushed it out in the meantime; the entry still holds everything.
            return entry.response.stream
        self._stored.move_to_end(entry.id)
        return replace(stored.incoming, headers=_pairs(entry.response.headers, stored.incoming.headers))

    def _store(self, key: str, request: Any, headers: Any, incoming: Incoming) -> None:
        import hishel

        size = _OVERHEAD + len(incoming.body) + sum(len(name) + len(value) for name, value in incoming.headers) + len(key)
        if size > self._max_bytes // _MAX_SHARE:
            return
        for old in [each for each in self._keys.get(key, []) if self._stored[each].entry.request == request]:
            self._remove(old)
        # `stream` carries what the library hands through unread.
        response = hishel.Response(incoming.status, _unguessed(headers), cast("Any", incoming))
        entry = hishel.Entry(uuid.uuid4(), request, response)
        self._stored[entry.id] = _Stored(key, entry, incoming, size)
        self._keys.setdefault(key, []).append(entry.id)
        self._bytes += size
        while self._bytes > self._max_bytes:
            self._remove(next(iter(self._stored)))

    def _update(self, entry: Any) -> None:
        stored = self._stored.get(entry.id)
        if stored is not None:
            stored.entry = replace(stored.entry, response=replace(stored.entry.response, headers=_unguessed(entry.response.headers)))

    def _remove(self, identity: uuid.UUID) -> None:
        stored = self._stored.pop(identity, None)
        if stored is None:
            return
        self._bytes -= stored.size
        left = [each for each in self._keys[stored.key] if each != identity]
        if left:
            self._keys[stored.key] = left
        else:
            del self._keys[stored.key]


def _can_be_used_again(incoming: Incoming) -> bool:
    return any(incoming.header(name) for name in ("cache-control", "expires", "etag", "last-modified"))


def _already(incoming: Incoming) -> Send:
    async def send(_: Outgoing) -> Incoming:
        return incoming

    return send


def _varies_not(request: Any, entry: Any) -> bool:
    names = [name.strip().lower() for name in str(entry.response.headers.get("vary", "")).split(",") if name.strip()]
    return "*" not in names and all(request.headers.get(name) == entry.request.headers.get(name) for name in names)


def _request(outgoing: Outgoing) -> Any:
    import hishel

    return hishel.Request(outgoing.method, outgoing.target.href, _headers(outgoing.headers))


def _response(incoming: Incoming) -> Any:
    import hishel

    return hishel.Response(incoming.status, _headers(incoming.headers), None)


def _headers(pairs: Headers) -> Any:
    import hishel

    lists: dict[str, str | list[str]] = {}
    for name, value in pairs:
        found = lists.setdefault(name.lower(), [])
        cast("list[str]", found).append(value)
    return hishel.Headers(lists)


def _unguessed(headers: Any) -> Any:
    """Return the headers so that nothing is taken for fresh without the server having said it."""
    control = str(headers.get("cache-control", "")).lower()
    if "max-age" not in control and "s-maxage" not in control and "expires" not in headers and "no-cache" not in control:
        headers["cache-control"] = "no-cache"  # adds to what is there
    return headers


def _with_validators(outgoing: Outgoing, headers: Any) -> Outgoing:
    added = tuple((name, str(headers[name])) for name in ("if-none-match", "if-modified-since") if name in headers)
    return replace(outgoing, headers=outgoing.headers + added)


def _pairs(headers: Any, first: Headers) -> Headers:
    """Return the headers of a stored response as pairs, with what a later answer has changed, and their age."""
    names = {name.lower(): name for name, _ in first}
    pairs: list[tuple[str, str]] = [
        (names.get(name, name), str(value)) for name in map(str, headers) for value in headers.get_list(name) if name != "cache-control"
    ]
    return (*pairs, *((name, value) for name, value in first if name.lower() == "cache-control"))
