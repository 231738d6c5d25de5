"""The network of one run: every fetch goes through here, from the task's wish to the answer, and leaves a `HttpCall` behind."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import anyio

from ratchet_mcp.egress.budget import Budget
from ratchet_mcp.egress.calls import HttpCall
from ratchet_mcp.egress.failures import failed
from ratchet_mcp.egress.matching import Seen
from ratchet_mcp.egress.messages import FetchRequest, FetchResponse
from ratchet_mcp.egress.policy import Policy
from ratchet_mcp.egress.preparing import Outgoing, prepare
from ratchet_mcp.egress.redaction import Redactor
from ratchet_mcp.egress.secrets import RunSecrets
from ratchet_mcp.egress.urls import read_url
from ratchet_mcp.errors import FetchLimit, FetchTimedOut, InvalidFetch, NetworkError, RatchetError
from ratchet_mcp.settings.network import NetworkSettings

if TYPE_CHECKING:
    from ratchet_mcp.egress.cache import ResponseCache
    from ratchet_mcp.egress.client import Client, Incoming
    from ratchet_mcp.egress.har import Recorder
    from ratchet_mcp.egress.mocks import Mocks
    from ratchet_mcp.egress.replay import Replay
    from ratchet_mcp.egress.resolver import Resolver


class Services:
    """What all runs share. The client and the cache are made when the first request needs them."""

    def __init__(self, settings: NetworkSettings, redactor: Redactor, resolver: Resolver | None, env: Mapping[str, str]) -> None:
        self.settings, self.redactor, self._given, self._env = settings, redactor, resolver, env
        self.closed = False

    @cached_property
    def resolver(self) -> Resolver:
        """Return what finds addresses."""
        from ratchet_mcp.egress.resolver import SystemResolver

        return self._given or SystemResolver()

    @cached_property
    def client(self) -> Client:
        """Return the connections."""
        from ratchet_mcp.egress.client import Client

        return Client(self.settings, self.resolver, self._env)

    @cached_property
    def cache(self) -> ResponseCache:
        """Return the responses that are kept."""
        from ratchet_mcp.egress.cache import ResponseCache

        return ResponseCache(self.settings.cache_mb << 20)

    async def close(self) -> None:
        """Close what was opened."""
        self.closed = True
        if "client" in self.__dict__:
            await self.client.close()
        if "resolver" in self.__dict__:
            self.resolver.close()


class RunNetwork:
    """The network of one run: policy of the task, limits left, secrets, mocks or replay or recorder, and the log of calls."""

    def __init__(
        self,
        services: Services,
        policy: Policy,
        secrets: RunSecrets,
        *,
        settings: NetworkSettings | None = None,
        partition: str = "",
        most_seconds: float | None = None,
        mocks: Mocks | None = None,
        replay: Replay | None = None,
        recorder: Recorder | None = None,
        on_close: Callable[[RunNetwork], None] | None = None,
    ) -> None:
        self.calls: list[HttpCall] = []
        self.secrets, self.mocks, self.replay, self.recorder = secrets, mocks, replay, recorder
        self._services, self._settings, self._policy = services, settings or services.settings, policy
        self._partition, self._most_seconds, self._on_close = partition, most_seconds, on_close
        self._budget = Budget(self._settings)
        self._parallel = anyio.Semaphore(self._settings.parallel)
        self._scopes: set[anyio.CancelScope] = set()
        self._numbers = itertools.count(1)
        self._closed = False

    def for_called(self, policy: Policy, secrets: RunSecrets, partition: str) -> RunNetwork:
        """Return the network of a task that this run calls: its own policy and list of calls; limits, mocks and recording are shared."""
        called = RunNetwork(
            self._services,
            policy,
            secrets,
            partition=partition,
            most_seconds=self._most_seconds,
            mocks=self.mocks,
            replay=self.replay,
            recorder=self.recorder,
            on_close=self._on_close,
        )
        called._budget, called._parallel, called._numbers = self._budget, self._parallel, self._numbers
        return called

    async def fetch(self, request: FetchRequest) -> FetchResponse:
        """Return the response to a request. Raises the subclasses of `errors.NetworkError`; cancelled with the run."""
        call = HttpCall(next(self._numbers), request.method[:20], "", started_at=time.time())
        started = time.monotonic()
        if len(self.calls) <= self._settings.requests:
            self.calls.append(call)
        try:
            return await self._counted(request, call)
        except RatchetError as error:
            self._clean(error)
            call.error = {"code": error.code, "message": error.message}
            raise
        except BaseException:
            call.error = {"code": "cancelled", "message": "The run ended before the response came."}
            raise
        finally:
            call.timing.total = (time.monotonic() - started) * 1000

    async def _counted(self, request: FetchRequest, call: HttpCall) -> FetchResponse:
        call.url = self._shown(request.url)
        self.secrets.check_elsewhere(request.url, request.body)
        outgoing, notes = prepare(request, self._settings)
        call.method, call.url, call.sent = outgoing.method, self._shown(outgoing.target.href), len(outgoing.body or b"")
        call.notes += notes
        self._check_open(outgoing.target.host)
        self._budget.request(outgoing.target.host)
        self._budget.send(outgoing.target.host, call.sent)
        entry = self.recorder.begin(call.number, self._seen(outgoing), call) if self.recorder else None
        try:
            response = await self._in_time(request, outgoing, call)
        except RatchetError as error:
            self._clean(error)
            if self.recorder and entry and not self._closed:
                self.recorder.finish(entry, error.to_dict())
            raise
        if self.recorder and entry:
            self.recorder.finish(entry, response)
        return response

    async def _in_time(self, request: FetchRequest, outgoing: Outgoing, call: HttpCall) -> FetchResponse:
        seconds = self._seconds(request)
        scope = anyio.CancelScope(deadline=anyio.current_time() + seconds)
        self._scopes.add(scope)
        try:
            with scope:
                async with self._parallel:
                    return await self._answered(request, outgoing, call, time.monotonic() + scope.deadline - anyio.current_time())
        finally:
            self._scopes.discard(scope)
        self._check_open(outgoing.target.host)
        raise FetchTimedOut(
            f"{outgoing.target.host} did not answer within {seconds:g} seconds.",
            hint="Ask for less, or give fetch a longer timeout (network.max_timeout_seconds is the most).",
            details={"host": outgoing.target.host, "seconds": seconds, "phase": call.phase},
        )

    def _seconds(self, request: FetchRequest) -> float:
        most = self._settings.max_timeout_seconds
        if self._most_seconds is not None:
            most = min(most, self._most_seconds)
        return min(request.timeout_seconds or self._settings.timeout_seconds, most)

    def _check_open(self, host: str) -> None:
        if self._closed or self._services.closed:
            raise failed(host, "closed", "The run has ended, and with it its network")

    # ------------------------------------------------------------ where the answer comes from
    async def _answered(self, request: FetchRequest, outgoing: Outgoing, call: HttpCall, deadline: float) -> FetchResponse:
        response = await self._replayed(outgoing, call)
        if response is None:
            response = await self._tried(request, outgoing, call, deadline)
        response = self._hidden(response)
        call.status, call.body_bytes, call.http_version = response.status, len(response.body), response.http_version
        return response

    async def _replayed(self, outgoing: Outgoing, call: HttpCall) -> FetchResponse | None:
        """Return the answer of the recording, to which retries and redirects led then; None when there is none, or the network is asked."""
        if self.replay is None:
            return None
        self._policy.of_the_task().decide(outgoing.target).check(outgoing.target.host)
        call.source = "replay"
        response = await self.replay.answer(self._seen(outgoing), outgoing.target)
        if response is None:
            call.source = "network"
        return response

    async def _mocked(self, outgoing: Outgoing, call: HttpCall) -> FetchResponse | None:
        """Return what a mock answers to one request, before redirects are followed; None when the network is asked."""
        if self.mocks is None:
            return None
        self._policy.of_the_task().decide(outgoing.target).check(outgoing.target.host)
        call.source = "mock"
        response = await self.mocks.answer(self._seen(outgoing), outgoing.target)
        if response is None:
            call.source = "network"
        return response

    def _seen(self, outgoing: Outgoing) -> Seen:
        headers = tuple((name, self.secrets.plain(value)) for name, value in outgoing.headers)
        body = None if outgoing.body is None else self.secrets.hide(outgoing.body)
        url = self.secrets.hide_text(outgoing.target.href)
        return Seen(outgoing.method, url, headers, body, shown=self._shown(url))

    async def _tried(self, request: FetchRequest, outgoing: Outgoing, call: HttpCall, deadline: float) -> FetchResponse:
        from ratchet_mcp.egress.retries import read_retry, with_retries

        plan = read_retry(request, outgoing, self._settings)

        def on_retry() -> None:
            call.retries += 1
            self._budget.send(outgoing.target.host, call.sent)

        return await with_retries(
            plan, deadline, lambda: self._follow(request, outgoing, call), on_retry, at_once=lambda: call.source == "mock"
        )

    async def _follow(self, request: FetchRequest, outgoing: Outgoing, call: HttpCall) -> FetchResponse:
        call.redirects = []
        while True:
            response = await self._mocked(outgoing, call) or await self._hop(request, outgoing, call)
            leads_to = None if response.redirected or request.redirect == "manual" else response.leads_to
            if leads_to is None:
                return replace(response, redirected=response.redirected or bool(call.redirects))
            outgoing = self._next(request, outgoing, response.status, leads_to, call)

    def _next(self, request: FetchRequest, outgoing: Outgoing, status: int, leads_to: str, call: HttpCall) -> Outgoing:
        """Return the request that follows a redirect. Raises `NetworkError` when it must not be followed."""
        host = outgoing.target.host
        if request.redirect == "error":
            raise failed(host, "redirect", f"{host} redirects, and the fetch was made with redirect: error")
        maximum = self._settings.redirects
        if len(call.redirects) >= maximum:
            message = f"{host} redirects more than {maximum} times (network.redirects)."
            raise FetchLimit(message, details={"host": host, "limit": "redirects", "maximum": maximum})
        try:
            target = read_url(leads_to, outgoing.target)
        except InvalidFetch as error:
            raise failed(host, "redirect", f"{host} redirects where no task can go: {error.message.rstrip('.')}") from None
        call.redirects.append(self._shown(target.href))
        if outgoing.target.scheme == "https" and target.scheme == "http":
            raise failed(host, "redirect", f"{host} redirects from https down to {target.scheme}://{target.authority}")
        following = outgoing.redirected(status, target, self._services.redactor)
        if target.origin != outgoing.target.origin:
            following = replace(following, headers=tuple(pair for pair in following.headers if not self.secrets.inside(pair[1])))
        self._budget.send(target.host, len(following.body or b""))
        return following

    async def _hop(self, request: FetchRequest, outgoing: Outgoing, call: HttpCall) -> FetchResponse:
        incoming = await self._exchanged(request, outgoing, call)
        return FetchResponse(
            url=outgoing.target.href,
            status=incoming.status,
            status_text=incoming.reason,
            headers=incoming.headers,
            body=incoming.body,
            redirected=False,
            http_version=incoming.http_version,
            from_cache=call.cache in ("hit", "revalidated"),
        )

    async def _exchanged(self, request: FetchRequest, outgoing: Outgoing, call: HttpCall) -> Incoming:
        target = outgoing.target
        decision = self._policy.decide(target)
        call.policy = decision.reason
        decision.check(target.host)
        follows = request.redirect == "follow"
        services = self._services

        async def send(wanted: Outgoing) -> Incoming:
            filled = replace(wanted, headers=self.secrets.fill(wanted.headers, target))
            return await services.client.exchange(filled, decision.reach, call, self._budget, follows=follows)

        private = any(self._services.redactor.is_sensitive(name) for name, _ in outgoing.headers) or self.secrets.uses(outgoing.headers)
        if not services.cache.applies(outgoing, request.cache, private=private):
            call.cache = "bypass" if self._settings.cache_mb else "off"
            return await send(outgoing)
        incoming, call.cache = await services.cache.fetch(self._partition, outgoing, request.cache, send)
        if incoming is None:
            raise failed(
                target.host, "closed", f"Nothing is cached for {self._shown(target.href)}, and the fetch was made with only-if-cached"
            )
        if call.cache == "hit":
            call.source = "cache"
            self._budget.receive(target.host, len(incoming.body))
        return incoming

    # ------------------------------------------------------------ what nobody may see
    def _shown(self, url: str) -> str:
        return self.secrets.hide_text(self._services.redactor.url(url[:2000]))

    def _hidden(self, response: FetchResponse) -> FetchResponse:
        """Return the response without the values of secrets, which a server may send back."""
        hide = self.secrets.hide_text
        headers = tuple((name, hide(value)) for name, value in response.headers)
        return replace(response, url=hide(response.url), headers=headers, body=self.secrets.hide(response.body))

    def _clean(self, error: RatchetError) -> None:
        error.message = self.secrets.hide_text(error.message)
        error.args = (error.message,)
        if isinstance(error, NetworkError):
            error.details.setdefault("host", None)

    async def close(self) -> None:
        """End what is under way; later fetches are refused."""
        self._closed = True
        for scope in list(self._scopes):
            scope.cancel()
        if self._on_close is not None:
            self._on_close(self)
