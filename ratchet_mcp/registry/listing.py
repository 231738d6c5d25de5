"""Pages of the catalog: in order of names, or by how well they answer a search. Cursors name the last row, so pages never shift."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ratchet_mcp.errors import InvalidCursor
from ratchet_mcp.registry.index import Entry, Index, TaskSummary
from ratchet_mcp.tasks.json_values import is_array

MAX_LIMIT = 500
_MAX_WORDS = 12


@dataclass(frozen=True, slots=True)
class TaskPage:
    """One page of a listing; `total` counts all rows of it, `next_cursor` is None on the last page."""

    tasks: list[TaskSummary]
    total: int
    next_cursor: str | None


def list_page(
    index: Index, query: str | None, tags: Sequence[str], limit: int, cursor: str | None, dress: Callable[[Entry], TaskSummary]
) -> TaskPage:
    """Return one page. Without `query` and `tags` it costs the same for any number of tasks. Raises `InvalidCursor`."""
    limit = max(1, min(limit, MAX_LIMIT))
    words = tuple(dict.fromkeys((query or "").casefold().split()))[:_MAX_WORDS]
    wanted = frozenset(tag.strip().casefold() for tag in tags)
    mark = _mark(words, wanted)
    after = _read_cursor(cursor, mark, ranked=bool(words)) if cursor is not None else None
    if words:
        rows, keys = _search(index, words, wanted)
    elif wanted:
        rows = [entry for entry in index.rows if wanted <= entry.folded[2]]
        keys = [entry.key for entry in rows]
    else:
        rows, keys = index.rows, index.keys
    start = bisect_right(keys, after) if after is not None else 0  # pyright: ignore[reportArgumentType, reportCallIssue]  keys of one shape
    page = list(islice(rows, start, start + limit))
    more = start + limit < len(rows)
    return TaskPage([dress(entry) for entry in page], len(rows), _write_cursor(mark, keys[start + limit - 1]) if more else None)


def _search(index: Index, words: tuple[str, ...], tags: frozenset[str]) -> tuple[list[Entry], list[tuple[Any, ...]]]:
    """Rank the tasks that answer every word, or, if none does, those that answer any."""
    complete: list[tuple[tuple[Any, ...], Entry]] = []
    partial: list[tuple[tuple[Any, ...], Entry]] = []
    for entry in index.rows:
        if not tags <= entry.folded[2]:
            continue
        scores = [_score(entry, word) for word in words]
        if any(scores):
            (complete if all(scores) else partial).append(((-sum(scores), *entry.key), entry))
    ranked = sorted(complete or partial, key=lambda pair: pair[0])
    return [entry for _, entry in ranked], [key for key, _ in ranked]


def _score(entry: Entry, word: str) -> int:
    name, title, tags, description = entry.folded
    score = 0
    if word in name:
        score += 100 if word == name else 40 if word in name.replace("_", "-").split("-") else 25
    if word in tags:
        score += 20
    elif any(word in tag for tag in tags):
        score += 8
    if word in title:
        score += 15
    if word in description:
        score += 5
    return score


def _mark(words: tuple[str, ...], tags: frozenset[str]) -> str:
    """Return what a cursor must name to belong to this listing."""
    return hashlib.sha256(json.dumps([words, sorted(tags)]).encode()).hexdigest()[:8]


def _write_cursor(mark: str, key: tuple[Any, ...]) -> str:
    return base64.urlsafe_b64encode(json.dumps([mark, *key], separators=(",", ":")).encode()).rstrip(b"=").decode()


def _read_cursor(cursor: str, mark: str, *, ranked: bool) -> tuple[Any, ...]:
    try:
        parts: Any = json.loads(base64.b64decode(cursor.encode() + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        raise InvalidCursor("This is not a cursor of list_tasks.") from None
    shape = [str, int, str, str] if ranked else [str, str, str]
    if not is_array(parts) or list(map(type, parts)) != shape:
        raise InvalidCursor("This is not a cursor of this listing.")
    if parts[0] != mark:
        raise InvalidCursor("The cursor belongs to a listing with another query or other tags.")
    return tuple(parts[1:])
