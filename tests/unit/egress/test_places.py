"""Runs share the connections fairly."""

from __future__ import annotations

import anyio
import pytest

from ratchet_mcp.egress.places import Places


class Crowd:
    """Requests that hold their place until they are let go."""

    def __init__(self, total: int) -> None:
        self.places = Places(total)
        self.inside: list[str] = []
        self.scopes: dict[str, anyio.CancelScope] = {}
        self._go: dict[str, anyio.Event] = {}

    async def ask(self, name: str) -> None:
        self._go[name] = anyio.Event()
        with anyio.CancelScope() as self.scopes[name]:
            async with self.places.place(name[0]):
                self.inside.append(name)
                await self._go[name].wait()
        if name in self.inside:
            self.inside.remove(name)

    def let_go(self, name: str) -> None:
        self._go[name].set()


async def settled() -> None:
    for _ in range(5):
        await anyio.lowlevel.checkpoint()


@pytest.fixture
def crowd() -> Crowd:
    return Crowd(4)


async def test_one_run_leaves_room_for_another(crowd: Crowd) -> None:
    async with anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(crowd.ask, f"a{number}")
        await settled()
        assert crowd.inside == ["a0", "a1", "a2"] and crowd.places.waiting == 7
        tasks.start_soon(crowd.ask, "b0")
        await settled()
        assert "b0" in crowd.inside
        tasks.cancel_scope.cancel()
    assert crowd.places.waiting == 0


async def test_the_next_place_goes_to_the_run_that_has_the_fewest(crowd: Crowd) -> None:
    async with anyio.create_task_group() as tasks:
        for name in ("a0", "a1", "a2", "a3", "a4", "b0", "b1", "c0"):
            tasks.start_soon(crowd.ask, name)
        await settled()
        assert crowd.inside == ["a0", "a1", "a2", "b0"]
        for leaves, inside in (
            ("a0", ["a1", "a2", "b0", "c0"]),
            ("a1", ["a2", "b0", "c0"]),  # the last place is for a run that has none
            ("a2", ["b0", "c0", "a3"]),
            ("b0", ["c0", "a3", "b1"]),
        ):
            crowd.let_go(leaves)
            await settled()
            assert crowd.inside == inside
        tasks.cancel_scope.cancel()


async def test_several_greedy_runs_together_leave_room_for_another() -> None:
    crowd = Crowd(16)
    async with anyio.create_task_group() as tasks:
        for name in ("a", "b", "c"):
            for number in range(20):
                tasks.start_soon(crowd.ask, f"{name}{number}")
        await settled()
        assert len(crowd.inside) == 14
        tasks.start_soon(crowd.ask, "d0")
        tasks.start_soon(crowd.ask, "e0")
        await settled()
        assert crowd.inside[14:] == ["d0", "e0"]
        tasks.cancel_scope.cancel()


async def test_a_place_that_was_given_up_while_waiting_is_not_lost(crowd: Crowd) -> None:
    async with anyio.create_task_group() as tasks:
        for name in ("a0", "a1", "a2", "b0", "c0", "d0"):
            tasks.start_soon(crowd.ask, name)
        await settled()
        crowd.scopes["c0"].cancel()
        crowd.let_go("b0")
        await settled()
        assert crowd.inside == ["a0", "a1", "a2", "d0"]
        # its turn comes in the very moment in which it gives up
        tasks.start_soon(crowd.ask, "e0")
        tasks.start_soon(crowd.ask, "f0")
        await settled()
        crowd.let_go("d0")
        crowd.scopes["e0"].cancel()
        await settled()
        assert crowd.inside == ["a0", "a1", "a2", "f0"]
        tasks.cancel_scope.cancel()


async def test_a_single_place_serves_everybody_in_turn() -> None:
    places, order = Places(1), list[str]()

    async def ask(name: str) -> None:
        async with places.place(name):
            order.append(name)
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        for name in "abc":
            tasks.start_soon(ask, name)
    assert order == ["a", "b", "c"] and places.waiting == 0
