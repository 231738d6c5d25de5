"""What a test of a remote source asks of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ratchet_mcp.errors import RatchetError
from ratchet_mcp.registry.source import Found, Source, TaskProblem
from ratchet_mcp.settings import Limits

LIMITS = Limits()


def found(source: Source) -> dict[str, Found]:
    """Return the tasks of a source by name and version."""
    return {f"{each.metadata.name}@{each.metadata.version}": each for each in source.scan(LIMITS) if isinstance(each, Found)}


def problems(source: Source) -> list[TaskProblem]:
    """Return what is wrong with the tasks of a source."""
    return [each for each in source.scan(LIMITS) if isinstance(each, TaskProblem)]


def failure(action: Callable[[], object]) -> RatchetError:
    """Return the error that an action ends with."""
    with pytest.raises(RatchetError) as caught:
        action()
    return caught.value
