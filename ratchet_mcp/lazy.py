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

FIRST_PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 60.0
"""Between two tries to start."""


class LazyRatchet:
    """A Ratchet that starts in the background, for faces that answer before everything is up.

    A start that fails is tried again, with growing pauses, where the error says that it may help: the database server may come back, and
    nobody else would notice.

    Use it as an async context manager; `await get()` waits for the start, which begins at once, or at the first `get` if not `eager`.
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
        """Wait until everything is up. A failed start is raised to each caller as its `RatchetError`, until a later one succeeds."""
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
        if self._ratchet is None:
            self._tasks.cancel_scope.cancel("closed before it was up")
        self._closing.set()
        try:
            return await self._tasks.__aexit__(kind, error, trace)
        except BaseExceptionGroup as group:
            raise sole_error(group) from None

    async def _host(self) -> None:
        await self._wanted.wait()
        pause = FIRST_PAUSE_SECONDS
        while not await self._serve():
            await anyio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _serve(self) -> bool:
        """Start, and stop at the end; tells whether that was all. Otherwise the start failed, and may succeed a little later."""
        try:
            async with Ratchet.open(self.settings) as ratchet:
                self._ratchet = ratchet
                self._ready.set()
                _spare_the_collector()
                await self._closing.wait()
        except RatchetError as error:
            self._tell(error)
            return not error.retryable or self._ratchet is not None
        except Exception as error:
            from loguru import logger

            logger.opt(exception=error).error("Ratchet stopped on a defect")
            self._error = InternalError(
                f"Ratchet could not start: {type(error).__name__}.", hint="The log of the server has the traceback."
            )
        finally:
            self._ratchet = None
            self._ready.set()
        return True

    def _tell(self, error: RatchetError) -> None:
        """Say in the log why the start failed, unless that was the last thing it heard."""
        from loguru import logger

        if self._error is None or self._error.message != error.message:
            logger.error("Ratchet could not start: {} {}", error.message, error.hint or "")
        self._error = error


def _spare_the_collector() -> None:
    """Keep what start-up made out of garbage collection, and collect less often: a server makes many objects that soon go by themselves."""
    import gc

    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
