"""The network of tasks: one service for the coordinator, one `RunNetwork` for each run."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ratchet_mcp.egress.calls import HttpCall
from ratchet_mcp.egress.messages import FetchRequest, FetchResponse
from ratchet_mcp.settings.network import NetworkSettings

if TYPE_CHECKING:
    from ratchet_mcp.egress.har import Recorder
    from ratchet_mcp.egress.mocks import Mocks
    from ratchet_mcp.egress.replay import Replay
    from ratchet_mcp.egress.secrets import RunSecrets
    from ratchet_mcp.tasks.definition import Task


class RunNetwork:
    """The network of one run: policy of the task, limits left, secrets, mocks or replay or recorder, and the log of calls."""

    calls: list[HttpCall]
    secrets: RunSecrets

    async def fetch(self, request: FetchRequest) -> FetchResponse:
        """Return the response. Raises the subclasses of `errors.NetworkError`."""
        raise NotImplementedError

    async def close(self) -> None:
        """End what is under way; later fetches are refused."""


class Egress:
    """The service: an async context manager that holds the pooled connections."""

    def __init__(self, settings: NetworkSettings) -> None:
        self.settings = settings

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close every connection."""

    def for_run(
        self,
        task: Task | None,
        limits: Any = None,
        *,
        mocks: Mocks | None = None,
        replay: Replay | None = None,
        recorder: Recorder | None = None,
        secrets: RunSecrets | None = None,
    ) -> RunNetwork:
        """Return the network of one run of a task; `limits` (`timeout_seconds`) bounds each fetch further."""
        raise NotImplementedError
