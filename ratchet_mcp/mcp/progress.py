"""From a task's `reportProgress` to MCP progress notifications."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from ratchet_mcp.engine.run import ProgressUpdate

if TYPE_CHECKING:
    from mcp.server import ServerRequestContext

T = TypeVar("T")

KEPT_UPDATES = 64
"""Updates that may wait for a slow client; older ones are dropped."""


def wanted(context: ServerRequestContext[Any, Any]) -> bool:
    """Tell whether the request asks for progress."""
    return bool(context.meta) and context.meta.get("progress_token") is not None


class ProgressRelay:
    """Take updates on the event loop and send them while the request waits.

    Progress only ever grows, as MCP demands: an update that does not is dropped. A task may count to 1 or to 100: the total is
    told once a value shows which, unless it is known from the start.
    """

    def __init__(self, context: ServerRequestContext[Any, Any], *, total: float | None = None) -> None:
        self._context = context
        self._updates: deque[ProgressUpdate] = deque(maxlen=KEPT_UPDATES)
        self._news = anyio.Event()
        self._ended = False
        self._last = -math.inf
        self._total = total

    def take(self, update: ProgressUpdate) -> None:
        """Keep one update for sending; never blocks."""
        self._updates.append(update)
        self._news.set()

    def take_count(self, done: int, total: int, name: str) -> None:
        """Keep for sending that so many of all are done, and which was the last."""
        self.take(ProgressUpdate(time.time(), done, message=f"{done} of {total}: {name}"))

    async def during(self, work: Awaitable[T]) -> T:
        """Await `work`, sending updates meanwhile; all that came are sent before this returns."""
        done: list[T] = []
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._send_all)
                try:
                    done.append(await work)
                finally:
                    self._ended = True
                    self._news.set()
        except BaseExceptionGroup as group:
            raise (group.exceptions[0] if len(group.exceptions) == 1 else group) from None
        return done[0]

    async def _send_all(self) -> None:
        while True:
            while self._updates:
                await self._send(self._updates.popleft())
            if self._ended:
                return
            self._news = anyio.Event()
            await self._news.wait()

    async def _send(self, update: ProgressUpdate) -> None:
        progress = update.progress
        if not math.isfinite(progress) or progress <= self._last:
            return
        self._last = progress
        if self._total is None and progress > 0 and progress != 1:
            self._total = 1.0 if progress < 1 else 100.0
        total = self._total if self._total is not None and progress <= self._total else None
        message = ": ".join(part for part in (update.step, update.message) if part) or None
        await self._context.session.report_progress(progress, total, message)
