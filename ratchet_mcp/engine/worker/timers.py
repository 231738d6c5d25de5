"""The timers of one run: which of a task's callbacks are due, and when."""

from __future__ import annotations

import heapq
import time


class Timers:
    """A heap of deadlines by id. Cleared ids stay in the heap until they surface."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int]] = []
        self._live: dict[int, float] = {}

    def __len__(self) -> int:
        return len(self._live)

    def start(self, identity: int, delay_ms: float) -> None:
        """Let `identity` be due in `delay_ms` milliseconds."""
        due = time.monotonic() + delay_ms / 1000
        self._live[identity] = due
        heapq.heappush(self._heap, (due, identity))

    def __contains__(self, identity: object) -> bool:
        return identity in self._live

    def clear(self, identity: int) -> None:
        """Forget `identity`."""
        self._live.pop(identity, None)

    def wait(self) -> float | None:
        """Return the seconds until the next one is due (0 when it is overdue), `None` when there is none."""
        while self._heap:
            due, identity = self._heap[0]
            if self._live.get(identity) == due:
                return max(0.0, due - time.monotonic())
            heapq.heappop(self._heap)
        return None

    def pop_due(self) -> int | None:
        """Take the next overdue timer, if there is one."""
        if self.wait() == 0.0:
            _, identity = heapq.heappop(self._heap)
            self._live.pop(identity, None)
            return identity
        return None

    def reset(self) -> None:
        """Forget all of them."""
        self._heap.clear()
        self._live.clear()
