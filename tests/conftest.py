"""Fixtures that every test may use."""

from __future__ import annotations

import signal

import pytest

pytest_plugins = ["postgres"]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell that runs us in the background: servers of tests would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run asynchronous tests on asyncio, which the engine needs."""
    return "asyncio"


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes by their parameter: packed bytes carry the time, and a test needs one name in every process."""
    return argname if isinstance(val, (bytes, bytearray)) else None
