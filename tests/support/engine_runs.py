"""The few lines that turn JavaScript into a request for a real pool."""

from __future__ import annotations

import base64
import dataclasses
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ratchet_mcp.engine.pool import WorkerPool
from ratchet_mcp.engine.run import LogLine, ProgressUpdate, RunLimits, RunOutcome, RunRequest
from ratchet_mcp.engine.script import compose
from ratchet_mcp.errors import NetworkDenied, TaskNotFound
from ratchet_mcp.settings import EngineSettings, Limits
from ratchet_mcp.tasks.code import prepare

numbers = itertools.count(1)
DEFAULT = RunLimits(
    timeout_seconds=10, cpu_seconds=8, memory_mb=256, input_bytes=1 << 22, output_bytes=1 << 20, log_bytes=1 << 16, json_depth=100
)


@dataclasses.dataclass
class RecordingHost:
    """Keeps what a run says, and answers calls from a table of functions."""

    lines: list[LogLine] = dataclasses.field(default_factory=list)
    updates: list[ProgressUpdate] = dataclasses.field(default_factory=list)
    answers: dict[str, Callable[[Any], Awaitable[Any]]] = dataclasses.field(default_factory=dict)
    network: Callable[[dict[str, Any]], Awaitable[Any]] | None = None
    fetched: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    def log(self, line: LogLine) -> None:
        self.lines.append(line)

    def progress(self, update: ProgressUpdate) -> None:
        self.updates.append(update)

    async def call(self, method: str, arguments: Any) -> Any:
        if method == "fetch":
            self.fetched.append(arguments)
            if self.network is None:
                raise NetworkDenied("There is no network in this test.", hint="Give the host one.", details={"host": None})
            return await self.network(arguments)
        answer = self.answers.get(arguments["task"])
        if answer is None:
            raise TaskNotFound(f"There is no task '{arguments['task']}'.")
        return await answer(arguments["input"])

    @property
    def text(self) -> list[str]:
        return [line.message for line in self.lines]


def response(body: str | bytes = "", status: int = 200, headers: Any = (), **changes: Any) -> dict[str, Any]:
    """Build what the host answers to a fetch."""
    return {
        "url": "https://example.com/",
        "status": status,
        "statusText": "OK" if status == 200 else "",
        "headers": [list(pair) for pair in headers],
        "body": base64.b64encode(body.encode() if isinstance(body, str) else body).decode(),
        "redirected": False,
        **changes,
    }


def request(code: str, value: Any = None, **changes: Any) -> RunRequest:
    """Build a request; `changes` are fields of the limits, or `key`, `depth` and `observe` of the request."""
    fields = {name: changes.pop(name) for name in ("key", "depth", "observe") if name in changes}
    prepared = prepare(code)
    script, digest = compose(prepared)
    identity = f"run-{next(numbers)}"
    return RunRequest(
        execution_id=identity,
        script=script,
        digest=digest,
        input_json=json.dumps({} if value is None else value),
        context={"executionId": identity, "task": "test", "version": "1.0.0", "attempt": 1},
        limits=dataclasses.replace(DEFAULT, **changes),
        source=code,
        locate=prepared.to_source,
        **{"key": digest, **fields},
    )


@asynccontextmanager
async def open_pool(**settings: Any) -> AsyncIterator[WorkerPool]:
    """Start a pool with these engine settings."""
    async with WorkerPool(EngineSettings(**settings), Limits()) as pool:
        yield pool


Run = Callable[..., Awaitable[RunOutcome]]


@pytest.fixture
def host() -> RecordingHost:
    return RecordingHost()


@pytest.fixture
def run(pool: WorkerPool, host: RecordingHost) -> Run:
    """Run JavaScript on the shared pool."""

    async def run_code(code: str, value: Any = None, **changes: Any) -> RunOutcome:
        return await pool.run(request(code, value, **changes), host)

    return run_code


@pytest.fixture
def output(run: Run) -> Callable[..., Awaitable[Any]]:
    """Run JavaScript that must succeed and return its output."""

    async def output_of(code: str, value: Any = None, **changes: Any) -> Any:
        outcome = await run(code, value, **changes)
        assert outcome.error is None, outcome.error.to_dict()
        assert outcome.output_json is not None
        return json.loads(outcome.output_json)

    return output_of
