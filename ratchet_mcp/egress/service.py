"""The network of tasks: one service for the coordinator, one `RunNetwork` for each run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ratchet_mcp.egress.calls import log_calls
from ratchet_mcp.egress.policy import PolicySource
from ratchet_mcp.egress.redaction import Redactor
from ratchet_mcp.egress.run import RunNetwork, Services
from ratchet_mcp.egress.secrets import RunSecrets, SecretStore
from ratchet_mcp.egress.urls import read_url
from ratchet_mcp.settings.network import NetworkSettings

if TYPE_CHECKING:
    from ratchet_mcp.egress.har import Recorder
    from ratchet_mcp.egress.messages import FetchRequest, FetchResponse
    from ratchet_mcp.egress.mocks import Mocks
    from ratchet_mcp.egress.recording import Recording
    from ratchet_mcp.egress.replay import Mode, Replay
    from ratchet_mcp.egress.resolver import Resolver
    from ratchet_mcp.tasks.definition import Task

__all__ = ["Egress", "RunNetwork"]


class Egress:
    """The service: an async context manager that holds the pooled connections. Nothing is opened before the first request.

    `resolver` takes the place of the system's, `env` of the process's variables, for tests.
    """

    def __init__(self, settings: NetworkSettings, *, resolver: Resolver | None = None, env: Mapping[str, str] | None = None) -> None:
        self.settings = settings
        self.redactor = Redactor(settings)
        self._secrets = SecretStore(settings.secrets, os.environ if env is None else env)
        self._policies = PolicySource(settings)
        self._services = Services(settings, self.redactor, resolver, os.environ if env is None else env)
        self._runs: set[RunNetwork] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End what is under way, and close every connection."""
        for run in list(self._runs):
            await run.close()
        await self._services.close()

    def secrets_for(self, task: Task | None, nonce: str | None = None) -> RunSecrets:
        """Return the secrets of one run of a task; a replay gives the `nonce` of the recording."""
        return RunSecrets(self._secrets, task, nonce)

    def secret(self, name: str, url: str) -> str:
        """Return the value of a secret, to sign with it what goes to a URL. Raises `SecretMissing` when it is not bound to its host."""
        return self._secrets.value(name, None, read_url(url))

    def recorder(self) -> Recorder:
        """Return a recorder for one run."""
        from ratchet_mcp.egress.har import Recorder

        return Recorder(self.redactor, self.settings.recording_mb << 20, self._secrets.hide)

    def replay(self, recording: Recording, mode: Mode = "replay") -> Replay:
        """Return the answers of a recording for one run."""
        from ratchet_mcp.egress.replay import Replay

        return Replay(recording, self.redactor, mode)

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
        """Return the network of one run of a task; `limits.timeout_seconds`, if there is one, bounds each fetch further.

        Without a task, as for webhooks, only the settings decide.
        """
        run = RunNetwork(
            self._services,
            self._policies.of(task),
            secrets or self.secrets_for(task),
            partition=str(task.uuid) if task else "",
            most_seconds=getattr(limits, "timeout_seconds", None),
            mocks=mocks.fresh() if mocks else None,
            replay=replay,
            recorder=recorder,
            on_close=self._forget,
        )
        self._runs.add(run)
        return run

    async def send(
        self,
        request: FetchRequest,
        *,
        timeout_seconds: float,
        max_response_bytes: int,
        who: str = "The request",
        allow: Sequence[str] | None = None,
        secrets: RunSecrets | None = None,
    ) -> FetchResponse:
        """Send one request of Ratchet itself, such as a webhook, under the rules that hold for tasks. Raises subclasses of `NetworkError`.

        The policy of the settings decides about the URL and about each redirect; `allow`, written like network.allow, narrows it, and `who`
        is what refusals call the sender; handles of `secrets` in headers are filled in for the hosts that they are bound to. It is tried
        once and never answered from the cache: repeating is up to the caller, who counts.
        The call is logged, without what `network.redact_*` names.
        """
        limits = {
            "timeout_seconds": timeout_seconds,
            "max_timeout_seconds": timeout_seconds,
            "response_bytes": max_response_bytes,
            "total_down_bytes": max(max_response_bytes, self.settings.total_down_bytes),
            "requests": 1,
        }
        run = RunNetwork(
            self._services,
            self._policies.of_caller(who, allow),
            secrets or self.secrets_for(None),
            settings=self.settings.model_copy(update=limits),
            on_close=self._forget,
        )
        self._runs.add(run)
        try:
            return await run.fetch(replace(request, timeout_seconds=None, retry=False, cache="no-store"))
        finally:
            await run.close()
            log_calls(who, run.calls)

    def for_called(self, caller: RunNetwork, task: Task) -> RunNetwork:
        """Return the network of a task that a run calls which was given its network: the same limits, mocks, recording and handles."""
        run = caller.for_called(self._policies.of(task), self.secrets_for(task, caller.secrets.nonce), str(task.uuid))
        self._runs.add(run)
        return run

    def _forget(self, run: RunNetwork) -> None:
        with suppress(KeyError):
            self._runs.remove(run)
