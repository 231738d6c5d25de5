"""Processor-heavy JavaScript inside a task beside the same code in the bare engine."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

from bench_floor import Silent
from figures import Figure, at_most

from ratchet_mcp.engine.pool import WorkerPool
from ratchet_mcp.engine.run import RunLimits, RunRequest
from ratchet_mcp.engine.script import compose
from ratchet_mcp.settings import EngineSettings, Limits
from ratchet_mcp.tasks.code import prepare

ROUNDS = 5
PROGRAMS = {
    "numbers": "() => { let s = 0; for (let i = 1; i < 3e7; i++) s += Math.sqrt(i) % 3; return s }",
    "objects and sorting": "() => { const a = []; for (let i = 0; i < 3e5; i++) a.push({ k: (i * 7919) % 10007, i }); a.sort((x, y) => x.k - y.k || x.i - y.i); return a[5].i }",
    "strings and JSON": "() => { let n = 0; for (let i = 0; i < 6e4; i++) { const t = JSON.stringify({ i, s: 'x'.repeat(i % 50), a: [1, 2, i] }); n += JSON.parse(t).s.length } return n }",
    "maps": "() => { const m = new Map(); for (let i = 0; i < 1.5e6; i++) m.set(i % 5003, (m.get(i % 5003) || 0) + i); return m.size }",
}


async def _measure() -> list[Figure]:
    bare = subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "bare_engine.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert bare.stdin and bare.stdout
    limits = RunLimits(60, 60, 256, 1 << 22, 1 << 22, 1 << 18, 100)
    figures: list[Figure] = []
    async with WorkerPool(EngineSettings(max_workers=1, spare_workers=0), Limits()) as pool:
        for name, source in PROGRAMS.items():
            script, digest = compose(prepare(source))
            ours: list[float] = []
            theirs: list[float] = []
            for round_number in range(ROUNDS):
                request = RunRequest(f"{name}-{round_number}", digest, script, digest, "{}", {}, limits)
                outcome = await pool.run(request, Silent())
                assert outcome.error is None, outcome.error
                ours.append(outcome.run_ms)
                bare.stdin.write(json.dumps(source) + "\n")
                bare.stdin.flush()
                theirs.append(float(bare.stdout.readline()) * 1000)
            figures.append(at_most(f"JavaScript in a task: {name}", ours, theirs, 1.2, "ms", "bare engine"))
    bare.kill()
    bare.wait()
    return figures


def measure() -> list[Figure]:
    """Return the figures."""
    return asyncio.run(_measure())
