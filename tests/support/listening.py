"""A client of either protocol era, and what the server tells it unasked."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio
from mcp import Client
from mcp.client.subscriptions import PromptsListChanged, ResourcesListChanged, ResourceUpdated, ToolsListChanged
from mcp.shared.exceptions import MCPDeprecationWarning

LIMIT_SECONDS = 30
"""Only to turn a hang into a failure."""
EVENTS = {ToolsListChanged: "tools", PromptsListChanged: "prompts", ResourcesListChanged: "resources"}
METHODS = {f"notifications/{name}/list_changed": name for name in EVENTS.values()}


class Heard:
    """What one client was told: `tools`, `prompts`, `resources`, or the URI of a resource that was updated."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self._news = anyio.Event()

    def note(self, what: str) -> None:
        self.all.append(what)
        self._news.set()
        self._news = anyio.Event()

    async def once(self, *wanted: str) -> None:
        """Wait until everything wanted was told since the last `forget`."""
        with anyio.fail_after(LIMIT_SECONDS):
            while not set(wanted) <= set(self.all):
                await self._news.wait()

    def forget(self) -> None:
        self.all.clear()


@asynccontextmanager
async def listening(client: Client, uris: Sequence[str] = ()) -> AsyncIterator[Heard]:
    """Connect `client` and listen to everything, and to updates of `uris`."""
    heard = Heard()

    async def take(message: Any) -> None:
        method = getattr(message, "method", None)
        if method in METHODS:
            heard.note(METHODS[method])
        elif method == "notifications/resources/updated":
            heard.note(str(message.params.uri))

    client.message_handler = take
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(client)
        if client.protocol_version >= "2026":
            tasks = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(tasks.cancel_scope.cancel)
            wanted: dict[str, Any] = {f"{name}_list_changed": True for name in EVENTS.values()}
            events = await stack.enter_async_context(client.listen(**wanted, resource_subscriptions=uris))
            tasks.start_soon(_relay, events, heard.note)
        else:
            for uri in uris:
                await subscribe(client, uri)
        yield heard


async def subscribe(client: Client, uri: str) -> None:
    """Subscribe a handshake client."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MCPDeprecationWarning)
        await client.subscribe_resource(uri)


async def unsubscribe(client: Client, uri: str) -> None:
    """Unsubscribe a handshake client."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MCPDeprecationWarning)
        await client.unsubscribe_resource(uri)


async def _relay(events: Any, note: Callable[[str], None]) -> None:
    async for event in events:
        note(event.uri if isinstance(event, ResourceUpdated) else EVENTS[type(event)])
