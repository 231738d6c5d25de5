"""Patterns of hosts, as they stand in `network.allow`: `api.example.com`, `*.example.org:8443`, `https://example.net`, `*`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

DEFAULT_PORTS = {"http": 80, "https": 443}
_PATTERN = re.compile(r"(?:(?P<scheme>https?)://)?(?P<star>\*\.)?(?P<host>\[[0-9a-fA-F:.]+\]|[^\[\]:/?#@\s]+)(?::(?P<port>\d{1,5}|\*))?/?")


class PatternInvalid(ValueError):
    """The text is no pattern of hosts."""


@dataclass(frozen=True, slots=True)
class HostPattern:
    """One pattern. Without a port it means the usual one of the scheme (80, 443); `*` as port is any."""

    text: str
    host: str
    subdomains: bool
    scheme: str | None
    port: int | None
    any_port: bool

    def matches(self, scheme: str, host: str, port: int) -> bool:
        """Tell whether a URL with these parts is meant."""
        if self.scheme not in (None, scheme):
            return False
        if not self.any_port and port != (DEFAULT_PORTS.get(scheme) if self.port is None else self.port):
            return False
        host = host.rstrip(".").lower()
        if self.host == "*":
            return True
        return host.endswith(f".{self.host}") if self.subdomains else host == self.host


@lru_cache(maxsize=1024)
def read_pattern(text: str) -> HostPattern:
    """Read one pattern; names are compared as DNS has them (IDNA). Raises `PatternInvalid`."""
    found = _PATTERN.fullmatch(text)
    if found is None or len(text) > 300:
        raise PatternInvalid(f"{text[:80]!r} is no host; write api.example.com, *.example.org:8443 or https://example.net")
    port = found["port"]
    if port not in (None, "*") and not 0 < int(port) < 65536:
        raise PatternInvalid(f"{text[:80]!r} has no possible port")
    return HostPattern(
        text=text,
        host=_canonical(found["host"], text),
        subdomains=found["star"] is not None,
        scheme=found["scheme"],
        port=None if port in (None, "*") else int(port),
        any_port=port == "*",
    )


def _canonical(host: str, text: str) -> str:
    if host == "*":
        return host
    if "*" in host:
        raise PatternInvalid(f"{text[:80]!r} has a * that does not stand for the whole left part, as in *.example.org")
    import ada_url

    try:
        return ada_url.URL(f"http://{host}/").hostname.rstrip(".")
    except ValueError:
        raise PatternInvalid(f"{text[:80]!r} is no host name or address") from None


def read_patterns(texts: Iterable[str]) -> tuple[HostPattern, ...]:
    """Read several patterns. Raises `PatternInvalid` for the first wrong one."""
    return tuple(read_pattern(text) for text in texts)


def first_match(patterns: Iterable[HostPattern], scheme: str, host: str, port: int) -> HostPattern | None:
    """Return the first pattern that means these parts of a URL."""
    return next((pattern for pattern in patterns if pattern.matches(scheme, host, port)), None)
