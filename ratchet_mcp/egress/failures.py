"""What can go wrong on the way to a server, from the words of the libraries into ours."""

from __future__ import annotations

import errno
import re
import ssl
from collections.abc import Iterator
from typing import Literal, cast

import httpcore

from ratchet_mcp.errors import FetchLimit, NetworkError, NetworkFailed

Reason = Literal["dns", "refused", "unreachable", "tls", "reset", "closed", "protocol", "encoding", "proxy", "redirect", "connect"]
_HINTS: dict[str, str] = {
    "dns": "Check the spelling of the host, and that this machine can resolve names.",
    "refused": "Check the port, and that the server runs.",
    "unreachable": "Check the network of this machine.",
    "tls": "Check the host's certificate; a private certificate authority is added with network.ca_file.",
    "reset": "The server ended the connection. Trying again may help.",
    "closed": "The server ended the connection too early. Trying again may help.",
    "protocol": "The server does not speak HTTP as it should.",
    "encoding": "The body is not in the encoding that its Content-Encoding says.",
    "proxy": "Check network.proxy, and that the proxy lets CONNECT through to this port.",
    "redirect": 'Fetch the new address itself, or leave out the option redirect: "error".',
    "connect": "Check the host, the port and the network of this machine.",
}
PASSING = frozenset({"dns", "refused", "unreachable", "reset", "closed", "connect"})
"""Reasons that may be gone at the next try."""
_ERRNO: dict[int, tuple[Reason, str]] = {
    errno.ECONNREFUSED: ("refused", "refused the connection"),
    errno.ECONNRESET: ("reset", "broke the connection off"),
    errno.EPIPE: ("reset", "broke the connection off"),
    errno.ENETUNREACH: ("unreachable", "cannot be reached from this machine"),
    errno.EHOSTUNREACH: ("unreachable", "cannot be reached from this machine"),
    errno.EADDRNOTAVAIL: ("unreachable", "cannot be reached from this machine"),
    errno.ETIMEDOUT: ("unreachable", "does not answer"),
}


class Unreachable(Exception):
    """No connection came about. `reason` is one of `Reason`; the text is the message for the user."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason
        self.message = message


def failed(host: str, reason: Reason, message: str) -> NetworkFailed:
    """Return the error for a failure."""
    return NetworkFailed(f"{message}.", hint=_HINTS[reason], details={"host": host, "reason": reason})


def translate(error: Exception, host: str, *, header_bytes: int) -> NetworkError:
    """Return our error for one of the transport: `httpcore`, `ssl`, `OSError` or `Unreachable`."""
    for cause in _causes(error):
        if isinstance(cause, Unreachable):
            return failed(host, cause.reason, cause.message)
        if isinstance(cause, ssl.SSLCertVerificationError):
            return failed(host, "tls", f"The certificate of {host} is not trusted: {_plain(cause.verify_message)}")
        if isinstance(cause, ssl.SSLError):
            return failed(host, "tls", f"TLS with {host} failed: {_plain(cause.reason or str(cause))}")
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.errno in _ERRNO:
            reason, told = _ERRNO[cause.errno]
            return failed(host, reason, f"{host} {told}")
    if isinstance(error, httpcore.ConnectError):
        return failed(host, "connect", f"No connection to {host} came about")
    if isinstance(error, httpcore.RemoteProtocolError | httpcore.LocalProtocolError):
        return _protocol(error, host, header_bytes)
    return failed(host, "reset", f"{host} broke the connection off")


def _protocol(error: Exception, host: str, header_bytes: int) -> NetworkError:
    text = str(error)
    if "too long" in text:
        message = f"The headers of the response of {host} are larger than {header_bytes} bytes."
        return FetchLimit(message, details={"host": host, "limit": "header_bytes", "maximum": header_bytes})
    if "incomplete" in text or "without sending complete" in text or "without sending a" in text or "Server disconnected" in text:
        return failed(host, "closed", f"{host} ended its response too early")
    return failed(host, "protocol", f"{host} sent what is no HTTP: {_plain(text)}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    waiting: list[BaseException] = [error]
    seen = 0
    while waiting and seen < 32:
        current = waiting.pop(0)
        seen += 1
        yield current
        if isinstance(current, BaseExceptionGroup):
            waiting += cast("BaseExceptionGroup[BaseException]", current).exceptions
        waiting += [cause for cause in (current.__cause__, current.__context__) if cause is not None]


def _plain(text: object) -> str:
    return re.sub(r"[^\x20-\x7e]+", " ", str(text))[:160].rstrip(". ")
