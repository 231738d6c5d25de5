"""Databases for the tests: an SQLite file, SQLite memory, and a PostgreSQL server that is started for the session."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from ratchet_mcp.settings import StoreSettings
from ratchet_mcp.store.store import Store

PROGRAMS = ("initdb", "pg_ctl", "postgres")


class PostgresServer:
    """A PostgreSQL server of our own, reached through a socket in its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.user = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name  # it refuses to run as root
        self._as = {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}

    def start(self) -> None:
        if self._as:
            os.chown(self.folder, pwd.getpwnam("nobody").pw_uid, -1)
        self._run("initdb", "-D", "data", "-U", self.user, "-A", "trust", "--no-locale", "-E", "UTF8", "--no-sync")
        options = f"-c listen_addresses= -c unix_socket_directories={self.folder} -c fsync=off -c max_connections=60"
        self._run("pg_ctl", "-D", "data", "-w", "-l", "log", "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", "data", "-w", "-m", "immediate", "stop")

    def url(self, database: str) -> str:
        return f"postgresql://{self.user}@/{database}?host={self.folder}"

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[arg-type]

    def _run(self, *command: str) -> None:
        with (self.folder / f"{command[0]}.out").open("ab") as out:
            subprocess.run(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=True, env=self._env(), **self._as
            )

    def _env(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LC_ALL": "C"}


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        pytest.skip(
            f"PostgreSQL IS NOT TESTED: not on PATH: {', '.join(missing)}. Install the PostgreSQL server and put its bin folder on PATH."
        )
    folder = Path(tempfile.mkdtemp(prefix="ratchet-pg-"))
    server = PostgresServer(folder)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    name = f"ratchet_{uuid4().hex}"
    postgres_server.execute(f"CREATE DATABASE {name}")
    yield postgres_server.url(name)
    postgres_server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["file", "memory", "postgres"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        return request.getfixturevalue("postgres_url")
    return f"sqlite:///{tmp_path}/ratchet.db" if request.param == "file" else "sqlite://"


@pytest.fixture(params=["file", "postgres"])
def shared_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that several processes can share."""
    return request.getfixturevalue("postgres_url") if request.param == "postgres" else f"sqlite:///{tmp_path}/ratchet.db"


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    async with Store.open(StoreSettings(url=store_url)) as opened:
        yield opened
