"""Mocks of tests that cannot be used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ratchet_mcp.authoring.findings import Finding, finding
from ratchet_mcp.errors import TaskInvalid

if TYPE_CHECKING:
    from ratchet_mcp.tasks.definition import Task

SUGGESTION = 'A mock is such as {"url": "api.example.com/v1", "method": "GET", "response": {"body": {"degrees": 21}}}.'

ANSWER = 'An answer is such as {"content": {"name": "Ada"}}, or {"action": "decline"}, each with or without message_contains.'


def check_mocks(task: Task) -> Iterator[Finding]:
    """Tell each mistake in the mocks of each test."""
    for case in task.tests:
        if case.mock is None:
            continue
        from ratchet_mcp.egress.mock_format import read_mocks
        from ratchet_mcp.tasks.mock_answers import read_answers

        for read, suggestion in ((read_mocks, SUGGESTION), (read_answers, ANSWER)):
            try:
                read(case.mock, case.file, f"{case.path}.mock")
            except TaskInvalid as error:
                for problem in error.details["problems"]:
                    yield finding("invalid-test", problem["file"], problem["message"], path=problem["path"], suggestion=suggestion)
