"""A PostgreSQL server of our own: one for a test session (with xdist one for each of its processes), a new database for each test."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

PROGRAMS = ("initdb", "pg_ctl", "postgres")
OPTIONS = ("listen_addresses=", "fsync=off", "max_connections=90")


class PostgresServer:
    """A PostgreSQL server, reached through a socket in its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.user = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name  # it refuses to run as root
        self._as = {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}

    def create(self) -> None:
        """Make the server's files."""
        if self._as:
            os.chown(self.folder, pwd.getpwnam("nobody").pw_uid, -1)
        self._run("initdb", "-D", "data", "-U", self.user, "-A", "trust", "--no-locale", "-E", "UTF8", "--no-sync")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = " ".join(f"-c {option}" for option in (*OPTIONS, f"unix_socket_directories={self.folder}"))
        self._run("pg_ctl", "-D", "data", "-w", "-l", "log", "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop it: `immediate` is what a crash does, `fast` cuts its clients off and leaves everything tidy."""
        self._run("pg_ctl", "-D", "data", "-w", "-m", mode, "stop")

    def restart(self, mode: str = "immediate") -> None:
        """Stop it and start it again."""
        self.stop(mode)
        self.start()

    def ensure_running(self) -> None:
        """Start it if a test left it stopped."""
        if not (self.folder / "data" / "postmaster.pid").exists():
            self.start()

    def url(self, database: str) -> str:
        """Return the `store.url` of a database."""
        return f"postgresql://{self.user}@/{database}?host={self.folder}"

    def execute(self, statement: str, database: str = "postgres") -> list[Any]:
        """Run one statement outside of a transaction, and return its rows."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement)  # type: ignore[call-overload]  # a test's own text
            return cursor.fetchall() if cursor.description else []

    def _run(self, *command: str) -> None:
        with (self.folder / f"{command[0]}.out").open("ab") as out:
            subprocess.run(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=True, env=self._env(), **self._as
            )

    def _env(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LC_ALL": "C"}


def missing_programs() -> list[str]:
    """Name what a PostgreSQL server needs and this machine does not have on PATH."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


def refuse(missing: list[str]) -> None:
    """Skip loudly; fail instead where CI says that everything must be tested."""
    message = f"PostgreSQL IS NOT TESTED: not on PATH: {', '.join(missing)}. Install the PostgreSQL server and put its bin folder on PATH."
    if os.environ.get("CI", "").lower() in ("1", "true", "yes"):
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def running_server() -> Iterator[PostgresServer]:
    """Yield a server that is stopped and removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="ratchet-pg-"))
    server = PostgresServer(folder)
    try:
        server.create()
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def new_database(server: PostgresServer) -> Iterator[str]:
    """Yield the URL of an empty database that is dropped afterwards."""
    name = f"ratchet_{uuid4().hex}"
    server.execute(f"CREATE DATABASE {name}")
    yield server.url(name)
    server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The session's server, for tests that leave it as it was."""
    if missing := missing_programs():
        refuse(missing)
    yield from running_server()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """An empty database of the session's server."""
    yield from new_database(postgres_server)


@pytest.fixture(scope="module")
def module_postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """An empty database for all tests of a module."""
    yield from new_database(postgres_server)
