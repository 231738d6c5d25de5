"""One worker process, seen from the coordinator."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import anyio
import orjson
from loguru import logger

from ratchet_mcp import errors
from ratchet_mcp.engine import frames
from ratchet_mcp.engine.active import ActiveRun
from ratchet_mcp.engine.course import Course
from ratchet_mcp.engine.observing import plan_of
from ratchet_mcp.engine.protocol import SCRIPT_CACHE, VERSION
from ratchet_mcp.settings.engine import EngineSettings, Limits

PROGRAM = Path(__file__).parent / "worker" / "main.py"
STDERR_KEPT = 4000
MAX_STDERR = 8 << 20
"""Bytes that a worker may print in its life. The engine prints a line now and then; more is somebody who wants us busy."""

MAX_UNASKED = 1000
"""Frames that belong to nothing which a worker may send between two runs."""

FETCH_BYTES = 4 << 20
"""The largest body that a task may send, unless the settings say otherwise (`network.request_bytes`)."""

SCRIPT_CACHE_BYTES = 16 << 20
"""What a worker's cached scripts may take together: they count as its memory."""

STOP_SECONDS = 2.0
"""How long a worker that was asked to end may take."""

CRASH_SIGNALS = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGTRAP} if sys.platform != "win32" else set[Any]()


def fetch_arguments(fetch_bytes: int) -> int:
    """Return how long the arguments of a fetch can be: its body as base64, and what else there is to say."""
    return fetch_bytes * 4 // 3 + (1 << 20)


def _course_frame(course: Course) -> dict[str, Any]:
    events = [[event.kind, event.number, event.at] for event in course.events]
    return {"started_ms": course.started_ms, "seed": course.seed, "events": events}


def module_paths() -> list[str]:
    """Return the folders that hold what a worker imports; it gets no environment and no site-packages of its own."""
    found: list[str] = []
    for name in ("ratchet_mcp", "pythonmonkey", "pyseccomp", "ada_url", "cffi", "_cffi_backend"):
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            folder = Path(spec.origin).parent
            found.append(str(folder.parent if spec.submodule_search_locations else folder))
    return list(dict.fromkeys(found))


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return str(number)


class WorkerProcess(asyncio.SubprocessProtocol):
    """A worker: starts, runs one request at a time, answers pings, dies.

    `on_call` is told of host calls, `on_exit` of the end of the process (both on the event loop). A `debugging` worker looks into what
    it runs, and runs nothing else.
    """

    def __init__(
        self,
        worker_id: str,
        limits: Limits,
        on_call: Callable[[WorkerProcess, dict[str, Any]], None],
        on_exit: Callable[[WorkerProcess], None],
        *,
        fetch_bytes: int = FETCH_BYTES,
        debugging: bool = False,
    ) -> None:
        self.id = worker_id
        self.debugging = debugging
        self.pid = 0
        self.runs = 0
        self.isolation = "none"
        self.missing: list[str] = []
        self.active: ActiveRun | None = None
        self.dead = False
        self.idle_since = time.monotonic()
        self.heard_at = self.idle_since
        self.pinged_at: float | None = None
        self._on_call = on_call
        self._on_exit = on_exit
        self._fetch_bytes = fetch_bytes
        largest = max(6 * max(limits.output_bytes, limits.input_bytes), fetch_arguments(fetch_bytes))
        self._lines = frames.LineSplitter(largest + (1 << 20 if debugging else 1 << 16))
        self._memory_mb = limits.memory_mb
        self._stderr = bytearray()
        self._printed = 0
        self._unasked = 0
        self._digests: set[str] = set()
        self._script_bytes = 0
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._exited = anyio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._process: asyncio.SubprocessTransport | None = None
        self._stdin: asyncio.WriteTransport | None = None

    @property
    def ready(self) -> bool:
        """Tell whether the worker has started and is still there."""
        return not self.dead and self.ready_once

    @property
    def ready_once(self) -> bool:
        """Tell whether the worker ever was ready."""
        return self._ready.done() and not self._ready.cancelled() and self._ready.exception() is None

    @property
    def fell_over(self) -> bool:
        """Tell whether the worker ended, or gave up, before it was ready."""
        return self._ready.done() and not self.ready_once

    # ------------------------------------------------------------ life
    async def start(self, settings: EngineSettings) -> None:
        """Start the process and wait until it is confined and ready. Raises `WorkerStartFailed`."""
        mode = "debugging" if self.debugging else "ordinary"
        command = [sys.executable, "-I", "-S", "-X", "utf8", str(PROGRAM), mode, str(self._memory_mb), self.id, *module_paths()]
        loop = asyncio.get_running_loop()
        try:
            with anyio.fail_after(settings.start_timeout_seconds):
                with anyio.CancelScope(shield=True):  # cut off in the middle, it would leave half a process
                    await loop.subprocess_exec(lambda: self, *command, env={}, cwd="/", start_new_session=True)
                await self._ready
        except TimeoutError:
            await self._abandon()
            raise self._start_error(f"it said nothing for {settings.start_timeout_seconds:g} s") from None
        except OSError as error:
            raise self._start_error(str(error)) from error
        except BaseException:
            await self._abandon()
            raise

    async def _abandon(self) -> None:
        self.kill()
        with anyio.move_on_after(5, shield=True):
            if self._process is not None:
                await self._exited.wait()

    def _start_error(self, reason: str) -> errors.WorkerStartFailed:
        stderr = self._stderr.decode("utf-8", "replace").strip()
        return errors.WorkerStartFailed(f"A worker process could not be started: {reason}.", details={"stderr": stderr[-STDERR_KEPT:]})

    def kill(self) -> None:
        """End the process now."""
        self.dead = True
        if self._process is not None and self._process.get_returncode() is None:
            with contextlib.suppress(ProcessLookupError):
                if sys.platform == "win32":
                    self._process.kill()
                else:  # the transport's own kill() may reap the process, and its exit status is lost then
                    os.kill(self.pid, signal.SIGKILL)

    def stop(self) -> None:
        """Ask an idle worker to end; closing its input is enough."""
        self.dead = True
        if self._stdin is not None:
            self._stdin.close()
            asyncio.get_running_loop().call_later(STOP_SECONDS, self.kill)

    async def wait_closed(self, seconds: float) -> None:
        """Wait for the end of the process; kill it after `seconds`."""
        if self._process is None:  # it could not even be started
            return
        with anyio.move_on_after(seconds):
            await self._exited.wait()
            return
        self.kill()
        with anyio.move_on_after(5):
            await self._exited.wait()

    # ------------------------------------------------------------ asking
    def send(self, kind: str, **fields: Any) -> None:
        """Send one frame."""
        if self._stdin is not None and not self.dead and not self._stdin.is_closing():
            self._stdin.write(orjson.dumps({"v": VERSION, "type": kind, **fields}) + b"\n")
            if self.active is not None and self._stdin.get_write_buffer_size() > 2 * self._lines.limit:
                self.active.fail(errors.MemoryLimit("The run called tasks faster than it read their answers, and too many were waiting."))
                self.kill()

    async def writable(self) -> None:
        """Wait until the worker has read most of what it was sent, or is gone."""
        while not self._writable.is_set():  # others may have woken up earlier, and written
            await self._writable.wait()

    def execute(self, active: ActiveRun) -> None:
        """Let the worker start a run; `active.ended` tells when it is over."""
        request = active.request
        self.active = active
        self.runs += 1
        known = request.digest in self._digests
        forget = not known and (len(self._digests) >= SCRIPT_CACHE or self._script_bytes > SCRIPT_CACHE_BYTES)
        if forget:
            self._digests.clear()
            self._script_bytes = 0
        if not known:
            self._digests.add(request.digest)
            self._script_bytes += len(request.script)
        self._unasked = 0
        self.send(
            "execute",
            id=request.execution_id,
            digest=request.digest,
            input=request.input_json,
            context=orjson.dumps(request.context).decode(),
            limits={
                "log_bytes": request.limits.log_bytes,
                "output_bytes": request.limits.output_bytes,
                "input_bytes": request.limits.input_bytes,
                "fetch_bytes": self._fetch_bytes,
            },
            **({"secrets": orjson.dumps(request.secrets).decode()} if request.secrets else {}),
            **({} if request.course is None else {"course": _course_frame(request.course)}),
            **({} if known else {"script": request.script}),
            **({"forget": True} if forget else {}),
            **({"observe": plan_of(request, request.observe)} if request.observe is not None else {}),
        )

    def release(self) -> None:
        """Forget the run that has ended."""
        self.active = None
        self.idle_since = self.heard_at = time.monotonic()
        self.pinged_at = None

    def ping(self) -> None:
        """Ask whether the worker lives; `pinged_at` is cleared by the answer."""
        self.pinged_at = time.monotonic()
        self.send("ping", id=str(self.runs))

    # ------------------------------------------------------------ asyncio.SubprocessProtocol
    def pause_writing(self) -> None:
        """Note that the worker reads slower than it is written to (asyncio)."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Note that the worker has caught up (asyncio)."""
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the process' pipes (asyncio)."""
        self._process = cast(asyncio.SubprocessTransport, transport)
        self.pid = self._process.get_pid()
        self._stdin = cast(asyncio.WriteTransport, self._process.get_pipe_transport(0))

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Take bytes from the process (asyncio)."""
        try:
            if fd == 2:
                self._take_stderr(data)
            elif not self.dead:
                for line in self._lines.feed(data):
                    self._handle(frames.parse(line))
        except frames.Violation as violation:
            self._violated(str(violation))
        except Exception:  # a frame nobody thought of must not leave a run without an end
            logger.exception("a frame of worker {} could not be handled", self.id)
            self._violated("a frame that could not be handled")

    def _take_stderr(self, data: bytes) -> None:
        self._stderr += data
        del self._stderr[:-STDERR_KEPT]
        self._printed += len(data)
        if self._printed > MAX_STDERR:
            raise frames.Violation("more to stderr than any worker does")

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """End a process that closed its output: it can do nothing any more (asyncio)."""
        if fd == 1:
            self.kill()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end of the process, after its last output (asyncio)."""
        code = None
        if self._process is not None:
            code = self._process.get_returncode()
            self._process.close()
        by_signal = code is not None and code < 0 and -code in CRASH_SIGNALS
        description = f"exit status {code}" if code is None or code >= 0 else f"signal {_signal_name(-code)}"
        self.dead = True
        if not self._ready.done():
            self._ready.set_exception(self._start_error(f"it ended with {description}"))
        if self.active is not None:
            self.active.died(description, by_signal=by_signal)
        self._exited.set()
        self._writable.set()
        self._on_exit(self)

    # ------------------------------------------------------------ frames
    def _handle(self, frame: dict[str, Any]) -> None:
        kind = frame["type"]
        self.heard_at = time.monotonic()
        if kind == "ready" and not self._ready.done():
            self.isolation = frame["isolation"] if frame["isolation"] in ("full", "partial") else "none"
            self.missing = [name[:500] for name in frame["missing"][:20]]
            self._ready.set_result(None)
        elif kind == "start_failed" and not self._ready.done():
            self._ready.set_exception(self._start_error(frame["message"][:2000]))
        elif kind == "pong" and self.pinged_at is not None:
            self.pinged_at = None
        elif self.active is not None and frame.get("id") == self.active.request.execution_id:
            self._handle_run(self.active, kind, frame)
        else:  # it speaks of a run that is over: dropped
            self._unasked += 1
            if self._unasked > MAX_UNASKED:
                raise frames.Violation("frames that belong to no run")

    def _handle_run(self, active: ActiveRun, kind: str, frame: dict[str, Any]) -> None:
        if active.ended.done():
            return
        match kind:
            case "result":
                active.on_result(frame)
            case "log":
                active.on_log(frame)
            case "progress":
                active.on_progress(frame)
            case "observed":
                active.on_observed(frame)
            case "limit":
                active.on_limit(frame)
            case "lost":
                active.lost = True
            case "host_call" | "host_cancel":
                self._on_call(self, frame)
            case _:
                raise frames.Violation(f"a {kind} frame during a run")
        if active.recycle and active.ended.done() and kind != "result":
            self.kill()

    def _violated(self, how: str) -> None:
        if self.active is not None:
            self.active.fail(
                errors.ProtocolViolation(
                    f"The worker sent {how}; it was replaced.",
                    hint="The task may have broken out of its realm inside the confined process. Treat it as hostile.",
                    details={"violation": how},
                )
            )
        self.kill()
