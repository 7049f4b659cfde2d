"""What a database's tables are and hold, read outside any task."""

from __future__ import annotations

from collections.abc import Callable, Container, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from typing import Any

import psycopg
import pyarrow as pa

from rescind.domain.schema import Table, hidden
from rescind.errors import ConstraintViolated, InvalidArguments
from rescind.targets.keys import check_place
from rescind.targets.postgresql import arrow, relations, session
from rescind.targets.postgresql.columns import PADDED
from rescind.targets.postgresql.columns import read as read_columns
from rescind.targets.postgresql.failures import translated
from rescind.targets.postgresql.relations import Cursor, Relation
from rescind.targets.postgresql.sql import literal, quote
from rescind.targets.target import Cancellable

_TABLES = """
SELECT DISTINCT relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND pg_catalog.pg_table_is_visible(c.oid)
AND n.nspname = ANY (pg_catalog.current_schemas(false))
"""

#: Of some rows, of expressions, or not checked before the commit: by such a key no row is found. A collation that is
#: not the column's would make two keys of what is one where a batch's rows are compared.
_KEYS = """
SELECT (SELECT array_agg(attname ORDER BY position) FROM pg_catalog.pg_attribute a
    JOIN unnest(indkey) WITH ORDINALITY AS part(attnum, position) USING (attnum)
    WHERE attrelid = indrelid AND position <= indnkeyatts)
FROM pg_catalog.pg_index i
WHERE indrelid = %s AND indisunique AND indimmediate AND indisvalid AND indpred IS NULL AND indexprs IS NULL
AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_attribute a
    JOIN unnest(indkey, indcollation) AS part(attnum, compared) USING (attnum)
    WHERE attrelid = indrelid AND compared <> attcollation
)
ORDER BY indisprimary DESC, indexrelid
"""

_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class PostgreSQLCatalog:
    """Tables of the schemas on the search path. Names are compared exactly."""

    def __init__(
        self, control: Callable[[], AbstractContextManager[psycopg.Connection[Any]]], parameters: dict[str, Any]
    ) -> None:
        self._control = control
        self._parameters = parameters

    def tables(self) -> list[str]:
        """Ordinary and partitioned tables in the order of their names; views and partitions are not among them."""
        with self._control() as connection:
            names = [name for (name,) in psycopg.Cursor(connection).execute(_TABLES)]
        return sorted(name for name in names if not hidden(name))

    def table(self, name: str) -> Table:
        """Its columns. Raises UnknownTable."""
        with self._control() as connection:
            cursor = psycopg.Cursor(connection)
            return describe(cursor, relations.require(cursor, name))

    def count(self, name: str) -> int:
        """How many rows it has. Raises UnknownTable."""
        with self._read() as cursor:
            (row,) = cursor.execute(f"SELECT count(*) FROM {relations.require(cursor, name).sql}").fetchall()
            return int(row[0])

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
        """Rows in the key's order, else in the database's own.

        Raises UnknownTable, UnknownColumn, and InvalidArguments where `after` does not fit the key.
        """
        with self._read() as cursor:
            relation = relations.require(cursor, name)
            found = read_columns(cursor, relation.oid)
            table = Table(relation.name, tuple(column for column, _ in found))
            padded = {column.name for column, base in found if base == PADDED}
            shown = table.only(columns)
            select = _select(relation, table, _shown(shown, padded), limit, after)
            if cancellable is not None:
                cancellable(partial(session.cancel, cursor.connection))
            # Closed before the connection, or the COPY would look for it when nobody expects an error any more.
            with closing(_stream(cursor, select, shown, after)) as batches:
                yield batches

    @contextmanager
    def _read(self) -> Iterator[Cursor]:
        """One snapshot, over a connection of its own: it may take long, and be left half-way."""
        with translated(control=True):
            connection = session.connect_reader(self._parameters)
            try:
                cursor = psycopg.Cursor(connection)
                cursor.execute(_SNAPSHOT)
                yield cursor
            finally:
                connection.close()


def describe(cursor: Cursor, relation: Relation) -> Table:
    """The table with its columns."""
    return Table(
        relation.name, tuple(column for column, _ in read_columns(cursor, relation.oid)), keys(cursor, relation)
    )


def keys(cursor: Cursor, relation: Relation) -> tuple[tuple[str, ...], ...]:
    """The names of each key's columns, the primary key's first."""
    return tuple(dict.fromkeys(tuple(names) for (names,) in cursor.execute(_KEYS, [relation.oid]).fetchall()))


def _stream(
    cursor: Cursor, select: str, table: Table, after: Sequence[object] | None
) -> Generator[pa.RecordBatch, None, None]:
    if not table.columns:
        return
    try:
        with translated(control=True), cursor.copy(f"COPY ({select}) TO STDOUT (FORMAT csv)") as copy:
            yield from arrow.batches(copy, table.columns)
    except ConstraintViolated as error:  # a literal is not of its column's type
        if after is None:
            raise
        raise InvalidArguments(f"No row of {table.name} can have the key {after!r}.") from error.__cause__


def _shown(table: Table, padded: Container[str]) -> str:
    # The blanks that fill a character(n) up are no part of its value.
    return ", ".join(quote(c.name) + ("::text" if c.name in padded else "") for c in table.columns)


def _select(relation: Relation, table: Table, shown: str, limit: int | None, after: Sequence[object] | None) -> str:
    statement = f"SELECT {shown} FROM {relation.sql}"
    key = ", ".join(quote(column.name) for column in table.key)
    if after is not None:
        check_place(table, after)
        statement += f" WHERE ({key}) > ({', '.join(map(literal, after))})"
    if key:
        statement += f" ORDER BY {key}"
    return statement if limit is None else f"{statement} LIMIT {int(limit)}"
