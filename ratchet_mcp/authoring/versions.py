"""The next version of a task."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

Bump = Literal["patch", "minor", "major"]


def next_version(base: str, bump: Bump, taken: Collection[str]) -> str:
    """Return the version after `base`, or the first after that which is not taken. A pre-release becomes its release first."""
    from semver import Version

    parsed = Version.parse(base)
    following = parsed.next_version(bump)
    while str(following) in taken:
        following = following.bump_patch() if bump == "patch" else following.bump_minor() if bump == "minor" else following.bump_major()
    return str(following)
