"""Services that start side by side, and what becomes of them when nobody waits any more."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest

from ratchet_mcp.errors import InternalError, Interrupted, StoreFailed
from ratchet_mcp.hosting import Hosted, OnDemand, sole_error

Open = Callable[[], AbstractAsyncContextManager[str]]


def service(story: list[str], opening: Callable[[], object] = lambda: None, *, patient: bool = True) -> Open:
    """Return a service that tells its story; a patient one cannot be interrupted while it opens."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[str]:
        await anyio.to_thread.run_sync(opening, abandon_on_cancel=not patient)
        story.append("up")
        try:
            yield "value"
        finally:
            story.append("down")

    return opened


async def test_a_service_is_up_until_it_is_stopped():
    story: list[str] = []
    hosted = Hosted("it", service(story))
    async with anyio.create_task_group() as services:
        await hosted.start(services, 10)
        assert (hosted.value, story) == ("value", ["up"])
        await hosted.stop()
    assert story == ["up", "down"]


async def test_an_error_while_opening_goes_to_the_starter_alone():
    def fail() -> None:
        raise StoreFailed("no")

    async with anyio.create_task_group() as services:
        hosted = Hosted("it", service([], fail))
        with pytest.raises(StoreFailed):
            await hosted.start(services, 10)
        await hosted.stop()


async def test_a_service_that_takes_too_long_is_given_up():
    async with anyio.create_task_group() as services:
        hosted = Hosted("it", lambda: _never())
        with pytest.raises(InternalError, match=r"took longer than 0\.01 seconds"):
            await hosted.start(services, 0.01)


async def test_a_cancellation_while_it_opens_leaves_it_down_and_never_hangs():
    story: list[str] = []

    with anyio.fail_after(30):
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as services:

                def opening() -> None:
                    anyio.from_thread.run_sync(scope.cancel)

                await Hosted("it", service(story, opening)).start(services, 10)
        assert scope.cancelled_caught
    assert story in (["up", "down"], [])


@asynccontextmanager
async def _never() -> AsyncIterator[str]:
    await anyio.sleep_forever()
    yield "never"


def test_the_error_that_matters_is_found_in_a_group():
    failed = StoreFailed("no")
    assert sole_error(ExceptionGroup("g", [ExceptionGroup("h", [failed])])) is failed
    assert sole_error(ExceptionGroup("g", [ValueError(), failed])) is failed


async def test_a_service_on_demand_starts_once_when_it_is_first_asked_for() -> None:
    story: list[str] = []
    async with anyio.create_task_group() as services:
        service_on_demand = OnDemand("it", service(story), services, 5)
        assert story == []
        async with anyio.create_task_group() as asking:
            for _ in range(3):
                asking.start_soon(service_on_demand.get)
        assert await service_on_demand.get() == "value"
        assert story == ["up"]
        await service_on_demand.stop()
    assert story == ["up", "down"]
    async with anyio.create_task_group() as services:
        never = OnDemand("it", service(story), services, 5)
        await never.stop()
        with pytest.raises(Interrupted):
            await never.get()
    assert story == ["up", "down"]


async def test_a_service_on_demand_that_failed_to_start_is_tried_again() -> None:
    story: list[str] = []
    failures = [StoreFailed("not now")]

    def opening() -> None:
        if failures:
            raise failures.pop()

    async with anyio.create_task_group() as services:
        on_demand = OnDemand("it", service(story, opening), services, 5)
        with pytest.raises(StoreFailed):
            await on_demand.get()
        assert await on_demand.get() == "value"
        await on_demand.stop()
    assert story == ["up", "down"]


async def test_a_service_on_demand_is_left_although_its_surroundings_are_cancelled() -> None:
    story: list[str] = []
    async with anyio.create_task_group() as services:
        on_demand = OnDemand("it", service(story), services, 5)
        await on_demand.get()
        services.cancel_scope.cancel()
        await on_demand.stop()
    assert story == ["up", "down"]
