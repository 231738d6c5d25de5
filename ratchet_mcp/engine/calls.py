"""Host calls: what a running task asks the coordinator for, answered while the run waits without a slot."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import anyio
import anyio.abc
import orjson
from loguru import logger

from ratchet_mcp import errors
from ratchet_mcp.engine.active import MAX_OPEN_CALLS, ActiveRun
from ratchet_mcp.engine.depth import nested_deeper
from ratchet_mcp.engine.frames import Violation
from ratchet_mcp.engine.process import FETCH_BYTES, WorkerProcess, fetch_arguments
from ratchet_mcp.engine.slots import Slots
from ratchet_mcp.settings.engine import Limits

FETCH = "fetch"
"""The method whose answers come from outside: a run keeps its slot while they are quick."""

ASK = "ask"
"""The method whose answers come from the user."""

PATIENCE = 0.05
"""Seconds that a fetch may take before its run gives its slot back: taking one again, and a further worker for it, cost more."""


class HostCalls:
    """Answers the `host_call` frames of all workers. `fetch_bytes` is the size of the largest body that a task may send."""

    def __init__(self, limits: Limits, slots: Slots, tasks: anyio.abc.TaskGroup, *, fetch_bytes: int = FETCH_BYTES) -> None:
        self._limits = limits
        self._slots = slots
        self._tasks = tasks
        self._fetch_bytes = fetch_bytes

    def on_call(self, worker: WorkerProcess, frame: dict[str, Any]) -> None:
        """Start to answer a call, or give one up. Raises `Violation` when it cannot be an honest one."""
        active = worker.active
        if active is None or active.ended.done():
            return
        if frame["type"] == "host_cancel":
            self._on_cancel(active, frame["call"])
            return
        call, method, arguments = frame["call"], frame["method"], frame["arguments"]
        if len(active.calls) >= MAX_OPEN_CALLS or call in active.calls:
            raise Violation("too many calls at once, or one twice")
        refusal = self._refusal(active, method, arguments)
        if refusal is not None:
            self._reply(worker, active, call, ok=False, value=orjson.dumps(refusal.to_dict()))
            return
        active.call_bytes += len(arguments)
        active.calls[call] = anyio.CancelScope()
        active.calls_made += 1
        self._tasks.start_soon(self._answer, worker, active, call, method, arguments)

    @staticmethod
    def _on_cancel(active: ActiveRun, call: int) -> None:
        active.cancels += 1
        if active.cancels > active.calls_made:
            raise Violation("more calls given up than made")
        scope = active.calls.get(call)
        if scope is not None:  # otherwise it was answered meanwhile
            scope.cancel("the task gave the call up")

    def _refusal(self, active: ActiveRun, method: str, arguments: str) -> errors.RatchetError | None:
        most = 2 * self._limits.input_bytes
        if method == FETCH:
            most = fetch_arguments(self._fetch_bytes)
        if len(arguments) > most or nested_deeper(arguments, self._limits.json_depth + 2):
            return _too_large(method, "The arguments of the call are too large or nested too deeply", "input_bytes, json_depth")
        if active.call_bytes + len(arguments) > 4 * max(self._limits.input_bytes, self._fetch_bytes if method == FETCH else 0):
            return _too_large(
                method, "The arguments of the calls that are waiting are too large together. Await some of them first", "input_bytes"
            )
        return None

    async def _answer(self, worker: WorkerProcess, active: ActiveRun, call: int, method: str, arguments: str) -> None:
        scope = active.calls[call]
        waiting = _Waiting(self._slots, active)
        ok, value = False, b""
        with scope:
            try:
                waiting.begin(method)
                value = orjson.dumps(await active.host.call(method, orjson.loads(arguments)))
                ok = True
            except orjson.JSONDecodeError:
                value = orjson.dumps(errors.InvalidArgument("The arguments of the call are not JSON.").to_dict())
            except errors.RatchetError as error:
                value = _packed(error)
            except Exception:
                logger.exception("the host failed to answer {}", method)
                value = _packed(errors.InternalError("The call failed inside Ratchet; the server's log has the details."))
        await waiting.end()
        if not scope.cancelled_caught:
            if method == FETCH:
                await worker.writable()
            self._reply(worker, active, call, ok=ok, value=value)
        active.call_bytes -= len(arguments)
        active.calls.pop(call, None)

    @staticmethod
    def _reply(worker: WorkerProcess, active: ActiveRun, call: int, *, ok: bool, value: bytes) -> None:
        if worker.active is active:
            worker.send("host_result", id=active.request.execution_id, call=call, ok=ok, value=value.decode())


class _Waiting:
    """What an unanswered call has to do with the slot of its run."""

    def __init__(self, slots: Slots, active: ActiveRun) -> None:
        self._slots = slots
        self._active = active
        self._parked = False
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, method: str) -> None:
        """Give the slot back: at once, or, for a fetch, after a moment and if there is room. Raises `QueueFull`."""
        if method == FETCH:
            self._timer = asyncio.get_running_loop().call_later(PATIENCE, self._late)
            return
        self._parked = True
        self._slots.park(self._active, asking=method == ASK)

    def _late(self) -> None:
        self._parked = True
        with suppress(errors.QueueFull):  # then it waits with its slot
            self._slots.park(self._active)

    async def end(self) -> None:
        """Take the slot again."""
        if self._timer is not None:
            self._timer.cancel()
        if self._parked:
            await self._slots.unpark(self._active)


def _too_large(method: str, message: str, settings: str) -> errors.RatchetError:
    if method == FETCH:
        return errors.FetchLimit(f"{message} (network.request_bytes).", details={"host": None, "limit": "request_bytes"})
    return errors.InputTooLarge(f"{message} (limits.{settings}).")


def _packed(error: errors.RatchetError) -> bytes:
    """Return an error as JSON text, without details that cannot be said in it (details can come from a task)."""
    try:
        return orjson.dumps(error.to_dict())
    except TypeError:
        return orjson.dumps({**error.to_dict(), "details": {}})
