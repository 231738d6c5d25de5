"""The network of runs for tests: loopback is reached only where a setting says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import psutil

from ratchet_mcp.egress.failures import Unreachable
from ratchet_mcp.egress.messages import FetchRequest, FetchResponse
from ratchet_mcp.egress.service import Egress, RunNetwork
from ratchet_mcp.settings import NetworkSettings

LOOPBACK = ["127.0.0.1:*", "[::1]:*", "*.test:*"]


class Names:
    """A resolver with answers of its own: names to lists of answers, each a list of addresses; the last answer repeats."""

    def __init__(self, answers: Mapping[str, list[list[str]]]) -> None:
        self._left = {name: list(each) for name, each in answers.items()}
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        left = self._left.get(host)
        if left is None:
            raise Unreachable("dns", f"The name {host} was not found (no such name)")
        return left.pop(0) if len(left) > 1 else left[0]

    def close(self) -> None:
        """Nothing is held."""


@asynccontextmanager
async def egress(
    *, names: Mapping[str, list[list[str]]] | None = None, env: Mapping[str, str] | None = None, **settings: Any
) -> AsyncGenerator[Egress]:
    """Run the service, and see afterwards that it has left no socket open."""
    before = sockets()
    settings = {"allow_private": LOOPBACK, "retries": 0, "retry_wait_seconds": 0.01, **settings}
    async with Egress(NetworkSettings(**settings), resolver=None if names is None else Names(names), env=env or {}) as service:
        yield service
    for _ in range(100):
        if sockets() <= before:
            break
        await asyncio.sleep(0.01)
    assert sockets() <= before, "sockets were left open"


def sockets() -> set[tuple[str, int]]:
    """Return our end of each client connection of this process that is not closed."""
    listening = {each.laddr[1] for each in psutil.Process().net_connections("tcp") if each.status == psutil.CONN_LISTEN}
    return {
        (each.laddr[0], each.laddr[1])
        for each in psutil.Process().net_connections("tcp")
        if each.raddr and each.laddr[1] not in listening and each.status not in (psutil.CONN_TIME_WAIT, psutil.CONN_NONE)
    }


async def get(run: RunNetwork, url: str, **options: Any) -> FetchResponse:
    """Fetch as a task does."""
    headers = tuple(options.pop("headers", {}).items())
    return await run.fetch(FetchRequest(url, headers=headers, **options))
