"""A whole Ratchet with tasks of our own, on a real file with real workers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest

from ratchet_mcp.app import Ratchet
from ratchet_mcp.settings import EngineSettings, Limits, RegistrySettings, Settings, SourceSettings, StoreSettings

OBJECT = {"type": "object"}
TASKS: dict[str, tuple[str, Any, Any]] = {
    "add": (
        "(input) => input.a + input.b",
        {"type": "object", "required": ["a", "b"], "properties": {"a": {"type": "number"}, "b": {"type": "number"}}},
        {"type": "number"},
    ),
    "echo": ("(input, context) => ({ input, context })", {}, OBJECT),
    "forever": ("() => { console.log('started'); reportProgress(0.5, 'half'); return new Promise(r => setTimeout(r, 100000)); }", {}, {}),
    "busy": ("() => { for (;;); }", {}, {}),
    "liar": ("() => ({ count: 'many' })", {}, {"type": "object", "properties": {"count": {"type": "integer"}}}),
    "big": ("(input) => Array.from({ length: input.size }, (_, i) => i)", OBJECT, {"type": "array", "items": {"type": "integer"}}),
    "parent": ("async (input) => ({ sum: await tasks.call('add', input) })", {}, {}),
    "failing-parent": ("async () => await tasks.call('add', { a: 'x' })", {}, {}),
    "chance": ("(input) => new Promise((resolve) => setTimeout(() => resolve([input.n, Math.random()]), input.n * 5))", {}, {}),
    "waiting-parent": ("async () => await tasks.call('forever', {})", {}, {}),
    "endless": ("async (input) => await tasks.call('endless', input)", {}, {}),
    "careful-parent": ("async () => { try { await tasks.call('nobody', {}) } catch (e) { return [e.name, e.code, e.message] } }", {}, {}),
}


def write_tasks(folder: Path) -> Path:
    for name, (source, input_schema, output_schema) in TASKS.items():
        task = folder / name
        task.mkdir(parents=True)
        facts = {"name": name, "version": "1.0.0", "uuid": str(uuid5(NAMESPACE_URL, name)), "title": name, "description": "For tests."}
        (task / "metadata.json").write_text(json.dumps(facts))
        (task / "main.js").write_text(source)
        (task / "input.schema.json").write_text(json.dumps(input_schema))
        (task / "output.schema.json").write_text(json.dumps(output_schema))
    return folder


SettingsFor = Callable[..., Settings]


@pytest.fixture(scope="session")
def settings_for(tmp_path_factory: pytest.TempPathFactory) -> SettingsFor:
    """Make settings with our tasks; `url` is the database, the rest changes the store's settings."""
    source = write_tasks(tmp_path_factory.mktemp("tasks"))

    def make(url: str, limits: Limits | None = None, **store: Any) -> Settings:
        return Settings(
            store=StoreSettings(url=url, **store),
            registry=RegistrySettings(bundled=False, sources=[SourceSettings(name="ours", uri=str(source))]),
            engine=EngineSettings(breaker_failures=1000, call_depth=3),
            limits=limits or Limits(),
        )

    return make


@pytest.fixture(scope="module")
async def ratchet(settings_for: SettingsFor, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ratchet]:
    async with Ratchet.open(settings_for(f"sqlite:///{tmp_path_factory.mktemp('store')}/ratchet.db")) as opened:
        yield opened
