"""The first records of a delimited file, with the options that it seems to need and the types that they show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rescind.domain.rejects import Reject
from rescind.domain.schema import Column, Type
from rescind.pipeline import Check
from rescind.readers import compression, sniffing
from rescind.readers.casts import cast
from rescind.readers.delimited import DelimitedReader, Texts, dialect_of
from rescind.readers.dialect import Dialect
from rescind.readers.encoding import as_utf8
from rescind.readers.evidence import Evidence, narrowest
from rescind.readers.options import Format, Options
from rescind.readers.reader import Source
from rescind.readers.sniffing import Proposal
from rescind.readers.spelling import Spelling

_HEAD_BYTES = 64 * 1024


@dataclass(frozen=True)
class TextColumn:
    """A column's name, its values as text (see Texts), and what type they show why."""

    name: str
    text: pa.StringArray
    bare: pa.StringArray
    type: Type
    evidence: tuple[Evidence, ...]

    @property
    def shown(self) -> pa.StringArray:
        """The values as its type sees them."""
        return self.text if self.type is Type.text else self.bare


@dataclass(frozen=True)
class DelimitedSample:
    """Records from the file's beginning, as the options read them; `total` counts those that are no rows too.

    Of these, `rejected` in number, only the first are among the rejects.
    """

    options: Options
    dialect: Dialect
    proposals: tuple[Proposal, ...]
    columns: tuple[TextColumn, ...]
    rejects: tuple[Reject, ...]
    rejected: int
    total: int
    whole: bool

    def rows(self, count: int) -> list[pa.Array[Any]]:
        """The first rows, column by column, as a load would read them."""
        spelling = Spelling.of(self.options)
        return [
            cast(spelling.usual(column.shown.slice(0, count), column.type), Column(column.name, column.type, "")).values
            for column in self.columns
        ]


def look(source: Source, format_: Format, check: Check, keep: int) -> DelimitedSample:
    """Read `source.sample_bytes`. Of options that are not said the file may tell; see `proposals`.

    At most `keep` rejects are told.
    """
    said = source.options.chosen
    proposals = [*_of_layout(source, format_)]
    source = replace(source, options=_with(source.options, proposals))
    with closing(DelimitedReader(source, format_)) as reader:
        blocks = list(reader.texts(check, keep))
        records, texts = _joined(reader, blocks)
        columns = [*_typed(zip(reader.header, *texts, strict=True), records, reader.spelling, check)]
        further = [*_of_spelling(columns, said)]
        options = _with(source.options, further)
        if further:
            left = ((column.name, column.text, column.bare) for column in columns)
            columns = [*_typed(left, records, Spelling.of(options), check)]
        return DelimitedSample(
            options,
            reader.dialect,
            (*proposals, *further),
            tuple(columns),
            tuple(islice(chain.from_iterable(block.rejects for block in blocks), keep)),
            sum(block.rejected for block in blocks),
            reader.rows_read,
            reader.whole,
        )


def _of_layout(source: Source, format_: Format) -> Iterator[Proposal]:
    """What is to be known before the file can be taken apart."""
    said = source.options.chosen
    if "encoding" not in said and (found := sniffing.encoding(_head(source, None))):
        yield found
        source = replace(source, options=_with(source.options, [found]))
    if "delimiter" not in said and format_ is Format.csv:
        head = _head(source, source.options.text_encoding)
        usual = dialect_of(source.options, format_)
        if found := sniffing.delimiter(head, usual, whole=len(head) < _HEAD_BYTES):
            yield found


def _of_spelling(columns: Sequence[TextColumn], said: frozenset[str]) -> Iterator[Proposal]:
    """How numbers and dates seem to be spelled, by the first column of text that tells; not against other columns."""
    types = {column.type for column in columns}
    texts = {column.name: column.bare.drop_null() for column in columns if column.type is Type.text}
    if "decimal" not in said and Type.real not in types:
        yield from _first(sniffing.decimal, texts)
    if "date_format" not in said and not types & {Type.date, Type.timestamp}:
        yield from _first(sniffing.dates, texts)


def _first(
    tell: Callable[[str, pa.StringArray], Proposal | None], texts: Mapping[str, pa.StringArray]
) -> Iterator[Proposal]:
    told = (tell(name, text) for name, text in texts.items() if len(text))
    yield from islice(filter(None, told), 1)


def _with(options: Options, proposals: Sequence[Proposal]) -> Options:
    taken = {proposal.option: proposal.value for proposal in proposals}
    return Options(**options.model_dump(exclude_defaults=True) | taken)


def _typed(
    columns: Iterable[tuple[str, pa.StringArray, pa.StringArray]],
    records: npt.NDArray[np.int64],
    spelling: Spelling,
    check: Check,
) -> Iterator[TextColumn]:
    for name, text, bare in columns:
        check()
        yield TextColumn(name, text, bare, *narrowest(bare, records, spelling))


def _joined(
    reader: DelimitedReader, blocks: Sequence[Texts]
) -> tuple[npt.NDArray[np.int64], tuple[list[pa.StringArray], list[pa.StringArray]]]:
    """All records in one piece: their numbers, and their fields in both ways."""
    if not blocks:
        none = [pa.array([], pa.string())] * len(reader.header)
        return np.empty(0, np.int64), (none, none)
    texts = [pa.concat_arrays(column) for column in zip(*(block.columns for block in blocks), strict=True)]
    bare = [pa.concat_arrays(column) for column in zip(*(block.bare for block in blocks), strict=True)]
    return np.concatenate([block.records for block in blocks]), (texts, bare)


def _head(source: Source, encoding: str | None) -> bytes:
    """The first bytes of the file, expanded; as UTF-8 if an encoding is given."""
    expanded = compression.expand(source)
    head = b""
    with closing(expanded if encoding is None else as_utf8(expanded, encoding)) as stream:
        while len(head) < _HEAD_BYTES and (piece := stream.read(_HEAD_BYTES - len(head))):
            head += piece
    return head
