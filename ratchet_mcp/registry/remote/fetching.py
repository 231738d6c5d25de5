"""Fetches over HTTP for one source: bounded in time, size and redirects; credentials go to the source's own origin only."""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cached_property

import httpx
import stamina

from ratchet_mcp.egress.blocking import exchange
from ratchet_mcp.egress.calls import HttpCall
from ratchet_mcp.egress.messages import Headers
from ratchet_mcp.egress.preparing import Outgoing
from ratchet_mcp.egress.tls import make_context
from ratchet_mcp.egress.urls import read_url
from ratchet_mcp.errors import FetchLimit, NetworkDenied, NetworkError, SettingsInvalid
from ratchet_mcp.registry.remote.addresses import AddressRefused, Guard
from ratchet_mcp.registry.remote.credentials import Credentials
from ratchet_mcp.registry.remote.options import HttpOptions
from ratchet_mcp.registry.remote.uris import mask
from ratchet_mcp.settings.network import NetworkSettings

MAX_REDIRECTS = 5
_AGAIN = (408, 425, 429, 500, 502, 503, 504)
_LASTING = ("tls", "proxy")
"""Failures that another try would meet again."""
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
    """Fetches what belongs to one source, whose own address is `home`. Proxy, trust store and limits are those of `network`."""

    def __init__(
        self,
        home: str,
        options: HttpOptions,
        guard: Guard,
        credentials: Callable[[], Credentials],
        network: NetworkSettings | None = None,
    ) -> None:
        self._home, self._network = httpx.URL(home), network or NetworkSettings()
        self._options, self.guard, self._credentials = options, guard, credentials

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        try:
            if self._options.ca_file is not None:
                return ssl.create_default_context(cafile=self._options.ca_file)
            return make_context(self._network)
        except (OSError, ssl.SSLError) as error:
            raise FetchFailed(f"the certificates of {self._options.ca_file} cannot be read: {error}") from None
        except SettingsInvalid as error:
            raise FetchFailed(error.message.rstrip("."), hint=error.hint) from None

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
        where = mask(str(url))
        call = HttpCall(1, "GET", where)
        left = max(0.001, deadline - time.monotonic())
        limits = {"response_bytes": max_bytes, "total_down_bytes": max_bytes, "connect_timeout_seconds": left, "idle_connections": 0}
        try:
            outgoing = Outgoing(read_url(str(url)), "GET", self._headers(url, headers), None)
            incoming = exchange(
                outgoing,
                call,
                self._network.model_copy(update=limits),
                resolver=self.guard.resolver(),
                dialer=lambda proxy: self.guard.dialer(proxy, left),
                tls=self._tls,
                seconds=left,
            )
        except AddressRefused as error:
            raise FetchFailed(f"{where} was not fetched: {error}") from None
        except NetworkDenied as error:
            raise FetchFailed(f"{where} was not fetched: {error.message.rstrip('.')}") from None
        except TimeoutError:
            raise FetchFailed(f"{where} did not answer within {self._options.timeout_seconds:g} seconds", again=True) from None
        except FetchLimit as error:
            self._check_status(where, call.status or 200, httpx.Headers())
            raise FetchFailed(f"{where} {_excess(error, max_bytes)}") from None
        except NetworkError as error:
            reason = error.details.get("reason")
            if reason == "encoding":
                raise FetchFailed(f"{where} is sent in an encoding that nobody asked for") from None
            raise FetchFailed(f"{where} does not answer: {_plain(error.message).rstrip('.')}", again=reason not in _LASTING) from None
        if incoming.leads_to is not None:
            return incoming.leads_to
        answered = httpx.Headers(list(incoming.headers))
        self._check_status(where, incoming.status, answered)
        encoding = answered.get("content-encoding", "identity").lower()
        if encoding != "identity":
            raise FetchFailed(f"{where} is sent in an encoding that nobody asked for")
        return Answer(incoming.status, answered, incoming.body)

    @staticmethod
    def _check_status(where: str, status: int, headers: httpx.Headers) -> None:
        if status in _AGAIN:
            raise FetchFailed(f"{where} answered with status {status}", again=True, pause=_retry_after(headers))
        if status not in (200, 304):
            raise FetchFailed(f"{where} answered with status {status}", hint=_HINTS.get(status))

    def _headers(self, url: httpx.URL, further: Mapping[str, str]) -> Headers:
        headers = [("Accept-Encoding", "identity"), *further.items()]
        if read_url(str(url)).origin == read_url(str(self._home)).origin:
            secret = self._credentials().header(self._options.header)
            headers += [secret] if secret else []
        return tuple(headers)


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


def _excess(error: FetchLimit, max_bytes: int) -> str:
    if error.details.get("limit") != "response_bytes":
        return f"cannot be read: {_plain(error.message).rstrip('.')}"
    if (claimed := error.details.get("claimed")) is not None:
        return f"is {claimed} bytes large, and at most {max_bytes} are taken"
    return f"is larger than {max_bytes} bytes"


def _retry_after(headers: httpx.Headers) -> float | None:
    value = headers.get("retry-after", "")
    if value.isdecimal():
        return float(value[:9])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time()) if value else None
    except (ValueError, TypeError, OverflowError):
        return None


def _plain(text: str) -> str:
    return re.sub(r"[^\x20-\x7e]+", " ", text)[:300]
