"""Columns of Arrow values, or of text, to a batch of typed rows and the rejects among them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rescind.domain import limits
from rescind.domain.rejects import Reason, Reject, shorten
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


class Part(NamedTuple):
    """One column of some rows: its values, those that are shown where one does not fit, and which these are."""

    column: Column
    values: Values
    shown: Values
    failures: tuple[Failure, ...]


def fit(
    columns: Sequence[Given],
    records: npt.NDArray[np.int64],
    keep: int | None,
    malformed: Mapping[int, Reject] | None = None,
) -> Rows:
    """Rows of these columns; see `assemble`."""
    bad = malformed or {}
    return assemble([_part(given) for given in columns], records, keep, bad, bad.__getitem__)


def assemble(
    parts: Sequence[Part],
    records: npt.NDArray[np.int64],
    keep: int | None,
    malformed: Collection[int],
    told: Callable[[int], Reject],
) -> Rows:
    """Rows of these columns. `records` are the numbers of the values' records, `malformed` those that have no values.

    Of each record the first thing wrong counts, and at most `keep` of them are told: a file in which all are wrong is
    not to take long.
    """
    found = [(part, failure) for part in parts for failure in part.failures if len(failure.rows)]
    columns = tuple(part.column for part in parts)
    batch = pa.RecordBatch.from_arrays([part.values for part in parts], names=[column.name for column in columns])
    if not found and not malformed:
        return Rows(batch, records, columns=columns)
    wrong = np.full(len(records), len(found))  # per row, which of those counts
    for place in reversed(range(len(found))):
        wrong[found[place][1].rows] = place
    fits = wrong == len(found)
    bad = np.flatnonzero(~fits)
    rows = dict(zip(records[bad[:keep]].tolist(), bad[:keep].tolist(), strict=True))
    first = sorted((*rows, *malformed))[:keep]
    rejects = tuple(_reject(n, rows[n], *found[wrong[rows[n]]]) if n in rows else told(n) for n in first)
    return Rows(batch.filter(pa.array(fits)), records[fits], rejects, len(bad) + len(malformed), columns)


def forbidden_nulls(column: Column, values: Values) -> tuple[Failure, ...]:
    """The rows without a value where the column needs one."""
    if column.nullable or not values.null_count:
        return ()
    return (Failure(np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False)), Reason.null),)


def _part(given: Given) -> Part:
    plain = flat(given.values)
    read = convert(plain, given.column)
    failures = (*given.failures, *read.failures, *forbidden_nulls(given.column, plain))
    return Part(given.column, read.values, plain, failures)


def _reject(record: int, row: int, part: Part, failure: Failure) -> Reject:
    return Reject(record, part.column.name, _shown(part.shown, row), failure.reason)


def _shown(values: Values, row: int) -> str | None:
    if pa.types.is_string(values.type):  # with `limits.shown` a CSV that is bad in each row took 1.4 times as long
        text = values[row].as_py()
        return None if text is None else shorten(text)
    return limits.shown(values, row) if values[row].is_valid else None


def require_valid(batch: pa.RecordBatch, first: int) -> None:
    """Raise InvalidInput where a file's own offsets lead astray, or a text of its is not UTF-8.

    Arrow takes both on trust, and may end the process over the one and write the other to a database.
    """
    try:
        batch.validate(full=True)
    except pa.ArrowException as error:
        last = first + batch.num_rows - 1
        raise InvalidInput(f"The file is damaged in its records {first} to {last}: {error}.") from error
