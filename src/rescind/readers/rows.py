"""The fields of a block to a batch of typed rows, or to the rejects among them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rescind.domain.rejects import Reason, Reject, shorten
from rescind.domain.schema import Column, Type
from rescind.pipeline import Check
from rescind.readers.casts import cast
from rescind.readers.fields import Fields, Malformed
from rescind.readers.fitting import Part, assemble, forbidden_nulls
from rescind.readers.reader import Rows
from rescind.readers.spelling import Spelling

#: Types whose values may well be the letters NA.
_KEEPS_NA = (Type.text, Type.binary)
_NULL = pa.scalar(None, pa.string())


def typed_rows(
    fields: Fields, columns: Sequence[tuple[Column, int]], spelling: Spelling, keep: int | None, check: Check
) -> Rows:
    """Rows of these columns, in this order; each comes with its position in the file.

    Records are numbered from 1 within these fields. `check` is called for each column: where all values are wrong, a
    wide block takes seconds.
    """
    parts = []
    for column, place in columns:
        check()
        parts.append(_part(column, fields.columns[place], fields.na[place], spelling))
    malformed = {bad.record + 1: bad for bad in fields.malformed}
    return assemble(parts, fields.records + 1, keep, malformed, lambda record: _reject(malformed[record], fields))


def misshapen(fields: Fields, keep: int) -> tuple[Reject, ...]:
    """The first records, at most `keep`, that are no rows at all; numbered as in `typed_rows`."""
    return tuple(_reject(bad, fields) for bad in sorted(fields.malformed, key=lambda bad: bad.record)[:keep])


def null_where_na(text: pa.StringArray, na: npt.NDArray[np.bool_] | None) -> pa.StringArray:
    """The text with a null for each unquoted NA."""
    if na is None:
        return text
    # Not if_else, which leaves the letters in the buffer: the column would no longer be all digits.
    without: pa.StringArray = pc.replace_with_mask(text, pa.array(na), _NULL)
    return without


def _part(column: Column, shown: pa.StringArray, na: npt.NDArray[np.bool_] | None, spelling: Spelling) -> Part:
    text = shown if column.type in _KEEPS_NA else null_where_na(shown, na)
    read = cast(spelling.usual(text, column.type), column)
    return Part(column, read.values, shown, (*read.failures, *forbidden_nulls(column, text)))


def _reject(bad: Malformed, fields: Fields) -> Reject:
    reason = _shape(bad.found, len(fields.columns))
    return Reject(bad.record + 1, None, shorten(bad.text.rstrip("\r\n")), reason)


def _shape(found: int | None, expected: int) -> str:
    if found is None:
        return Reason.quotes
    reason = Reason.too_few_fields if found < expected else Reason.too_many_fields
    return reason.format(found=found, expected=expected)
