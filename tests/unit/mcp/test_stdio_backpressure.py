"""A client that does not read: answers wait in bounded number, and nothing is lost."""

from __future__ import annotations

import json
import os
import threading

import anyio
from mcp.shared.message import SessionMessage
from mcp.types import JSONRPCRequest, JSONRPCResponse

from ratchet_mcp.mcp.standard_streams import StandardStreams
from ratchet_mcp.mcp.stdio_transport import MAX_UNREAD_ANSWERS, StdioTransport

REQUESTS = 3_000
BLOB = "x" * 10_000


async def test_while_answers_pile_up_no_more_requests_are_read_and_all_are_answered_in_the_end():
    # Relies on a private name of the SDK: the memory stream inside ContextReceiveStream.
    server_in, our_out = os.pipe()
    our_in, server_out = os.pipe()
    waiting, most = 0, 0
    lines: list[bytes] = []
    reading = threading.Event()

    def write() -> None:
        with os.fdopen(our_out, "wb") as sink:
            for number in range(REQUESTS):
                sink.write(json.dumps({"jsonrpc": "2.0", "id": number, "method": "m"}).encode() + b"\n")

    def read() -> None:
        reading.wait()
        with os.fdopen(our_in, "rb") as source:
            lines.extend(source)

    threads = [threading.Thread(target=write), threading.Thread(target=read)]
    for thread in threads:
        thread.start()

    async def answer(send: anyio.abc.ObjectSendStream[SessionMessage], request: JSONRPCRequest) -> None:
        nonlocal waiting, most
        waiting += 1
        most = max(most, waiting)
        if waiting > MAX_UNREAD_ANSWERS:
            reading.set()
        await send.send(SessionMessage(JSONRPCResponse(jsonrpc="2.0", id=request.id, result={"blob": BLOB})))
        waiting -= 1

    transport = StdioTransport(StandardStreams(server_in, server_out), 1 << 20)
    with anyio.fail_after(60):
        async with transport.connect() as (received, sent), anyio.create_task_group() as answers:
            async for item in received:
                assert isinstance(item, SessionMessage) and isinstance(item.message, JSONRPCRequest)
                answers.start_soon(answer, sent, item.message)
        for thread in threads:
            await anyio.to_thread.run_sync(thread.join)
    assert sorted(json.loads(line)["id"] for line in lines) == list(range(REQUESTS))
    assert most <= MAX_UNREAD_ANSWERS + 50
