"""Telling many connections what has changed: a stuck one keeps the others waiting once at most."""

from __future__ import annotations

from contextlib import AsyncExitStack
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from mcp import MCPError
from mcp.types import SubscribeRequestParams, UnsubscribeRequestParams

from ratchet_mcp.mcp import announcements as module
from ratchet_mcp.mcp.announcements import Announcements


class Peer:
    """A handshake connection as the SDK keeps it, at the end of which somebody reads, or does not."""

    def __init__(self, *, stuck: bool = False) -> None:
        self.exit_stack = AsyncExitStack()
        self.heard: list[str] = []
        self.tried = 0
        self._stuck = stuck

    @property
    def context(self) -> Any:
        return SimpleNamespace(session=SimpleNamespace(_connection=self))

    async def _take(self, what: str) -> None:
        self.tried += 1
        if self._stuck:
            await anyio.sleep_forever()
        self.heard.append(what)

    async def send_tool_list_changed(self) -> None:
        await self._take("tools")

    async def send_resource_updated(self, uri: str) -> None:
        await self._take(uri)


async def joined(announcements: Announcements, *peers: Peer) -> None:
    for peer in peers:
        await announcements.initialized(peer.context, None)  # type: ignore[arg-type]


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEND_SECONDS", 0.01)


async def test_a_stuck_client_keeps_the_others_waiting_once(hasty: None):
    announcements, stuck, well = Announcements(lambda uri: None), Peer(stuck=True), Peer()
    await joined(announcements, stuck, well)
    for _ in range(3):
        await announcements.tools_changed()
    assert well.heard == ["tools"] * 3
    assert stuck.tried == 1


async def test_a_client_hears_only_of_what_it_subscribed_to_and_only_while_it_does():
    seen: list[str] = []
    announcements, one, other = Announcements(seen.append), Peer(), Peer()
    await joined(announcements, one, other)
    await announcements.subscribe(one.context, SubscribeRequestParams(uri="task://a"))
    await announcements.updated(["task://a", "task://b"])
    await announcements.unsubscribe(one.context, UnsubscribeRequestParams(uri="task://a"))
    await announcements.updated(["task://a"])
    assert (one.heard, other.heard, seen) == (["task://a"], [], ["task://a"])
    assert announcements.subscribed == set()


async def test_a_closed_connection_is_forgotten():
    announcements, peer = Announcements(lambda uri: None), Peer()
    await announcements.subscribe(peer.context, SubscribeRequestParams(uri="task://a"))
    assert announcements.subscribed == {"task://a"}
    await peer.exit_stack.aclose()
    await announcements.tools_changed()
    assert peer.heard == [] and announcements.subscribed == set()


async def test_subscriptions_are_bounded():
    announcements, peer = Announcements(lambda uri: None), Peer()
    for number in range(module.MAX_SUBSCRIPTIONS):
        await announcements.subscribe(peer.context, SubscribeRequestParams(uri=f"task://{number}"))
    with pytest.raises(MCPError):
        await announcements.subscribe(peer.context, SubscribeRequestParams(uri="task://more"))
