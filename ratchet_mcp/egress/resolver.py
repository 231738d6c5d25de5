"""From names to addresses, on threads of its own: a name server that does not answer holds nobody else up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from ratchet_mcp.egress.addresses import resolve
from ratchet_mcp.egress.failures import Unreachable

_THREADS = 16


class Resolver(Protocol):
    """Gives the addresses of a host. Tests put one of their own in its place."""

    async def resolve(self, host: str, port: int) -> list[str]:
        """Return the addresses, best first, at least one. Raises `Unreachable`."""
        ...

    def close(self) -> None:
        """Let go of threads."""
        ...


class SystemResolver:
    """Asks the system, as every other program of the machine does (hosts file, DNS, …). `ask` takes its place, for tests."""

    def __init__(self, ask: Callable[[str, int], list[str]] = resolve) -> None:
        self._ask = ask
        self._threads: ThreadPoolExecutor | None = None

    async def resolve(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host. Raises `Unreachable`."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="ratchet-dns")
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._threads, self._ask, host, port)
        except (OSError, UnicodeError) as error:
            told = getattr(error, "strerror", None) or "it is no name that DNS can hold"
            raise Unreachable("dns", f"The name {host} was not found ({told})") from None
        if not found:
            raise Unreachable("dns", f"The name {host} has no address")
        return found

    def close(self) -> None:
        """Let go of the threads; a lookup that still waits for its answer ends with its thread."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None
