"""What becomes of a file's rows when some of them do not fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rescind.domain.rejects import KEPT, Reject
from rescind.errors import RowsRejected
from rescind.readers.reader import InputField, Reader, Rows

#: Rows that are written at a time.
BATCH_ROWS = 50_000


def all_or_none(reader: Reader, fields: Sequence[InputField], check: Callable[[], None]) -> Iterator[Rows]:
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
        raise RowsRejected(f"Nothing was loaded: {_rows(rejected)} not fit; {rejects[0]}.", rejects, rejected)


def bounded(rows: Rows) -> Iterator[Rows]:
    """The rows that fit, at most BATCH_ROWS at a time."""
    for start in range(0, rows.batch.num_rows, BATCH_ROWS):
        yield rows.slice(start, BATCH_ROWS)


def _rows(count: int) -> str:
    return "1 row does" if count == 1 else f"{count} rows do"
