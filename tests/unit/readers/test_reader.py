"""The rest of a reader's contract: batches, progress, and being stopped."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest
from tests.support.reading import MIB, Files, batches, columns, gzipped, rows
from tests.support.waiting import until

from rescind.domain.schema import Column, Type
from rescind.errors import InputChanged, RowsRejected, Stopped
from rescind.readers.fields import Fields, Parser
from rescind.readers.reader import Source
from rescind.readers.records import Block
from rescind.readers.registry import open_reader

MANY = b"a,b\n" + b"1,some text of a row\n" * 500_000


def test_columns_come_in_the_order_asked_for_with_the_arrow_types_of_the_contract(files: Files) -> None:
    header = {t: t.value for t in Type}
    reader = files.open(",".join(header.values()).encode() + b"\n" + b"," * (len(header) - 1) + b"\n")
    wanted = [Column(name, type_, "") for type_, name in reversed(header.items())]
    [batch] = batches(reader, wanted)
    assert dict(zip(batch.schema.names, batch.schema.types, strict=True)) == {
        "integer": pa.int64(),
        "unsigned": pa.uint64(),
        "real": pa.float64(),
        "decimal": pa.string(),
        "boolean": pa.bool_(),
        "date": pa.date32(),
        "time": pa.time64("us"),
        "timestamp": pa.timestamp("us"),
        "timestamptz": pa.timestamp("us", "UTC"),
        "text": pa.string(),
        "binary": pa.binary(),
        "json": pa.string(),
        "uuid": pa.string(),
    }
    assert batch.schema.names == [column.name for column in wanted]


def test_batches_are_bounded_in_rows_and_bytes(files: Files) -> None:
    reader = files.open(MANY)
    found = list(batches(reader, columns(reader, Type.integer, Type.text)))
    assert sum(batch.num_rows for batch in found) == 500_000
    assert max(batch.num_rows for batch in found) <= 65_536
    assert max(batch.nbytes for batch in found) < 4 * MIB


def test_rows_and_bytes_read_only_grow_and_end_at_the_whole(files: Files) -> None:
    data = gzipped(MANY)
    reader = files.open(data)
    seen = [(reader.rows_read, reader.bytes_read) for _ in batches(reader, columns(reader))]
    assert seen == sorted(seen)
    assert (reader.rows_read, reader.bytes_read) == (500_000, len(data))


def test_after_a_row_that_does_not_fit_nothing_more_is_yielded(files: Files) -> None:
    reader = files.open(b"a\n" + b"1\n" * 3_000_000 + b"x\n" + b"1\n" * 500_000)
    yielded: list[pa.RecordBatch] = []
    with pytest.raises(RowsRejected) as caught:
        yielded.extend(batches(reader, columns(reader, Type.integer)))
    assert 0 < sum(batch.num_rows for batch in yielded) <= 3_000_000
    assert [reject.record for reject in caught.value.rejects] == [3_000_001]
    assert reader.rows_read == 3_500_001


@pytest.mark.parametrize("calls", [1, 2, 5])
def test_what_check_raises_ends_the_reading(files: Files, calls: int) -> None:
    left = calls

    def check() -> None:
        nonlocal left
        left -= 1
        if not left:
            raise Stopped("A stop was asked for.")

    reader = files.open(MANY)
    with pytest.raises(Stopped):
        rows(reader, columns(reader), check)
    left = calls
    with pytest.raises(Stopped):
        reader.infer(check)


def test_check_is_called_while_a_piece_is_slow(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """The piece cannot end before two checks have been made."""
    checks = 0

    def check() -> None:
        nonlocal checks
        checks += 1

    parse = Parser.parse

    def slow(parser: Parser, block: Block) -> Fields:
        begun = checks
        until(lambda: checks > begun + 2, "checks while a block is parsed")
        return parse(parser, block)

    reader = files.open(b"a,b\n1,2\n")
    monkeypatch.setattr(Parser, "parse", slow)
    assert rows(reader, columns(reader), check) == [("1", "2")]


def test_a_reader_that_is_not_read_to_the_end_leaves_nothing_behind(files: Files) -> None:
    reader = files.open(MANY)
    with closing(batches(reader, columns(reader))) as found:
        assert next(found).num_rows
    assert len(rows(reader, columns(reader))) == 500_000


def test_a_file_that_is_gone_is_said_to_have_changed(tmp_path: Path) -> None:
    with pytest.raises(InputChanged, match="gone"):
        open_reader(Source(tmp_path / "none", MIB, MIB))
