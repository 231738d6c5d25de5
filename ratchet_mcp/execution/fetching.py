"""`fetch`: a running task asks for something on the network."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

import anyio.to_thread

from ratchet_mcp.errors import NetworkDenied
from ratchet_mcp.execution.live import Live

if TYPE_CHECKING:
    from ratchet_mcp.egress.service import Egress, RunNetwork
    from ratchet_mcp.engine.run import RunLimits
    from ratchet_mcp.tasks.definition import Task

OpenEgress = Callable[[], "Awaitable[Egress]"]
"""Gives the service that reaches the network, started when it is first asked for."""

LARGE = 1 << 20
"""Bytes of a body above which it is encoded in a thread."""


class Fetches:
    """Answers the host call `fetch` of running tasks, each over the network of its run."""

    def __init__(self, open_egress: OpenEgress | None) -> None:
        self._open_egress = open_egress

    async def __call__(self, live: Live, arguments: Any) -> Any:
        """Return a response as it crosses to the worker. Raises the subclasses of `errors.NetworkError`."""
        from ratchet_mcp.egress.messages import FetchRequest

        network = live.network or await self.open(live)
        if _body_size(arguments) > LARGE:
            request = await anyio.to_thread.run_sync(FetchRequest.from_wire, arguments)
        else:
            request = FetchRequest.from_wire(arguments)
        response = await network.fetch(request)
        if len(response.body) > LARGE:
            return await anyio.to_thread.run_sync(response.to_wire)
        return response.to_wire()

    async def open(self, live: Live) -> RunNetwork:
        """Give a run its network. Raises `NetworkDenied` when there is none."""
        network = await self.network_of(live.task, live.request.limits)
        if live.network is None:  # another fetch of the run may have been quicker
            live.network = network
        return live.network

    async def egress(self) -> Egress:
        """Return the service that reaches the network. Raises `NetworkDenied` when there is none."""
        if self._open_egress is None:
            raise NetworkDenied("This server gives tasks no network.", hint="Pass the data in as input.", details={"host": None})
        return await self._open_egress()

    async def network_of(self, task: Task, limits: RunLimits, caller: RunNetwork | None = None) -> RunNetwork:
        """Return the network that the settings give a run of a task, or that of its `caller`. Raises `NetworkDenied` when there is none."""
        egress = await self.egress()
        return egress.for_run(task, limits) if caller is None else egress.for_called(caller, task)


def _body_size(arguments: Any) -> int:
    body = cast("dict[str, Any]", arguments).get("body") if isinstance(arguments, dict) else None
    return len(body) if isinstance(body, str) else 0
