"""Canaries, and a real pool that must survive every attack of a module."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from engine_runs import host, open_pool, output, run

from ratchet_mcp.engine.pool import WorkerPool

__all__ = ["canary", "host", "output", "pool", "run"]
SECRET = "canary-4a7d1f"


@dataclass
class Canary:
    """What an attack must not reach: a file, an environment variable, a listening socket."""

    file: Path
    variable: str
    listener: socket.socket

    def to_input(self) -> dict[str, Any]:
        return {"file": str(self.file), "variable": self.variable, "port": self.listener.getsockname()[1]}

    def was_called(self) -> bool:
        try:
            self.listener.accept()
        except BlockingIOError:
            return False
        return True


@pytest.fixture(scope="session")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Canary]:
    """Put the canaries out before any worker starts."""
    file = tmp_path_factory.mktemp("canary") / "secret.txt"
    file.write_text(SECRET)
    os.environ["CANARY_OF_THE_TESTS"] = SECRET
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield Canary(file, "CANARY_OF_THE_TESTS", listener)
    del os.environ["CANARY_OF_THE_TESTS"]


@pytest.fixture(scope="module")
async def pool(canary: Canary) -> AsyncIterator[WorkerPool]:
    """One worker at a time, and a breaker that never opens: every attack meets the worker of the one before."""
    async with open_pool(max_workers=1, breaker_failures=10_000) as shared:
        yield shared
