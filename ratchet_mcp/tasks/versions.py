"""Versions of tasks: semver 2.0.0, and ranges of them in the notation of npm."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

_PLAIN = re.compile(r"(?:0|[1-9][0-9]{0,8})\.(?:0|[1-9][0-9]{0,8})\.(?:0|[1-9][0-9]{0,8})")
_MAX_LENGTH = 64
_MAX_RANGE = 128
_NOT_RANGE = re.compile(r"[^0-9A-Za-z.+*^~<>=| -]")
LATEST = "latest"
T = TypeVar("T")


def is_version(text: str) -> bool:
    """Tell whether a text is a version; three plain numbers need no library."""
    if _PLAIN.fullmatch(text):
        return True
    from semver import Version

    return len(text) <= _MAX_LENGTH and text.isascii() and Version.is_valid(text)


def is_range(text: str) -> bool:
    """Tell whether a text is a range as npm writes them: `^1.2`, `~1.2`, `1.x`, `1`, `*`, `>=1 <2`, `1 - 2`, `^1 || ^2`."""
    if not text.strip() or len(text) > _MAX_RANGE or _NOT_RANGE.search(text) or not all(part.strip() for part in text.split("||")):
        return False
    from nodesemver import valid_range  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]  it has no types

    return valid_range(text, loose=False) is not None


def newest_in_range(versions: Sequence[str], wanted: str) -> str | None:
    """Return the newest of `versions` in a range; a pre-release only where the range names one of the same three numbers, as in npm."""
    from nodesemver import max_satisfying  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]  it has no types

    newest: Any = max_satisfying(list(versions), wanted, loose=False)
    return None if newest is None else str(newest)


def sort_newest_first(items: list[T], version: Callable[[T], str]) -> None:
    """Sort in place: releases before pre-releases, each from new to old."""
    items.sort(key=lambda item: _key(version(item)), reverse=True)


def _key(version: str) -> tuple[bool, Any]:
    from semver import Version

    parsed = Version.parse(version)
    return parsed.prerelease is None, parsed
