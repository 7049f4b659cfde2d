"""What an SQLite file's tables are and hold, read outside any task."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, time
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from rescind.domain.schema import Table, hidden
from rescind.errors import InvalidArguments, NotATable, TargetUnavailable, UnknownTable
from rescind.targets.keys import check_place
from rescind.targets.sqlite import arrow, session
from rescind.targets.sqlite.columns import read as read_column
from rescind.targets.sqlite.failures import translated
from rescind.targets.sqlite.sql import quote
from rescind.targets.target import Cancellable

_ORDINARY = "SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND type = 'table'"
_KIND = "SELECT type, wr FROM pragma_table_list WHERE schema = 'main' AND name = ?"
_KINDS = {"virtual": "virtual table", "shadow": "table of a virtual table's own"}
_ROWID_NAMES = ("rowid", "_rowid_", "oid")


class SQLiteCatalog:
    """Each call reads one snapshot, over a connection of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def tables(self) -> list[str]:
        """Ordinary tables in the order of their names; views, virtual tables and their shadows are not tables."""
        with self._read() as connection:
            names = [name for name, _ in connection.execute(_ORDINARY)]
        return sorted(name for name in names if not hidden(name))

    def table(self, name: str) -> Table:
        """Its columns. Raises UnknownTable."""
        with self._read(name) as connection:
            return describe(connection, name)

    def count(self, name: str) -> int:
        """How many rows it has. Raises UnknownTable."""
        with self._read(name) as connection:
            require(connection, name)
            return int(connection.execute(f"SELECT count(*) FROM {quote(name)}").fetchone()[0])

    @contextmanager
    def rows(
        self,
        name: str,
        *,
        columns: Sequence[str] | None = None,
        limit: int | None = None,
        after: Sequence[object] | None = None,
        cancellable: Cancellable | None = None,
        exact: bool = False,
    ) -> Iterator[Iterator[pa.RecordBatch]]:
        """Rows in the key's order, else in the rowid's.

        Raises UnknownTable, UnknownColumn, and InvalidArguments where `after` does not fit the key; with `exact`
        Unwritable for a value that would be altered.
        """
        with self._read(name) as connection:
            table = describe(connection, name)
            shown = table.only(columns)
            statement, parameters = _select(table, shown, limit, after)
            if cancellable is not None:
                cancellable(partial(_interrupt, connection))
            if exact:
                connection.text_factory = arrow.exact_text
            yield arrow.batches(connection.execute(statement, parameters), shown, exact=exact)

    @contextmanager
    def _read(self, name: str | None = None) -> Iterator[sqlite3.Connection]:
        """A connection that cannot write. A file that nobody has made yet is a database without tables."""
        if not self._path.exists():
            if not self._path.parent.is_dir():
                raise TargetUnavailable(f"The directory {self._path.parent} of the SQLite file does not exist.")
            if name is not None:
                raise unknown(name)
        with translated():
            connection = self._connect()
            try:
                connection.text_factory = arrow.text
                connection.execute("PRAGMA query_only=ON")
                connection.execute("BEGIN")
                yield connection
            finally:
                connection.close()

    def _connect(self) -> sqlite3.Connection:
        place = session.uri(self._path, "rw") if self._path.exists() else ":memory:"
        return sqlite3.connect(
            place, uri=True, timeout=session.BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )


def unknown(name: str) -> UnknownTable:
    """The error for a table that is not there, or not for callers."""
    return UnknownTable(f"There is no table {name!r}.")


def exists(connection: sqlite3.Connection, name: str) -> bool:
    """Whether there is an ordinary table of exactly that name."""
    return connection.execute(f"{_ORDINARY} AND name = ?", (name,)).fetchone() is not None


def require(connection: sqlite3.Connection, name: str) -> bool:
    """See that the table may be touched; whether it is WITHOUT ROWID. Raises UnknownTable, NotATable.

    Compared exactly: to SQLite itself `DATA` and `data` are one name, to the ledger's bookkeeping they are not.
    """
    row = None if hidden(name) else connection.execute(_KIND, (name,)).fetchone()
    if row is None:
        raise unknown(name)
    kind, without_rowid = row
    if kind != "table":
        raise NotATable(f"{name!r} is a {_KINDS.get(kind, kind)}, not an ordinary table.")
    return bool(without_rowid)


def describe(connection: sqlite3.Connection, name: str) -> Table:
    """The table with its columns. Raises UnknownTable."""
    without_rowid = require(connection, name)
    info = [row for row in connection.execute(f"PRAGMA table_xinfo({quote(name)})") if row[6] != 1]
    indexes = connection.execute(f"PRAGMA index_list({quote(name)})").fetchall()
    # Only a key that IS the rowid has no index of its own ("INTEGER PRIMARY KEY DESC" and "INT" have one).
    alias = not without_rowid and not any(row[3] == "pk" for row in indexes)
    columns = tuple(read_column(row, alias) for row in info)
    key = tuple(row[1] for row in sorted(info, key=lambda row: row[5]) if row[5])
    indexed = [_indexed(connection, index) for _, index, unique, _, partial in indexes if unique and not partial]
    keys = dict.fromkeys([key, *reversed(indexed)])
    return Table(name, columns, tuple(found for found in keys if found and all(found)))


def _indexed(connection: sqlite3.Connection, index: str) -> tuple[str, ...]:
    """The names of its columns; none in place of an expression."""
    return tuple(name or "" for _, _, name in connection.execute(f"PRAGMA index_info({quote(index)})"))


def _interrupt(connection: sqlite3.Connection) -> None:
    with suppress(sqlite3.Error):  # it may be closed by now
        connection.interrupt()


def _select(table: Table, shown: Table, limit: int | None, after: Sequence[object] | None) -> tuple[str, list[Any]]:
    statement = f"SELECT {', '.join(quote(column.name) for column in shown.columns)} FROM {quote(table.name)}"
    key = [quote(column.name) for column in table.key]
    parameters: list[Any] = []
    if after is not None:
        check_place(table, after)
        statement += f" WHERE ({', '.join(key)}) > ({', '.join('?' * len(key))})"
        parameters += map(_parameter, after)
    if order := key or _rowid(table):
        statement += f" ORDER BY {', '.join(order)}"
    if limit is not None:
        statement += " LIMIT ?"
        parameters.append(limit)
    return statement, parameters


def _rowid(table: Table) -> list[str]:
    """A name of the rowid that no column has taken."""
    taken = {column.name.lower() for column in table.columns}
    return list(itertools.islice((name for name in _ROWID_NAMES if name not in taken), 1))


def _parameter(value: object) -> object:
    """As the writer stores it. Raises InvalidArguments for a number that SQLite has not."""
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise InvalidArguments(f"{value} is beyond SQLite's 64 bits.")
    if isinstance(value, datetime):
        return (value if value.tzinfo is None else value.astimezone(UTC)).isoformat(" ")
    return value.isoformat() if isinstance(value, date | time) else value
