"""Versions of tasks: semver 2.0.0."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

_PLAIN = re.compile(r"(?:0|[1-9][0-9]{0,8})\.(?:0|[1-9][0-9]{0,8})\.(?:0|[1-9][0-9]{0,8})")
_MAX_LENGTH = 64
T = TypeVar("T")


def is_version(text: str) -> bool:
    """Tell whether a text is a version; three plain numbers need no library."""
    if _PLAIN.fullmatch(text):
        return True
    from semver import Version

    return len(text) <= _MAX_LENGTH and text.isascii() and Version.is_valid(text)


def sort_newest_first(items: list[T], version: Callable[[T], str]) -> None:
    """Sort in place: releases before pre-releases, each from new to old."""
    items.sort(key=lambda item: _key(version(item)), reverse=True)


def _key(version: str) -> tuple[bool, Any]:
    from semver import Version

    parsed = Version.parse(version)
    return parsed.prerelease is None, parsed
