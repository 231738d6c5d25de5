"""The tools of authors, by the SDK's own client, over every transport and in both protocol eras."""

from __future__ import annotations

import base64
import io
import uuid
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from mcp import Client
from mcp.types import ElicitRequestParams, ElicitResult
from mcp_caller import Caller

ADD: dict[str, Any] = {
    "description": "Adds two numbers. Input: a and b. Output: their sum.",
    "code": "function main(input) {\n  return { sum: input.a + input.b };\n}\n",
    "input_schema": {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number"}}, "required": ["a", "b"]},
    "output_schema": {"type": "object", "properties": {"sum": {"type": "number"}}, "required": ["sum"]},
    "tests": [{"name": "small", "input": {"a": 1, "b": 2}, "expected_output": {"sum": 3}}],
}


@pytest.fixture
def name() -> str:
    """A name that no other test of a shared server uses."""
    return f"add-{uuid.uuid4().hex[:8]}"


async def test_a_task_is_made_run_changed_and_removed(call: Caller, name: str) -> None:
    made = await call.fine("create_task", name=name, **ADD)
    assert (made["task"], made["version"], made["tests"], made["findings"]) == (name, "1.0.0", 1, [])
    assert (await call.fine("execute_task", task=name, input={"a": 2, "b": 3}))["output"] == {"sum": 5}

    code = ADD["code"].replace("input.a + input.b", "Math.round(input.a + input.b)")
    edited = await call.fine("edit_task", task=name, code=code, bump="minor")
    assert (edited["version"], edited["previous_version"], edited["uuid"]) == ("1.1.0", "1.0.0", made["uuid"])
    assert (await call.fine("execute_task", task=name, input={"a": 2, "b": 3.2}))["output"] == {"sum": 5}
    assert (await call.fine("execute_task", task=f"{name}@1.0.0", input={"a": 2, "b": 0.5}))["output"] == {"sum": 2.5}
    assert (await call.fine("get_task", task=name))["versions"] == ["1.1.0", "1.0.0"]

    structured, text = await call.failing("delete_task", task=name)
    assert structured["error"]["code"] == "confirmation_required"
    assert structured["error"]["details"]["would_remove"]["versions"] == ["1.1.0", "1.0.0"]
    assert "confirm: true" in text
    assert (await call.fine("delete_task", task=name, version="1.0.0", confirm=True))["deleted"] == [f"{name}@1.0.0"]
    assert (await call.fine("delete_task", task=name, confirm=True))["deleted"] == [f"{name}@1.1.0"]
    structured, _ = await call.failing("execute_task", task=name, input={})
    assert structured["error"]["code"] == "task_not_found"
    assert len((await call.fine("list_executions", task=name))["executions"]) == 3


async def test_everything_that_is_wrong_is_told_at_once_so_that_a_model_can_act(call: Caller, name: str) -> None:
    wrong = {**ADD, "code": "function main( {", "input_schema": {"type": "strin"}, "tests": [{"inptu": 1}], "version": "one"}
    structured, text = await call.failing("create_task", name=name, **wrong)
    assert {each["file"] for each in structured["error"]["details"]["problems"]} == {
        *("metadata.json", "main.js", "input.schema.json", "tests/test.json"),
    }
    assert "main.js" in text and "$.type" in text
    structured, _ = await call.failing("create_task", name="a\u202eb", **ADD)
    assert structured["error"]["code"] == "task_invalid"
    structured, text = await call.failing("create_task", name=name)
    assert all(part in text for part in ("description", "code", "input_schema", "output_schema"))
    structured, _ = await call.failing("edit_task", task="csv-to-json")
    assert structured["error"]["code"] == "invalid_argument"
    structured, _ = await call.failing("delete_task", task="csv-to-json", confirm=True)
    assert structured["error"]["code"] == "task_read_only"


async def test_what_is_doubtful_is_told_when_a_task_is_made_and_when_it_is_validated(call: Caller, name: str) -> None:
    code = "function main(input) {\n  while (true) {}\n  return { total: input.a };\n}"
    made = await call.fine("create_task", name=name, **{**ADD, "code": code, "tests": []})
    codes = {each["code"] for each in made["findings"]}
    assert codes == {"endless-loop", "output-never-matches", "unused-input", "missing-tests"}
    report = await call.fine("validate_task", task=name)
    assert (report["valid"], report["task"], report["errors"]) == (False, f"{name}@1.0.0", 1)
    loop = next(each for each in report["findings"] if each["code"] == "endless-loop")
    assert (loop["file"], loop["line"], loop["severity"]) == ("main.js", 2, "warning") and loop["suggestion"]
    unused = next(each for each in report["findings"] if each["code"] == "unused-input")
    assert unused["path"] == "$.properties.b"


async def test_code_is_validated_before_it_is_saved_and_with_its_tests(call: Caller) -> None:
    parts = {key: ADD[key] for key in ("code", "input_schema", "output_schema")}
    assert (await call.fine("validate_task", **parts))["valid"]
    tests = [{"name": "wrong", "input": {"a": 1, "b": 1}, "expected_output": {"sum": 3}}]
    report = await call.fine("validate_task", **parts, tests=tests, run_tests=True)
    assert (report["valid"], report["tests"]) == (False, {"passed": 0, "total": 1})
    assert [each["code"] for each in report["findings"] if each["severity"] == "error"] == ["test-failed"]
    report = await call.fine("validate_task", code="(input) => {")
    assert [each["code"] for each in report["findings"]] == ["invalid-code"]
    structured, _ = await call.failing("validate_task", task="csv-to-json", code="x")
    assert structured["error"]["code"] == "invalid_argument"


async def test_a_template_becomes_a_task_that_runs(call: Caller, name: str) -> None:
    templates = (await call.fine("list_templates"))["templates"]
    assert {"text", "csv", "pipeline"} <= {each["name"] for each in templates}
    [shown] = (await call.fine("list_templates", template="text"))["templates"]
    assert "function main" in shown["code"] and shown["tests"]
    await call.fine("create_task", name=name, template="text")
    done = await call.fine("execute_task", task=name, input={"text": "to be or not to be"})
    assert done["output"]["words"] == 6
    structured, text = await call.failing("list_templates", template="tecst")
    assert "did you mean text?" in text and structured["error"]["code"] == "task_not_found"


@pytest.mark.parametrize("format", ["zip", "json"])
async def test_a_task_is_exported_removed_and_imported_to_the_letter(call: Caller, name: str, format: str) -> None:
    await call.fine("create_task", name=name, **ADD)
    await call.fine("edit_task", task=name, title="Second")
    export = await call.fine("export_tasks", tasks=[f"{name}@*"], format=format)
    assert export["tasks"] == [f"{name}@1.0.0", f"{name}@1.0.1"]
    if format == "zip":
        with zipfile.ZipFile(io.BytesIO(base64.b64decode(export["data"]))) as archive:
            assert f"{name}-1.0.1/main.js" in archive.namelist()
    await call.fine("delete_task", task=name, confirm=True)
    assert (await call.fine("import_tasks", data=export["data"], dry_run=True))["withheld"] == 2
    assert (await call.fine("import_tasks", data=export["data"]))["imported"] == 2
    assert (await call.fine("export_tasks", tasks=[f"{name}@*"], format=format))["sha256"] == export["sha256"]
    assert (await call.fine("import_tasks", data=export["data"]))["unchanged"] == 2
    assert (await call.fine("execute_task", task=name, input={"a": 1, "b": 1}))["output"] == {"sum": 2}


async def test_an_import_that_conflicts_changes_nothing_and_says_what_to_do(call: Caller, name: str) -> None:
    await call.fine("create_task", name=name, **ADD)
    export = await call.fine("export_tasks", tasks=[name], format="json")
    changed = export["data"].replace("input.a + input.b", "input.a - input.b")
    structured, text = await call.failing("import_tasks", data=changed)
    assert (structured["error"]["code"], structured["failed"]) == ("task_exists", 1)
    assert "on_conflict" in text
    [verdict] = (await call.fine("import_tasks", data=changed, on_conflict="new_version"))["tasks"]
    assert (verdict["status"], verdict["task"], verdict["was"]) == ("imported", f"{name}@1.0.1", f"{name}@1.0.0")
    for data in ("nonsense", "UEsDBA==", {"tasks": 5}):
        structured, _ = await call.failing("import_tasks", data=data)
        assert structured["error"]["code"] in ("invalid_argument", "task_invalid")
    structured, _ = await call.failing("import_tasks", uri="/etc/passwd")
    assert "not allowed" in structured["error"]["message"]


@pytest.mark.parametrize("answer", [True, False])
async def test_the_user_is_asked_before_a_task_is_removed(connect: Callable[..., Client], way: str, name: str, answer: bool) -> None:
    asked: list[str] = []

    async def ask(context: Any, params: ElicitRequestParams) -> ElicitResult:
        asked.append(params.message)
        return ElicitResult(action="accept", content={"confirm": True}) if answer else ElicitResult(action="decline")

    plain = connect()
    client = Client(plain.server, mode=plain.mode, elicitation_callback=ask)
    async with client:
        caller = Caller(client, {tool.name: tool.output_schema for tool in (await client.list_tools()).tools})
        await caller.fine("create_task", name=name, **ADD)
        if answer:
            assert (await caller.fine("delete_task", task=name))["deleted"] == [f"{name}@1.0.0"]
        else:
            structured, _ = await caller.failing("delete_task", task=name)
            assert structured["error"]["code"] == "confirmation_required"
            await caller.fine("get_task", task=name)
    assert len(asked) == 1 and name in asked[0] and "1.0.0" in asked[0]


async def test_the_tools_of_authors_tell_hosts_truthfully_what_they_do(call: Caller) -> None:
    tools = {tool.name: tool.annotations for tool in (await call.client.list_tools()).tools}
    for reading in ("export_tasks", "list_templates"):
        assert tools[reading].read_only_hint is True
    for writing in ("create_task", "edit_task"):
        assert (tools[writing].read_only_hint, tools[writing].destructive_hint) == (False, False)
    for removing in ("delete_task", "import_tasks"):
        assert (tools[removing].read_only_hint, tools[removing].destructive_hint) == (False, True)
    assert tools["import_tasks"].open_world_hint is True
