"""Many rows into one table: statements of many rows each, from Arrow's columns."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from rescind.domain.arrow import conform
from rescind.domain.decimals import all_doubles
from rescind.domain.limits import require
from rescind.domain.schema import Column, Type
from rescind.errors import ConstraintViolated, RescindError, TargetConflict
from rescind.targets import keys
from rescind.targets.sqlite import upsert
from rescind.targets.sqlite.failures import known, translated
from rescind.targets.sqlite.session import Session
from rescind.targets.sqlite.sql import quote

#: Measured with 2 and with 19 columns: neither gains anything beyond this.
ROWS_PER_STATEMENT = 50
#: Values that are turned into Python objects at a time: some 1 ms of work. They stay in the processor's cache, which
#: five times as many do not: that took a twentieth longer.
VALUES_PER_CHUNK = 20_000

_BATCH = "rescind_batch"


class SQLiteWriter:
    """Writes rows to one table, in the branch's transaction. `own` lifts the guard for the time of a write."""

    def __init__(
        self,
        session: Session,
        own: Callable[[], AbstractContextManager[None]],
        table: str,
        columns: Sequence[Column],
        key: Sequence[str],
    ) -> None:
        self._session = session
        self._own = own
        self._columns = columns
        self._key = key
        self._names = [column.name for column in columns]
        self._into = f"INSERT INTO {quote(table)} ({', '.join(map(quote, self._names))}) VALUES "
        self._conflict = upsert.clause(self._names, key)
        parameters = session.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER)
        self._rows = max(1, min(ROWS_PER_STATEMENT, parameters // len(columns)))
        per_chunk = VALUES_PER_CHUNK // len(columns)
        self._chunk = max(1, per_chunk // self._rows) * self._rows

    def write(self, batch: pa.RecordBatch, known: Collection[Column] = ()) -> int:
        """Write the rows. Raises ConstraintViolated with the row's index in the batch; TargetConflict if cancelled.

        Whatever is raised, no row of the batch is left: a function that hides the error and goes on would
        otherwise commit rows that nobody counted.
        """
        batch = self._checked(batch.select(self._names), known)
        written = 0
        with self._own(), self._all_or_none():
            for start in range(0, batch.num_rows, self._chunk):
                written += self._write_chunk(batch.slice(start, self._chunk), start)
            if written != batch.num_rows:
                # SQLite's own count: it leaves them out without an error.
                told = f"SQLite took {written} of {batch.num_rows} rows: the table skips rows"
                raise ConstraintViolated(f"{told} (ON CONFLICT IGNORE, or a trigger's RAISE(IGNORE)).")
        return written

    def close(self) -> None:
        """Nothing is kept back: every write is in the transaction when it returns."""

    def _checked(self, batch: pa.RecordBatch, known: Collection[Column]) -> pa.RecordBatch:
        """The batch in the columns' own types. SQLite itself takes anything, and alters some of it."""
        keys.check_values(batch, self._key)
        require(self._columns, batch.columns, known)
        arrays = [conform(values, column.type) for column, values in zip(self._columns, batch.columns, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, names=self._names)

    @contextmanager
    def _all_or_none(self) -> Iterator[None]:
        self._session.execute(f"SAVEPOINT {_BATCH}")
        try:
            yield
        except BaseException:
            # After a cancel nothing runs any more, and after some errors SQLite has taken back everything itself.
            with suppress(RescindError, sqlite3.Error):
                self._session.execute(f"ROLLBACK TO {_BATCH}")
                self._session.execute(f"RELEASE {_BATCH}")
            raise
        self._session.execute(f"RELEASE {_BATCH}")

    def _write_chunk(self, chunk: pa.RecordBatch, start: int) -> int:
        columns = zip(self._columns, chunk.columns, strict=True)
        values = row_major([numbers(v) if c.type is Type.decimal else python_values(v) for c, v in columns])
        whole = chunk.num_rows // self._rows * self._rows
        written = self._insert(values, self._rows, 0, whole, start)
        if whole < chunk.num_rows:
            written += self._insert(values, chunk.num_rows - whole, whole, chunk.num_rows, start)
        return written

    def _insert(self, values: list[Any], rows: int, first: int, last: int, start: int) -> int:
        """Insert rows `first` to `last` of the chunk, `rows` in each statement; returns how many it made."""
        at = first
        width = len(self._columns)

        def statements() -> Iterator[list[Any]]:
            nonlocal at
            for at in range(first, last, rows):
                if self._session.cancelled:  # an interrupt between two statements does nothing
                    raise TargetConflict("The write was cancelled.")
                yield values[at * width : (at + rows) * width]

        try:
            with translated():
                cursor = self._session.cursor().executemany(self._statement(rows), statements())
        except ConstraintViolated as error:
            raise ConstraintViolated(str(error), self._offender(values, at, at + rows, start)) from error.__cause__
        return int(cursor.rowcount)

    def _offender(self, values: list[Any], first: int, last: int, start: int) -> int | None:
        """Which row broke the failed statement, found by running its rows alone: the statement itself was undone."""
        width = len(self._columns)
        for row in range(first, last):
            try:
                self._session.execute(self._statement(1), values[row * width : (row + 1) * width])
            except sqlite3.Error as error:
                return start + row if isinstance(known(error), ConstraintViolated) else None
        return None

    def _statement(self, rows: int) -> str:
        row = f"({', '.join('?' * len(self._columns))})"
        return self._into + ", ".join([row] * rows) + self._conflict


def row_major(columns: list[list[Any]]) -> list[Any]:
    """One list with the first row's values, then the second's, and so on."""
    width = len(columns)
    values: list[Any] = [None] * (width * len(columns[0]))
    for position, column in enumerate(columns):
        values[position::width] = column
    return values


def python_values(column: pa.Array[Any]) -> list[Any]:
    """A column as the values that SQLite stores: dates and times as ISO text, booleans as 0 and 1."""
    values: list[Any] = _storable(column).to_pylist()
    return values


def numbers(decimals: pa.Array[Any]) -> list[Any]:
    """Decimals, which come as text, as SQLite stores them: fractions as the nearest double, integers still as text.

    Left to SQLite 3.40 some in ten thousand become the double beside it: 735.4695422506 was 735.4695422505999.
    """
    if all_doubles(decimals):
        with suppress(pa.ArrowInvalid):  # it does not know a plus
            found: list[Any] = decimals.cast(pa.float64()).to_pylist()
            return found
    return [text if text is None or text.lstrip("+-").isdigit() else float(text) for text in decimals.to_pylist()]


def _storable(column: pa.Array[Any]) -> pa.Array[Any]:
    kind = column.type
    if pa.types.is_boolean(kind):
        return column.cast(pa.int8())
    if pa.types.is_timestamp(kind):
        text = _without_zeros(column.cast(pa.timestamp("us")), pa.timestamp("s"))
        return text if kind.tz is None else _joined(text, "+00:00")
    if pa.types.is_time(kind):
        return _without_zeros(column, pa.time32("s"))
    return column.cast(pa.string()) if pa.types.is_date(kind) else column


def _without_zeros(micros: pa.Array[Any], seconds: pa.DataType) -> pa.Array[Any]:
    """`HH:MM:SS` with `.ffffff` only where it is not zero: equal times must be equal texts."""
    whole = micros.cast(seconds, safe=False)
    short = whole.cast(pa.string())
    exact = pc.equal(whole.cast(micros.type), micros)
    if pc.all(exact).as_py() is not False:
        return short
    mixed: pa.Array[Any] = pc.if_else(exact, short, micros.cast(pa.string()))
    return mixed


def _joined(column: pa.Array[Any], suffix: Any) -> pa.Array[Any]:
    """The texts, each with the suffix."""
    empty: Any = ""
    joined: pa.Array[Any] = pc.binary_join_element_wise(column, suffix, empty)
    return joined
