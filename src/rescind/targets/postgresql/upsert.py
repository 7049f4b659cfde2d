"""Replace the rows of keys, or insert them: by COPY into a table of Rescind's own, and from there a batch at a time.

The table is made in the branch's transaction and dropped in it before the marker is written: nobody else ever sees
it. It is no temporary table, after which PostgreSQL prepares no transaction (PROTOCOL R11), and unlogged, since a
crash takes it back in any case. It never holds more than one batch: all rows at once, when the writer is closed, took
as long (some 4 CPU seconds for a million new rows, most of them in ON CONFLICT itself), and told no row from another.

One statement may not change a row twice, so of rows of one key only the last goes on. What the others would have
broken is therefore noticed only where rows are looked at in pieces, to find one that is refused.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager

import numpy as np
import psycopg
import pyarrow as pa

from rescind.domain.schema import Column, Type
from rescind.errors import ConstraintViolated, RightMissing, TargetRefused
from rescind.targets import keys
from rescind.targets.postgresql.failures import known
from rescind.targets.postgresql.relations import Cursor, Relation
from rescind.targets.postgresql.sql import quote
from rescind.targets.postgresql.writer import PostgreSQLWriter, savepoint

_BATCH, _PIECE = "rescind_upsert", "rescind_piece"


class PostgreSQLUpsert:
    """Writes rows to one table by their key, in the branch's transaction; the arguments are PostgreSQLWriter's.

    Raises RightMissing.
    """

    def __init__(
        self,
        own: Callable[[], AbstractContextManager[Cursor]],
        go_on: Callable[[], None],
        table: Relation,
        columns: Sequence[Column],
        key: Sequence[str],
        bases: Mapping[str, str],
    ) -> None:
        self._own = own
        self._go_on = go_on
        self._key = key
        self._names = [column.name for column in columns]
        self._ordinal = _unlike("rescind_ordinal", self._names)
        self._staging = f"{quote(table.schema)}.{quote(f'rescind_upsert_{secrets.token_hex(8)}')}"
        self._merge = _merge(table, self._names, key)
        numbered = [*columns, Column(self._ordinal, Type.integer, "integer")]
        self._stage = PostgreSQLWriter(own, go_on, self._staging, numbered, {**bases, self._ordinal: "pg_catalog.int4"})
        self._there = False
        self._make(table)

    def write(self, batch: pa.RecordBatch, known: Collection[Column] = ()) -> int:
        """Write the rows. Raises ConstraintViolated with the row's index in the batch; TargetConflict if cancelled.

        Whatever is raised, no row of the batch is left.
        """
        batch = batch.select(self._names)
        keys.check_values(batch, self._key)
        if not batch.num_rows:
            return 0
        ordinals = pa.array(np.arange(batch.num_rows))
        with self._own() as cursor:
            cursor.execute(f"TRUNCATE {self._staging}")  # not within the savepoint, where the old file would be kept
            with savepoint(cursor, _BATCH):
                self._stage.write(batch.append_column(self._ordinal, ordinals), known)
                self._all(cursor, batch.num_rows)
        return batch.num_rows

    def close(self) -> None:
        """Nothing is kept back: every write is in the table when it returns. Drop what the rows went through."""
        if self._there:
            with self._own() as cursor:
                cursor.execute(f"DROP TABLE {self._staging}")
            self._there = False

    def _make(self, table: Relation) -> None:
        columns = ", ".join(map(quote, self._names))
        as_there = f"SELECT {columns}, 0::integer AS {quote(self._ordinal)} FROM {table.sql} WITH NO DATA"
        with self._own() as cursor, savepoint(cursor, _BATCH):
            try:
                cursor.execute(f"CREATE UNLOGGED TABLE {self._staging} AS {as_there}")
            except psycopg.errors.InsufficientPrivilege as error:
                raise RightMissing(
                    f"Rows go into {table.name} by their key through a table that is made for it, for which this role "
                    f"needs CREATE in schema {table.schema} and SELECT on {table.name}."
                ) from error
        self._there = True

    def _all(self, cursor: Cursor, rows: int) -> None:
        try:
            self._put(cursor, 0, rows)
        except ConstraintViolated as error:
            refused = self._refused(cursor, rows)
            if refused is not None:
                raise ConstraintViolated(str(error), refused) from error.__cause__

    def _refused(self, cursor: Cursor, rows: int) -> int | None:
        """The first row that is refused when they are taken in order; None where they all go in that way."""
        first, last = 0, rows  # those from `first` to `last` were refused together, or are the last
        while first < rows:
            middle = (first + last + 1) // 2
            try:
                self._put(cursor, first, middle)
            except ConstraintViolated:
                if middle == first + 1:
                    return first
                last = middle
            else:
                first, last = middle, rows if middle == last else last
        return None

    def _put(self, cursor: Cursor, first: int, last: int) -> None:
        """Rows `first` to `last` of the batch. Raises ConstraintViolated, and then none of them is there."""
        self._go_on()
        ordinal = quote(self._ordinal)
        piece = f"{self._staging} WHERE {ordinal} >= {first} AND {ordinal} < {last}"
        keyed = ", ".join(map(quote, self._key))
        newest = f"SELECT DISTINCT ON ({keyed}) * FROM {piece} ORDER BY {keyed}, {ordinal} DESC"
        try:
            with savepoint(cursor, _PIECE):
                taken = cursor.execute(self._merge[0] + newest + self._merge[1]).rowcount
                if taken < last - first:
                    self._expect(taken, cursor.execute(f"SELECT count(*) FROM ({newest}) AS newest"))
        except psycopg.errors.GeneratedAlways as error:
            raise TargetRefused("A column GENERATED ALWAYS is not changed in rows that are there.") from error
        except psycopg.Error as error:
            found = known(error)
            if isinstance(found, ConstraintViolated):
                raise found from error
            raise

    def _expect(self, taken: int, newest: Cursor) -> None:
        ((wanted,),) = newest.fetchall()
        if taken != wanted:
            text = f"PostgreSQL took the rows of {taken} of {wanted} keys: a trigger of the table skips rows."
            raise ConstraintViolated(text)


def _merge(table: Relation, names: Sequence[str], key: Sequence[str]) -> tuple[str, str]:
    """The statement before and after its rows."""
    # Where only the key is written its row is set to what it is, and so locked and counted like any other.
    assigned = [f"{quote(name)} = excluded.{quote(name)}" for name in names if name not in key]
    kept = [f"{quote(name)} = rescind_target.{quote(name)}" for name in key[:1]]
    columns, keyed = ", ".join(map(quote, names)), ", ".join(map(quote, key))
    into = f"INSERT INTO {table.sql} AS rescind_target ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM ("
    return into, f") AS newest ON CONFLICT ({keyed}) DO UPDATE SET {', '.join(assigned or kept)}"


def _unlike(name: str, names: Sequence[str]) -> str:
    """The name, or a longer one that none of them is."""
    while name in names:
        name += "_"
    return name
