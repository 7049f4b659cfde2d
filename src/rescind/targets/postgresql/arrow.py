"""PostgreSQL's rows as Arrow batches, from the text that COPY gives."""

from __future__ import annotations

import io
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.csv as pacsv
from pyarrow import compute

from rescind.domain.arrow import ARROW, times_of_day
from rescind.domain.schema import Column, Type
from rescind.targets.portions import BYTES_PER_BATCH, ROWS_PER_BATCH

pc: Any = compute  #: its type hints know no constants
Values: TypeAlias = "pa.Array[Any]"


def batches(rows: Iterable[Any], columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
    """Rows as COPY gives them, in CSV, as batches that are bounded in rows and bytes.

    A column holds its type's values; in a batch where one of them is not (a date before the year 1, infinity) it is
    text instead, as PostgreSQL spells it.
    """
    gathered: list[bytes] = []
    size = 0
    for row in rows:
        gathered.append(bytes(row))
        size += len(gathered[-1])
        if len(gathered) == ROWS_PER_BATCH or size >= BYTES_PER_BATCH:
            yield _batch(b"".join(gathered), columns)
            gathered.clear()
            size = 0
    if gathered:
        yield _batch(b"".join(gathered), columns)


def _batch(csv: bytes, columns: Sequence[Column]) -> pa.RecordBatch:
    names = [column.name for column in columns]
    places = [str(n) for n in range(len(columns))]  # two columns' names may not differ for Arrow's reader
    if csv.startswith(BOM_UTF8):  # of one that the first value begins with, Arrow's reader takes one away
        csv = BOM_UTF8 + csv
    table = pacsv.read_csv(
        io.BytesIO(csv),
        pacsv.ReadOptions(column_names=places, block_size=len(csv) + 1, use_threads=False),
        pacsv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        pacsv.ConvertOptions(
            column_types=dict.fromkeys(places, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    (batch,) = table.combine_chunks().to_batches()
    arrays = [_typed(values, column.type) for values, column in zip(batch.columns, columns, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, names=names)


def _typed(text: Values, kind: Type) -> Values:
    match kind:
        case Type.boolean:
            truths: Values = pc.equal(text, "t")
            return truths
        case Type.binary:
            return pa.array(
                [None if value is None else bytes.fromhex(value[2:]) for value in text.to_pylist()], pa.binary()
            )
        case _ if ARROW[kind] == pa.string():
            return text
    try:
        return times_of_day(text) if kind is Type.time else text.cast(ARROW[kind])
    except pa.ArrowInvalid:
        return text
