"""Takes out of texts what is nobody's business: values of headers, of parameters in URLs, and of members of bodies."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import parse_qsl, unquote_plus

from ratchet_mcp.egress.messages import Headers
from ratchet_mcp.settings.network import NetworkSettings

MARK = "***"
LEAST = 16
"""Characters of a value that is taken out of bodies wherever it stands: sessions and keys have more, words have less."""
_SHORT = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z])[!-~]{6,15}")
"""Shorter values that are no words: they are taken out where they stand by themselves."""
_ADDRESSES = ("location", "content-location", "referer")
_LONGEST_BOUNDARY = 72
_COOKIE = re.compile(r"=[^;]*")


class Redactor:
    """The patterns of the settings, compiled."""

    def __init__(self, settings: NetworkSettings) -> None:
        self._headers = _any_of(settings.redact_headers)
        self._query = _any_of(settings.redact_query)
        known = "|".join(_glob(pattern, r"[A-Za-z0-9_-]{16,}+") for pattern in settings.redact_values) or r"(?!)"
        self._known = re.compile(rf"(?<![A-Za-z0-9])(?:{known})")
        self._known_bytes = re.compile(self._known.pattern.encode())
        fields = "|".join(_glob(pattern, r'[^"\\=&]*') for pattern in settings.redact_fields) or r"(?!)"
        self._json = re.compile(rf'("(?:{fields})"\s*:\s*)("(?:[^"\\]|\\.)*+"|-?[0-9][0-9.eE+-]*+)', re.IGNORECASE)
        self._form = re.compile(rf"(?:(?<=^)|(?<=&))((?:{fields})=)([^&\s]*+)", re.IGNORECASE)
        self._part = re.compile(rf'form-data;[^\r\n]*?\bname="?(?:{fields})(?:"|[;\s])'.encode(), re.IGNORECASE)

    def is_sensitive(self, header: str) -> bool:
        """Tell whether the values of a header must not be shown, nor be sent to another host by a redirect."""
        return self._headers(header)

    def headers(self, headers: Headers) -> Headers:
        """Return headers without sensitive values. Of cookies and credentials their kind stays: `Bearer ***`, `session=***; Path=/`."""
        return tuple((name, self._value(name, value)) for name, value in headers)

    def _value(self, name: str, value: str) -> str:
        if not self._headers(name):
            return self.url(value) if name.lower() in _ADDRESSES else self._known.sub(MARK, value)
        if name.lower() == "set-cookie":
            return _COOKIE.sub(f"={MARK}", value, count=1)
        if name.lower() == "cookie":
            return _COOKIE.sub(f"={MARK}", value)
        scheme, space, _ = value.partition(" ")
        return f"{scheme} {MARK}" if space and name.lower().endswith("authorization") and len(scheme) <= 16 else MARK

    def values(self, headers: Headers, url: str = "") -> list[bytes]:
        """Return the sensitive values themselves, for finding them elsewhere; short ones and words, which are everywhere, are left out."""
        found: list[str] = []
        for name, value in headers:
            if not self._headers(name):
                continue
            if name.lower() in ("cookie", "set-cookie"):
                pairs = value.split(";") if name.lower() == "cookie" else [value.partition(";")[0]]
                found += [pair.partition("=")[2].strip() for pair in pairs]
            else:
                found.append(value.rpartition(" ")[2])
        parameters = parse_qsl(url.partition("?")[2].partition("#")[0], keep_blank_values=True)
        found += [value for name, value in parameters if self._query(name)]
        telling = [value for value in found if len(value) >= LEAST or _SHORT.fullmatch(value)]
        return [value.encode() for value in telling if not value.startswith("{{")]

    def url(self, url: str) -> str:
        """Return a URL without sensitive values in its query, known ones anywhere, and without user and password."""
        url = self._known.sub(MARK, url)
        url = re.sub(r"^([a-zA-Z][a-zA-Z0-9+.-]*:/+)[^/?#]*@", rf"\1{MARK}@", url)
        start, mark, query = url.partition("?")
        if not mark:
            return url
        query, hash_mark, fragment = query.partition("#")
        parts = [self._parameter(part) for part in query.split("&")]
        return start + mark + "&".join(parts) + hash_mark + fragment

    def _parameter(self, part: str) -> str:
        name, equals, value = part.partition("=")
        return f"{name}={MARK}" if equals and value and self._query(unquote_plus(name)) else part

    def body(self, body: bytes) -> bytes:
        """Return a body without known values and, when it is JSON or a form, without those of sensitive members."""
        body = self._known_bytes.sub(MARK.encode(), body)
        if body.startswith(b"--") and (boundary := body.partition(b"\r\n")[0]) and len(boundary) <= _LONGEST_BOUNDARY:
            return self._multipart(body, boundary)
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError:
            return body
        return self.text(text).encode("utf-8")

    def _multipart(self, body: bytes, boundary: bytes) -> bytes:
        """Return `multipart/form-data` (RFC 7578) in which sensitive fields have no value; files stay as they are."""
        parts = body.split(b"\r\n" + boundary)
        for number, part in enumerate(parts):
            head, blank, _ = part.partition(b"\r\n\r\n")
            if blank and self._part.search(head):
                parts[number] = head + blank + MARK.encode()
        return (b"\r\n" + boundary).join(parts)

    def text(self, text: str) -> str:
        """Return JSON or form text without the values of sensitive members."""
        text = self._known.sub(MARK, text)
        text = self._json.sub(rf'\g<1>"{MARK}"', text)
        if "=" in text[:4096] and not text.lstrip().startswith(("{", "[", "<", '"')):
            text = self._form.sub(rf"\g<1>{MARK}", text)
        return text


def without(body: bytes, value: bytes) -> bytes:
    """Return a body without a value of `Redactor.values`."""
    if value not in body:
        return body
    if len(value) >= LEAST:
        return body.replace(value, MARK.encode())
    return re.sub(rb"(?<![A-Za-z0-9])" + re.escape(value) + rb"(?![A-Za-z0-9])", MARK.encode(), body)


class _AnyOf:
    def __init__(self, patterns: tuple[str, ...]) -> None:
        self._expression = re.compile("|".join(fnmatch.translate(pattern.lower()) for pattern in patterns) or r"(?!)")

    def __call__(self, name: str) -> bool:
        return self._expression.match(name.lower()) is not None


@lru_cache(maxsize=16)
def _compiled(patterns: tuple[str, ...]) -> _AnyOf:
    return _AnyOf(patterns)


def _any_of(patterns: Iterable[str]) -> _AnyOf:
    return _compiled(tuple(patterns))


def _glob(pattern: str, anything: str) -> str:
    return anything.join(re.escape(part) for part in pattern.split("*"))
