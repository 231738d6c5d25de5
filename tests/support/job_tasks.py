"""Tasks for the tests of jobs, and settings with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ratchet_mcp.settings import EngineSettings, JobSettings, RegistrySettings, Settings, SourceSettings, StoreSettings

NUMBERS = {"type": "object", "required": ["a", "b"], "properties": {"a": {"type": "number"}, "b": {"type": "number"}}}
TASKS: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "add": ("(input) => input.a + input.b", NUMBERS, {}),
    "whoami": ("(input, context) => context", {}, {}),
    "fail": ("() => { throw new Error('always') }", {}, {}),
    "flaky": ("(input, context) => { if (context.attempt < input.good) throw new Error('not yet'); return context.attempt }", {}, {}),
    "forever": ("() => { reportProgress(0.5, 'half'); return new Promise(r => setTimeout(r, 100000)) }", {}, {}),
    "second-time": ("(input, context) => context.attempt > 1 ? context.attempt : new Promise(r => setTimeout(r, 100000))", {}, {}),
    "sleep": ("(input) => new Promise(r => setTimeout(() => r(input.ms), input.ms))", {}, {}),
    "one-at-a-time": ("() => new Promise(r => setTimeout(r, 30))", {}, {"jobs": {"concurrency": 1}}),
    "stubborn": ("() => { throw new Error('no') }", {}, {"jobs": {"retry": {"attempts": 2, "delay": 0, "on": "any"}}}),
}


def write_job_tasks(folder: Path) -> Path:
    """Write the tasks as folders below `folder`."""
    for name, (source, input_schema, more) in TASKS.items():
        task = folder / name
        task.mkdir(parents=True)
        (task / "metadata.json").write_text(json.dumps({"name": name, "version": "1.0.0", "description": "For tests.", **more}))
        (task / "main.js").write_text(source)
        (task / "input.schema.json").write_text(json.dumps(input_schema))
        (task / "output.schema.json").write_text("{}")
    return folder


def job_settings(source: Path, url: str, *, jobs: dict[str, Any] | None = None, **store: Any) -> Settings:
    """Return settings with these tasks and nothing else, that notice quickly what other processes do."""
    return Settings(
        store=StoreSettings(url=url, **{"heartbeat_seconds": 0.2, **store}),
        registry=RegistrySettings(bundled=False, sources=[SourceSettings(name="ours", uri=str(source))]),
        engine=EngineSettings(min_workers=1, max_workers=2, breaker_failures=1000),
        jobs=JobSettings(**{"poll_seconds": 0.1, **(jobs or {})}),
    )
