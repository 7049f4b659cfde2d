"""What a database's tables are and hold, read outside any task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from functools import partial
from typing import Any

import pyarrow as pa
from pymysql.cursors import SSCursor

from rescind.domain.schema import Table, hidden
from rescind.errors import NotATable, UnknownTable
from rescind.targets.keys import check_place
from rescind.targets.mysql import arrow
from rescind.targets.mysql.columns import Described, column
from rescind.targets.mysql.connection import Connection
from rescind.targets.mysql.session import cancel, control, identify, run
from rescind.targets.mysql.sql import quote
from rescind.targets.mysql.versions import maria, release
from rescind.targets.target import Cancellable

READ_SECONDS = 600.0  #: how long a count, or the first row of a large table, may take

_TABLES = """SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()
    AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')"""
_KIND = """SELECT table_name, table_type FROM information_schema.tables
    WHERE table_schema = DATABASE() AND table_name = %s"""
_COLUMNS = """SELECT column_name, data_type, column_type, is_nullable, column_default, extra, character_maximum_length,
    character_octet_length, numeric_precision, numeric_scale, datetime_precision, character_set_name,
    generation_expression FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = %s ORDER BY ordinal_position"""
_KEY = """SELECT column_name, ordinal_position FROM information_schema.key_column_usage
    WHERE table_schema = DATABASE() AND table_name = %s AND constraint_name = 'PRIMARY'"""
#: Without those that hold a column's first characters only, or MySQL's expressions, which have no column's name.
_UNIQUE = """SELECT index_name, column_name FROM information_schema.statistics
    WHERE table_schema = DATABASE() AND table_name = %s AND non_unique = 0 AND index_name NOT IN (
        SELECT index_name FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = %s
        AND (sub_part IS NOT NULL OR column_name IS NULL)
    ) ORDER BY index_name <> 'PRIMARY', index_name, seq_in_index"""
_CHECKS = """SELECT check_clause FROM information_schema.check_constraints
    WHERE constraint_schema = DATABASE() AND table_name = %s"""


class MySQLCatalog:
    """Each call reads one snapshot, over a connection of its own."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self._arguments = arguments

    def tables(self) -> list[str]:
        """Base tables of the URL's database, in the order of their names."""
        with control(self._arguments) as connection:
            return sorted(name for (name,) in run(connection, _TABLES) if not hidden(name))

    def table(self, name: str) -> Table:
        """Its columns. Raises UnknownTable."""
        with control(self._arguments) as connection:
            return describe(connection, name)

    def count(self, name: str) -> int:
        """How many rows it has. Raises UnknownTable."""
        with control(self._arguments) as connection:
            require(connection, name)
            with connection.bounded(READ_SECONDS):
                return int(run(connection, f"SELECT count(*) FROM {quote(name)}")[0][0])

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
        """Rows in the key's order, as they were when the statement began.

        Raises UnknownTable, UnknownColumn, and InvalidArguments where `after` does not fit the key.
        """
        with control(self._arguments) as connection:
            table = describe(connection, name)
            shown = table.only(columns)
            statement, parameters = _select(table, shown, limit, after)
            if cancellable is not None:
                cancellable(partial(cancel, self._arguments, connection, identify(connection)))
            connection.decoders = {}  # text is what Arrow reads
            cursor = connection.cursor(SSCursor)
            with connection.bounded(READ_SECONDS):
                cursor.execute(statement, parameters)
                yield arrow.batches(cursor, shown)


def unknown(name: str) -> UnknownTable:
    """The error for a table that is not there, or not for callers."""
    return UnknownTable(f"There is no table {name!r}.")


def exists(connection: Connection, name: str) -> bool:
    """Whether there is a base table of exactly that name: information_schema itself takes `A` for `a`."""
    return (name,) in run(connection, _TABLES)


def require(connection: Connection, name: str) -> None:
    """See that the table may be touched. Raises UnknownTable, NotATable."""
    if hidden(name):
        raise unknown(name)
    if not exists(connection, name):
        kinds = {found: kind for found, kind in run(connection, _KIND, name) if found == name}
        raise NotATable(f"{name!r} is a {kinds[name].lower()}, not an ordinary table.") if kinds else unknown(name)


def describe(connection: Connection, name: str) -> Table:
    """The table with its columns. Raises UnknownTable."""
    require(connection, name)
    key = dict(run(connection, _KEY, name))
    checks = {check for (check,) in run(connection, _CHECKS, name)} if maria(connection.version) else set()
    long_timestamps = maria(connection.version) and release(connection.version) >= (11, 5)
    found = [_described(row, key, checks, long_timestamps) for row in run(connection, _COLUMNS, name)]
    keys: dict[str, list[str]] = {}
    for index, part in run(connection, _UNIQUE, name, name):
        keys.setdefault(index, []).append(part)
    return Table(name, tuple(map(column, found)), tuple(dict.fromkeys(map(tuple, keys.values()))))


def _described(row: tuple[Any, ...], key: Mapping[str, int], checks: set[str], long_timestamps: bool) -> Described:
    name, data_type, declared, nullable, default, extra, characters, octets, precision, scale, fraction, *rest = row
    charset, made = rest
    return Described(
        name=name,
        data_type=data_type.lower(),
        declared=declared,
        nullable=nullable == "YES",
        default=default,
        extra=extra.lower(),
        characters=characters,
        octets=octets,
        precision=precision,
        scale=scale,
        fraction=fraction,
        charset=charset,
        generation=made,
        key=key.get(name, 0),
        json=f"json_valid({quote(name)})" in checks,
        long_timestamps=long_timestamps,
    )


def _select(table: Table, shown: Table, limit: int | None, after: Sequence[object] | None) -> tuple[str, list[Any]]:
    columns, name = ", ".join(map(arrow.selected, shown.columns)), quote(table.name)
    statement = f"SELECT {columns} FROM {name}".replace("%", "%%")
    key = [quote(found.name).replace("%", "%%") for found in table.key]
    parameters: list[Any] = []
    if after is not None:
        check_place(table, after)
        # Not (a, b) > (x, y), for which the server reads the whole table.
        ways = [" AND ".join([*(f"{name} = %s" for name in key[:n]), f"{key[n]} > %s"]) for n in range(len(key))]
        statement += f" WHERE {key[0]} >= %s AND ({' OR '.join(f'({way})' for way in ways)})"
        values = [_parameter(value) for value in after]
        parameters += [values[0], *(value for n in range(len(key)) for value in values[: n + 1])]
    if key:
        statement += f" ORDER BY {', '.join(key)}"
    if limit is not None:
        statement += " LIMIT %s"
        parameters.append(limit)
    return statement, parameters


def _parameter(value: object) -> object:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(" ")
    return value.isoformat() if isinstance(value, date) else value
