"""Arrow IPC, file and stream."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.support.formats import arrow
from tests.support.reading import MIB, Files, columns, never, rows
from tests.unit.readers.test_parquet import outcome

from rescind.domain.schema import Type
from rescind.errors import InputTruncated, InvalidInput, RowsRejected, Stopped

each = pytest.mark.parametrize(
    "how", [{}, {"stream": True}, {"compression": "lz4"}, {"stream": True, "compression": "zstd"}], ids=str
)
How = dict[str, Any]
SMALL = pa.table({"a": [1, None], "t": pa.array(["x", "é"]).dictionary_encode(), "v": pa.array(["x", "y" * 20])})


@each
def test_rows_come_in_order_through_batches(files: Files, how: How) -> None:
    count = 200_000
    table = pa.table({"n": range(count), "t": [f"text {n % 1000}" if n % 7 else None for n in range(count)]})
    data = arrow(table, rows=70_000, **how)
    reader = files.open(data)
    assert [column.type for column in reader.infer(never)] == [Type.integer, Type.text]
    found = rows(reader, columns(reader, Type.integer, Type.text))
    assert found == list(zip(table["n"].to_pylist(), table["t"].to_pylist(), strict=True))
    assert (reader.rows_read, reader.bytes_read) == (count, len(data))


@each
def test_dictionaries_and_views_are_spelled_out(files: Files, how: How) -> None:
    table = SMALL.set_column(2, "v", SMALL["v"].cast(pa.string_view()))
    assert files.rows(arrow(table, **how), Type.integer, Type.text, Type.text) == [
        (1, "x", "x"),
        (None, "é", "y" * 20),
    ]


@each
def test_a_file_without_rows_has_a_header(files: Files, how: How) -> None:
    reader = files.open(arrow(SMALL.slice(0, 0), **how))
    assert reader.header == ("a", "t", "v")
    assert rows(reader, columns(reader)) == []


@each
def test_case_c2_cut_off_at_any_byte_it_is_refused(files: Files, how: How) -> None:
    """Even between two batches, where the library takes it for a whole one."""
    data = arrow(SMALL, rows=1, **how)
    for length in range(6, len(data)):
        with pytest.raises(InvalidInput) as caught:
            files.rows(data[:length])
        assert isinstance(caught.value, InputTruncated), length


@each
def test_case_c15_a_changed_byte_ends_nothing_but_the_load(files: Files, how: How) -> None:
    data = arrow(SMALL, rows=1, **how)
    files.expect_told(data, range(8, len(data)))


def test_case_c14_a_nested_column_is_refused_by_its_path(files: Files) -> None:
    reader = files.open(arrow(pa.table({"d": pa.array([{"e": 1}])})))
    for read in (reader.infer, lambda check: rows(reader, columns(reader), check)):
        with pytest.raises(InvalidInput, match=r"Column 'd\.e' of the file is nested"):
            read(never)


def test_case_c15_text_that_is_not_utf_8_is_refused(files: Files) -> None:
    data = arrow(pa.table({"a": ["good", "b?d"]})).replace(b"b?d", b"b\xe9d")
    with pytest.raises(InvalidInput, match="damaged in its records 1 to 2"):
        files.rows(data)


def test_rejects_have_the_records_of_the_file(files: Files) -> None:
    table = pa.table({"a": pa.array([*range(100_000), -1, *range(100_000), -2])})
    reader = files.open(arrow(table, rows=60_000))
    with pytest.raises(RowsRejected) as caught:
        rows(reader, columns(reader, Type.unsigned))
    assert [reject.record for reject in caught.value.rejects] == [100_001, 200_002]


@pytest.mark.parametrize("calls", [1, 2, 3])
def test_what_check_raises_ends_the_reading(files: Files, calls: int) -> None:
    left = calls

    def check() -> None:
        nonlocal left
        left -= 1
        if not left:
            raise Stopped("A stop was asked for.")

    reader = files.open(arrow(pa.table({"a": range(300_000)}), rows=50_000))
    with pytest.raises(Stopped):
        rows(reader, columns(reader), check)


def test_case_c1_a_compressed_batch_of_half_a_gigabyte_is_refused(tmp_path: Path) -> None:
    data = arrow(pa.table({"a": ["z" * 200 * MIB]}), compression="zstd")
    (tmp_path / "x").write_bytes(data)
    said, peak = outcome(tmp_path / "x")
    assert f"more than the limit of {128 * MIB}: write it with smaller batches" in said
    assert peak < 512 * MIB


def test_case_c1_so_are_dictionaries(tmp_path: Path) -> None:
    text = pa.DictionaryArray.from_arrays(pa.array([0], pa.int32()), pa.array(["x" * 200 * MIB]))
    (tmp_path / "x").write_bytes(arrow(pa.table({"a": text}), compression="lz4"))
    said, peak = outcome(tmp_path / "x")
    assert "dictionaries of the Arrow file take" in said
    assert peak < 512 * MIB


def test_case_c1_a_long_text_of_a_dictionary_is_spelled_out_for_few_rows_at_a_time(tmp_path: Path) -> None:
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000, pa.int32()), pa.array(["x" * 100_000]))
    (tmp_path / "x").write_bytes(arrow(pa.table({"a": text})))
    said, peak = outcome(tmp_path / "x")
    assert said == "20000"
    assert peak < 512 * MIB


def test_a_batch_that_is_not_compressed_may_be_of_any_size(tmp_path: Path) -> None:
    """Of 800 MB here; the rows are taken where they are in the file."""
    table = pa.table({"n": pa.array(range(10_000_000), pa.int64())})
    wide = pa.table({f"n{i}": table["n"] for i in range(10)})
    with pa.OSFile(str(tmp_path / "x"), "wb") as file, pa.ipc.new_file(file, wide.schema) as writer:
        writer.write_table(wide)
    del table, wide
    said, peak = outcome(tmp_path / "x")
    assert said == "10000000"
    assert peak < 512 * MIB
