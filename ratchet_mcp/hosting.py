"""Services that start at the same time and stop in order, each in a task of its own."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Generic, TypeVar, cast

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint_if_cancelled

from ratchet_mcp.errors import InternalError, Interrupted

T = TypeVar("T")


class Hosted(Generic[T]):
    """One service, entered and left in its own task, because a cancel scope must be left by the task that entered it.

    Cancelling the surroundings does not reach a started service: it ends when `stop` is called, so that those who use it end first.
    """

    value: T

    def __init__(self, name: str, open_service: Callable[[], AbstractAsyncContextManager[T]]) -> None:
        self.name = name
        self._open_service = open_service
        self._opening = anyio.CancelScope()
        self._settled = anyio.Event()
        self._closing = anyio.Event()
        self._closed = anyio.Event()
        self._started = False
        self._error: Exception | None = None

    async def start(self, services: TaskGroup, seconds: float) -> None:
        """Enter the service in a task of `services`; returns when it is up. Raises what it raises, or `InternalError` after `seconds`.

        Not `TaskGroup.start`: cancelled in the moment in which the service comes up, that would wait for a task that is shielded.
        """
        services.start_soon(self._host, seconds)
        try:
            await self._settled.wait()
        except anyio.get_cancelled_exc_class():
            self._closing.set()
            if not self._started:
                self._opening.cancel("nobody waits for it any more")
            with anyio.CancelScope(shield=True):
                await self._closed.wait()
            raise
        if self._error is not None:
            raise self._error

    async def stop(self) -> None:
        """Leave the service and wait until it is down."""
        self._closing.set()
        if self._started:
            with anyio.CancelScope(shield=True):
                await self._closed.wait()

    async def _host(self, seconds: float) -> None:
        try:
            with self._opening as scope:
                scope.deadline = anyio.current_time() + seconds
                async with self._open_service() as value:
                    await checkpoint_if_cancelled()
                    scope.shield, scope.deadline = True, math.inf
                    self.value, self._started = value, True
                    self._settled.set()
                    await self._closing.wait()
            if scope.cancelled_caught:
                raise InternalError(f"Starting {self.name} took longer than {seconds:g} seconds.")
        except Exception as error:
            if self._started:
                raise
            self._error = error
        finally:
            self._closed.set()
            self._settled.set()


class OnDemand(Generic[T]):
    """A service that starts when it is first asked for, in a task of `services`. A failed start is tried again by the next who asks."""

    def __init__(self, name: str, open_service: Callable[[], AbstractAsyncContextManager[T]], services: TaskGroup, seconds: float) -> None:
        self._name = name
        self._open_service = open_service
        self._services = services
        self._seconds = seconds
        self._lock = anyio.Lock()
        self._hosted: Hosted[T] | None = None
        self._stopped = False

    async def get(self) -> T:
        """Return the service. Raises what its start raises, and `Interrupted` when it has been stopped."""
        if self._hosted is not None:
            return self._hosted.value
        async with self._lock:
            if self._stopped:
                raise Interrupted("The server is stopping.")
            if self._hosted is None:
                hosted = Hosted(self._name, self._open_service)
                await hosted.start(self._services, self._seconds)
                self._hosted = hosted
            return self._hosted.value

    async def stop(self) -> None:
        """Leave the service, if it was ever started."""
        self._stopped = True
        with anyio.CancelScope(shield=True):
            async with self._lock:
                if self._hosted is not None:
                    await self._hosted.stop()


def sole_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the one error that matters in a group: the only leaf, or the first `RatchetError` when several parts failed."""
    from ratchet_mcp.errors import RatchetError

    leaves = _leaves(group)
    if len(leaves) == 1:
        return leaves[0]
    return next((leaf for leaf in leaves if isinstance(leaf, RatchetError)), group)


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return [leaf for child in group.exceptions for leaf in _leaves(child)]
    return [error]
