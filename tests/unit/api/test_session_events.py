"""Events that a session keeps for a client that comes back."""

from __future__ import annotations

from mcp.server.streamable_http import EventMessage
from mcp.types import JSONRPCNotification, JSONRPCResponse

from ratchet_mcp.api.sessions import SessionEvents, SessionManager
from ratchet_mcp.mcp.server import build
from ratchet_mcp.settings import Settings


def message(text: str) -> JSONRPCNotification:
    return JSONRPCNotification(jsonrpc="2.0", method="notifications/message", params={"text": text})


async def replay(events: SessionEvents, last: str) -> tuple[str | None, list[str]]:
    sent: list[EventMessage] = []

    async def keep(event: EventMessage) -> None:
        sent.append(event)

    stream = await events.replay_events_after(last, keep)
    return stream, [event.message.params["text"] for event in sent]


async def test_what_came_later_on_the_same_stream_is_sent_again():
    events = SessionEvents()
    first = await events.store_event("a", message("1"))
    await events.store_event("b", message("other stream"))
    await events.store_event("a", None)
    await events.store_event("a", message("2"))
    assert await replay(events, first) == ("a", ["2"])


async def test_an_id_that_is_not_kept_any_more_or_comes_from_elsewhere_replays_nothing():
    events, others = SessionEvents(kept=2), SessionEvents()
    old = await events.store_event("a", message("1"))
    for number in range(3):
        await events.store_event("a", message(str(number)))
    foreign = await others.store_event("a", message("secret"))
    assert await replay(events, old) == (None, [])
    assert await replay(events, foreign) == (None, [])


async def test_long_results_push_older_events_out():
    events = SessionEvents(characters=10_000)
    first = await events.store_event("a", message("1"))
    for number in range(3):
        result = {"content": [{"type": "text", "text": "x" * 50_000}]}
        await events.store_event("a", JSONRPCResponse(jsonrpc="2.0", id=number, result=result))
    assert await replay(events, first) == (None, [])
    assert len(events._events) == 1


async def test_every_session_has_a_store_of_its_own():
    # Relies on two private names of the SDK: _admit_session and _event_store.
    manager = SessionManager(build(object(), Settings()), event_store=SessionEvents())  # type: ignore[arg-type]  # never asked
    first, second = manager._admit_session(None), manager._admit_session(None)
    stores = {id(first._event_store), id(second._event_store), id(manager.event_store)}
    assert len(stores) == 3
    assert isinstance(first._event_store, SessionEvents)
