"""The sample tasks, data and configuration are valid and work together."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ratchet_mcp.app import Ratchet
from ratchet_mcp.errors import RatchetError, from_dict
from ratchet_mcp.execution.models import Origin
from ratchet_mcp.settings import RegistrySettings, Settings, SourceSettings, StoreSettings
from ratchet_mcp.settings.loader import load
from ratchet_mcp.tasks.definition import Task
from ratchet_mcp.tasks.loading import load_task
from ratchet_mcp.tasks.testcase import TestCase
from ratchet_mcp.testing.compare import compare

SAMPLE = Path(__file__).resolve().parents[3] / "sample"
DATA = SAMPLE / "data"
TASKS = [load_task(folder) for folder in sorted((SAMPLE / "tasks").iterdir())]
CASES = [pytest.param(task, case, id=f"{task.name}/{case.name}") for task in TASKS for case in task.tests]


@pytest.fixture(scope="module")
async def ratchet() -> AsyncIterator[Ratchet]:
    sources = [SourceSettings(name="samples", uri=str(SAMPLE / "tasks"))]
    async with Ratchet.open(Settings(store=StoreSettings(url="sqlite://"), registry=RegistrySettings(sources=sources))) as opened:
        yield opened


async def output_of(ratchet: Ratchet, name: str, task_input: Any) -> Any:
    handle = await ratchet.execute(name, task_input, origin=Origin.TEST)
    execution = await handle.wait(60)
    assert execution.error is None
    return execution.output


@pytest.mark.parametrize(("task", "case"), CASES)
async def test_a_sample_task_passes_its_test(ratchet: Ratchet, task: Task, case: TestCase) -> None:
    output, error = None, None
    try:
        execution = await (await ratchet.execute(task.name, case.input, origin=Origin.TEST)).wait(60)
        output, error = execution.output, from_dict(execution.error) if execution.error else None
    except RatchetError as refused:
        error = refused
    assert compare(case, output=output, error=error) == []


@pytest.mark.parametrize("profile", [None, "development", "production"])
def test_the_sample_configuration_is_valid_in_each_profile(profile: str | None) -> None:
    settings = load(SAMPLE / "ratchet.yaml", profile, env={})
    assert settings.registry.sources[0].uri == str(SAMPLE / "tasks")
    assert settings.limits.timeout_seconds == 10


def test_each_data_set_is_small_and_described() -> None:
    readme = (DATA / "README.md").read_text()
    files = [path for path in DATA.iterdir() if path.name != "README.md"]
    assert len(files) >= 5
    for path in files:
        assert path.stat().st_size < 20_000
        assert f"`{path.name}`" in readme


async def test_the_planets_are_summarised(ratchet: Ratchet) -> None:
    summary = await output_of(ratchet, "summarize-csv", {"csv": (DATA / "planets.csv").read_text()})
    columns = {column["name"]: column for column in summary["columns"]}
    assert (summary["row_count"], summary["warnings"]) == (8, [])
    assert columns["name"]["is_unique"]
    assert columns["mean_radius_km"]["numbers"]["max"] == 69911
    assert (columns["discovered"]["type"], columns["discovered"]["missing"]) == ("date", 6)
    assert columns["rings"]["top_values"] == [{"value": False, "count": 4}, {"value": True, "count": 4}]


async def test_the_sales_are_read_and_added_up_without_loss(ratchet: Ratchet) -> None:
    table = await output_of(ratchet, "csv-to-json", {"csv": (DATA / "sales.csv").read_text()})
    assert (table["row_count"], table["warnings"]) == (96, [])
    request = {"rows": table["rows"], "group_by": ["region"], "aggregates": [{"op": "sum", "field": "quantity"}, {"op": "count"}]}
    result = await output_of(ratchet, "group-and-aggregate", request)
    assert sum(group["count"] for group in result["groups"]) == 96
    assert sum(group["sum_quantity"] for group in result["groups"]) == sum(row["quantity"] for row in table["rows"])


async def test_letters_are_written_for_every_order(ratchet: Ratchet) -> None:
    orders = json.loads((DATA / "orders.json").read_text())["orders"]
    result = await output_of(ratchet, "order-letters", {"orders": orders})
    assert [letter["order"] for letter in result["letters"]] == [order["id"] for order in orders]


async def test_every_line_of_the_access_log_is_read(ratchet: Ratchet) -> None:
    log = (DATA / "access.log").read_text()
    report = await output_of(ratchet, "access-log-report", {"log": log})
    assert (report["requests"], report["unreadable"]) == (log.count("\n"), 0)


async def test_the_minutes_give_up_their_dates_and_addresses(ratchet: Ratchet) -> None:
    found = await output_of(ratchet, "extract-from-text", {"text": (DATA / "notes.md").read_text()})
    values = [(item["kind"], item["value"]) for item in found["items"]]
    assert ("date", "2024-06-14") in values
    assert ("email", "dana@example.com") in values
    assert ("money", 41.75) in values
    assert ("phone_number", "+442079460018") in values
    assert ("ip_address", "203.0.113.5") in values


async def test_the_newsletter_becomes_readable(ratchet: Ratchet) -> None:
    page = await output_of(ratchet, "html-to-text", {"html": (DATA / "newsletter.html").read_text()})
    assert page["title"] == "Harbour & Hearth \u2013 News of June"
    assert [heading["text"] for heading in page["headings"]] == ["News of June", "Three things we like", "Prices"]
    assert "preview text" not in page["text"]
    assert "Kettle | €34.90 | **€27.90**" in page["text"]
    assert "  2. large, 240 ml" in page["text"]
