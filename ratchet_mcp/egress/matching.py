"""How a request differs from one that was expected, said so that a person sees it at once."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ratchet_mcp.egress.messages import Headers, joined
from ratchet_mcp.tasks.json_values import is_array, is_object
from ratchet_mcp.tasks.violations import shown


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as mocks and recordings see it: secrets are `{{NAME}}`. `shown` is the URL for messages, redacted."""

    method: str
    url: str
    headers: Headers = ()
    body: bytes | None = None
    shown: str = ""

    @property
    def name(self) -> str:
        """Return `GET https://…`, at most 200 characters."""
        return f"{self.method} {self.shown or self.url}"[:200]


@dataclass(frozen=True, slots=True)
class Difference:
    """The first thing in which a request differs: the field (`url.query.page`), what was expected, what came."""

    field: str
    expected: str
    got: str

    def __str__(self) -> str:
        return f"{self.field} differs: expected {self.expected}, got {self.got}"


def compare_urls(expected: str, got: str) -> Difference | None:
    """Return the first part in which two URLs differ."""
    ours, theirs = urlsplit(expected), urlsplit(got)
    for name in ("scheme", "netloc", "path"):
        if getattr(ours, name) != getattr(theirs, name):
            return Difference(f"url.{'host' if name == 'netloc' else name}", shown(getattr(ours, name)), shown(getattr(theirs, name)))
    return None if ours.query == theirs.query else compare_queries(query_of(expected), query_of(got))


def query_of(url: str) -> list[tuple[str, str]]:
    """Return the parameters of a URL, decoded, in their order."""
    return parse_qsl(urlsplit(url).query, keep_blank_values=True)


def compare_queries(expected: Iterable[tuple[str, str]], got: Iterable[tuple[str, str]]) -> Difference | None:
    """Return the first parameter that differs; their order counts only within one name."""
    ours, theirs = _grouped(expected), _grouped(got)
    for name in [*ours, *theirs]:
        if ours.get(name) != theirs.get(name):
            return Difference(f"url.query.{name[:60]}", _values(ours.get(name)), _values(theirs.get(name)))
    return None


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped


def _values(values: list[str] | None) -> str:
    return "nothing" if values is None else shown(values[0] if len(values) == 1 else values)


def compare_bodies(expected: bytes | None, got: bytes | None) -> Difference | None:
    """Return where two bodies differ; in JSON down to the member."""
    ours, theirs = expected or b"", got or b""
    if ours == theirs:
        return None
    left, right = read_json(ours), read_json(theirs)
    if left is not None and right is not None:
        return compare_json(left, right, "body", exact=True)
    return Difference("body", _excerpt(ours), _excerpt(theirs))


def read_json(body: bytes | None) -> Any:
    """Return the value of a JSON body, or None."""
    try:
        return json.loads(body or b"")
    except (ValueError, RecursionError):
        return None


def compare_json(expected: Any, got: Any, path: str, *, exact: bool) -> Difference | None:
    """Return the first member that differs. Not exact: an object may have more members than expected."""
    if is_object(expected) and is_object(got):
        for key in expected:
            if key not in got:
                return Difference(f"{path}.{key[:60]}", shown(expected[key]), "nothing")
            if found := compare_json(expected[key], got[key], f"{path}.{key[:60]}", exact=exact):
                return found
        more = [key for key in got if key not in expected] if exact else []
        return Difference(f"{path}.{more[0][:60]}", "nothing", shown(got[more[0]])) if more else None
    if is_array(expected) and is_array(got) and len(expected) == len(got):
        pairs = zip(expected, got, strict=True)
        return next((d for i, (a, b) in enumerate(pairs) if (d := compare_json(a, b, f"{path}[{i}]", exact=exact))), None)
    same = expected == got and isinstance(expected, bool) == isinstance(got, bool)
    return None if same else Difference(path, shown(expected), shown(got))


def header_text(headers: Headers, name: str) -> str | None:
    """Return a header as one text, or None."""
    return joined(headers, name)


def similarity(first: str, second: str) -> float:
    """Return how alike two texts are, from 0 to 1."""
    return difflib.SequenceMatcher(None, first[:300], second[:300]).ratio()


def _excerpt(body: bytes) -> str:
    return shown(body[:200].decode("utf-8", "replace")) if body else "nothing"
