"""A Ratchet that starts in the background."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

import anyio

from ratchet_mcp.errors import InternalError, RatchetError
from ratchet_mcp.hosting import sole_error

if TYPE_CHECKING:
    from ratchet_mcp.settings import Settings

from ratchet_mcp.app import Ratchet


class LazyRatchet:
    """A Ratchet that starts in the background, for faces that answer before everything is up.

    Use it as an async context manager; `await get()` waits for the start, which begins at once, or at the first `get` if not
    `eager`.
    """

    def __init__(self, settings: Settings, *, eager: bool = True) -> None:
        self.settings = settings
        self._wanted = anyio.Event()
        if eager:
            self._wanted.set()
        self._ratchet: Ratchet | None = None
        self._error: RatchetError | None = None
        self._ready = anyio.Event()
        self._closing = anyio.Event()
        self._tasks = anyio.create_task_group()

    @property
    def ready(self) -> bool:
        """Tell whether `get` answers at once."""
        return self._ready.is_set()

    @property
    def current(self) -> Ratchet | None:
        """Return the services, None before they are up and after they are down."""
        return self._ratchet

    async def get(self) -> Ratchet:
        """Wait until everything is up. A failed start is raised to each caller as its `RatchetError`."""
        self._wanted.set()
        return await self.up()

    async def up(self) -> Ratchet:
        """Wait as `get` does, without being the one who starts it."""
        await self._ready.wait()
        if self._ratchet is None:
            raise self._error or InternalError("The server is not running.")
        return self._ratchet

    async def __aenter__(self) -> LazyRatchet:
        await self._tasks.__aenter__()
        self._tasks.start_soon(self._host)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool | None:
        if not self._ready.is_set():
            self._tasks.cancel_scope.cancel("closed before it was up")
        self._closing.set()
        try:
            return await self._tasks.__aexit__(kind, error, trace)
        except BaseExceptionGroup as group:
            raise sole_error(group) from None

    async def _host(self) -> None:
        await self._wanted.wait()
        try:
            async with Ratchet.open(self.settings) as ratchet:
                self._ratchet = ratchet
                self._ready.set()
                _spare_the_collector()
                await self._closing.wait()
        except RatchetError as error:
            from loguru import logger

            logger.error("Ratchet could not start: {} {}", error.message, error.hint or "")
            self._error = error
        except Exception as error:
            from loguru import logger

            logger.opt(exception=error).error("Ratchet stopped on a defect")
            self._error = InternalError(
                f"Ratchet could not start: {type(error).__name__}.", hint="The log of the server has the traceback."
            )
        finally:
            self._ratchet = None
            self._ready.set()


def _spare_the_collector() -> None:
    """Keep what start-up made out of garbage collection, and collect less often: a server makes many objects that soon go by themselves."""
    import gc

    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
