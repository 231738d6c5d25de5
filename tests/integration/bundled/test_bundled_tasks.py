"""Every bundled task loads, explains itself, and passes its own tests in the real engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import RFC_4122

import pytest

from ratchet_mcp.app import Ratchet
from ratchet_mcp.egress.mocks import Mocks
from ratchet_mcp.errors import RatchetError, from_dict
from ratchet_mcp.execution.models import Origin, Status
from ratchet_mcp.registry.bundled import bundled_path
from ratchet_mcp.security.principal import LOCAL
from ratchet_mcp.settings import RegistrySettings, Settings, StoreSettings
from ratchet_mcp.tasks.definition import Task
from ratchet_mcp.tasks.loading import load_task
from ratchet_mcp.tasks.network import read_network
from ratchet_mcp.tasks.testcase import TestCase
from ratchet_mcp.testing.compare import compare

TASKS = [load_task(folder) for folder in sorted(bundled_path().iterdir()) if folder.is_dir()]
CASES = [pytest.param(task, case, id=f"{task.name}/{case.name}") for task in TASKS for case in task.tests]
EACH_TASK = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
KEYWORDS_WITH_SCHEMAS = ("items", "additionalProperties", "anyOf", "oneOf")


@pytest.fixture(scope="module")
async def ratchet() -> AsyncIterator[Ratchet]:
    settings = Settings(store=StoreSettings(url="sqlite://"), registry=RegistrySettings(bundled=True))
    async with Ratchet.open(settings) as opened:
        yield opened


def on_the_network(task: Task) -> bool:
    return "network" in task.metadata


async def run(ratchet: Ratchet, name: str, task_input: Any, mocks: Mocks | None = None) -> tuple[Any, RatchetError | None]:
    """Return the output and the error of a run; one of them is None. Only `mocks` answer its requests, and each of them must."""
    task = await ratchet.catalog.resolve(name)
    network = (await ratchet.egress()).for_run(task, mocks=mocks or Mocks())
    try:
        handle = await ratchet.executions.start(task, task_input, origin=Origin.TEST, principal=LOCAL, network=network)
    except RatchetError as error:
        await network.close()
        return None, error
    execution = await handle.wait(60)
    assert execution.status.final
    assert network.mocks is not None and network.mocks.unused == []
    return execution.output, from_dict(execution.error) if execution.error else None


def undescribed(schema: Any, path: str = "$") -> Iterator[str]:
    """Yield the path of each property without a description. Conditions (`if`, `then`, `else`, `allOf`) only refine properties."""
    if not isinstance(schema, dict):
        return
    for name, each in schema.get("properties", {}).items():
        if not each.get("description"):
            yield f"{path}.{name}"
        yield from undescribed(each, f"{path}.{name}")
    for keyword in KEYWORDS_WITH_SCHEMAS:
        inner = schema.get(keyword)
        for each in inner if isinstance(inner, list) else [inner]:
            yield from undescribed(each, f"{path}[{keyword}]")


async def test_the_catalog_serves_every_bundled_task_without_a_problem(ratchet: Ratchet) -> None:
    assert ratchet.catalog.problems == []
    served = {summary.name for summary in ratchet.catalog.find(limit=200).tasks}
    assert served == {task.name for task in TASKS}
    assert len(served) >= 10


@pytest.mark.parametrize(("task", "case"), CASES)
async def test_a_bundled_task_passes_its_test(ratchet: Ratchet, task: Task, case: TestCase) -> None:
    output, error = await run(ratchet, task.name, case.input, Mocks.read(case.mock, case.file))
    assert compare(case, output=output, error=error) == []


def test_no_two_bundled_tasks_share_a_uuid() -> None:
    assert len({task.uuid for task in TASKS}) == len(TASKS)


@EACH_TASK
def test_a_bundled_task_has_its_own_uuid_and_the_name_of_its_folder(task: Task) -> None:
    assert task.location is not None
    assert task.location.rstrip("/").endswith(f"/{task.name}")
    assert task.metadata["uuid"] == str(task.uuid)
    assert (task.uuid.version, task.uuid.variant) == (4, RFC_4122)


@EACH_TASK
def test_a_bundled_task_tells_a_model_what_it_does(task: Task) -> None:
    assert len(task.description) >= 60
    assert "Input: " in task.description
    assert "Output: " in task.description
    assert task.title != task.name
    assert task.tags


@EACH_TASK
def test_each_property_of_a_bundled_task_is_described(task: Task) -> None:
    assert list(undescribed(task.input_schema)) == []
    assert list(undescribed(task.output_schema)) == []


@EACH_TASK
def test_the_examples_of_a_bundled_task_are_valid_input(task: Task) -> None:
    assert task.input_schema["examples"]
    for example in task.input_schema["examples"]:
        assert task.input_validator.violations(example) == []


@EACH_TASK
def test_a_bundled_task_has_tests_of_success_and_of_failure(task: Task) -> None:
    assert len(task.tests) >= 3
    assert any(case.has_output for case in task.tests)
    assert any(case.expected_error for case in task.tests)
    assert all(case.description for case in task.tests)


@pytest.mark.parametrize("task", [task for task in TASKS if on_the_network(task)], ids=lambda task: task.name)
def test_a_bundled_task_on_the_network_says_what_it_does_there(task: Task) -> None:
    assert task.metadata["annotations"]["open_world"] is True
    assert "network" in task.tags
    hosts = read_network(task.metadata["network"]).allow
    takes_addresses = {"url", "feeds"} & task.input_schema["properties"].keys()
    assert (hosts is None) == bool(takes_addresses), "a task either names its hosts, or gets them with its input"
    assert len([case for case in task.tests if case.mock]) >= 3


async def test_the_examples_of_bundled_tasks_run(ratchet: Ratchet) -> None:
    for task in TASKS:
        for example in task.input_schema["examples"]:
            if on_the_network(task):  # what it would answer differs from day to day; its mocks do not
                assert example in [case.input for case in task.tests if case.has_output and case.mock], f"{task.name}: {example}"
                continue
            _, error = await run(ratchet, task.name, example)
            assert error is None, f"{task.name}: {error}"


async def test_a_summary_runs_the_reader_and_the_statistics_as_runs_of_their_own(ratchet: Ratchet) -> None:
    handle = await ratchet.execute("summarize-csv", {"csv": "a,b\n1,x\n2,y\n"}, origin=Origin.TEST)
    execution = await handle.wait(60)
    assert execution.status is Status.COMPLETED
    assert execution.progress is not None
    assert execution.progress["progress"] == 1
    logged = [line.message for line in await ratchet.executions.logs(handle.id)]
    assert any("2 rows, 2 columns" in message for message in logged)
    called = [each for each in (await ratchet.executions.find(limit=10)).executions if each.parent_id == handle.id]
    assert sorted(each.task for each in called) == ["csv-to-json", "describe-numbers"]
    assert all(each.status is Status.COMPLETED for each in called)
