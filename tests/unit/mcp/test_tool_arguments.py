"""Arguments of tools: lean schemas, and errors that say what to change."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ratchet_mcp.errors import InvalidArgument
from ratchet_mcp.mcp.tools import ALL
from ratchet_mcp.mcp.tools.arguments import parse
from ratchet_mcp.mcp.tools.execute import ExecuteTask
from ratchet_mcp.mcp.tools.executions import GetStatus, ListExecutions
from ratchet_mcp.mcp.tools.tasks import ListTasks

SIGNATURES = {
    "list_tasks": (["query", "tags", "detail", "limit", "cursor"], []),
    "get_task": (["task", "include"], ["task"]),
    "execute_task": (["task", "input", "wait_seconds", "timeout_seconds"], ["task"]),
    "run_javascript": (["code", "input", "timeout_seconds"], ["code"]),
    "get_status": (["id", "wait_seconds", "include", "offset", "limit"], ["id"]),
    "list_executions": (["task", "status", "origin", "since", "limit", "cursor"], []),
    "cancel_execution": (["id", "reason"], ["id"]),
    "server_status": ([], []),
    "test_task": (["task", "tests", "coverage"], ["task"]),
    "sync_registry": (["source"], []),
    "enable_task": (["task", "enabled"], ["task", "enabled"]),
}


def test_the_tools_have_the_promised_names_and_arguments():
    found = {tool.name: (list(tool.input_schema["properties"]), tool.input_schema.get("required", [])) for tool in ALL}
    assert found == SIGNATURES


def test_the_whole_list_of_tools_is_short():
    characters = sum(len(tool.name) + len(tool.description) + len(json.dumps(tool.input_schema, ensure_ascii=False)) for tool in ALL)
    print(f"tools/list: about {characters // 4} tokens of names, descriptions and input schemas")
    assert characters / 4 < 3000


@pytest.mark.parametrize("tool", ALL, ids=lambda tool: tool.name)
def test_every_tool_is_described_with_an_example_that_its_schema_accepts(tool: Any):
    description, _, example = tool.description.partition(" Example: ")
    assert description.endswith((".", ")"))
    parse(tool.name, tool.arguments, json.loads(example))


@pytest.mark.parametrize("tool", ALL, ids=lambda tool: tool.name)
def test_the_schemas_are_valid_and_plain_at_the_root(tool: Any):
    from jsonschema import Draft202012Validator

    for schema in (tool.input_schema, tool.output):
        Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object"
        assert not schema.keys() & {"$ref", "oneOf", "anyOf", "allOf"}
    assert '"ge"' not in json.dumps(tool.input_schema), "a bound that JSON Schema does not know"


@pytest.mark.parametrize("tool", ALL, ids=lambda tool: tool.name)
def test_every_annotation_is_stated(tool: Any):
    hints = tool.annotations
    assert None not in (hints.read_only_hint, hints.destructive_hint, hints.idempotent_hint, hints.open_world_hint)
    assert hints.open_world_hint is (tool.name == "sync_registry")
    assert hints.read_only_hint is (tool.name in {"list_tasks", "get_task", "get_status", "list_executions", "server_status"})
    assert hints.destructive_hint is (tool.name == "cancel_execution")


@pytest.mark.parametrize(
    ("arguments", "given", "message"),
    [
        (ExecuteTask, {}, "$.task is required."),
        (ExecuteTask, {"task": "a", "inputs": {}}, "$.inputs is not an argument of tool; did you mean input?"),
        (ExecuteTask, {"task": "a", "zzz": 1}, "its arguments are task, input, wait_seconds, timeout_seconds."),
        (ExecuteTask, {"task": 5}, "$.task should be a valid string, not 5."),
        (ExecuteTask, {"task": "a", "wait_seconds": 51}, "$.wait_seconds should be less than or equal to 50, not 51."),
        (ExecuteTask, {"task": "a", "wait_seconds": "5"}, '$.wait_seconds should be a valid number, not "5".'),
        (ExecuteTask, {"task": "a", "timeout_seconds": 0}, "$.timeout_seconds should be greater than 0, not 0."),
        (ListTasks, {"detail": "all"}, "$.detail should be 'summary', 'names' or 'schemas', not \"all\"."),
        (ListTasks, {"tags": "csv"}, '$.tags should be a valid list, not "csv".'),
        (ListTasks, {"limit": 2.5}, "$.limit should be a valid integer, not 2.5."),
        (ListTasks, {"limit": True}, "$.limit should be a valid integer, not true."),
        (GetStatus, {"id": "x", "include": ["output", "input"]}, "$.include[1] should be 'output', 'logs' or 'error', not \"input\"."),
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
