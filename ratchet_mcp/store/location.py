"""Where the database is: the URL of the settings, understood and made safe to show."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from ratchet_mcp.errors import StoreFailed

MEMORY = ("", ":memory:")


@dataclass(frozen=True, slots=True)
class Location:
    """A database. `shown` is its URL without credentials; `file` is None for memory and for PostgreSQL.

    `read_only` tells that the file, as it is, can be read but not written.
    """

    url: URL
    shown: str
    file: Path | None
    read_only: bool = False

    @property
    def backend(self) -> str:
        """Return `sqlite` or `postgresql`."""
        return self.url.get_backend_name()

    @property
    def memory(self) -> bool:
        """Tell whether it vanishes with the process."""
        return self.backend == "sqlite" and self.file is None


def locate(url: str | None) -> Location:
    """Understand `store.url`; None is the default file in the user's data directory. Raises `StoreFailed` for anything else."""
    if url is None:
        return _sqlite(_default_file())
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise StoreFailed("store.url is not a URL.", hint=EXAMPLES) from None
    if parsed.drivername == "sqlite":
        name = parsed.database or ""
        return _sqlite(Path(name).expanduser().absolute()) if name not in MEMORY else Location(URL.create("sqlite"), "sqlite://", None)
    if parsed.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        parsed = parsed.set(drivername="postgresql+psycopg")
        shown = URL.create("postgresql", host=parsed.host, port=parsed.port, database=parsed.database)
        return Location(parsed, shown.render_as_string(), None)
    raise StoreFailed(f"store.url names a database that is not supported: {parsed.drivername}.", hint=EXAMPLES)


FOLDER = "It is a folder; name a file in it."
EXAMPLES = "Use sqlite:///FILE, sqlite:// (memory) or postgresql://USER@HOST/DATABASE."


def data_file(url: str | None, name: str) -> Path | None:
    """Return where a file that goes with the database belongs: beside it, in the user's data directory with a server, None with memory.

    Raises `StoreFailed` for a wrong `store.url`.
    """
    location = locate(url)
    if location.memory:
        return None
    return (location.file or _default_file()).with_name(name)


def prepare_file(location: Location) -> Location:
    """Make the folder (0700) and the file (0600) of an SQLite database if they are missing, and return how it can be opened.

    Raises `StoreFailed`.
    """
    if location.file is None:
        return location
    if location.file.is_file() and not os.access(location.file, os.W_OK) and os.access(location.file, os.R_OK):
        return replace(location, url=_reading(location.file), read_only=True)
    try:
        _private_folder(location.file.parent)
        os.close(os.open(location.file, os.O_CREAT | os.O_RDWR, 0o600))
        if not stat.S_ISREG(location.file.stat().st_mode):
            raise StoreFailed(f"The database is not a regular file: {location.shown}", details=_facts(location, "not_a_database"))
    except OSError as error:
        message = f"The database cannot be opened: {location.shown} ({error.strerror})"
        hint = FOLDER if location.file.is_dir() else "Check that you may write there, or name another in store.url."
        raise StoreFailed(message, hint=hint, details=_facts(location, "cannot_open")) from None
    return location


def _reading(file: Path) -> URL:
    """Return the URL that opens a file for reading. SQLite reads a log beside it only where it may write, or where one is already."""
    name = f"file:{quote(str(file))}"
    try:
        with closing(sqlite3.connect(f"{name}?mode=ro", uri=True)) as connection:
            connection.execute("PRAGMA schema_version").fetchone()
        query = {"mode": "ro", "uri": "true"}
    except sqlite3.Error:
        query = {"mode": "ro", "immutable": "1", "uri": "true"}
    return URL.create("sqlite", database=name, query=query)


def _private_folder(folder: Path) -> None:
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)


def _default_file() -> Path:
    from platformdirs import user_data_dir

    return Path(user_data_dir("ratchet", appauthor=False)) / "ratchet.db"


def _sqlite(file: Path) -> Location:
    return Location(URL.create("sqlite", database=str(file)), f"sqlite:///{file}", file)


def _facts(location: Location, reason: str) -> dict[str, str]:
    return {"url": location.shown, "reason": reason}
