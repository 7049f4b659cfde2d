"""The fields of a block to a batch of typed rows, or to the rejects among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rescind.domain.rejects import KEPT, Reason, Reject, shorten
from rescind.domain.schema import Column, Type
from rescind.readers.casts import Failure, Values, cast
from rescind.readers.fields import Fields, Malformed, Undecodable
from rescind.readers.records import Broken

#: Types whose values may well be the letters NA.
_KEEPS_NA = (Type.text, Type.binary)
_NULL = pa.scalar(None, pa.string())


@dataclass(frozen=True)
class Rows:
    """`total` records, of which `rejected` do not fit; `rejects` are the first of them, one for each, numbered from
    1 within these. `batch` may be written only if there are none.
    """

    batch: pa.RecordBatch | None
    rejects: tuple[Reject, ...]
    rejected: int
    total: int


def typed_rows(fields: Fields, columns: Sequence[tuple[Column, int]]) -> Rows:
    """Rows of these columns, in this order; each comes with its position in the file."""
    rejects = {bad.record: _malformed(bad, len(fields.columns)) for bad in fields.malformed}
    arrays: dict[str, Values] = {}
    for column, position in sorted(columns, key=lambda placed: placed[1]):
        text = fields.columns[position]
        if column.type not in _KEEPS_NA:
            text = null_where_na(text, fields.na[position])
        values = cast(text, column.type)
        arrays[column.name] = values.values
        for failure in (*values.failures, *_forbidden_nulls(column, text)):
            record = int(fields.records[failure.row])
            if record not in rejects:
                rejects[record] = _misfit(record, column, fields.columns[position][failure.row].as_py(), failure)
    batch = pa.RecordBatch.from_arrays([arrays[c.name] for c, _ in columns], names=[c.name for c, _ in columns])
    first = tuple(rejects[record] for record in sorted(rejects)[:KEPT])
    return Rows(batch, first, len(rejects), fields.total)


def broken_row(piece: Broken) -> Rows:
    """A record that cannot be taken apart. Raises Undecodable."""
    try:
        text = piece.data.decode()
    except UnicodeDecodeError as error:
        raise Undecodable(piece.data[error.start], piece.offset + error.start, 0) from error
    return Rows(None, (Reject(1, None, shorten(text.rstrip("\r\n")), Reason.quotes),), 1, 1)


def null_where_na(text: pa.StringArray, na: npt.NDArray[np.bool_] | None) -> pa.StringArray:
    """The text with a null for each unquoted NA."""
    if na is None:
        return text
    # Not if_else, which leaves the letters in the buffer: the column would no longer be all digits.
    without: pa.StringArray = pc.replace_with_mask(text, pa.array(na), _NULL)
    return without


def _forbidden_nulls(column: Column, text: pa.StringArray) -> list[Failure]:
    if column.nullable or column.has_default or not text.null_count:
        return []
    return [Failure(int(row), Reason.null) for row in np.flatnonzero(text.is_null().to_numpy(zero_copy_only=False))]


def _malformed(bad: Malformed, expected: int) -> Reject:
    reason = Reason.too_few_fields if bad.found < expected else Reason.too_many_fields
    return Reject(bad.record + 1, None, shorten(bad.text), reason.format(found=bad.found, expected=expected))


def _misfit(record: int, column: Column, value: str | None, failure: Failure) -> Reject:
    return Reject(record + 1, column.name, None if value is None else shorten(value), failure.reason)
