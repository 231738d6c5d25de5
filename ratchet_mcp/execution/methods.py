"""What a running task may ask its host for: a table of methods."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ratchet_mcp.errors import InvalidArgument
from ratchet_mcp.execution.live import Live

TASKS_CALL = "tasks.call"
FETCH = "fetch"
ASK = "ask"

Method = Callable[[Live, Any], Awaitable[Any]]


class HostMethods:
    """Answers the host calls of running tasks, each by the method of its name."""

    def __init__(self, methods: Mapping[str, Method]) -> None:
        self._methods = methods

    async def __call__(self, live: Live, method: str, arguments: Any) -> Any:
        """Answer a call with a JSON value. Raises what the method raises, and `InvalidArgument` for a method that is none."""
        answer = self._methods.get(method)
        if answer is None:
            raise InvalidArgument(f"A task cannot call {method[:80]!r}.")
        return await answer(live, arguments)
