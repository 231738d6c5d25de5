"""The right to run: at most so many runs at a time, and none while it waits for a task that it called, or for its user."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from ratchet_mcp.engine.active import ActiveRun
from ratchet_mcp.errors import QueueFull


class Slots:
    """Counts runs. `on_change` is called when a slot became free.

    A run holds a slot from `take()` to `release()`, except between `park()` and the end of `unpark()`: there it waits for its children,
    or for the answer to a question. Users are slow, so the two are counted apart: questions never keep calls from waiting.
    """

    def __init__(self, limit: int, max_parked: int, max_asking: int, on_change: Callable[[], None]) -> None:
        self._limit = limit
        self._max_parked = max_parked
        self._max_asking = max_asking
        self._on_change = on_change
        self._resuming: deque[asyncio.Future[None]] = deque()
        self.running = 0
        self.parked = 0
        self.asking = 0

    @property
    def free(self) -> bool:
        """Tell whether another run may start. Parents whose child has ended come first."""
        while self._resuming and self.running < self._limit:
            parent = self._resuming.popleft()
            if not parent.done():
                self.running += 1
                parent.set_result(None)
        return self.running < self._limit

    def take(self) -> None:
        """Take a slot."""
        self.running += 1

    def put_back(self) -> None:
        """Give a slot back that was not used."""
        self.running -= 1

    def release(self, active: ActiveRun) -> None:
        """Give back what a run that has ended held."""
        if active.holds_slot:
            self.running -= 1
        else:
            self._leave(active)
        active.holds_slot = False

    def park(self, active: ActiveRun, *, asking: bool = False) -> None:
        """Let a run wait for a call, or for its user, without a slot. Raises `QueueFull` when too many wait already."""
        active.open_calls += 1
        if not active.holds_slot or active.ended.done():
            return
        waiting, most = (self.asking, self._max_asking) if asking else (self.parked - self.asking, self._max_parked)
        if waiting >= most:
            raise _full(waiting, most, asking=asking)
        active.holds_slot = False
        active.asks = asking
        self.running -= 1
        self.parked += 1
        self.asking += asking
        self._on_change()

    async def unpark(self, active: ActiveRun) -> None:
        """Note that a call was answered; after the last one wait for a slot."""
        active.open_calls -= 1
        if active.open_calls > 0 or active.holds_slot or active.ended.done():
            return
        slot: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._resuming.append(slot)
        self._on_change()
        try:
            await slot
        except BaseException:
            if slot.done() and not slot.cancelled():
                self._lose()
            raise
        if active.ended.done():  # killed while it waited for its slot
            self._lose()
        elif active.holds_slot:  # another call of the same run was quicker
            self._lose()
        else:
            active.holds_slot = True
            self._leave(active)

    def _leave(self, active: ActiveRun) -> None:
        self.parked -= 1
        self.asking -= active.asks
        active.asks = False

    def _lose(self) -> None:
        self.running -= 1
        self._on_change()


def _full(waiting: int, most: int, *, asking: bool) -> QueueFull:
    if asking:
        return QueueFull(f"{waiting} runs already wait for answers of their users (engine.max_waiting_questions).", details={"limit": most})
    return QueueFull(f"{waiting} runs already wait for tasks that they called (engine.max_waiting_parents).", details={"limit": most})
