"""Column types that mean the same on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import JSON, BigInteger, Dialect, Integer, Uuid
from sqlalchemy.dialects.postgresql import JSON as PG_JSON
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import TypeDecorator, TypeEngine

from ratchet_mcp.store.records import JsonText

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
"""Our own facts, which may be searched."""

JsonToTheLetter = JSON(none_as_null=True).with_variant(PG_JSON(none_as_null=True), "postgresql")
"""Values of users: key order, number spelling and `\\u0000` stay as they are, which JSONB does not promise."""


@compiles(JSON, "sqlite")
def _json_is_text(type_: JSON, compiler: Any, **options: Any) -> str:  # pyright: ignore[reportUnusedFunction]  # called by SQLAlchemy
    """Declare JSON columns as TEXT: SQLite takes a type named JSON for numeric, and would store the text `5` as a number."""
    return "TEXT"


Identifier = Uuid(as_uuid=False)
"""A UUID that Python sees as its text form."""

RowNumber = BigInteger().with_variant(Integer, "sqlite")
"""An integer that the database counts up."""


class UtcMs(TypeDecorator[datetime]):
    """An instant: integer microseconds since 1970 on SQLite, `timestamptz` on PostgreSQL. Values without a time zone are refused."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column type of the dialect."""
        kind = TIMESTAMP(timezone=True) if dialect.name == "postgresql" else BigInteger()
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Encode an instant. Raises `ValueError` when it has no time zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        return value if dialect.name == "postgresql" else to_microseconds(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """Decode an instant, in UTC."""
        if value is None:
            return None
        return value.astimezone(UTC) if isinstance(value, datetime) else from_microseconds(value)


def to_microseconds(value: datetime) -> int:
    """Return the microseconds since 1970 of an instant, exactly."""
    return (value - EPOCH) // MICROSECOND


def from_microseconds(value: int) -> datetime:
    """Return the instant of so many microseconds since 1970, exactly."""
    return EPOCH + timedelta(microseconds=value)


def encode_json(value: Any) -> str:
    """Encode a value for a JSON column; text that is JSON already passes as it is."""
    if isinstance(value, JsonText):
        return value
    return orjson.dumps(value).decode()
