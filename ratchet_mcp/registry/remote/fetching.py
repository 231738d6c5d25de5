"""Fetches over HTTP for one source: bounded in time, size and redirects; credentials go to the source's own origin only."""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cached_property

import httpcore
import httpx
import stamina

from ratchet_mcp import __version__
from ratchet_mcp.registry.remote.addresses import AddressRefused, Guard
from ratchet_mcp.registry.remote.credentials import Credentials
from ratchet_mcp.registry.remote.options import HttpOptions
from ratchet_mcp.registry.remote.uris import mask

MAX_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_AGAIN = (408, 425, 429, 500, 502, 503, 504)
_LONGEST_PAUSE = 10.0
_PORTS = {"http": 80, "https": 443}


class FetchFailed(Exception):
    """What was asked for did not come. `again` tells whether another try may help, `pause` what the server asked to wait (seconds)."""

    def __init__(self, message: str, *, hint: str | None = None, again: bool = False, pause: float | None = None) -> None:
        super().__init__(message)
        self.message, self.hint, self.again, self.pause = message, hint, again, pause


@dataclass(frozen=True, slots=True)
class Answer:
    """What came: the status (200 or 304), the headers and the body."""

    status: int
    headers: httpx.Headers
    body: bytes


class Fetcher:
    """Fetches what belongs to one source, whose own address is `home`."""

    def __init__(self, home: str, options: HttpOptions, guard: Guard, credentials: Callable[[], Credentials]) -> None:
        self._home = httpx.URL(home)
        self._options, self.guard, self._credentials = options, guard, credentials

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        try:
            if self._options.ca_file is not None:
                return ssl.create_default_context(cafile=self._options.ca_file)
            return httpx.create_ssl_context()
        except (OSError, ssl.SSLError) as error:
            raise FetchFailed(f"the certificates of {self._options.ca_file} cannot be read: {error}") from None

    def get(self, url: str, *, max_bytes: int, headers: Mapping[str, str] | None = None) -> Answer:
        """Return the answer to a GET; tried again with growing pauses while that may help. Raises `FetchFailed`."""
        options = self._options
        deadline = time.monotonic() + options.timeout_seconds
        tries = stamina.retry_context(
            on=_pause, attempts=options.attempts, timeout=options.timeout_seconds, wait_initial=0.2, wait_max=5.0, wait_jitter=0.2
        )
        for attempt in tries:
            with attempt:
                return self._follow(self.resolve(url), max_bytes, dict(headers or {}), deadline)
        raise FetchFailed("the request was never made")  # pragma: no cover  the loop returns or raises

    def resolve(self, url: str, base: httpx.URL | None = None) -> httpx.URL:
        """Return an absolute URL that this source may ask for. Raises `FetchFailed`."""
        base = base or self._home
        try:
            found = base.join(url)
        except (httpx.InvalidURL, ValueError):
            raise FetchFailed(f"{mask(url)[:200]} is no URL") from None
        if found.scheme not in _PORTS or not found.host:
            raise FetchFailed(f"{mask(url)[:200]} is no address of the web")
        if found.userinfo:
            raise FetchFailed(f"{mask(str(found))} has a user name or password in it, which is not used")
        if found.scheme == "http" and "https" in (base.scheme, self._home.scheme):
            raise FetchFailed(f"it leads from https down to {mask(str(found))}, which anybody on the way could change")
        return found.copy_with(fragment=None)

    def _follow(self, url: httpx.URL, max_bytes: int, headers: dict[str, str], deadline: float) -> Answer:
        seen = url
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._ask(url, max_bytes, headers, deadline)
            if isinstance(answer, Answer):
                return answer
            url = self.resolve(answer, url)
        raise FetchFailed(f"{mask(str(seen))} redirects more than {MAX_REDIRECTS} times")

    def _ask(self, url: httpx.URL, max_bytes: int, headers: Mapping[str, str], deadline: float) -> Answer | str:
        """Return the answer, or where the server says to look instead."""
        left = max(0.001, deadline - time.monotonic())
        where = mask(str(url))
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        limits = {"timeout": {"connect": left, "read": left, "write": left, "pool": left}}
        sent = self._headers(url, headers)
        try:
            with (
                httpcore.ConnectionPool(ssl_context=self._tls, network_backend=self.guard, max_connections=1) as pool,
                pool.stream("GET", target, headers=sent, extensions=limits) as response,
            ):
                return self._read(where, response, max_bytes)
        except AddressRefused as error:
            raise FetchFailed(f"{where} was not fetched: {error}") from None
        except httpcore.TimeoutException:
            raise FetchFailed(f"{where} did not answer within {self._options.timeout_seconds:g} seconds", again=True) from None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.ProxyError) as error:
            again = not isinstance(error.__cause__ or error.__context__, ssl.SSLCertVerificationError)
            raise FetchFailed(f"{where} does not answer: {_plain(str(error)) or type(error).__name__}", again=again) from None

    def _headers(self, url: httpx.URL, further: Mapping[str, str]) -> list[tuple[str, str]]:
        host = url.netloc.decode("ascii")
        headers = [("Host", host), ("User-Agent", f"ratchet/{__version__}"), ("Accept", "*/*"), ("Accept-Encoding", "identity")]
        headers += further.items()
        if _origin(url) == _origin(self._home):
            secret = self._credentials().header(self._options.header)
            headers += [secret] if secret else []
        return headers

    def _read(self, where: str, response: httpcore.Response, max_bytes: int) -> Answer | str:
        headers = httpx.Headers(response.headers)
        status = response.status
        if status in _REDIRECTS and "location" in headers:
            return headers["location"]
        if status in _AGAIN:
            raise FetchFailed(f"{where} answered with status {status}", again=True, pause=_retry_after(headers))
        if status == 304:
            return Answer(status, headers, b"")
        if status != 200:
            raise FetchFailed(f"{where} answered with status {status}", hint=_HINTS.get(status))
        encoding = headers.get("content-encoding", "identity").lower()
        if encoding != "identity":
            raise FetchFailed(f"{where} is sent in the encoding {_plain(encoding)[:40]}, which nobody asked for")
        claimed = headers.get("content-length", "")
        if claimed.isdecimal() and int(claimed[:20]) > max_bytes:
            raise FetchFailed(f"{where} is {int(claimed[:20])} bytes large, and at most {max_bytes} are taken")
        body = bytearray()
        for chunk in response.iter_stream():
            body += chunk
            if len(body) > max_bytes:
                raise FetchFailed(f"{where} is larger than {max_bytes} bytes")
        return Answer(status, headers, bytes(body))


_HINTS = {
    401: "The server wants credentials: name the environment variable that holds a token in config.token_env.",
    403: "The server refuses these credentials, or wants some: see config.token_env.",
    404: "Check the address.",
}


def _pause(error: Exception) -> bool | float:
    """Tell stamina whether to try again, and after which pause when the server named one."""
    if not isinstance(error, FetchFailed) or not error.again:
        return False
    return True if error.pause is None else min(error.pause, _LONGEST_PAUSE)


def _retry_after(headers: httpx.Headers) -> float | None:
    value = headers.get("retry-after", "")
    if value.isdecimal():
        return float(value[:9])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time()) if value else None
    except (ValueError, TypeError, OverflowError):
        return None


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or _PORTS.get(url.scheme, 0)


def _plain(text: str) -> str:
    return re.sub(r"[^\x20-\x7e]+", " ", text)[:300]
