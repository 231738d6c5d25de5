"""Which of the idle workers runs next."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from ratchet_mcp.engine.process import WorkerProcess

Choice = Callable[[Sequence[WorkerProcess]], int]


def strategy(name: str, max_runs: int) -> Choice:
    """Return the function that chooses an index of the idle workers, which are in the order in which they became idle.

    `least_loaded`: the one that was used last, whose caches are warm, so that the others can end. `round_robin`: the one that was
    idle longest. `weighted`: by chance, the more likely the more runs it has left before it is recycled.
    """

    def least_loaded(idle: Sequence[WorkerProcess]) -> int:
        return len(idle) - 1

    def round_robin(idle: Sequence[WorkerProcess]) -> int:
        return 0

    def weighted(idle: Sequence[WorkerProcess]) -> int:
        weights = [max(1, max_runs - worker.runs) for worker in idle]
        return random.choices(range(len(idle)), weights)[0]  # noqa: S311  # load balancing, no secret

    return {"least_loaded": least_loaded, "round_robin": round_robin, "weighted": weighted}[name]
