"""What a task asks of the network, and what it gets: plain values that cross between worker and coordinator."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, replace
from typing import Any, Literal, cast, get_args

from ratchet_mcp.errors import InvalidFetch
from ratchet_mcp.tasks.violations import did_you_mean, shown

Redirect = Literal["follow", "error", "manual"]
Headers = tuple[tuple[str, str], ...]
CACHE_MODES = ("default", "no-store", "reload", "no-cache", "force-cache", "only-if-cached")
REDIRECTS = (301, 302, 303, 307, 308)
_FIELDS = ("url", "method", "headers", "body", "redirect", "timeout_seconds", "retry", "cache")


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """One request as the task wrote it; nothing of it is trusted. `retry` is what `egress.retries.read_retry` takes."""

    url: str
    method: str = "GET"
    headers: Headers = ()
    body: bytes | None = None
    redirect: Redirect = "follow"
    timeout_seconds: float | None = None
    retry: Any = None
    cache: str = "default"

    @classmethod
    def from_wire(cls, arguments: Any) -> FetchRequest:
        """Read the arguments of the host call `fetch`: the fields of this class, the body as base64. Raises `InvalidFetch`."""
        if not isinstance(arguments, dict):
            raise _invalid("request", "fetch(url, options) takes an object")
        given = cast("dict[str, Any]", arguments)
        for key in given:
            if key not in _FIELDS:
                raise _invalid(str(key)[:80], f"fetch knows no {shown(key)}{did_you_mean(str(key), _FIELDS)}")
        return cls(
            url=_text(given, "url", None),
            method=_text(given, "method", "GET"),
            headers=_headers(given.get("headers")),
            body=_body(given.get("body")),
            redirect=cast("Redirect", _word(given, "redirect", get_args(Redirect), "follow")),
            timeout_seconds=_seconds(given.get("timeout_seconds")),
            retry=given.get("retry"),
            cache=_word(given, "cache", CACHE_MODES, "default"),
        )

    def header(self, name: str) -> str | None:
        """Return the value of a header, or None; several are joined with a comma."""
        return joined(self.headers, name)


@dataclass(frozen=True, slots=True)
class FetchResponse:
    """One response. `url` is where it came from after redirects, `body` is decoded (no gzip is left)."""

    url: str
    status: int
    status_text: str
    headers: Headers
    body: bytes
    redirected: bool
    http_version: str
    from_cache: bool = False
    mocked: bool = False

    def to_wire(self) -> dict[str, Any]:
        """Return `{url, status, statusText, headers: [[name, value]…], body: base64, redirected}`."""
        return {
            "url": self.url,
            "status": self.status,
            "statusText": self.status_text,
            "headers": [list(pair) for pair in self.headers],
            "body": base64.b64encode(self.body).decode("ascii"),
            "redirected": self.redirected,
        }

    def header(self, name: str) -> str | None:
        """Return the value of a header, or None; several are joined with a comma."""
        return joined(self.headers, name)

    @property
    def leads_to(self) -> str | None:
        """Return where a redirect leads, or None when this is none."""
        return next((value for name, value in self.headers if name.lower() == "location"), None) if self.status in REDIRECTS else None

    def with_body(self, body: bytes) -> FetchResponse:
        """Return the same response with another body."""
        return replace(self, body=body)


def joined(headers: Headers, name: str) -> str | None:
    """Return the values of a header joined with a comma (RFC 9110, section 5.3), or None."""
    found = [value for key, value in headers if key.lower() == name.lower()]
    return ", ".join(found) if found else None


def _invalid(field: str, message: str) -> InvalidFetch:
    return InvalidFetch(f"{message}.", details={"host": None, "field": field})


def _text(given: dict[str, Any], key: str, default: str | None) -> str:
    value = given.get(key)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise _invalid(key, f"the {key} of a fetch is a string, not {shown(value)}")
    return value


def _word(given: dict[str, Any], key: str, words: tuple[str, ...], default: str) -> str:
    value = _text(given, key, default)
    if value not in words:
        raise _invalid(key, f"{key} is one of {', '.join(words)}, not {shown(value)}{did_you_mean(value, words)}")
    return value


def _headers(value: Any) -> Headers:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise _invalid("headers", f"the headers of a fetch are a list of pairs, not {shown(value)}")
    pairs: list[tuple[str, str]] = []
    for pair in cast("list[Any]", value):
        parts = cast("list[Any]", pair) if isinstance(pair, list) else []
        if len(parts) != 2 or not all(isinstance(part, str) for part in parts):
            raise _invalid("headers", f"each header of a fetch is a name and a value, not {shown(pair)}")
        pairs.append((parts[0], parts[1]))
    return tuple(pairs)


def _body(value: Any) -> bytes | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise _invalid("body", f"the body crosses as base64 text, not {shown(value)}")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise _invalid("body", "the body crosses as base64 text, and this is none") from None


def _seconds(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise _invalid("timeout_seconds", f"timeout_seconds is a number above 0, not {shown(value)}")
    return float(value)
