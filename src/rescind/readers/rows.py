"""The fields of a block to a batch of typed rows, or to the rejects among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rescind.domain.rejects import Reason, Reject, shorten
from rescind.domain.schema import Column, Type
from rescind.readers.casts import Failure, Values, cast
from rescind.readers.fields import Fields, Malformed
from rescind.readers.reader import Rows
from rescind.readers.spelling import Spelling

#: Types whose values may well be the letters NA.
_KEEPS_NA = (Type.text, Type.binary)
_NULL = pa.scalar(None, pa.string())


class _Misfit(NamedTuple):
    """A value that does not fit its column, which stands at `position` in the file."""

    column: Column
    position: int
    failure: Failure


def typed_rows(fields: Fields, columns: Sequence[tuple[Column, int]], spelling: Spelling, keep: int | None) -> Rows:
    """Rows of these columns, in this order; each comes with its position in the file.

    Records are numbered from 1 within these fields.
    """
    # The first thing wrong with each record; a file in which all are wrong is not to take long.
    wrong: dict[int, Malformed | _Misfit] = {bad.record: bad for bad in fields.malformed}
    arrays: dict[str, Values] = {}
    for column, position in sorted(columns, key=lambda placed: placed[1]):
        text = fields.columns[position]
        if column.type not in _KEEPS_NA:
            text = null_where_na(text, fields.na[position])
        values = cast(spelling.usual(text, column.type), column)
        arrays[column.name] = values.values
        for failure in (*values.failures, *_forbidden_nulls(column, text)):
            wrong.setdefault(int(fields.records[failure.row]), _Misfit(column, position, failure))
    read = tuple(column for column, _ in columns)
    batch = pa.RecordBatch.from_arrays([arrays[c.name] for c in read], names=[c.name for c in read])
    records = fields.records + 1
    if not wrong:
        return Rows(batch, records, columns=read)
    bad = sorted(wrong)
    fit = ~np.isin(fields.records, bad)
    rejects = tuple(_reject(record, wrong[record], fields) for record in bad[:keep])
    return Rows(batch.filter(pa.array(fit)), records[fit], rejects, len(bad), read)


def misshapen(fields: Fields) -> tuple[Reject, ...]:
    """The records that are no rows at all; numbered as in `typed_rows`."""
    return tuple(_reject(bad.record, bad, fields) for bad in sorted(fields.malformed, key=lambda bad: bad.record))


def null_where_na(text: pa.StringArray, na: npt.NDArray[np.bool_] | None) -> pa.StringArray:
    """The text with a null for each unquoted NA."""
    if na is None:
        return text
    # Not if_else, which leaves the letters in the buffer: the column would no longer be all digits.
    without: pa.StringArray = pc.replace_with_mask(text, pa.array(na), _NULL)
    return without


def _forbidden_nulls(column: Column, text: pa.StringArray) -> list[Failure]:
    if column.nullable or not text.null_count:
        return []
    return [Failure(int(row), Reason.null) for row in np.flatnonzero(text.is_null().to_numpy(zero_copy_only=False))]


def _reject(record: int, wrong: Malformed | _Misfit, fields: Fields) -> Reject:
    if isinstance(wrong, _Misfit):
        value: str | None = fields.columns[wrong.position][wrong.failure.row].as_py()
        return Reject(record + 1, wrong.column.name, None if value is None else shorten(value), wrong.failure.reason)
    reason = _shape(wrong.found, len(fields.columns))
    return Reject(record + 1, None, shorten(wrong.text.rstrip("\r\n")), reason)


def _shape(found: int | None, expected: int) -> str:
    if found is None:
        return Reason.quotes
    reason = Reason.too_few_fields if found < expected else Reason.too_many_fields
    return reason.format(found=found, expected=expected)
