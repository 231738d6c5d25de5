"""Telling connected clients what has changed, in both protocol eras.

Clients of 2026-07-28 open `subscriptions/listen` streams, which a bus feeds. Handshake connections are told one by one; the SDK keeps no
list of them, so this does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

import anyio
from loguru import logger
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    PromptsListChanged,
    ResourcesListChanged,
    ResourceUpdated,
    ToolsListChanged,
)
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS, EmptyResult

if TYPE_CHECKING:
    from mcp.server import ServerRequestContext
    from mcp.server.connection import Connection
    from mcp.types import (
        NotificationParams,
        SubscribeRequestParams,
        SubscriptionsListenRequestParams,
        SubscriptionsListenResult,
        UnsubscribeRequestParams,
    )

Serve = Callable[["ServerRequestContext[Any, Any]", "SubscriptionsListenRequestParams"], "Awaitable[SubscriptionsListenResult]"]
SEND_SECONDS = 2.0
"""How long one client may take to accept a notification."""
LEFT_ALONE_SECONDS = 60.0
"""How long a client that did not is told nothing."""
MAX_SUBSCRIPTIONS = 1_000
"""Resources that one connection may subscribe to."""


class _Client:
    """A handshake connection and the resources that it subscribed to."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.uris: set[str] = set()
        self.left_alone_until = 0.0


class Announcements:
    """Who listens, and what they are told. `on_subscribe` is called with each URI that somebody subscribes to."""

    def __init__(self, on_subscribe: Callable[[str], None]) -> None:
        self._on_subscribe = on_subscribe
        self._bus = InMemorySubscriptionBus()
        self._listen = ListenHandler(self._bus)
        self.serve: Serve = self._listen
        """Serves a stream; an extension takes its place to tell more on it."""
        self._listened: Counter[str] = Counter()
        self._clients: dict[int, _Client] = {}

    @property
    def subscribed(self) -> set[str]:
        """Return the URIs that somebody wants to hear of."""
        return {*self._listened, *(uri for client in self._clients.values() for uri in client.uris)}

    # ------------------------------------------------------------ who listens
    async def initialized(self, context: ServerRequestContext[Any, Any], params: NotificationParams) -> None:
        """Remember a handshake connection until it closes."""
        self._client(context)

    async def subscribe(self, context: ServerRequestContext[Any, Any], params: SubscribeRequestParams) -> EmptyResult:
        """Tell this connection when the resource changes."""
        uris = self._client(context).uris
        if len(uris) >= MAX_SUBSCRIPTIONS:
            raise MCPError(code=INVALID_PARAMS, message=f"This connection already has {MAX_SUBSCRIPTIONS} subscriptions.")
        uris.add(str(params.uri))
        self._on_subscribe(str(params.uri))
        return EmptyResult()

    async def unsubscribe(self, context: ServerRequestContext[Any, Any], params: UnsubscribeRequestParams) -> EmptyResult:
        """Tell this connection no more of the resource."""
        self._client(context).uris.discard(str(params.uri))
        return EmptyResult()

    async def listen(self, context: ServerRequestContext[Any, Any], params: SubscriptionsListenRequestParams) -> SubscriptionsListenResult:
        """Serve one stream of 2026-07-28 until it closes."""
        uris = list(params.notifications.resource_subscriptions or ())
        if len(uris) > MAX_SUBSCRIPTIONS:
            raise MCPError(code=INVALID_PARAMS, message=f"A stream may have {MAX_SUBSCRIPTIONS} resource subscriptions.")
        self._listened.update(uris)
        try:
            for uri in uris:
                self._on_subscribe(uri)
            return await self.serve(context, params)
        finally:
            self._listened.subtract(uris)
            self._listened += Counter()  # forget what nobody listens to

    def close(self) -> None:
        """End all streams in order."""
        self._listen.close()

    def _client(self, context: ServerRequestContext[Any, Any]) -> _Client:
        connection = context.session._connection  # pyright: ignore[reportPrivateUsage]  # no public way; covered by a test
        client = self._clients.get(id(connection))
        if client is None:
            client = self._clients[id(connection)] = _Client(connection)
            connection.exit_stack.callback(self._clients.pop, id(connection), None)
        return client

    # ------------------------------------------------------------ what they are told
    async def tools_changed(self) -> None:
        """Say that the list of tools is another one."""
        await self._bus.publish(ToolsListChanged())
        await self._tell(lambda client: client.connection.send_tool_list_changed())

    async def prompts_changed(self) -> None:
        """Say that the list of prompts is another one."""
        await self._bus.publish(PromptsListChanged())
        await self._tell(lambda client: client.connection.send_prompt_list_changed())

    async def resources_changed(self) -> None:
        """Say that the list of resources is another one."""
        await self._bus.publish(ResourcesListChanged())
        await self._tell(lambda client: client.connection.send_resource_list_changed())

    async def updated(self, uris: Iterable[str]) -> None:
        """Say to those who subscribed to them that resources have another content."""
        for uri in uris:
            await self._bus.publish(ResourceUpdated(uri=uri))
            subscribers = [client for client in self._clients.values() if uri in client.uris]
            await self._tell(lambda client, uri=uri: client.connection.send_resource_updated(uri), subscribers)

    async def _tell(self, send: Callable[[_Client], Awaitable[None]], to: list[_Client] | None = None) -> None:
        """Send to all at once. A client that is stuck keeps the next announcement waiting once, and is then left alone for a while."""
        async with anyio.create_task_group() as sending:
            for client in list(self._clients.values()) if to is None else to:
                if client.left_alone_until <= anyio.current_time():
                    sending.start_soon(_in_time, send, client)


async def _in_time(send: Callable[[_Client], Awaitable[None]], client: _Client) -> None:
    with anyio.move_on_after(SEND_SECONDS) as sending:
        await send(client)
    if sending.cancelled_caught:
        client.left_alone_until = anyio.current_time() + LEFT_ALONE_SECONDS
        logger.warning("A client did not take a notification within {:g} s", SEND_SECONDS)
