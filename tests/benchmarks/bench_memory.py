"""Memory of an idle stdio server with one worker and one spare."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from figures import Figure
from wire import server


def _megabytes(pid: int) -> tuple[float, float]:
    """Return resident and proportional memory."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return int(fields["Rss"].split()[0]) / 1024, int(fields["Pss"].split()[0]) / 1024


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process in MB."""
    return _megabytes(pid)[0]


async def _measure() -> list[Figure]:
    async with server(sys.executable, "-m", "ratchet_mcp.mcp.stdio_main") as ratchet:
        await ratchet.initialize()
        status = await ratchet.call("server_status", {})
        while len([w for w in status["structuredContent"]["workers"] if w["state"] == "idle"]) < 2:
            await asyncio.sleep(0.1)
            status = await ratchet.call("server_status", {})
        pids = [ratchet.process.pid, *(worker["pid"] for worker in status["structuredContent"]["workers"])]
        sizes = [_megabytes(pid) for pid in pids]
    resident, shared_once = sum(size for size, _ in sizes), sum(size for _, size in sizes)
    parts = " + ".join(f"{size:.0f}" for size, _ in sizes)
    return [
        Figure(
            "memory of an idle stdio server, worker and spare",
            f"{resident:.0f} MB ({parts})",
            f"{shared_once:.0f} MB with shared pages counted once",
            "",
            "< 250 MB",
            resident < 250,
        )
    ]


def measure() -> list[Figure]:
    """Return the figures."""
    return asyncio.run(_measure())
