"""Takes out of texts what is nobody's business: values of headers, of parameters in URLs, and of members of bodies."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import unquote_plus

from ratchet_mcp.egress.messages import Headers
from ratchet_mcp.settings.network import NetworkSettings

MARK = "***"
LEAST = 16
"""Characters of a value that is looked for in bodies: sessions and keys have more, words have less."""
_COOKIE = re.compile(r"=[^;]*")


class Redactor:
    """The patterns of the settings, compiled."""

    def __init__(self, settings: NetworkSettings) -> None:
        self._headers = _any_of(settings.redact_headers)
        self._query = _any_of(settings.redact_query)
        fields = "|".join(_glob(pattern, r'[^"\\=&]*') for pattern in settings.redact_fields) or r"(?!)"
        self._json = re.compile(rf'("(?:{fields})"\s*:\s*")((?:[^"\\]|\\.)*+)(")', re.IGNORECASE)
        self._form = re.compile(rf"(?:(?<=^)|(?<=&))((?:{fields})=)([^&\s]*+)", re.IGNORECASE)

    def is_sensitive(self, header: str) -> bool:
        """Tell whether the values of a header must not be shown, nor be sent to another host by a redirect."""
        return self._headers(header)

    def headers(self, headers: Headers) -> Headers:
        """Return headers without sensitive values. Of cookies and credentials their kind stays: `Bearer ***`, `session=***; Path=/`."""
        return tuple((name, self._value(name, value) if self._headers(name) else value) for name, value in headers)

    @staticmethod
    def _value(name: str, value: str) -> str:
        if name.lower() == "set-cookie":
            return _COOKIE.sub(f"={MARK}", value, count=1)
        if name.lower() == "cookie":
            return _COOKIE.sub(f"={MARK}", value)
        scheme, space, _ = value.partition(" ")
        return f"{scheme} {MARK}" if space and name.lower().endswith("authorization") and len(scheme) <= 16 else MARK

    def values(self, headers: Headers) -> list[bytes]:
        """Return the sensitive values themselves, for finding them elsewhere; short ones would be found everywhere and are left out."""
        found: list[str] = []
        for name, value in headers:
            if not self._headers(name):
                continue
            if name.lower() in ("cookie", "set-cookie"):
                pairs = value.split(";") if name.lower() == "cookie" else [value.partition(";")[0]]
                found += [pair.partition("=")[2].strip() for pair in pairs]
            else:
                found.append(value.rpartition(" ")[2])
        return [value.encode() for value in found if len(value) >= LEAST and not value.startswith("{{")]

    def url(self, url: str) -> str:
        """Return a URL without sensitive values in its query and without user and password."""
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
        """Return a JSON or form body without the values of sensitive members; anything else stays as it is."""
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError:
            return body
        return self.text(text).encode("utf-8")

    def text(self, text: str) -> str:
        """Return JSON or form text without the values of sensitive members."""
        text = self._json.sub(rf"\g<1>{MARK}\g<3>", text)
        if "=" in text[:4096] and not text.lstrip().startswith(("{", "[", "<", '"')):
            text = self._form.sub(rf"\g<1>{MARK}", text)
        return text


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
