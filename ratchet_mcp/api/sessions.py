"""Sessions of Streamable HTTP: each keeps its own recent events, so that a client can resume a broken stream."""

from __future__ import annotations

import secrets
from collections import deque
from typing import TYPE_CHECKING, Any, cast

from mcp.server.streamable_http import EventCallback, EventMessage, EventStore, StreamableHTTPServerTransport
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.types import JSONRPCResponse

if TYPE_CHECKING:
    from mcp.server.auth.middleware.bearer_auth import AuthorizationContext
    from mcp.types import JSONRPCMessage

KEPT_EVENTS = 200
KEPT_CHARACTERS = 1 << 20
"""Text of all events that a session keeps, about; the newest one is always kept."""
SMALL_EVENT = 500


class SessionEvents(EventStore):
    """The recent events of one session. Ids cannot be guessed, and no other session's events are ever in it."""

    def __init__(self, kept: int = KEPT_EVENTS, characters: int = KEPT_CHARACTERS) -> None:
        self._events: deque[tuple[str, str, JSONRPCMessage | None]] = deque()
        self._kept, self._room = kept, characters
        self._nonce = secrets.token_hex(8)
        self._count = 0

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        """Keep one event and return its id; `None` marks a point to resume from."""
        self._count += 1
        event_id = f"{self._nonce}-{self._count}"
        self._events.append((stream_id, event_id, message))
        self._room -= _size(message)
        while len(self._events) > 1 and (len(self._events) > self._kept or self._room < 0):
            self._room += _size(self._events.popleft()[2])
        return event_id

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        """Send what came after `last_event_id` on its stream; return the stream, or `None` when the id is not kept."""
        events = list(self._events)
        position = next((index for index, (_, event_id, _) in enumerate(events) if event_id == last_event_id), None)
        if position is None:
            return None
        stream_id = events[position][0]
        for stream, event_id, message in events[position + 1 :]:
            if stream == stream_id and message is not None:
                await send_callback(EventMessage(message, event_id))
        return stream_id


def _size(message: JSONRPCMessage | None) -> int:
    """Return about how many characters an event holds: the texts of a result, twice because its structure mirrors them."""
    if not isinstance(message, JSONRPCResponse):
        return SMALL_EVENT
    content = message.result.get("content") or message.result.get("contents") or ()
    return SMALL_EVENT + 2 * sum(len(str(cast("dict[str, Any]", block).get("text", ""))) for block in content)


class SessionManager(StreamableHTTPSessionManager):
    """The SDK's manager with an event store for each session; a shared one would replay one client's results to another."""

    def _admit_session(self, requestor: AuthorizationContext | None) -> StreamableHTTPServerTransport | None:
        transport = super()._admit_session(requestor)
        if transport is not None:
            transport._event_store = SessionEvents()  # pyright: ignore[reportPrivateUsage]  # no public way; covered by a test
        return transport
