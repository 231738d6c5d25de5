"""What `fetch` in a task costs beside httpx alone, how parallel it is, and many tasks that wait for a server."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
from figures import Figure, at_most

from ratchet_mcp.app import Ratchet
from ratchet_mcp.execution.models import Origin
from ratchet_mcp.security.principal import LOCAL
from ratchet_mcp.settings import EngineSettings, NetworkSettings, RegistrySettings, Settings, StoreSettings
from ratchet_mcp.tasks.loading import make_unsaved

ROUNDS, BATCH, PARALLEL, TASKS, WORKERS = 15, 40, 10, 50, 8
SEQUENTIAL = "async ({ url, n }) => { const t = Date.now(); for (let i = 0; i < n; i++) await (await fetch(url)).json(); return (Date.now() - t) / n }"
UNAWAITED = "({ url, n }) => { const t = Date.now(); for (let i = 0; i < n; i++) fetch(url).body; return (Date.now() - t) / n }"
AT_ONCE = "async ({ url, n }) => { const t = Date.now(); await Promise.all(Array.from({ length: n }, async () => (await fetch(url)).json())); return Date.now() - t }"
WAITING = "async ({ url }) => (await (await fetch(url)).json()).city"


async def _call(ratchet: Ratchet, code: str, **value: object) -> float:
    handle = await ratchet.executions.start(make_unsaved(code), value, origin=Origin.CLI, principal=LOCAL)
    execution = await handle.wait(None)
    assert execution.error is None, execution.error
    return execution.output


async def _bare(client: httpx.AsyncClient, url: str) -> float:
    start = time.perf_counter()
    for _ in range(BATCH):
        (await client.get(url)).json()
    return (time.perf_counter() - start) * 1000 / BATCH


async def _measure() -> list[Figure]:
    server = subprocess.Popen([sys.executable, str(Path(__file__).parent / "local_server.py")], stdout=subprocess.PIPE, text=True)
    assert server.stdout
    url = f"http://127.0.0.1:{server.stdout.readline().strip()}/"
    try:
        with tempfile.TemporaryDirectory() as folder:
            settings = Settings(
                engine=EngineSettings(max_workers=WORKERS),
                network=NetworkSettings(allow_private=["127.0.0.1:*"], requests=10_000, cache_mb=0),
                store=StoreSettings(url=f"sqlite:///{folder}/bench.db"),
                registry=RegistrySettings(bundled=False),
            )
            async with Ratchet.open(settings) as ratchet:
                return await _figures(ratchet, url)
    finally:
        server.kill()
        server.wait()


async def _figures(ratchet: Ratchet, url: str) -> list[Figure]:
    bare: list[float] = []
    awaited: list[float] = []
    unawaited: list[float] = []
    async with httpx.AsyncClient() as client:
        for _ in range(ROUNDS + 1):  # in turns, so that all meet the same machine; the first is to warm up
            bare.append(await _bare(client, url))
            awaited.append(await _call(ratchet, SEQUENTIAL, url=url, n=BATCH))
            unawaited.append(await _call(ratchet, UNAWAITED, url=url, n=BATCH))
    bare, awaited, unawaited = bare[1:], awaited[1:], unawaited[1:]
    one = [await _call(ratchet, AT_ONCE, url=url + "wait", n=1) for _ in range(3)]
    many = [await _call(ratchet, AT_ONCE, url=url + "wait", n=PARALLEL) for _ in range(3)]
    start = time.perf_counter()
    await asyncio.gather(*[_call(ratchet, WAITING, url=url + "wait") for _ in range(TASKS)])
    seconds = time.perf_counter() - start
    return [
        at_most("one fetch to a local server", awaited, bare, 3, "ms", "httpx alone"),
        at_most("the same, read without await", unawaited, bare, 3, "ms", "httpx alone"),
        at_most(f"{PARALLEL} fetches at once, a server that takes 1 s", many, one, 2, "ms", "one fetch"),
        Figure(f"{TASKS} tasks that each wait 1 s for a server, {WORKERS} workers", f"{seconds:.3g} s", "", "", "", None),
    ]


def measure() -> list[Figure]:
    """Return the figures."""
    return asyncio.run(_measure())
