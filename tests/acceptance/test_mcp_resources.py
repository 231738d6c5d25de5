"""Resources, their templates and completions, and prompts, by the SDK's own client in both protocol eras."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, MCPError
from mcp.types import INVALID_PARAMS, PromptReference, ResourceTemplateReference

VERSIONS = ("1.0.0", "1.1.0")


@pytest.fixture(scope="module")
def tasks_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("resources")
    for version in VERSIONS:
        task = folder / f"count-{version}"
        (task / "tests").mkdir(parents=True)
        metadata = {"name": "count", "version": version, "title": "Count", "description": "Counts words."}
        (task / "metadata.json").write_text(json.dumps(metadata))
        (task / "main.js").write_text(f"// {version}\nfunction main(input) {{\n  return input.text.split(' ').length;\n}}\n")
        (task / "input.schema.json").write_text('{"type": "object"}')
        (task / "output.schema.json").write_text('{"type": "integer"}')
        (task / "tests" / "one.json").write_text('{"name": "one", "input": {"text": "a b"}, "expected_output": 2}')
    for number in range(120):
        task = folder / f"filler-{number:03}"
        task.mkdir()
        (task / "metadata.json").write_text(json.dumps({"name": f"filler-{number:03}", "version": "1.0.0"}))
        (task / "main.js").write_text("() => null")
    return folder


@pytest.fixture(params=["legacy", "2026-07-28"])
async def client(request: pytest.FixtureRequest, http_server: Any) -> AsyncIterator[Client]:
    async with Client(f"{http_server.address}/mcp", mode=request.param) as client:
        yield client


async def text_of(client: Client, uri: str) -> str:
    return (await client.read_resource(uri)).contents[0].text


async def prompt_of(client: Client, prompt: str, **arguments: str) -> str:
    [message] = (await client.get_prompt(prompt, arguments)).messages
    return message.content.text


class TestResources:
    async def test_tasks_are_listed_in_pages_after_the_guide(self, client: Client):
        first = await client.list_resources()
        assert first.resources[0].uri == "guide://tasks"
        uris, cursor = [resource.uri for resource in first.resources], first.next_cursor
        while cursor is not None:
            page = await client.list_resources(cursor=cursor)
            uris += [resource.uri for resource in page.resources]
            cursor = page.next_cursor
        assert len(uris) == len(set(uris)) > 130
        assert {"task://count", "task://filler-119", "task://csv-to-json"} <= set(uris)
        with pytest.raises(MCPError) as caught:
            await client.list_resources(cursor="nonsense")
        assert caught.value.code == INVALID_PARAMS

    async def test_a_task_and_each_of_its_files_can_be_read_in_every_version(self, client: Client):
        task = json.loads(await text_of(client, "task://count"))
        assert (task["version"], task["versions"], task["tests"]) == ("1.1.0", ["1.1.0", "1.0.0"], 1)
        assert (await text_of(client, "task://count/main.js")).startswith("// 1.1.0")
        assert (await text_of(client, "task://count@1.0.0/main.js")).startswith("// 1.0.0")
        assert (await text_of(client, "task://count@%5E1.0/main.js")).startswith("// 1.1.0")
        assert json.loads(await text_of(client, "task://count@1.0.0/input.schema.json")) == {"type": "object"}
        assert json.loads(await text_of(client, "task://count@1.0.0/output.schema.json")) == {"type": "integer"}
        [case] = json.loads(await text_of(client, "task://count@1.0.0/tests"))
        assert case == {"name": "one", "input": {"text": "a b"}, "expected_output": 2}

    @pytest.mark.parametrize(
        "uri",
        [
            *("task://cuont", "task://count@9.9.9/main.js", "task://count@nonsense/main.js", "task://count@1.0.0/metadata.json"),
            *("task://../x", "task://count@1.0.0/../../secret", "guide://other", "execution://0/output", "task://count%00/main.js"),
            f"task://{'x' * 5000}",
        ],
    )
    async def test_what_is_not_there_is_a_protocol_error_that_says_so(self, client: Client, uri: str):
        with pytest.raises(MCPError) as caught:
            await client.read_resource(uri)
        assert caught.value.code == INVALID_PARAMS
        assert caught.value.message.startswith("Resource not found")

    async def test_the_guide_tells_the_limits_of_this_server(self, client: Client):
        guide = await text_of(client, "guide://tasks")
        assert "| time | 30 s" in guide and "<!--" not in guide
        for topic in ("## The function", "## Schemas", "## Tests", "## Errors", "## Calling other tasks", "## Limits"):
            assert topic in guide


class TestCompletions:
    async def complete(self, client: Client, ref: Any, argument: str, typed: str, **given: str) -> list[str]:
        result = await client.complete(ref, {"name": argument, "value": typed}, given or None)
        return result.completion.values

    async def test_names_and_versions_of_tasks(self, client: Client):
        code = ResourceTemplateReference(uri="task://{name}@{version}/main.js")
        assert (await self.complete(client, code, "name", "cou"))[0] == "count"
        assert await self.complete(client, code, "version", "", name="count") == ["1.1.0", "1.0.0"]
        assert await self.complete(client, code, "version", "1.0", name="count") == ["1.0.0"]
        assert await self.complete(client, code, "version", "1", name="nothing") == []
        assert await self.complete(client, code, "colour", "r") == []

    async def test_many_names_are_cut_and_counted(self, client: Client):
        answer = await client.complete(PromptReference(name="explain_task"), {"name": "task", "value": "filler"})
        assert len(answer.completion.values) == 100
        assert answer.completion.total == 120 and answer.completion.has_more

    async def test_ids_of_executions_and_of_failed_ones(self, client: Client):
        good = (await client.call_tool("execute_task", {"task": "count", "input": {"text": "a"}})).structured_content["execution_id"]
        bad = (await client.call_tool("execute_task", {"task": "count", "input": {}})).structured_content["execution_id"]
        of_output = ResourceTemplateReference(uri="execution://{id}/output")
        assert {good, bad} <= set(await self.complete(client, of_output, "id", ""))
        assert await self.complete(client, of_output, "id", good) == [good]
        assert await self.complete(client, PromptReference(name="fix_failing_task"), "execution_id", bad[:30], task="count") == [bad]


class TestPrompts:
    async def test_the_prompts_are_listed_with_their_arguments(self, client: Client):
        prompts = {prompt.name: prompt for prompt in (await client.list_prompts()).prompts}
        assert list(prompts) == ["write_task", "fix_failing_task", "explain_task"]
        assert [(argument.name, argument.required) for argument in prompts["write_task"].arguments] == [("goal", True), ("name", False)]

    async def test_writing_a_task_comes_with_the_rules_and_the_steps(self, client: Client):
        text = await prompt_of(client, "write_task", goal="Count the vowels ``` of a text.", name="vowels")
        assert "named `vowels`" in text and "````\nCount the vowels" in text
        assert "No `import`, no `require`" in text and "guide://tasks" in text
        for tool in ("list_tasks", "run_javascript", "create_task", "test_task", "execute_task"):
            assert tool in text

    async def test_mending_a_task_comes_with_error_console_input_and_code(self, client: Client):
        failed = (await client.call_tool("execute_task", {"task": "count", "input": {"texts": "a"}})).structured_content
        for arguments in ({"execution_id": failed["execution_id"]}, {"task": "count"}):
            text = await prompt_of(client, "fix_failing_task", **arguments)
            assert failed["execution_id"] in text and "main.js:3" in text
            assert "3 |   return input.text.split" in text
            assert '"texts": "a"' in text
            assert "debug_task" in text and "edit_task" in text

    async def test_explaining_a_task_comes_with_its_code_schemas_and_tests(self, client: Client):
        text = await prompt_of(client, "explain_task", task="count@1.0.0")
        assert "count@1.0.0" in text and "1 | // 1.0.0" in text and '"integer"' in text and "Tests (1)" in text

    @pytest.mark.parametrize(
        ("prompt", "arguments", "words"),
        [
            ("explain", {}, "did you mean explain_task?"),
            ("explain_task", {}, "Missing argument of explain_task: task"),
            ("explain_task", {"task": "  "}, "Missing argument"),
            ("explain_task", {"task": "cuont"}, "count"),
            ("explain_task", {"name": "count"}, "is no argument of explain_task"),
            ("write_task", {"goal": "x" * 30_000}, "longer than"),
            ("fix_failing_task", {}, "execution_id, or task"),
            ("fix_failing_task", {"task": "filler-001"}, "has no failed run"),
            ("fix_failing_task", {"execution_id": "nothing"}, "No execution"),
        ],
    )
    async def test_a_wrong_prompt_or_argument_is_a_protocol_error(self, client: Client, prompt: str, arguments: dict[str, str], words: str):
        with pytest.raises(MCPError) as caught:
            await client.get_prompt(prompt, arguments)
        assert caught.value.code == INVALID_PARAMS
        assert re.search(words, caught.value.message)
