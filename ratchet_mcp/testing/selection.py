"""Which tests are meant by the names that a user gives."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from ratchet_mcp.errors import InvalidArgument
from ratchet_mcp.tasks.violations import did_you_mean

if TYPE_CHECKING:
    from ratchet_mcp.tasks.definition import Task
    from ratchet_mcp.tasks.testcase import TestCase

LISTED = 20


def choose(task: Task, names: Sequence[str]) -> list[TestCase]:
    """Return the tests with one of these names, in the order of the task; `*` and `?` stand for any text and any character.

    Raises `InvalidArgument` for a name that no test has, with the nearest one.
    """
    for name in names:
        if not any(_means(name, case) for case in task.tests):
            known = [case.name for case in task.tests]
            raise InvalidArgument(
                f"{task.reference} has no test {name[:200]!r}{did_you_mean(name, known)}.",
                hint=f"Its tests: {', '.join(known[:LISTED])}{', …' if len(known) > LISTED else ''}." if known else "It has no tests.",
            )
    return [case for case in task.tests if any(_means(name, case) for name in names)]


def _means(name: str, case: TestCase) -> bool:
    return case.name == name or fnmatchcase(case.name, name)
