"""What becomes of a file's rows when some of them do not fit: none is loaded, or those are left out and kept."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import BeforeValidator, Field

from rescind.domain.rejects import KEPT, Reject
from rescind.errors import RowsRejected
from rescind.pipeline import Check
from rescind.readers.reader import InputField, Reader, Rows
from rescind.uploads.output_file import OutputFile

FILE_NAME = "rejects.csv"
MEDIA_TYPE = "text/csv; charset=utf-8"
HEADER = ("record", "column", "value", "reason")
PIECE_BYTES = 64 * 1024
#: Rows that are written at a time: a batch of Parquet has as many, and a block of short records twice as many. 50,000
#: left a small rest of each, for which the server waited as long as for the others.
BATCH_ROWS = 65_536


def _limit(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


#: How many bad rows a load may have: a number of rows, or with % a part of all that were read.
MostRejects = Annotated[
    str,
    BeforeValidator(_limit),
    Field(pattern=r"^([0-9]{1,18}|(100|[0-9]{1,2})(\.[0-9]{1,6})?%)$", strict=False),
]


class Rejects:
    """The bad rows of one load, written to `file` as CSV; `most` is the limit, None for no limit.

    Several writers may add to it at once.
    """

    def __init__(self, file: OutputFile, most: str | None) -> None:
        self._file = file
        self._most = most
        self._rows = int(most) if most is not None and not most.endswith("%") else None
        self._lock = threading.Lock()
        self._text = io.StringIO(newline="")
        self._csv = csv.writer(self._text)
        self._csv.writerow(HEADER)
        self._first: list[Reject] = []
        self.total = 0

    def add(self, reject: Reject) -> None:
        """Keep it. Raises RowsRejected once there are more than the limit's number of rows."""
        with self._lock:
            self.total += 1
            if len(self._first) < KEPT:
                self._first.append(reject)
            self._csv.writerow((reject.record, reject.column, reject.value, reject.reason))
            if self._text.tell() >= PIECE_BYTES:
                self._flush()
            if self._rows is not None and self.total > self._rows:
                raise self._too_many(f"more than max_rejects={self._most} rows do not fit")

    def finish(self, read: int) -> None:
        """All rows have been read, so many. Raises RowsRejected where too large a part of them does not fit."""
        if self._most is not None and self._rows is None and self.total * 100 > float(self._most[:-1]) * read:
            raise self._too_many(f"{self.total} of {read} rows do not fit, more than max_rejects={self._most}")
        with self._lock:
            self._flush()

    def _flush(self) -> None:
        self._file.write(self._text.getvalue().encode())
        self._text.seek(0)
        self._text.truncate()

    def _too_many(self, what: str) -> RowsRejected:
        return RowsRejected(f"Nothing was loaded: {what}; {self._first[0]}.", self._first, self.total)


def all_or_none(reader: Reader, fields: Sequence[InputField], check: Check) -> Iterator[Rows]:
    """The file's rows, at most BATCH_ROWS at a time.

    Once one is found that does not fit nothing more is yielded; the rest is read for its rejects, and RowsRejected is
    raised at the end with the first KEPT of them.
    """
    rejects: list[Reject] = []
    rejected = 0
    for rows in reader.rows(fields, check, keep=KEPT):
        rejects += rows.rejects[: KEPT - len(rejects)]
        rejected += rows.rejected
        if not rejected:
            yield from bounded(rows)
    if rejected:
        does = "1 row does" if rejected == 1 else f"{rejected} rows do"
        raise RowsRejected(f"Nothing was loaded: {does} not fit; {rejects[0]}.", rejects, rejected)


def without_rejects(reader: Reader, fields: Sequence[InputField], rejects: Rejects, check: Check) -> Iterator[Rows]:
    """The file's rows that fit; the others go to `rejects`. Raises RowsRejected for too many of these."""
    for rows in reader.rows(fields, check):
        for reject in rows.rejects:
            rejects.add(reject)
        yield from bounded(rows)


def bounded(rows: Rows) -> Iterator[Rows]:
    """The rows that fit, at most BATCH_ROWS at a time."""
    for start in range(0, rows.batch.num_rows, BATCH_ROWS):
        yield rows.slice(start, BATCH_ROWS)
