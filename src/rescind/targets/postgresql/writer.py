"""Many rows into one table by COPY, from Arrow's columns: in the binary form where each value has one, else as text."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

import psycopg
import pyarrow as pa
from pyarrow import compute

from rescind.domain.arrow import conform
from rescind.domain.limits import LOSES_SPACES, Violation, first_altered, require
from rescind.domain.schema import Column, Type
from rescind.errors import ConstraintViolated, RescindError
from rescind.targets.ahead import Encoded
from rescind.targets.postgresql import binary, text
from rescind.targets.postgresql.columns import PADDED
from rescind.targets.postgresql.failures import known, translation
from rescind.targets.postgresql.relations import Cursor
from rescind.targets.postgresql.sql import quote

pc: Any = compute  #: its type hints know no constants

_BATCH = "rescind_batch"
_NUMBER = re.compile(r"\d+")


class PostgreSQLWriter:
    """Appends rows to one table, in the branch's transaction.

    `own` gives a cursor for statements of Rescind's own; `go_on` raises after a cancel; `bases` are the names of
    the columns' types.
    """

    def __init__(
        self,
        own: Callable[[], AbstractContextManager[Cursor]],
        go_on: Callable[[], None],
        table: str,
        columns: Sequence[Column],
        bases: Mapping[str, str],
    ) -> None:
        self._own = own
        self._go_on = go_on
        self._columns = list(columns)
        self._names = [column.name for column in columns]
        self._copy = f"COPY {table} ({', '.join(map(quote, self._names))}) FROM STDIN"
        self._binary = binary.encoder(self._columns, bases)
        self._padded = {name for name in self._names if bases[name] == PADDED}

    def write(self, batch: pa.RecordBatch, known: Collection[Column] = ()) -> int:
        """Append the rows. Raises ConstraintViolated with the row's index in the batch; TargetConflict if cancelled.

        Whatever is raised, no row of the batch is left: a function that hides the error and goes on would
        otherwise commit rows that nobody counted.
        """
        batch = self._checked(batch, known)
        return self._put(batch, *self._encoded(batch))

    def encode(self, batch: pa.RecordBatch, known: Collection[Column] = ()) -> Encoded:
        """See EncodesAhead."""
        batch = self._checked(batch, known)
        form, pieces = self._encoded(batch)
        return Encoded(batch, (form, tuple(pieces)))

    def send(self, rows: Encoded) -> int:
        """See EncodesAhead."""
        return self._put(rows.batch, *rows.form)

    def close(self) -> None:
        """Nothing is kept back: every write is in the transaction when it returns."""

    def _put(self, batch: pa.RecordBatch, form: str, pieces: Iterable[bytes]) -> int:
        if not batch.num_rows:
            return 0
        with self._own() as cursor, savepoint(cursor, _BATCH):
            try:
                self._copy_in(cursor, form, pieces)
            except psycopg.Error as error:
                raise self._reason(error, batch) from error
            if cursor.rowcount != batch.num_rows:
                told = f"PostgreSQL took {cursor.rowcount} of {batch.num_rows} rows: a trigger of the table skips rows."
                raise ConstraintViolated(told)
        return batch.num_rows

    def _checked(self, batch: pa.RecordBatch, known: Collection[Column]) -> pa.RecordBatch:
        """The writer's columns of it. Raises ConstraintViolated."""
        batch = batch.select(self._names)
        require(self._columns, batch.columns, known, self._altered)
        return batch

    def _altered(self, column: Column, values: pa.Array[Any]) -> Violation | None:
        """The first value that the server would store as another one, without a word."""
        if column.name in self._padded:
            with suppress(pa.ArrowInvalid):  # it is none of the type, which is told as that
                return first_altered(column, pc.ends_with(conform(values, Type.text), " "), LOSES_SPACES)
        return None

    def _copy_in(self, cursor: Cursor, form: str, pieces: Iterable[bytes]) -> None:
        with cursor.copy(f"{self._copy} (FORMAT {form}, ENCODING 'UTF8')") as copy:
            for piece in pieces:
                self._go_on()  # the server sees a cancel only when it has the next piece
                copy.write(piece)

    def _encoded(self, batch: pa.RecordBatch) -> tuple[str, Iterator[bytes]]:
        """The form and the pieces of it; the same for the same batch."""
        if self._binary is not None:
            with suppress(pa.ArrowInvalid):  # a value that only text can say
                return "binary", self._binary.pieces(batch)
        return "csv", text.pieces(batch, self._columns)

    def _reason(self, error: psycopg.Error, batch: pa.RecordBatch) -> RescindError:
        reason = known(error)
        if not isinstance(reason, ConstraintViolated):
            return translation(error)
        return ConstraintViolated(str(reason), self._offender(error.diag.context, batch))

    def _offender(self, context: str | None, batch: pa.RecordBatch) -> int | None:
        """The row that COPY was at: `COPY table, line 3, column id: "x"`, in the language of the server.

        A trigger's own context stands before it. The end of the rows is a line too, where COPY finds at last that
        those it has gathered do not fit.
        """
        for line in reversed((context or "").splitlines()):
            command, _, place = line.partition(", ")
            if command.startswith("COPY ") and (found := _NUMBER.search(place)):
                form, pieces = self._encoded(batch)
                row = int(found[0]) - 1 if form == "binary" else text.row_of_line(pieces, int(found[0]))
                return row if row < batch.num_rows else None
        return None


@contextmanager
def savepoint(cursor: Cursor, name: str) -> Iterator[None]:
    """What the block did is taken back if it raises, and the transaction can go on."""
    cursor.execute(f"SAVEPOINT {name}")
    try:
        yield
    except BaseException:
        with suppress(psycopg.Error):  # the connection may be gone, and the transaction with it
            cursor.execute(f"ROLLBACK TO {name}; RELEASE {name}")
        raise
    cursor.execute(f"RELEASE {name}")
