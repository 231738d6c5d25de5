"""A whole Ratchet for batches, on an SQLite file and on PostgreSQL, with real workers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from task_folders import add_task

from ratchet_mcp.app import Ratchet
from ratchet_mcp.settings import BatchSettings, EngineSettings, RegistrySettings, Settings, SourceSettings, StoreSettings

NUMBERS = {"type": "object", "required": ["a", "b"], "properties": {"a": {"type": "number"}, "b": {"type": "number"}}}
TASKS: dict[str, tuple[str, Any]] = {
    "add": ("(input) => ({ sum: input.a + input.b })", NUMBERS),
    "echo": ("(input) => input", {}),
    "fail": ("(input) => { throw new Error('no ' + input.what); }", {}),
    "chance": ("() => Math.random()", {}),
    "second-try": ("(input, context) => context.attempt > 1 ? { tries: context.attempt } : new Promise(r => setTimeout(r, 100000))", {}),
    "forever": ("() => { reportProgress(0.5, 'half'); return new Promise(r => setTimeout(r, 100000)); }", {}),
}


def write_tasks(folder: Path) -> Path:
    for name, (code, schema) in TASKS.items():
        more = {"cache": {"ttl": "1h"}} if name == "chance" else {}
        path = add_task(folder, name, code, name=name, version="1.0.0", description="For tests.", **more)
        (path / "input.schema.json").write_text(json.dumps(schema))
    return folder


def make_settings(url: str, tasks: Path) -> Settings:
    return Settings(
        store=StoreSettings(url=url),
        registry=RegistrySettings(bundled=False, sources=[SourceSettings(name="ours", uri=str(tasks))]),
        engine=EngineSettings(max_workers=2),
        batches=BatchSettings(max_requests=20),
    )


@pytest.fixture(scope="session")
def tasks_of_batches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tasks(tmp_path_factory.mktemp("tasks"))


@pytest.fixture(scope="module", params=["file", "postgres"])
def settings(request: pytest.FixtureRequest, tasks_of_batches: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    if request.param == "postgres":
        return make_settings(request.getfixturevalue("module_postgres_url"), tasks_of_batches)
    return make_settings(f"sqlite:///{tmp_path_factory.mktemp('store')}/ratchet.db", tasks_of_batches)


@pytest.fixture(scope="module")
async def ratchet(settings: Settings) -> AsyncIterator[Ratchet]:
    async with Ratchet.open(settings) as opened:
        yield opened
