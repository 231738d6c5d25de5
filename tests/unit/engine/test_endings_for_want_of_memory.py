"""An engine without memory fails in many ways, some of them nameless; the run is told the one that it can do something about."""

from __future__ import annotations

import pytest
from engine_runs import RecordingHost, request

from ratchet_mcp.engine.active import ActiveRun

FAILED = {"output": None, "ended": {"error": {"kind": "engine", "message": "uncaught except"}}, "recycle": True}


@pytest.mark.parametrize(("peak", "code"), [(200.0, "memory_limit"), (20.0, "worker_crashed")])
async def test_an_engine_that_fails_with_full_memory_has_met_the_limit(peak: float, code: str) -> None:
    active = ActiveRun(request("() => 1", memory_mb=256), RecordingHost(), "w1")
    active.memory_peak_mb = peak
    active.on_result(FAILED)
    error = (await active.ended).error
    assert error is not None and error.code == code


@pytest.mark.parametrize(
    ("peak", "by_signal", "code"), [(200.0, True, "memory_limit"), (200.0, False, "worker_crashed"), (20.0, True, "worker_crashed")]
)
async def test_a_worker_that_dies_of_a_signal_with_full_memory_has_met_the_limit(peak: float, by_signal: bool, code: str) -> None:
    active = ActiveRun(request("() => 1", memory_mb=256), RecordingHost(), "w1")
    active.memory_peak_mb = peak
    active.died("it ended", by_signal=by_signal)
    error = (await active.ended).error
    assert error is not None and error.code == code
