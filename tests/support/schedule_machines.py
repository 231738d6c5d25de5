"""Servers with schedules on real databases, with a clock that the tests set, and a queue that nobody works on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ratchet_mcp.execution.service import Executions
from ratchet_mcp.jobs.models import JobRequest
from ratchet_mcp.jobs.requests import Requests
from ratchet_mcp.jobs.schedules.firing import Heart
from ratchet_mcp.jobs.schedules.models import ScheduleRequest
from ratchet_mcp.jobs.schedules.service import Schedules
from ratchet_mcp.registry.catalog import Catalog
from ratchet_mcp.settings import RegistrySettings, ScheduleSettings, Settings, SourceSettings
from ratchet_mcp.store.clock import Clock
from ratchet_mcp.store.job_records import JobFilter, JobRecord
from ratchet_mcp.store.store import Store

ANY: dict[str, Any] = {"type": "object", "additionalProperties": True}
STRICT: dict[str, Any] = {"type": "object", "required": ["to"], "properties": {"to": {"type": "string"}}, "additionalProperties": False}


class Time:
    """The time of day, and a clock that only goes forward."""

    def __init__(self, now: str = "2026-06-01T12:00:00+00:00") -> None:
        self.now = datetime.fromisoformat(now)
        self.passed = 0.0

    def pass_by(self, **amount: float) -> None:
        step = timedelta(**amount)
        self.now += step
        self.passed += step.total_seconds()

    def set(self, now: str) -> None:
        """Set the time of day, as a person does who sets a clock."""
        self.now = datetime.fromisoformat(now)


class Tasks:
    """A folder of tasks, and the catalog that serves it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.catalog = Catalog(RegistrySettings(bundled=False, sources=[SourceSettings(name="ours", uri=str(folder))]), Settings().limits)

    async def write(self, name: str, input_schema: dict[str, Any] = ANY, version: str = "1.0.0") -> None:
        task = self.folder / name
        task.mkdir(exist_ok=True)
        (task / "metadata.json").write_text(json.dumps({"name": name, "version": version, "description": "For tests."}))
        (task / "main.js").write_text("(input) => input")
        (task / "input.schema.json").write_text(json.dumps(input_schema))
        (task / "output.schema.json").write_text("{}")
        await self.catalog.reload()

    async def remove(self, name: str) -> None:
        for file in (self.folder / name).iterdir():
            file.unlink()
        (self.folder / name).rmdir()
        await self.catalog.reload()


class Queue:
    """Checks requests as the queue does, and keeps what it is told of. `failure` is raised for the next one."""

    def __init__(self, store: Store, catalog: Catalog) -> None:
        settings = Settings()
        self._requests = Requests(Executions(None, store, catalog, settings), catalog, settings)  # type: ignore[arg-type]  # nothing runs
        self._store = store
        self.announced: list[JobRecord] = []
        self.failure: Exception | None = None

    async def prepare(self, request: JobRequest, *, room: int = 0) -> JobRecord:
        if self.failure is not None and room:
            raise self.failure
        record, _ = await self._requests.check(request, self._store.jobs.clock())
        return record

    async def announce(self, records: Sequence[JobRecord]) -> None:
        self.announced += records


class Machine:
    """One server on a database: its schedules, and the loop that lets them come true, which the tests turn by hand."""

    def __init__(self, store: Store, tasks: Tasks, time: Time, **settings: Any) -> None:
        self.store, self.time = store, time
        store.schedules.clock = lambda: time.now
        store.jobs.clock = lambda: time.now
        self.settings = ScheduleSettings(**settings)
        self.queue = Queue(store, tasks.catalog)
        self.schedules = Schedules(store, self.queue, Settings(schedules=self.settings), work=False)
        self.heart = Heart(store.schedules, self.queue, self.settings, Clock(lambda: time.passed))

    async def beat(self) -> float:
        return await self.heart.beat()

    async def jobs(self) -> list[JobRecord]:
        """Return all jobs, the first one first."""
        return (await self.store.jobs.find(JobFilter(), 10_000))[::-1]

    async def times(self) -> list[str]:
        """Return the times that became jobs, in order, as their keys have them."""
        return sorted(str(job.unique_key).split(":", 2)[2] for job in await self.jobs())

    async def make(self, cron: str = "0 * * * *", **request: Any) -> str:
        """Make a schedule and return its id."""
        made = await self.schedules.create(ScheduleRequest(**{"task": "report", "cron": cron, "input": {}, **request}))
        return made.id
