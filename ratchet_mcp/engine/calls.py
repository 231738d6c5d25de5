"""Host calls: what a running task asks the coordinator for, answered while the run waits without a slot."""

from __future__ import annotations

from typing import Any

import anyio
import anyio.abc
import orjson
from loguru import logger

from ratchet_mcp import errors
from ratchet_mcp.engine.active import MAX_OPEN_CALLS, ActiveRun
from ratchet_mcp.engine.depth import nested_deeper
from ratchet_mcp.engine.frames import Violation
from ratchet_mcp.engine.process import WorkerProcess
from ratchet_mcp.engine.slots import Slots
from ratchet_mcp.settings.engine import Limits


class HostCalls:
    """Answers the `host_call` frames of all workers."""

    def __init__(self, limits: Limits, slots: Slots, tasks: anyio.abc.TaskGroup) -> None:
        self._limits = limits
        self._slots = slots
        self._tasks = tasks

    def on_call(self, worker: WorkerProcess, frame: dict[str, Any]) -> None:
        """Start to answer a call. Raises `Violation` when it cannot be an honest one."""
        active = worker.active
        if active is None or active.ended.done():
            return
        call = frame["call"]
        if len(active.calls) >= MAX_OPEN_CALLS or call in active.calls:
            raise Violation("too many calls at once, or one twice")
        arguments = frame["arguments"]
        if len(arguments) > 2 * self._limits.input_bytes or nested_deeper(arguments, self._limits.json_depth + 2):
            refusal = errors.InputTooLarge("The arguments of the call are too large or nested too deeply (limits.input_bytes, json_depth).")
            self._reply(worker, active, call, ok=False, value=orjson.dumps(refusal.to_dict()))
            return
        if active.call_bytes + len(arguments) > 4 * self._limits.input_bytes:
            refusal = errors.InputTooLarge("The arguments of the calls that are waiting are too large together. Await some of them first.")
            self._reply(worker, active, call, ok=False, value=orjson.dumps(refusal.to_dict()))
            return
        active.call_bytes += len(arguments)
        active.calls[call] = anyio.CancelScope()
        self._tasks.start_soon(self._answer, worker, active, call, frame["method"], arguments)

    async def _answer(self, worker: WorkerProcess, active: ActiveRun, call: int, method: str, arguments: str) -> None:
        with active.calls[call]:
            ok, value = False, b""
            try:
                self._slots.park(active)
                value = orjson.dumps(await active.host.call(method, orjson.loads(arguments)))
                ok = True
            except orjson.JSONDecodeError:
                value = orjson.dumps(errors.InvalidArgument("The arguments of the call are not JSON.").to_dict())
            except errors.RatchetError as error:
                value = _packed(error)
            except Exception:
                logger.exception("the host failed to answer {}", method)
                value = _packed(errors.InternalError("The call failed inside Ratchet; the server's log has the details."))
            await self._slots.unpark(active)
            self._reply(worker, active, call, ok=ok, value=value)
        active.call_bytes -= len(arguments)
        active.calls.pop(call, None)

    @staticmethod
    def _reply(worker: WorkerProcess, active: ActiveRun, call: int, *, ok: bool, value: bytes) -> None:
        if worker.active is active:
            worker.send("host_result", id=active.request.execution_id, call=call, ok=ok, value=value.decode())


def _packed(error: errors.RatchetError) -> bytes:
    """Return an error as JSON text, without details that cannot be said in it (details can come from a task)."""
    try:
        return orjson.dumps(error.to_dict())
    except TypeError:
        return orjson.dumps({**error.to_dict(), "details": {}})
