"""From what a task wrote to what is sent: checked, and with the headers that belong to the coordinator."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ratchet_mcp import __version__
from ratchet_mcp.egress.decoding import ACCEPTED
from ratchet_mcp.egress.messages import FetchRequest, Headers
from ratchet_mcp.egress.redaction import Redactor
from ratchet_mcp.egress.urls import Target, read_url
from ratchet_mcp.errors import FetchLimit, InvalidFetch
from ratchet_mcp.settings.network import NetworkSettings
from ratchet_mcp.tasks.violations import did_you_mean, shown

METHODS = (
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "SEARCH",
    "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT", "LINK", "UNLINK", "PURGE",
)  # fmt: skip
_NORMALIZED = {"get", "head", "post", "put", "delete", "options", "patch"}
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_OURS = {"content-length", "connection", "keep-alive", "accept-encoding"}
"""Headers that follow from the request; what a task says of them is left out, as browsers do."""
_REFUSED = {"host", "transfer-encoding", "te", "trailer", "upgrade", "expect", "http2-settings"}
MAX_HEADERS = 200


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request that may be sent: `headers` are those of the task, checked; `complete` adds the coordinator's."""

    target: Target
    method: str
    headers: Headers
    body: bytes | None

    def header(self, name: str) -> str | None:
        """Return the first value of a header, or None."""
        return next((value for key, value in self.headers if key.lower() == name), None)

    def complete(self, user_agent: str | None) -> list[tuple[bytes, bytes]]:
        """Return all headers as bytes, Host first."""
        names = {name.lower() for name, _ in self.headers}
        headers: list[tuple[str, str]] = [("Host", self.target.authority)]
        headers += [(name, value) for name, value in _DEFAULTS if name.lower() not in names]
        if "user-agent" not in names:
            headers.append(("User-Agent", user_agent or f"ratchet/{__version__}"))
        headers += self.headers
        if self.body is not None or self.method in ("POST", "PUT", "PATCH"):
            headers.append(("Content-Length", str(len(self.body or b""))))
        return [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers]

    def redirected(self, status: int, target: Target, redactor: Redactor) -> Outgoing:
        """Return the request that follows a redirect (Fetch standard, "HTTP-redirect fetch"); other origins get no credentials."""
        headers, method, body = self.headers, self.method, self.body
        if (status in (301, 302) and method == "POST") or (status == 303 and method not in ("GET", "HEAD")):
            method, body = "GET", None
            headers = tuple(pair for pair in headers if not pair[0].lower().startswith("content-"))
        if target.origin != self.target.origin:
            headers = tuple(pair for pair in headers if not redactor.is_sensitive(pair[0]))
        return replace(self, target=target, method=method, headers=headers, body=body)


_DEFAULTS = (("Accept", "*/*"), ("Accept-Encoding", ACCEPTED))


def prepare(request: FetchRequest, settings: NetworkSettings) -> tuple[Outgoing, list[str]]:
    """Check a request. Returns it, and notes about headers that were left out. Raises `InvalidFetch` or `FetchLimit`."""
    target = read_url(request.url)
    method = _method(request.method, target.host)
    body = request.body
    if body is not None and method in ("GET", "HEAD"):
        raise _invalid(target, "body", f"A {method} request has no body", "Put the data into the query, or use POST.")
    if body is not None and len(body) > settings.request_bytes:
        raise _limit(target, "request_bytes", f"The body has {len(body)} bytes", settings.request_bytes)
    headers, notes = _headers(request.headers, target)
    size = sum(len(name) + len(value) + 4 for name, value in headers)
    if size > settings.header_bytes or len(headers) > MAX_HEADERS:
        raise _limit(target, "header_bytes", f"The request has {len(headers)} headers of {size} bytes", settings.header_bytes)
    return Outgoing(target, method, headers, body), notes


def _method(text: str, host: str) -> str:
    method = text.upper() if text.lower() in _NORMALIZED else text
    if method not in METHODS:
        raise InvalidFetch(
            f"{shown(text)} is no method that a task can use{did_you_mean(text.upper(), METHODS)}.",
            details={"host": host, "field": "method"},
        )
    return method


def _headers(headers: Headers, target: Target) -> tuple[Headers, list[str]]:
    kept: list[tuple[str, str]] = []
    notes: list[str] = []
    for name, value in headers:
        lower = name.lower()
        value = value.strip("\t\n\r ")
        if not _TOKEN.fullmatch(name):
            raise _invalid(target, "headers", f"{shown(name)} is no name of a header")
        if not _VALUE.fullmatch(value):
            raise _invalid(
                target,
                "headers",
                f"The value of the header {name} holds a line end or another character that headers cannot have",
                "Encode the value, for example with encodeURIComponent.",
            )
        if lower in _REFUSED or lower.startswith("proxy-"):
            raise _invalid(target, "headers", f"A task cannot set the header {name}", "Leave it out.")
        if lower in _OURS:
            notes.append(f"{name} was left out: it follows from the request")
            continue
        kept.append((name, value))
    return tuple(kept), notes


def _invalid(target: Target, field: str, message: str, hint: str | None = None) -> InvalidFetch:
    return InvalidFetch(f"{message}.", hint=hint, details={"host": target.host, "field": field})


def _limit(target: Target, name: str, message: str, maximum: int) -> FetchLimit:
    return FetchLimit(
        f"{message}; at most {maximum} are sent (network.{name}).", details={"host": target.host, "limit": name, "maximum": maximum}
    )
