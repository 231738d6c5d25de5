"""Every template is a complete task that passes its tests and raises no alarm."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from ratchet_mcp.app import Ratchet
from ratchet_mcp.authoring.drafts import Parts
from ratchet_mcp.authoring.templates import Template, list_templates
from ratchet_mcp.settings import EngineSettings, Settings, StoreSettings

TEMPLATES = list_templates()


@pytest.fixture(scope="module")
async def ratchet() -> AsyncIterator[Ratchet]:
    settings = Settings(store=StoreSettings(url="sqlite://"), engine=EngineSettings(max_workers=2))
    async with Ratchet.open(settings) as opened:
        yield opened


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.name)
async def test_a_task_made_of_a_template_passes_its_tests_without_a_finding(ratchet: Ratchet, template: Template) -> None:
    written = await ratchet.authoring.create(f"my-{template.name}", Parts(), template=template.name)
    assert [each for each in written.findings if each.severity != "hint"] == []
    assert len(written.task.tests) >= 2
    report = await ratchet.authoring.validation.saved(f"my-{template.name}", run_tests=True)
    assert [each.message for each in report.findings if each.severity != "hint"] == []
    assert report.tests == (len(written.task.tests), len(written.task.tests))


def test_there_are_templates_for_what_tasks_mostly_do() -> None:
    names = {template.name for template in TEMPLATES}
    assert {"transform", "aggregate", "text", "validation", "csv", "dates", "pipeline", "progress", "errors", "fetch"} <= names
    assert all("Input:" in template.description and "Output:" in template.description for template in TEMPLATES)
