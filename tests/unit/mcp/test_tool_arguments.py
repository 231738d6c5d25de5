"""Arguments of tools: lean schemas, and errors that say what to change."""

from __future__ import annotations

from typing import Any

import pytest

from ratchet_mcp.errors import InvalidArgument
from ratchet_mcp.mcp.tools.arguments import parse
from ratchet_mcp.mcp.tools.execute import ExecuteTask
from ratchet_mcp.mcp.tools.executions import ListExecutions
from ratchet_mcp.mcp.tools.status import GetStatus
from ratchet_mcp.mcp.tools.tasks import ListTasks


@pytest.mark.parametrize(
    ("arguments", "given", "message"),
    [
        (ExecuteTask, {}, "$.task is required."),
        (ExecuteTask, {"task": "a", "inputs": {}}, "$.inputs is not an argument of tool; did you mean input?"),
        (ExecuteTask, {"task": "a", "zzz": 1}, "its arguments are task, input, wait_seconds, timeout_seconds, record, fresh, background,"),
        (ExecuteTask, {"task": 5}, "$.task should be a valid string, not 5."),
        (ExecuteTask, {"task": "a", "wait_seconds": 51}, "$.wait_seconds should be less than or equal to 50, not 51."),
        (ExecuteTask, {"task": "a", "wait_seconds": "5"}, '$.wait_seconds should be a valid number, not "5".'),
        (ExecuteTask, {"task": "a", "timeout_seconds": 0}, "$.timeout_seconds should be greater than 0, not 0."),
        (ListTasks, {"detail": "all"}, "$.detail should be 'summary', 'names' or 'schemas', not \"all\"."),
        (ListTasks, {"tags": "csv"}, '$.tags should be a valid list, not "csv".'),
        (ListTasks, {"limit": 2.5}, "$.limit should be a valid integer, not 2.5."),
        (ListTasks, {"limit": True}, "$.limit should be a valid integer, not true."),
        (
            GetStatus,
            {"id": "x", "include": ["output", "input"]},
            "$.include[1] should be 'output', 'logs', 'error', 'http' or 'children', not \"input\".",
        ),
        (ListExecutions, {"since": "yesterday"}, '$.since should be a time like 2026-01-31T12:00:00Z, not "yesterday".'),
    ],
)
def test_a_wrong_argument_is_named_with_its_path_and_what_is_wanted(arguments: Any, given: dict[str, Any], message: str):
    with pytest.raises(InvalidArgument) as caught:
        parse("tool", arguments, given)
    assert message in caught.value.message
    assert caught.value.details["violations"][0]["path"].startswith("$")


def test_several_wrong_arguments_are_told_at_once():
    with pytest.raises(InvalidArgument) as caught:
        parse("execute_task", ExecuteTask, {"taks": "a", "wait_seconds": -1})
    assert {violation["path"] for violation in caught.value.details["violations"]} == {"$.task", "$.taks", "$.wait_seconds"}


def test_null_counts_as_not_given_and_a_whole_float_as_an_integer():
    assert parse("t", ListTasks, {"query": None, "limit": 5.0}).limit == 5
    assert parse("t", ListExecutions, {"since": "2026-01-31T12:00:00"}).since.utcoffset().total_seconds() == 0
