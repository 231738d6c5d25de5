"""URLs as the web platform reads them (WHATWG): read once, and the same parts are checked, connected to and sent."""

from __future__ import annotations

import re
from dataclasses import dataclass

import ada_url

from ratchet_mcp.errors import InvalidFetch
from ratchet_mcp.settings.hosts import DEFAULT_PORTS

MAX_URL = 16 << 10
_CONTROL = re.compile(r"[\x00-\x20\x7f]")


@dataclass(frozen=True, slots=True)
class Target:
    """A checked URL in parts. `host` is as DNS has it, an IPv6 address in brackets; `path` has the query; the fragment is gone."""

    scheme: str
    host: str
    port: int
    path: str
    href: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """Return what two URLs share when credentials may be sent to both."""
        return self.scheme, self.host, self.port

    @property
    def address(self) -> str:
        """Return the host without brackets, to resolve or connect to."""
        return self.host.removeprefix("[").removesuffix("]")

    @property
    def authority(self) -> str:
        """Return the value of the Host header."""
        return self.host if self.port == DEFAULT_PORTS[self.scheme] else f"{self.host}:{self.port}"


def read_url(text: str, base: Target | None = None) -> Target:
    """Read a URL, or a reference to be joined with `base`. Raises `InvalidFetch`; the message shows no user, password or query."""
    if len(text) > MAX_URL:
        raise _invalid(f"The URL has {len(text)} characters; at most {MAX_URL} are taken")
    try:
        url = ada_url.URL(text, base.href) if base else ada_url.URL(text)
    except ValueError:
        raise _invalid(f"{_shown(text)} is no URL", hint='Write it with scheme and host, as in "https://api.example.com/path".') from None
    scheme, host = url.protocol.removesuffix(":"), url.hostname
    if scheme not in DEFAULT_PORTS:
        raise _invalid(f"A task can fetch http and https only, not {_shown(url.protocol)}", host=host)
    if url.username or url.password:
        raise _invalid(
            f"The URL for {host} has a user name or password in it",
            host=host,
            hint="Send it in the Authorization header, best with context.secrets.",
        )
    if not host or _CONTROL.search(url.href) or host.startswith(".") or ".." in host:
        raise _invalid(f"{_shown(text)} names no host", host=host)
    url.hash = ""
    port = int(url.port) if url.port else DEFAULT_PORTS[scheme]
    if port == 0:
        raise _invalid(f"The URL for {host} has the port 0", host=host)
    return Target(scheme, host, port, url.pathname + url.search, url.href)


def _invalid(message: str, *, host: str | None = None, hint: str | None = None) -> InvalidFetch:
    return InvalidFetch(f"{message}.", hint=hint, details={"host": host, "field": "url"})


def _shown(text: str) -> str:
    """Return the start of a URL without what may be secret in it."""
    plain = re.sub(r"[^\x20-\x7e]", "�", text[:500])
    plain = re.sub(r"//[^/?#]*@", "//***@", plain)
    return f'"{re.split(r"[?#]", plain)[0][:120]}"'
