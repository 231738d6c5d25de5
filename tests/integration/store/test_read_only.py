"""A server on a database that it may only read: a process without the rights of root, on files that belong to somebody else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ratchet_mcp.settings import StoreSettings
from ratchet_mcp.store.records import AuthoredTask
from ratchet_mcp.store.store import Store
from ratchet_mcp.tasks.metadata import uuid_of_name

LIMIT_SECONDS = 60
SERVER = """
import json, sys, anyio
from ratchet_mcp.app import Ratchet
from ratchet_mcp.errors import RatchetError
from ratchet_mcp.execution.models import Origin
from ratchet_mcp.settings import Settings

async def code_of(work):
    try:
        return await work
    except RatchetError as error:
        return [error.code, error.details["reason"], error.message]

async def run(ratchet):
    handle = await ratchet.execute("made", {}, origin=Origin.CLI)
    error = (await handle.wait(30)).error
    return [error["code"], error["details"]["reason"], error["message"]]

async def main():
    settings = Settings.model_validate({"engine": {"spare_workers": 0, "max_workers": 1}, "store": {"url": sys.argv[1]},
                                        "registry": {"bundled": False}})
    async with Ratchet.open(settings) as ratchet:
        print(json.dumps({
            "read_only": ratchet.status()["store"]["read_only"],
            "code": (await ratchet.catalog.resolve("made")).source,
            "disabled": await code_of(ratchet.catalog.set_enabled("made", False)),
            "run": await run(ratchet),
        }))

anyio.run(main)
"""


def serve(file: Path) -> dict[str, object]:
    """Run the server as one who may not write whatever he likes."""
    drop = []
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root may write everything, and setpriv is not installed")
        drop = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"]
    command = [*drop, sys.executable, "-c", SERVER, f"sqlite:///{file}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def forbid(*paths: Path) -> None:
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
        if os.geteuid() == 0:
            os.chown(path, 65534, -1)


@pytest.mark.parametrize("folder_too", [True, False])
async def test_tasks_are_listed_and_shown_and_what_writes_fails_with_one_clear_error(tmp_path: Path, folder_too: bool) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    file = folder / "ratchet.db"
    now = datetime.now(UTC)
    files = {"metadata.json": '{"name": "made", "version": "1.0.0"}', "main.js": "() => 1"}
    async with Store.open(StoreSettings(url=f"sqlite:///{file}")) as store:
        await store.authored.put(AuthoredTask("made", "1.0.0", str(uuid_of_name("made")), "0" * 64, files, "local", now, now))
    forbid(file, *([folder] if folder_too else []))
    try:
        found = serve(file)
    finally:
        folder.chmod(0o755)
    assert (found["read_only"], found["code"]) == (True, "() => 1")
    for refused in (found["disabled"], found["run"]):
        assert isinstance(refused, list)
        assert refused[:2] == ["store_failed", "read_only"]
        assert str(file) in refused[2]


async def test_a_database_that_can_only_be_read_and_is_of_another_version_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "ratchet.db"
    file.touch()
    forbid(file)
    with pytest.raises(AssertionError, match="cannot be written to"):
        serve(file)
