"""Many rows into one table of one target, inside the task's transaction: one branch, or several side by side."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rescind import failpoints
from rescind.domain.schema import Table
from rescind.errors import ConstraintViolated
from rescind.pipeline import Check, in_order
from rescind.readers.reader import Rows
from rescind.targets.ahead import Encoded, EncodesAhead
from rescind.targets.target import Writer
from rescind.transaction.work import Work

LOOK_SECONDS = 0.25  #: how often a stop is looked for while every branch is busy

#: (rows, number of the branch)
Told: TypeAlias = Callable[[int, int], None]
Records: TypeAlias = npt.NDArray[np.int64]
#: (number of the record, what it breaks)
Refused: TypeAlias = Callable[[int, ConstraintViolated], None]


class TableWriter:
    """Puts Arrow batches into the table. `told` is given the number of rows written and the branch's number.

    With several branches each has a thread and at most one batch in hand, so that memory is bounded. With `refused`
    a row that breaks a constraint is handed to it and left out; it may be called by several threads.
    """

    def __init__(
        self,
        work: Work,
        target: str,
        table: Table,
        columns: Sequence[str],
        told: Told,
        key: Sequence[str] = (),
        refused: Refused | None = None,
    ) -> None:
        self._control = work.control
        self._told = told
        self._refused = refused
        self._given = 0
        self._numbers = work.numbers(target)
        self._writers = {number: work.begun(number).writer(table, columns, key) for number in self._numbers}
        self._first = self._writers[self._numbers[0]]
        self._pool = ThreadPoolExecutor(len(self._numbers), "writer") if len(self._numbers) > 1 else None
        self._busy: dict[Future[int], int] = {}

    @property
    def encodes_ahead(self) -> bool:
        """Whether `encode` can be called. Of rows that are left out one by one the pieces are known at their turn."""
        return self._refused is None and isinstance(self._first, EncodesAhead)

    def encode(self, rows: Rows) -> Encoded:
        """The rows as `write` would encode them; any thread may call it. Raises ConstraintViolated as `write` does."""
        assert isinstance(self._first, EncodesAhead)
        with _by_record(rows.records):
            return self._first.encode(rows.batch, rows.columns)

    def write(self, batch: pa.RecordBatch) -> None:
        """`put` rows that are numbered from 1, over all batches that were given to this writer."""
        first, self._given = self._given, self._given + batch.num_rows
        self.put(Rows(batch, np.arange(first + 1, self._given + 1)))

    def put(self, rows: Rows, encoded: Encoded | None = None) -> None:
        """Append the rows. Raises Stopped when a stop was asked for, ConstraintViolated for a bad row.

        ConstraintViolated.row is the number of the row's record less 1. `encoded` is what `encode` made of the rows.
        """
        self._control.check()
        if self._pool is None:
            self._done(self._numbers[0], self._put(self._writers[self._numbers[0]], rows, encoded))
        else:
            number = self._free()
            self._busy[self._pool.submit(self._put, self._writers[number], rows, encoded)] = number
        failpoints.hit("branch.mid_data")

    def close(self) -> None:
        """Everything that was given to `write` is in the transaction when this returns."""
        try:
            while self._busy:
                self._collect()
            for writer in self._writers.values():
                writer.close()
        finally:
            self._release()

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if kind is None:
            self.close()
        else:
            self._release()  # what was given is not waited for: all of it is taken back

    def _release(self) -> None:
        """Leave no thread behind: its branch is about to be rolled back, and must be idle."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def _free(self) -> int:
        """A branch without a batch in hand."""
        while len(self._busy) == len(self._numbers):
            self._collect()
        return next(number for number in self._numbers if number not in self._busy.values())

    def _collect(self) -> None:
        done, _ = wait(self._busy, LOOK_SECONDS, FIRST_COMPLETED)
        for future in done:
            self._done(self._busy.pop(future), future.result())
        self._control.check()

    def _done(self, number: int, rows: int) -> None:
        self._told(rows, number)

    def _put(self, writer: Writer, rows: Rows, encoded: Encoded | None) -> int:
        if self._refused is not None:
            return self._put_what_fits(writer, rows, self._refused)
        with _by_record(rows.records):
            if encoded is not None and isinstance(writer, EncodesAhead):
                return writer.send(encoded)
            return writer.write(rows.batch, rows.columns)

    def _put_what_fits(self, writer: Writer, rows: Rows, refused: Refused) -> int:
        """A piece that is refused leaves nothing behind; what comes before its bad row is written by itself.

        After a bad row the pieces stay short and grow again: where many are bad, the good ones between them would
        otherwise be sent anew for each.
        """
        written, at, size = 0, 0, rows.batch.num_rows
        while at < rows.batch.num_rows:
            self._control.check()
            piece = rows.batch.slice(at, size)
            try:
                written += writer.write(piece, rows.columns)
            except ConstraintViolated as error:
                row = 0 if piece.num_rows == 1 else error.row
                if row == 0:
                    refused(int(rows.records[at]), error)
                    at += 1
                else:
                    size = row or piece.num_rows // 2
            else:
                at, size = at + piece.num_rows, size * 2
        return written


def encoded_ahead(
    found: Iterator[Rows], writers: Sequence[TableWriter], check: Check
) -> Generator[tuple[Rows, Sequence[Encoded | None]], None, None]:
    """The rows, each with what every writer has encoded of it: by threads, while those before are being written.

    Errors come in the rows' order, and few of the rows are in memory at a time. To be closed, as `in_order`. `check` is
    called at least every 250 ms and may raise. Where a writer cannot do that each of the rows is read at its turn.
    """
    if all(writer.encodes_ahead for writer in writers):
        yield from in_order(found, lambda rows: (rows, [writer.encode(rows) for writer in writers]), check)
    else:
        yield from ((rows, [None] * len(writers)) for rows in found)


@contextmanager
def _by_record(records: Records) -> Iterator[None]:
    """ConstraintViolated with the number of the record less 1 in place of the row's."""
    try:
        yield
    except ConstraintViolated as error:
        if error.row is None:
            raise
        raise ConstraintViolated(str(error), int(records[error.row]) - 1) from error.__cause__
