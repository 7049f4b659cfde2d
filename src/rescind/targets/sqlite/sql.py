"""SQL that SQLite understands: names and declarations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import count

from rescind.domain.schema import Column, Table, Type, hidden
from rescind.errors import TargetRefused

_DECLARED = {
    Type.integer: "INTEGER",
    Type.unsigned: "BIGINT UNSIGNED",
    Type.real: "REAL",
    Type.decimal: "NUMERIC",
    Type.boolean: "BOOLEAN",
    Type.date: "DATE",
    Type.time: "TIME",
    Type.timestamp: "TIMESTAMP",
    Type.timestamptz: "TIMESTAMPTZ",
    Type.text: "TEXT",
    Type.binary: "BLOB",
    Type.json: "JSON TEXT",  # as "JSON" alone, a number would be kept as a number, and 1.50 come out as 1.5
    Type.uuid: "UUID",
}
_DECLARATION = re.compile(r"[A-Za-z][A-Za-z0-9_ ]*(\([0-9 ,]+\))?")


def quote(name: str) -> str:
    """The name as an identifier, whatever characters it holds."""
    return '"' + name.replace('"', '""') + '"'


def create_table(table: Table) -> str:
    """The statement that makes the table. Raises TargetRefused for a name or type that SQLite will not have."""
    if hidden(table.name) or not table.name or "\0" in table.name:
        raise TargetRefused(f"A table cannot be called {table.name!r}.")
    parts = [_column(table, column) for column in table.columns]
    if table.key and table.identity is None:
        parts.append(f"PRIMARY KEY ({', '.join(quote(column.name) for column in table.key)})")
    return f"CREATE TABLE {quote(table.name)} ({', '.join(parts)})"


def create_index(table: str, columns: Sequence[str], taken: frozenset[str]) -> str:
    """The statement that builds an index, of a name that is not among those `taken` in lower case.

    SQLite's indexes share their names with one another and with the tables, and keep them when their table is renamed.
    """
    name = next(name for name in _names(table, columns) if name.lower() not in taken)
    return f"CREATE INDEX {quote(name)} ON {quote(table)} ({', '.join(map(quote, columns))})"


def _names(table: str, columns: Sequence[str]) -> Iterator[str]:
    # A name may not begin with sqlite_, and a table may be called "sqlite".
    name = "_".join(["ix", table, *columns])
    yield name
    yield from (f"{name}_{number}" for number in count(2))


def _column(table: Table, column: Column) -> str:
    if column == table.identity:
        return f"{quote(column.name)} INTEGER PRIMARY KEY AUTOINCREMENT"
    declared = column.declared or _DECLARED[column.type]
    if not _DECLARATION.fullmatch(declared):
        raise TargetRefused(f"Column {column.name!r} cannot be declared as {declared!r}.")
    return f"{quote(column.name)} {declared}{'' if column.nullable else ' NOT NULL'}"
