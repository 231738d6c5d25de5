"""Opening a database: made, migrated, shared, or refused with a reason."""

from __future__ import annotations

import os
import pwd
import re
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from ratchet_mcp.errors import StoreFailed
from ratchet_mcp.settings import StoreSettings
from ratchet_mcp.store.database import Database
from ratchet_mcp.store.migrate import HEAD, alembic_config, migrate
from ratchet_mcp.store.store import Store
from ratchet_mcp.store.tables import metadata

OPEN = """
import asyncio, sys
from ratchet_mcp.settings import StoreSettings
from ratchet_mcp.store.store import Store
async def main():
    async with Store.open(StoreSettings(url=sys.argv[1])) as store:
        print(store.owner, "alembic" in sys.modules)
asyncio.run(main())
"""


def database_at(url: str) -> Database:
    return Database.at(StoreSettings(url=url))


async def refusal(url: str, *, busy_timeout_seconds: float = 10) -> StoreFailed:
    with pytest.raises(StoreFailed) as caught:
        async with Store.open(StoreSettings(url=url, busy_timeout_seconds=busy_timeout_seconds)):
            pass
    assert caught.value.hint
    return caught.value


def test_the_head_in_the_program_is_the_newest_migration() -> None:
    database = database_at("sqlite://")
    with database.connect() as connection:
        assert ScriptDirectory.from_config(alembic_config(connection)).get_current_head() == HEAD
    database.close()


def test_the_migrations_make_the_schema_of_the_tables(store_url: str) -> None:
    database = database_at(store_url)
    migrate(database)
    with database.guard, database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    database.close()


async def test_the_default_file_is_private_to_its_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    async with Store.open(StoreSettings()) as store:
        file = Path(platformdirs.user_data_dir("ratchet", appauthor=False)) / "ratchet.db"
        assert store.url == f"sqlite:///{file}"
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        assert {stat.S_IMODE(part.stat().st_mode) for part in file.parent.iterdir()} == {0o600}


async def test_an_up_to_date_database_is_opened_without_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/r.db"
    loaded = [
        subprocess.run([sys.executable, "-c", OPEN, url], capture_output=True, text=True, check=True).stdout.split()[1] for _ in range(2)
    ]
    assert loaded == ["True", "False"]


def test_processes_that_start_at_once_on_a_new_database_all_open_it(shared_url: str) -> None:
    started = [subprocess.Popen([sys.executable, "-c", OPEN, shared_url], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    owners = [process.communicate(timeout=60)[0].split()[0] for process in started]
    assert [process.returncode for process in started] == [0] * 4
    assert len(set(owners)) == 4


async def test_a_database_of_a_newer_program_is_refused(shared_url: str) -> None:
    database = database_at(shared_url)
    migrate(database)
    with database.connect() as connection, connection.begin():
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    error = await refusal(shared_url)
    assert "newer version of Ratchet" in error.message
    assert error.details["schema"] == "9999"


async def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("These are my notes, not a database.\n" * 100)
    before = file.read_bytes()
    error = await refusal(f"sqlite:///{file}")
    assert error.details["reason"] == "not_a_database"
    assert str(file) in error.message
    assert file.read_bytes() == before


async def test_a_damaged_database_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "r.db"
    async with Store.open(StoreSettings(url=f"sqlite:///{file}")):
        pass
    with file.open("r+b") as raw:
        raw.seek(100)
        raw.write(b"\xff" * (file.stat().st_size - 100))
    error = await refusal(f"sqlite:///{file}")
    assert error.details["reason"] == "corrupt"


async def test_a_folder_is_refused(tmp_path: Path) -> None:
    error = await refusal(f"sqlite:///{tmp_path}")
    assert str(tmp_path) in error.message
    assert "folder" in str(error.hint)


async def test_a_file_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    error = await refusal(f"sqlite:///{tmp_path}/file/r.db")
    assert error.details["reason"] == "cannot_open"


def test_a_file_that_may_neither_be_read_nor_written_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "r.db"
    sqlite3.connect(file).close()
    file.touch()
    file.chmod(0o000)
    tmp_path.chmod(0o555)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    script = "import pathlib, sys\nsys.path.insert(0, sys.argv[2])\n"
    script += "from ratchet_mcp.store.location import locate, prepare_file\nfrom ratchet_mcp.errors import StoreFailed\n"
    if os.geteuid() == 0:  # root may write everything, so someone else tries
        user = pwd.getpwnam("nobody")
        script += f"import os; os.setgid({user.pw_gid}); os.setuid({user.pw_uid})\n"
    script += "try: prepare_file(locate(sys.argv[1]))\nexcept StoreFailed as error: print(error.details['reason'], error.message)\n"
    import ratchet_mcp

    root = str(Path(ratchet_mcp.__file__).parents[1])
    ran = subprocess.run([sys.executable, "-c", script, f"sqlite:///{file}", root], capture_output=True, text=True, check=True)
    assert ran.stdout == f"cannot_open The database cannot be opened: sqlite:///{file} (Permission denied)\n"


@pytest.mark.parametrize("url", ["mysql://u:secret@host/db", "not a url", "sqlite+aiosqlite:///x.db"])
async def test_other_databases_are_refused_without_showing_the_password(url: str) -> None:
    error = await refusal(url)
    assert "secret" not in str(error.to_dict())
    assert "postgresql://" in str(error.hint)


async def test_a_server_that_is_not_there_is_refused_without_showing_the_password() -> None:
    error = await refusal("postgresql://me:secret@127.0.0.1:1/db", busy_timeout_seconds=0.1)
    assert error.details["reason"] == "unreachable"
    assert "secret" not in str(error.to_dict())
    assert error.details["url"] == "postgresql://127.0.0.1:1/db"


async def test_a_postgresql_database_that_does_not_exist_is_refused(postgres_url: str) -> None:
    error = await refusal(postgres_url.replace("/ratchet_", "/missing_"), busy_timeout_seconds=600)  # without waiting for it
    assert "missing_" in error.message
    assert error.details["reason"] == "cannot_open"


async def test_a_postgresql_user_that_does_not_exist_is_refused(postgres_url: str) -> None:
    error = await refusal(re.sub("//.*@", "//stranger@", postgres_url), busy_timeout_seconds=600)
    assert "stranger" in error.message
    assert error.details["reason"] == "access_denied"
