"""The filters of templates, each with an end: what they make is measured before the next one gets it."""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar, Token
from functools import wraps
from types import TracebackType
from typing import Any, cast
from urllib.parse import quote

import orjson
from jinja2 import Undefined

MOST_PIECE = 120
"""Characters of a path that one value may give."""
_UNSAFE = re.compile(r"[\x00-\x1f\x7f/\\:*?\"<>|]+")


class Stopped(Exception):
    """A template takes too much; the text goes on after "the template"."""


class Budget:
    """What is left for one rendering: bytes of text, seconds, steps of loops."""

    def __init__(self, most_bytes: int, seconds: float, steps: int) -> None:
        self._most_bytes, self._seconds, self._most_steps = most_bytes, seconds, steps
        self._bytes, self._steps = most_bytes, steps
        self._deadline = time.monotonic() + seconds
        self._token: Token[Budget | None] | None = None

    def __enter__(self) -> Budget:
        self._token = _current.set(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._token is not None:
            _current.reset(self._token)

    def check(self, text: object = "") -> None:
        """Raise `Stopped` when the time is over, or a text is larger than everything may become."""
        if time.monotonic() > self._deadline:
            raise Stopped(f"took longer than {self._seconds:g} seconds")
        if isinstance(text, str) and len(text) > self._most_bytes:
            raise Stopped(f"makes more than {self._most_bytes} bytes")

    def step(self) -> None:
        """Count one step of a loop. Raises `Stopped`."""
        self._steps -= 1
        if self._steps < 0:
            raise Stopped(f"loops more than {self._most_steps} times")
        self.check()

    def take(self, piece: str) -> None:
        """Count a piece of the result. Raises `Stopped`."""
        self._bytes -= len(piece) if piece.isascii() else len(piece.encode("utf-8", "replace"))
        if self._bytes < 0:
            raise Stopped(f"makes more than {self._most_bytes} bytes")
        self.check()

    def room(self, characters: int) -> None:
        """Raise `Stopped` when a text of so many characters would be too large."""
        if characters > self._most_bytes:
            raise Stopped(f"makes more than {self._most_bytes} bytes")


_current: ContextVar[Budget | None] = ContextVar("template_budget", default=None)


def _budget() -> Budget:
    """Return what is left. While a template is compiled, constants are worked out: there is little for that."""
    return _current.get() or Budget(64 << 10, 1.0, 1000)


def ready(values: Any) -> Iterator[Any]:
    """Yield what a loop goes over, counted. Loops go over lists, and over the names of objects."""
    if isinstance(values, Undefined) or not isinstance(values, list | tuple | Mapping):
        iter(values) if isinstance(values, Undefined) else None
        raise Stopped(f"loops over {_kind(values)}, not over a list or an object")
    budget = _budget()
    for value in cast("Iterable[Any]", values):
        budget.step()
        yield value


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"


def as_text(value: Any) -> Any:
    """Return what stands in a body: text as it is, anything else as JSON."""
    if isinstance(value, str | Undefined):
        return value
    return to_json(value)


def as_path_piece(value: Any) -> Any:
    """Return a piece of a path: no separators, control characters or leading dots, and not too long."""
    if isinstance(value, Undefined):
        return value
    text = _UNSAFE.sub("_", unicodedata.normalize("NFC", as_text(value))[: MOST_PIECE * 4])
    text = text.encode("utf-8", "replace").decode()[:MOST_PIECE].strip(" ")
    return ("_" + text[1:] if text.startswith(".") else text) or "_"


def as_url_piece(value: Any) -> Any:
    """Return a piece of a URL, percent-encoded."""
    return value if isinstance(value, Undefined) else quote(as_text(value).encode("utf-8", "replace"), safe="")


def to_json(value: Any) -> str:
    """Return JSON text."""
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()


def _pretty(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode()


def slug(value: Any) -> str:
    """Return a text as lower-case letters, digits and hyphens."""
    plain = unicodedata.normalize("NFKD", as_text(value)[:1000]).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "-"


def _default(value: Any, other: Any = "", when_empty: bool = False) -> Any:
    return other if isinstance(value, Undefined) or (when_empty and not value) else value


def _replace(value: Any, old: str, new: str) -> str:
    text = as_text(value)
    if not old:
        raise Stopped("replaces an empty text")
    _budget().room(len(text) + text.count(old) * max(0, len(new) - len(old)))
    return text.replace(old, new)


def _join(values: Any, between: str = "") -> str:
    pieces = [as_text(value) for value in ready(values)]
    _budget().room(sum(map(len, pieces)) + len(between) * len(pieces))
    return between.join(pieces)


def _truncate(value: Any, length: int = 255, end: str = "…") -> str:
    text = as_text(value)
    length = max(0, length)
    return text if len(text) <= length else text[: max(0, length - len(end))] + end[:length]


def _upper(value: Any) -> str:
    return as_text(value).upper()


def _lower(value: Any) -> str:
    return as_text(value).lower()


def _trim(value: Any) -> str:
    return as_text(value).strip()


def _length(value: Any) -> int:
    return len(value)


def _first(value: Any) -> Any:
    return next(iter(value), None)


def _last(value: Any) -> Any:
    return value[-1] if value else None


def _int(value: Any, other: int = 0) -> int:
    try:
        return int(value) if not isinstance(value, str) or len(value) < 100 else other
    except (ValueError, TypeError, OverflowError):
        return other


def _float(value: Any, other: float = 0.0) -> float:
    try:
        return float(value)
    except (ValueError, TypeError, OverflowError):
        return other


def _round(value: Any, digits: int = 0) -> float:
    return round(float(value), max(-15, min(15, digits)))


def _items(value: Any) -> list[tuple[str, Any]]:
    if not isinstance(value, Mapping):
        raise Stopped(f"asks for the items of {_kind(value)}, not of an object")
    return list(cast("Mapping[str, Any]", value).items())


def _measured(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(work)
    def measured(value: Any, *arguments: Any, **options: Any) -> Any:
        budget = _budget()
        budget.check(value)
        if isinstance(value, Undefined) and name != "default":
            str(value)  # says which field is missing
        result = work(value, *arguments, **options)
        budget.check(result)
        return result

    return measured


_WORK: dict[str, Callable[..., Any]] = {
    "json": to_json,
    "pretty": _pretty,
    "slug": slug,
    "default": _default,
    "upper": _upper,
    "lower": _lower,
    "trim": _trim,
    "replace": _replace,
    "join": _join,
    "truncate": _truncate,
    "length": _length,
    "first": _first,
    "last": _last,
    "int": _int,
    "float": _float,
    "round": _round,
    "items": _items,
}
FILTERS = {name: _measured(name, work) for name, work in _WORK.items()}
"""What templates may apply to values, by name."""
