"""A block of records to columns of text: which fields are NULL, and which records have too few or too many.

pyarrow's parser reads literally what it is not sure of, so it is given well quoted records only.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from rescind.readers.dialect import Dialect
from rescind.readers.encoding import BadByte, bad_byte
from rescind.readers.options import UTF_8
from rescind.readers.records import Block, whole_records

_NA = "NA"


class Undecodable(Exception):
    """A byte is not UTF-8; so many records of the block come before its own."""

    def __init__(self, bad: BadByte, records_before: int) -> None:
        super().__init__(bad, records_before)
        self.bad = bad
        self.records_before = records_before


@dataclass(frozen=True)
class Malformed:
    """A record of the block (counted from 0) whose number of fields is `found`; None if that cannot be told."""

    record: int
    found: int | None
    text: str


@dataclass(frozen=True)
class Fields:
    """The rows of a block. `columns` are string arrays of equal length, one per name of the header.

    A field that stands for NULL in any column is null. `na` marks per column the unquoted `NA`, where there is any and
    it may stand for NULL; `records` are the rows' numbers in the block (counted from 0), `total` is how many records
    it has, malformed ones included.
    """

    columns: tuple[pa.StringArray, ...]
    na: tuple[npt.NDArray[np.bool_] | None, ...]
    records: npt.NDArray[np.int64]
    malformed: tuple[Malformed, ...]
    total: int


@dataclass(frozen=True)
class Parser:
    """Takes blocks apart. Records have `width` fields.

    `nulls` are the unquoted spellings of NULL; None for the usual ones, nothing and in most columns `NA`.
    """

    width: int
    dialect: Dialect
    nulls: tuple[str, ...] | None = None

    def parse(self, block: Block) -> Fields:
        """The fields of a block. Raises Undecodable."""
        self._require_utf8(block)
        data = _without_broken(block)
        columns, misshapen = self._parse(data, [""] if self.nulls is None else self.nulls)
        na = self._unquoted_na(data, columns) if self.nulls is None else (None,) * self.width
        total = len(columns[0]) + len(misshapen) + len(block.broken)
        records = np.arange(total)
        if block.broken:
            records = np.delete(records, [broken.record for broken in block.broken])
        malformed = [Malformed(int(records[row]), found, text) for row, found, text in misshapen]
        malformed += [Malformed(b.record, None, block.data[b.start : b.end].decode()) for b in block.broken]
        if misshapen:
            records = np.delete(records, [row for row, _, _ in misshapen])
        return Fields(columns, na, records, tuple(malformed), total)

    def _parse(self, data: bytes, nulls: Sequence[str]) -> tuple[tuple[pa.StringArray, ...], list[_Misshapen]]:
        if not data:
            return (pa.array([], pa.string()),) * self.width, []  # the parser takes that for an error
        misshapen: list[_Misshapen] = []

        def skip(row: arrow_csv.InvalidRow) -> Literal["skip"]:
            assert row.number is not None  # it is known where one thread parses
            misshapen.append((row.number - 1, row.actual_columns, row.text))
            return "skip"

        names = [str(i) for i in range(self.width)]
        table = arrow_csv.read_csv(
            # Of a byte order mark that a field happens to begin with, the parser takes one away.
            pa.BufferReader(BOM_UTF8 + data if data.startswith(BOM_UTF8) else data),  # type: ignore[arg-type]
            arrow_csv.ReadOptions(use_threads=False, block_size=len(data) + len(BOM_UTF8) + 1, column_names=names),
            arrow_csv.ParseOptions(
                delimiter=self.dialect.delimiter,
                quote_char=self.dialect.quote or False,
                newlines_in_values=True,
                # An empty line is a record with one field, if records have one; among longer ones it is nothing.
                ignore_empty_lines=self.width > 1,
                invalid_row_handler=skip,
            ),
            arrow_csv.ConvertOptions(
                check_utf8=False,
                column_types={name: pa.string() for name in names},
                null_values=list(nulls),
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
        return tuple(_whole(column) for column in table.columns), misshapen

    def _unquoted_na(
        self, data: bytes, columns: tuple[pa.StringArray, ...]
    ) -> tuple[npt.NDArray[np.bool_] | None, ...]:
        """Per column, where an unquoted NA stands.

        The text alone does not tell whether it was quoted: a block that has a quoted one is parsed once more with NA
        as a null.
        """
        marks = tuple(_marks(pc.equal(column, pa.scalar(_NA))) for column in columns)
        quote = self.dialect.quote
        # To search all bytes for either is slower than to look at each value.
        if not quote or all(mark is None for mark in marks) or f"{quote}{_NA}{quote}".encode() not in data:
            return marks
        again, _ = self._parse(data, ["", _NA])
        return tuple(_marks(pc.and_(new.is_null(), old.is_valid())) for new, old in zip(again, columns, strict=True))

    def _require_utf8(self, block: Block) -> None:
        if block.data.isascii():
            return
        try:
            block.data.decode()
        except UnicodeDecodeError as error:
            before = self._before(block, error.start)
            bad = bad_byte(UTF_8, block.data, error.start, block.offset)
            raise Undecodable(bad, self.parse(before).total if before.data else 0) from error

    def _before(self, block: Block, position: int) -> Block:
        """The whole records before the one that the byte at `position` belongs to."""
        broken = tuple(broken for broken in block.broken if broken.end <= position)
        start = broken[-1].end if broken else 0
        end = min([position, *(other.start for other in block.broken[len(broken) :])])
        whole = whole_records(block.data[start:end], self.dialect)
        return Block(block.data[: start + whole], block.offset, broken)


#: A row that has not `width` fields: its number in the data (counted from 0), how many it has, and its text.
_Misshapen = tuple[int, int, str]


def _without_broken(block: Block) -> bytes:
    if not block.broken:
        return block.data
    bounds = [0, *(bound for broken in block.broken for bound in (broken.start, broken.end)), len(block.data)]
    return b"".join(block.data[start:end] for start, end in zip(bounds[::2], bounds[1::2], strict=True))


def _whole(column: pa.ChunkedArray[pa.StringScalar]) -> pa.StringArray:
    """The column in one piece; a block without rows has none."""
    chunks = cast(list[pa.StringArray], column.chunks)
    return chunks[0] if len(chunks) == 1 else pa.array([], pa.string())


def _marks(mask: pa.BooleanArray) -> npt.NDArray[np.bool_] | None:
    if not mask.true_count:
        return None
    marks: npt.NDArray[np.bool_] = mask.fill_null(False).to_numpy(zero_copy_only=False)
    return marks
