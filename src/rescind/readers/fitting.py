"""Columns of Arrow values, or of text, to a batch of typed rows and the rejects among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rescind.domain import limits
from rescind.domain.rejects import Reason, Reject
from rescind.domain.schema import Column
from rescind.errors import InvalidInput
from rescind.readers.arrow_types import flat
from rescind.readers.casts import Failure, Values
from rescind.readers.conversion import convert
from rescind.readers.reader import Rows


class ArrowPiece(NamedTuple):
    """Rows as the file has them; the first is the record `first` of the file, counted from 1."""

    batch: pa.RecordBatch
    first: int


class Given(NamedTuple):
    """A column and the values for it, with what is known to be wrong with some of them already."""

    column: Column
    values: Values
    failures: tuple[Failure, ...] = ()


def fit(
    columns: Sequence[Given],
    records: npt.NDArray[np.int64],
    keep: int | None,
    malformed: Mapping[int, Reject] | None = None,
) -> Rows:
    """Rows of these columns. `records` are the numbers of the values' records, `malformed` those that have no values.

    Of each record the first thing wrong counts, and at most `keep` of them are told.
    """
    wrong: dict[int, tuple[Column, Values, Failure]] = {}
    arrays = []
    for column, values, known in columns:
        plain = flat(values)
        read = convert(plain, column)
        arrays.append(read.values)
        for failure in (*known, *read.failures, *_forbidden_nulls(column, plain)):
            wrong.setdefault(failure.row, (column, plain, failure))
    fitted = tuple(given.column for given in columns)
    batch = pa.RecordBatch.from_arrays(arrays, names=[column.name for column in fitted])
    if not wrong and not malformed:
        return Rows(batch, records, columns=fitted)
    fits = np.ones(len(records), np.bool_)
    fits[list(wrong)] = False
    rows = {int(records[row]): row for row in wrong}
    bad = sorted((*rows, *(malformed or ())))
    rejects = tuple(
        _reject(number, *wrong[rows[number]]) if number in rows else (malformed or {})[number] for number in bad[:keep]
    )
    return Rows(batch.filter(pa.array(fits)), records[fits], rejects, len(bad), fitted)


def _forbidden_nulls(column: Column, values: Values) -> list[Failure]:
    if column.nullable or not values.null_count:
        return []
    return [Failure(int(row), Reason.null) for row in np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))]


def _reject(record: int, column: Column, values: Values, failure: Failure) -> Reject:
    value = limits.shown(values, failure.row) if values[failure.row].is_valid else None
    return Reject(record, column.name, value, failure.reason)


def require_valid(batch: pa.RecordBatch, first: int) -> None:
    """Raise InvalidInput where a file's own offsets lead astray, or a text of its is not UTF-8.

    Arrow takes both on trust, and may end the process over the one and write the other to a database.
    """
    try:
        batch.validate(full=True)
    except pa.ArrowException as error:
        last = first + batch.num_rows - 1
        raise InvalidInput(f"The file is damaged in its records {first} to {last}: {error}.") from error
