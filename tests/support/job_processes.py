"""Processes that run jobs: `ratchet worker`, `ratchet serve` and `ratchet-mcp`, with the tasks for jobs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio

from ratchet_mcp.app import Ratchet
from ratchet_mcp.jobs.models import Job, JobStatus

LIMIT_SECONDS = 60
"""Only to turn a hang into a failure."""

WORKER = ("-m", "ratchet_mcp.cli.main", "worker")
SERVER = ("-m", "ratchet_mcp.cli.main", "serve", "--port", "0")
STDIO = ("-m", "ratchet_mcp.mcp.stdio_main")


def environment(url: str, tasks: Path, **more: str) -> dict[str, str]:
    """Return the variables of a process with these tasks and nothing else; it notices quickly what others do."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RATCHET_")}
    return {
        **kept,
        "RATCHET_STORE__URL": url,
        "RATCHET_STORE__HEARTBEAT_SECONDS": "0.2",
        "RATCHET_REGISTRY__BUNDLED": "false",
        "RATCHET_REGISTRY__SOURCES": json.dumps([{"name": "ours", "uri": str(tasks)}]),
        "RATCHET_ENGINE__MIN_WORKERS": "1",
        "RATCHET_ENGINE__MAX_WORKERS": "2",
        "RATCHET_ENGINE__BREAKER_FAILURES": "1000",
        "RATCHET_JOBS__POLL_SECONDS": "0.1",
        "RATCHET_LOGGING__LEVEL": "WARNING",
        **more,
    }


def start(command: tuple[str, ...], variables: dict[str, str], **options: Any) -> subprocess.Popen[bytes]:
    """Start a process of this Python; without `options` it has no input, and its output goes nowhere."""
    streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen((sys.executable, *command), env=variables, **{**streams, **options})


async def until(ratchet: Ratchet, id: str, *wanted: JobStatus) -> Job:
    """Wait until a job has one of these statuses."""
    with anyio.fail_after(LIMIT_SECONDS):
        while (job := await ratchet.jobs.get(id)).status not in wanted:
            await anyio.sleep(0.02)
    return job


async def until_ended(process: subprocess.Popen[bytes]) -> int:
    """Wait until a process has ended; returns its status."""
    with anyio.fail_after(LIMIT_SECONDS):
        while (status := process.poll()) is None:
            await anyio.sleep(0.02)
    return status
