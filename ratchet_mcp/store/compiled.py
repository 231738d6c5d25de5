"""Statements of the hot path, compiled once: the writer binds their values itself, which costs a third of what Core does for each row."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Connection, Dialect
from sqlalchemy.sql.dml import Insert, Update
from sqlalchemy.sql.elements import BindParameter

Encode = Callable[[Any], Any]


@dataclass(frozen=True, slots=True, eq=False)
class Write:
    """A statement that writes one row. In one transaction lower ranks go first, and one statement's rows go together."""

    statement: Insert | Update
    columns: tuple[str, ...]
    rank: int


Row = tuple[Write, dict[str, Any]]


def driver_of(connection: Connection) -> sqlite3.Connection:
    """Return the driver's connection of an SQLite database: for what is done so often that what Core does around a statement counts."""
    return cast("sqlite3.Connection", connection.connection.driver_connection)


class Compiled:
    """A `Write` for one dialect. `columns` name its parameters; each has the encoder of its column's type, or none."""

    def __init__(self, write: Write, dialect: Dialect) -> None:
        compiled = write.statement.compile(dialect=dialect, column_keys=list(write.columns))
        self.sql = str(compiled)
        binds: dict[str, BindParameter[Any]] = compiled.binds  # type: ignore[attr-defined]  # SQLCompiler has it
        self._positional: Sequence[str] | None = compiled.positiontup if dialect.positional else None  # type: ignore[attr-defined]
        encoders = {name: bind.type.dialect_impl(dialect).bind_processor(dialect) for name, bind in binds.items()}
        order = self._positional or list(binds)
        self._plan: list[tuple[str, Encode | None]] = [(name, encoders[name]) for name in order]

    def execute(self, connection: Connection, rows: list[dict[str, Any]]) -> None:
        """Write rows. Raises what the database raises; for SQLite the driver's own errors."""
        plan = self._plan
        if self._positional is None:
            named = [{name: row[name] if encode is None else encode(row[name]) for name, encode in plan} for row in rows]
            connection.exec_driver_sql(self.sql, named if len(named) > 1 else named[0])
            return
        values = [[row[name] if encode is None else encode(row[name]) for name, encode in plan] for row in rows]
        driver = driver_of(connection)
        if len(values) > 1:
            driver.executemany(self.sql, values)
        else:
            driver.execute(self.sql, values[0])


class RowWriter:
    """Writes rows of any kinds; each thread has its own."""

    def __init__(self) -> None:
        self._compiled: dict[Write, Compiled] = {}

    def write(self, connection: Connection, rows: Iterable[Row]) -> None:
        """Write rows within the transaction that has begun: one statement's rows together, lower ranks first."""
        groups: dict[Write, list[dict[str, Any]]] = {}
        for write, values in rows:
            groups.setdefault(write, []).append(values)
        for write in sorted(groups, key=_rank):
            compiled = self._compiled.get(write)
            if compiled is None:
                compiled = self._compiled[write] = Compiled(write, connection.dialect)
            compiled.execute(connection, groups[write])


def _rank(write: Write) -> int:
    return write.rank
