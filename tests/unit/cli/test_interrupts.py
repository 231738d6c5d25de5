"""Ctrl+C ends a command at once."""

from __future__ import annotations

import asyncio
import signal
import threading

import anyio
import pytest

from ratchet_mcp.cli.interrupts import run


def test_ctrl_c_wakes_a_loop_that_sleeps() -> None:
    woken_by_itself: list[bool] = []

    def press() -> None:
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)  # to another thread: nothing interrupts what the loop waits in

    async def wait() -> None:
        asyncio.get_running_loop().call_later(5, woken_by_itself.append, True)
        threading.Timer(0.02, press).start()
        await anyio.sleep_forever()

    with pytest.raises(KeyboardInterrupt):
        run(wait)
    assert not woken_by_itself


def test_what_ends_without_ctrl_c_is_as_it_was() -> None:
    async def double(number: int) -> int:
        return number * 2

    async def break_off() -> None:
        raise asyncio.CancelledError

    assert run(double, 21) == 42
    with pytest.raises(asyncio.CancelledError):
        run(break_off)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_does_not_wait() -> None:
    async def cling() -> None:
        signal.raise_signal(signal.SIGINT)
        try:
            await anyio.sleep_forever()
        except asyncio.CancelledError:
            signal.raise_signal(signal.SIGINT)
            await anyio.sleep(5)
            pytest.fail("it waited")

    with pytest.raises(KeyboardInterrupt):
        run(cling)
