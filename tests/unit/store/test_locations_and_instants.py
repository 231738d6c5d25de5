"""URLs of databases, and instants to the microsecond."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy.dialects import postgresql, sqlite

from ratchet_mcp.store.location import locate
from ratchet_mcp.store.types import UtcMs, encode_json, from_microseconds, to_microseconds


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_memory_has_no_file(url: str) -> None:
    assert (locate(url).memory, locate(url).shown) == (True, "sqlite://")


def test_a_relative_file_and_a_home_are_made_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    assert locate("sqlite:///r.db").file == tmp_path / "r.db"
    assert locate("sqlite:///~/r.db").file == Path("/home/me/r.db")


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_a_server_is_shown_without_user_password_and_options(scheme: str) -> None:
    location = locate(f"{scheme}://me:secret@db.example:5433/ratchet?sslmode=require")
    assert location.shown == "postgresql://db.example:5433/ratchet"
    assert location.url.password == "secret"
    assert location.url.query == {"sslmode": "require"}


@pytest.mark.parametrize("text", ["1970-01-01T00:00:00+00:00", "2026-05-04T03:02:01.123457+00:00", "1969-12-31T23:59:59.999999+00:00"])
def test_instants_survive_to_the_microsecond(text: str) -> None:
    instant = datetime.fromisoformat(text)
    assert from_microseconds(to_microseconds(instant)) == instant


def test_an_instant_is_a_number_on_sqlite_and_itself_on_postgresql() -> None:
    instant = datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert UtcMs().process_bind_param(instant, sqlite.dialect()) == 1767225600000000
    assert UtcMs().process_bind_param(instant, postgresql.dialect()) == instant
    assert UtcMs().process_result_value(instant, postgresql.dialect()) == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        UtcMs().process_bind_param(datetime(2026, 1, 1), sqlite.dialect())


def test_values_for_json_columns_are_encoded_once() -> None:
    assert encode_json({"a": [1, None]}) == '{"a":[1,null]}'
