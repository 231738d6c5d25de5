"""Answers that a test gives in the place of the network: `mock.http` of a test file, or a file given with --mock-file."""

from __future__ import annotations

from dataclasses import dataclass, field

import anyio

from ratchet_mcp.egress.failures import Reason, failed
from ratchet_mcp.egress.matching import (
    Difference,
    Seen,
    compare_bodies,
    compare_json,
    compare_urls,
    header_text,
    query_of,
    read_json,
    similarity,
)
from ratchet_mcp.egress.messages import FetchResponse
from ratchet_mcp.egress.mock_format import MockFormat, Reply, read_mocks
from ratchet_mcp.egress.urls import Target
from ratchet_mcp.errors import FetchTimedOut, MockMissing
from ratchet_mcp.tasks.violations import shown


@dataclass(slots=True)
class _Used:
    mock: MockFormat
    times: int = 0


@dataclass(slots=True)
class Mocks:
    """The mocks of one run. `live` lets a request that none answers reach the network."""

    live: bool = False
    _used: list[_Used] = field(default_factory=list[_Used])

    @classmethod
    def read(cls, raw: object, file: str = "mock", path: str = "$", name: str = "mock") -> Mocks:
        """Read `mock` of a test case, or the content of a mock file; None has no mocks. Raises `TaskInvalid` that names each mistake.

        `path` is where they stand in the file, `name` what errors of requests call them.
        """
        mocks, live = read_mocks(raw, file, path, name)
        return cls(live, [_Used(mock) for mock in mocks])

    def fresh(self) -> Mocks:
        """Return the same mocks for another run, with every sequence at its start."""
        return Mocks(self.live, [_Used(used.mock) for used in self._used])

    def then(self, others: Mocks) -> Mocks:
        """Return these mocks with others behind them: they answer what these do not."""
        return Mocks(self.live or others.live, [*self.fresh()._used, *others.fresh()._used])

    @property
    def unused(self) -> list[str]:
        """Return the places of mocks that answered nothing so far."""
        return [used.mock.place for used in self._used if used.times == 0]

    async def answer(self, seen: Seen, target: Target) -> FetchResponse | None:
        """Return the answer of the first mock that fits; None means that the network is asked. Raises `MockMissing` or what is mocked."""
        for used in self._used:
            if (used.mock.times is None or used.times < used.mock.times) and _difference(used.mock, seen) is None:
                reply = used.mock.replies[min(used.times, len(used.mock.replies) - 1)]
                used.times += 1
                return await _give(reply, seen, target)
        if self.live:
            return None
        raise self._missing(seen, target)

    def _missing(self, seen: Seen, target: Target) -> MockMissing:
        details: dict[str, str | None] = {"host": target.host, "request": seen.name, "closest": None, "differs": None}
        if not self._used:
            return MockMissing(f"The test mocks no request, but the task made one: {seen.name}.", details=details)
        closest = max(self._used, key=lambda used: _closeness(used.mock, seen))
        difference = _difference(closest.mock, seen)
        told = f"{difference}" if difference else f"it answers {closest.mock.times} times only"
        details |= {"closest": closest.mock.place, "differs": difference.field if difference else "times"}
        return MockMissing(
            f"No mock answers {seen.name}. The closest is {closest.mock.place} ({closest.mock.name}): {told}.", details=details
        )


_FAILURES: dict[str, tuple[Reason, str]] = {
    "dns": ("dns", "The name {} was not found"),
    "refused": ("refused", "{} refused the connection"),
    "unreachable": ("unreachable", "{} cannot be reached from this machine"),
    "reset": ("reset", "{} broke the connection off"),
    "closed": ("closed", "{} ended its response too early"),
    "tls": ("tls", "The certificate of {} is not trusted"),
    "protocol": ("protocol", "{} sent what is no HTTP"),
}


async def _give(reply: Reply, seen: Seen, target: Target) -> FetchResponse:
    if reply.delay_seconds:
        await anyio.sleep(reply.delay_seconds)
    if reply.failure == "timeout":
        raise FetchTimedOut(f"{target.host} did not answer in time (mocked).", details={"host": target.host, "seconds": 0, "phase": "mock"})
    if reply.failure is not None:
        reason, message = _FAILURES[reply.failure]
        raise failed(target.host, reason, message.format(target.host) + " (mocked)")
    body = b"" if seen.method == "HEAD" else reply.body
    return FetchResponse(
        reply.url or target.href, reply.status, reply.status_text, reply.headers, body, reply.url is not None, "mock", mocked=True
    )


def _difference(mock: MockFormat, seen: Seen) -> Difference | None:
    """Return the first thing in which a request does not fit a mock."""
    if mock.method is not None and mock.method != seen.method:
        return Difference("method", mock.method, seen.method)
    return _url(mock, seen) or _query(mock, seen) or _headers(mock, seen) or _body(mock, seen)


def _url(mock: MockFormat, seen: Seen) -> Difference | None:
    if mock.match == "exact":
        ignores_query = mock.query is not None
        return compare_urls(mock.url.partition("?")[0], seen.url.partition("?")[0]) if ignores_query else compare_urls(mock.url, seen.url)
    if mock.match == "pattern":
        return None if mock.pattern.fullmatch(seen.url) else Difference("url", f"the pattern {shown(mock.url)}", shown(seen.url))
    return None if mock.url in seen.url else Difference("url", f"one that contains {shown(mock.url)}", shown(seen.url))


def _query(mock: MockFormat, seen: Seen) -> Difference | None:
    if mock.query is None:
        return None
    given: dict[str, list[str]] = {}
    for name, value in query_of(seen.url):
        given.setdefault(name, []).append(value)
    for name, wanted in mock.query.items():
        if given.get(name) != wanted:
            return Difference(f"url.query.{name}", "nothing" if wanted is None else shown(wanted), shown(given.get(name)))
    return None


def _headers(mock: MockFormat, seen: Seen) -> Difference | None:
    for name, pattern in mock.headers.items():
        value = header_text(seen.headers, name)
        if value is None or not pattern.expression.fullmatch(value):
            return Difference(f"headers.{name}", shown(pattern.text), "nothing" if value is None else shown(value))
    return None


def _body(mock: MockFormat, seen: Seen) -> Difference | None:
    if mock.body_contains is not None and mock.body_contains.encode() not in (seen.body or b""):
        return Difference("body", f"one that contains {shown(mock.body_contains)}", shown((seen.body or b"").decode("utf-8", "replace")))
    if not mock.has_body:
        return None
    if isinstance(mock.body, str):
        return compare_bodies(mock.body.encode(), seen.body)
    return compare_json(mock.body, read_json(seen.body), "body", exact=False)


def _closeness(mock: MockFormat, seen: Seen) -> float:
    """Return how near a mock is: what fits counts, and how alike the URLs are."""
    fits = sum(check(mock, seen) is None for check in (_query, _headers, _body))
    return (_url(mock, seen) is None) * 10 + (mock.method in (None, seen.method)) * 2 + fits + similarity(mock.url, seen.url) * 4
