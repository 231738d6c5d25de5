"""What the engine is asked to do, and what it answers: plain data, no processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from ratchet_mcp.engine.clock import RunClock
from ratchet_mcp.engine.course import Course, Event
from ratchet_mcp.engine.observe import Observation, Observed
from ratchet_mcp.errors import RatchetError

LogLevel = Literal["trace", "debug", "info", "warn", "error"]


@dataclass(frozen=True, slots=True)
class RunLimits:
    """Limits of one run; the units are in the names."""

    timeout_seconds: float
    cpu_seconds: float
    memory_mb: int
    input_bytes: int
    output_bytes: int
    log_bytes: int
    json_depth: int

    def to_dict(self) -> dict[str, Any]:
        """Return the limits as they are echoed in a result."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of console output. `at` is seconds since the epoch; `sequence` counts from 0 within the run."""

    sequence: int
    at: float
    level: LogLevel
    message: str


@dataclass(frozen=True, slots=True)
class ProgressUpdate:
    """One `reportProgress(progress, step?, message?, data?)` of a task."""

    at: float
    progress: float
    step: str | None = None
    message: str | None = None
    data: Any = None


class RunHost(Protocol):
    """What a running task reaches outside its worker. Called on the event loop; must not block."""

    def log(self, line: LogLine) -> None:
        """Take one line of console output."""
        ...

    def progress(self, update: ProgressUpdate) -> None:
        """Take one progress report."""
        ...

    async def call(self, method: str, arguments: Any) -> Any:
        """Answer a host call (`tasks.call`, `fetch`, `ask`) with a JSON value, or raise a `RatchetError`.

        While a run waits here it holds no slot of the pool.
        """
        ...


Locate = Callable[[int, int], tuple[int, int]]
"""Maps line and column of prepared code to those of the source (`PreparedCode.to_source`)."""


@dataclass(frozen=True, slots=True)
class RunRequest:
    """One execution for the pool.

    `script` is what `ratchet_mcp.engine.script.compose` made of the task's code, `digest` names it (workers cache by it). `source` and
    `file` are the code as its author sees it, for code frames; `locate` maps places in the prepared code to places in it. `key`
    identifies the task for the circuit breaker. `input_json` is JSON text. `context` is what the task sees as its second argument.
    `depth` counts `tasks.call` nesting, 0 for a run that was asked for from outside. A run with `observe` uses a debugging worker.
    One with a `course` can be repeated, or repeats another one. `secrets` are the handles that the task finds in `context.secrets`.
    `clock` counts down its `timeout_seconds`; it is given by who wants to stop it meanwhile.
    """

    execution_id: str
    key: str
    script: str
    digest: str
    input_json: str
    context: dict[str, Any]
    limits: RunLimits
    depth: int = 0
    source: str = ""
    file: str = "main.js"
    locate: Locate | None = None
    observe: Observation | None = None
    course: Course | None = None
    secrets: Mapping[str, str] = field(default_factory=dict[str, str])
    clock: RunClock | None = None


@dataclass(slots=True)
class RunOutcome:
    """How a run ended. `output_json` is JSON text of a successful run; otherwise `error` is set. Times in milliseconds.

    `events` are those of a run with a `course`.
    """

    output_json: str | None = None
    error: RatchetError | None = None
    queue_ms: float = 0.0
    run_ms: float = 0.0
    worker_id: str | None = None
    warnings: list[str] = field(default_factory=list[str])
    observed: Observed | None = None
    events: tuple[Event, ...] = ()


OnStart = Callable[[], None]
"""Called when a run leaves the queue and starts on a worker."""


class Pool(Protocol):
    """What `execution` needs from the engine."""

    async def run(self, request: RunRequest, host: RunHost, on_start: OnStart | None = None) -> RunOutcome:
        """Run to the end; errors are in the outcome. Cancelling this call kills the run."""
        ...

    def status(self) -> dict[str, Any]:
        """Return `{isolation, missing, workers: [{id, pid, state, runs, memory_mb}], queued, running, restarts, breakers}`."""
        ...
