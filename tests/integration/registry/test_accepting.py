"""Other content under a known version of a remote source: held back across restarts, and taken by running servers once it is accepted."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
import yaml
from git_repositories import Repository
from index_server import CODE, IndexServer, index_server, task_files

from ratchet_mcp.app import Ratchet
from ratchet_mcp.errors import ContentChanged
from ratchet_mcp.execution.models import Origin
from ratchet_mcp.settings import Settings

LIMIT_SECONDS = 60
OTHER = CODE.replace("* 2", "* 666")
Publish = Callable[[str], None]


@pytest.fixture(params=["web", "web with digests", "team"])
def publish(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Publish]]:
    """An address of tasks, and what publishes other code under the same version there."""
    if request.param == "team":
        repository = Repository(tmp_path / "repository")

        def commit(code: str) -> None:
            repository.task("double", task_files(code=code))
            repository.commit()

        yield repository.uri, commit
        return
    with index_server() as server:
        yield server.index_url, lambda code: add(server, code, digest=request.param != "web")


def add(server: IndexServer, code: str, *, digest: bool) -> None:
    from ratchet_mcp.tasks.files import TaskFiles
    from ratchet_mcp.tasks.loading import load_files

    files = {name: text.encode() for name, text in task_files(code=code).items()}
    known = load_files(TaskFiles("double", files), origin="test", location="test").digest
    server.add(code=code, entry={"digest": known} if digest else {})


@pytest.fixture
def settings(publish: tuple[str, Publish], tmp_path: Path) -> Settings:
    publish[1](CODE)
    return Settings.model_validate(
        {
            "engine": {"spare_workers": 0, "max_workers": 1},
            "store": {"url": f"sqlite:///{tmp_path / 'store.db'}"},
            "registry": {
                "bundled": False,
                "cache_folder": str(tmp_path / "cache"),
                "watch": {"database_seconds": 0.1},
                "sources": [{"name": "far", "uri": publish[0], "config": {"attempts": 1}}],
            },
        }
    )


async def until(ready: Callable[[], Any]) -> None:
    with anyio.fail_after(LIMIT_SECONDS):
        while not ready():
            await anyio.sleep(0.02)


async def output(ratchet: Ratchet) -> Any:
    handle = await ratchet.execute("double", {"n": 1}, origin=Origin.CLI)
    return (await handle.wait(LIMIT_SECONDS)).output


async def live_once(settings: Settings, *, run: bool) -> None:
    """Let a server load the task, or run it too, and write that down."""
    async with Ratchet.open(settings) as ratchet:
        await until(lambda: ratchet.catalog.versions("double"))
        if run:
            assert await output(ratchet) == {"doubled": 2}
        else:
            await ratchet.catalog.resolve("double")
        await until(lambda: ratchet.catalog.summary("double").in_sync)


def accept(settings: Settings, tmp_path: Path) -> str:
    """Run `ratchet repo refresh --accept-changed` with the same settings."""
    file = tmp_path / "ratchet.yaml"
    file.write_text(yaml.safe_dump(settings.model_dump(mode="json", exclude_defaults=True)))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RATCHET_")}
    command = [sys.executable, "-m", "ratchet_mcp.cli.main", "repo", "refresh", "--accept-changed", "--config", str(file)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def codes(ratchet: Ratchet) -> list[tuple[str, bool]]:
    return [(problem.error.code, problem.warning) for problem in ratchet.catalog.problems]


async def test_content_that_ran_goes_on_after_a_restart_though_the_source_has_other(
    publish: tuple[str, Publish], settings: Settings, tmp_path: Path
) -> None:
    await live_once(settings, run=True)
    publish[1](OTHER)
    shutil.rmtree(tmp_path / "cache")
    async with Ratchet.open(settings) as ratchet:
        await until(lambda: ratchet.catalog.versions("double"))
        for _ in range(2):
            assert await output(ratchet) == {"doubled": 2}
            assert codes(ratchet) == [("content_changed", True)]
            await ratchet.catalog.reload(refresh=True)
    assert "accepted: double@1.0.0" in await anyio.to_thread.run_sync(accept, settings, tmp_path)
    async with Ratchet.open(settings) as ratchet:
        assert await output(ratchet) == {"doubled": 666}
        assert codes(ratchet) == []


async def test_content_that_is_in_the_cache_goes_on_after_a_restart(publish: tuple[str, Publish], settings: Settings) -> None:
    await live_once(settings, run=False)
    publish[1](OTHER)
    async with Ratchet.open(settings) as ratchet:
        await until(lambda: ("content_changed", True) in codes(ratchet))
        assert await output(ratchet) == {"doubled": 2}


async def test_content_that_a_short_process_ran_is_known_too(publish: tuple[str, Publish], settings: Settings) -> None:
    async with Ratchet.open(settings) as ratchet:
        await ratchet.catalog.reload(refresh=True)
    for code in (CODE, OTHER):
        publish[1](code)
        async with Ratchet.open(settings) as ratchet:
            await ratchet.catalog.reload(refresh=True)
            assert await output(ratchet) == {"doubled": 2}


async def test_content_that_is_nowhere_any_more_is_not_replaced_by_other(
    publish: tuple[str, Publish], settings: Settings, tmp_path: Path
) -> None:
    await live_once(settings, run=False)
    publish[1](OTHER)
    shutil.rmtree(tmp_path / "cache")
    async with Ratchet.open(settings) as ratchet:
        await until(lambda: ratchet.catalog.versions("double"))
        for _ in range(2):
            with pytest.raises(ContentChanged, match="far has other content than before") as caught:
                await output(ratchet)
            assert "repo refresh --accept-changed" in (caught.value.hint or "")
            assert codes(ratchet) == [("content_changed", False)]
        await anyio.to_thread.run_sync(accept, settings, tmp_path)
        await until(lambda: not codes(ratchet))
        assert await output(ratchet) == {"doubled": 666}


async def test_a_running_server_takes_what_is_accepted_and_tells_of_it(
    publish: tuple[str, Publish], settings: Settings, tmp_path: Path
) -> None:
    async with Ratchet.open(settings) as ratchet:
        await until(lambda: ratchet.catalog.versions("double"))
        assert await output(ratchet) == {"doubled": 2}
        await until(lambda: ratchet.catalog.summary("double").in_sync)
        publish[1](OTHER)
        await ratchet.catalog.reload(refresh=True)
        assert await output(ratchet) == {"doubled": 2}
        told: list[str] = []
        ratchet.catalog.subscribe(lambda changes: told.extend(changes.changed))
        await anyio.to_thread.run_sync(accept, settings, tmp_path)
        await until(lambda: "double" in told and not codes(ratchet))
        assert await output(ratchet) == {"doubled": 666}


async def test_content_that_was_only_listed_is_not_missed(tmp_path: Path) -> None:
    with index_server() as server:
        add(server, CODE, digest=True)
        settings = Settings.model_validate(
            {
                "engine": {"spare_workers": 0, "max_workers": 1},
                "store": {"url": "sqlite://"},
                "registry": {
                    "bundled": False,
                    "cache_folder": str(tmp_path / "cache"),
                    "sources": [{"name": "far", "uri": server.index_url, "config": {"attempts": 1}}],
                },
            }
        )
        async with Ratchet.open(settings) as ratchet:
            await until(lambda: ratchet.catalog.versions("double"))
            add(server, OTHER, digest=True)
            await ratchet.catalog.reload(refresh=True)
            assert await output(ratchet) == {"doubled": 666}
            assert codes(ratchet) == [("content_changed", True)]
