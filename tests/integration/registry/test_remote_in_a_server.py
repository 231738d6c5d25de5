"""A whole server whose tasks come from elsewhere."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import anyio
from git_repositories import Repository
from index_server import index_server, task_files

from ratchet_mcp.app import Ratchet
from ratchet_mcp.execution.models import Origin
from ratchet_mcp.settings import Settings

LIMIT_SECONDS = 60


async def until_known(ratchet: Ratchet, *names: str) -> None:
    """Wait until the tasks are listed."""
    known = anyio.Event()

    def look(_: object = None) -> None:
        if all(ratchet.catalog.versions(name) for name in names):
            known.set()

    unsubscribe = ratchet.catalog.subscribe(look)
    look()
    with anyio.fail_after(LIMIT_SECONDS):
        await known.wait()
    unsubscribe()


async def run(ratchet: Ratchet, name: str) -> Any:
    handle = await ratchet.execute(name, {"n": 21}, origin=Origin.CLI)
    return (await handle.wait(LIMIT_SECONDS)).output


async def test_tasks_from_elsewhere_run_and_go_on_running_when_elsewhere_is_gone(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    repository.task("triple", task_files("triple"))
    repository.commit()
    with index_server() as server:
        server.add()
        settings = Settings.model_validate(
            {
                "engine": {"spare_workers": 0, "max_workers": 1},
                "store": {"url": f"sqlite:///{tmp_path / 'store.db'}"},
                "registry": {
                    "bundled": False,
                    "cache_folder": str(tmp_path / "cache"),
                    "sources": [
                        {"name": "web", "uri": server.index_url, "config": {"attempts": 1}},
                        {"name": "team", "uri": repository.uri, "config": {"attempts": 1}},
                    ],
                },
            }
        )
        async with Ratchet.open(settings) as ratchet:
            await until_known(ratchet, "double", "triple")
            assert [await run(ratchet, name) for name in ("double", "triple")] == [{"doubled": 42}] * 2
    shutil.rmtree(repository.path)
    async with Ratchet.open(settings) as ratchet:
        assert ratchet.catalog.find().total == 2, "what was fetched is there at once"
        assert [await run(ratchet, name) for name in ("double", "triple")] == [{"doubled": 42}] * 2
        changes = await ratchet.catalog.reload(refresh=True)
        assert not changes
        failed = {problem.source for problem in ratchet.catalog.problems if problem.error.code == "source_failed"}
        assert failed == {"web", "team"}
        assert [await run(ratchet, name) for name in ("double", "triple")] == [{"doubled": 42}] * 2
