"""Parquet: what is in a file comes out, and no file takes more memory than the limit."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.support.formats import parquet
from tests.support.reading import MIB, Files, columns, never, rows

from rescind.domain.schema import Type
from rescind.errors import InvalidHeader, InvalidInput, RowsRejected, Stopped
from rescind.readers import parquet as reading
from rescind.readers.parquet_pages import Page, pages

READ_IT = """
import sys
from pathlib import Path
from rescind.errors import InvalidInput
from rescind.tasks.rejecting import all_or_none
from rescind.readers.reader import InputField, Source
from rescind.readers.registry import open_reader

reader = open_reader(Source(Path(sys.argv[1]), 2**24, int(sys.argv[2])), lambda: None)
fields = [InputField(column.name, column) for column in reader.infer(lambda: None)]
try:
    print(sum(rows.batch.num_rows for rows in all_or_none(reader, fields, lambda: None)))
except InvalidInput as error:
    print(error)
status = Path("/proc/self/status").read_text()  # not getrusage, which knows the parent's peak too
print(1024 * int(status.partition("VmHWM:")[2].split()[0]))
"""


def outcome(path: Path, max_expanded_bytes: int = 2**40) -> tuple[str, int]:
    """Rows or refusal, and the peak of memory in bytes."""
    command = [sys.executable, "-c", READ_IT, str(path), str(max_expanded_bytes)]
    said, peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return said, int(peak)


def test_rows_come_in_order_through_row_groups_pages_and_batches(files: Files) -> None:
    count = 200_000
    table = pa.table({"n": range(count), "t": [f"text {n % 1000}" if n % 7 else None for n in range(count)]})
    data = parquet(table, row_group_size=70_000, data_page_size=10_000)
    reader = files.open(data)
    assert [column.type for column in reader.infer(never)] == [Type.integer, Type.text]
    found = rows(reader, columns(reader, Type.integer, Type.text))
    assert found == list(zip(table["n"].to_pylist(), table["t"].to_pylist(), strict=True))
    assert (reader.rows_read, reader.bytes_read) == (count, len(data))


def test_only_the_fields_asked_for_are_read_and_in_the_order_asked_for(files: Files) -> None:
    reader = files.open(parquet(pa.table({"a": [1], "b.c": ["x"], "d": [[1]]})))
    wanted = columns(reader, Type.integer, Type.text, Type.text)
    assert rows(reader, [wanted[1], wanted[0]]) == [("x", 1)]


def test_case_c14_a_nested_column_is_refused_by_its_path(files: Files) -> None:
    table = pa.table({"a": [1], "d": pa.array([{"e": [1]}])})
    reader = files.open(parquet(table))
    for read in (reader.infer, lambda check: list(rows(reader, columns(reader), check))):
        with pytest.raises(InvalidInput, match=r"Column 'd\.e\[\]' of the file is nested"):
            read(never)


def test_case_c13_of_another_schema_a_value_is_named(files: Files) -> None:
    reader = files.open(parquet(pa.table({"a": ["2024-01-01", "x"]})))
    with pytest.raises(RowsRejected, match=r"record 2, column a: not a valid date \('x'\)"):
        rows(reader, columns(reader, Type.date))


def test_a_doubled_name_is_refused(files: Files) -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    with pytest.raises(InvalidHeader, match="'a' more than once"):
        files.open(parquet(table))


def test_rejects_have_the_records_of_the_file(files: Files) -> None:
    numbers = [*range(100_000), 2**40, *range(100_000), 2**41]
    data = parquet(pa.table({"a": pa.array(numbers, pa.uint64())}), row_group_size=60_000)
    reader = files.open(data)
    with pytest.raises(RowsRejected) as caught:
        rows(reader, columns(reader, Type.date))
    assert [reject.record for reject in caught.value.rejects[:3]] == [1, 2, 3]
    assert caught.value.total == len(numbers)


@pytest.mark.parametrize("how", [{"compression": "none"}, {"use_dictionary": False}, {"data_page_version": "2.0"}])
def test_case_c2_cut_off_at_any_byte_it_is_refused(files: Files, how: dict[str, Any]) -> None:
    data = parquet(pa.table({"a": [1, None], "t": ["x", "é"]}), **how)
    for length in range(4, len(data)):
        with pytest.raises(InvalidInput):
            files.rows(data[:length])


@pytest.mark.parametrize("how", [{"compression": "none"}, {"use_dictionary": False}, {"data_page_version": "2.0"}])
def test_case_c15_a_changed_byte_ends_nothing_but_the_load(files: Files, how: dict[str, Any]) -> None:
    data = parquet(pa.table({"a": [1, None], "t": ["x", "é"]}), **how)
    files.expect_told(data, range(4, len(data) - 4))


def test_case_c15_text_that_is_not_utf_8_is_refused(files: Files) -> None:
    data = parquet(pa.table({"a": ["good", "b?d"]}), compression="none", write_statistics=False).replace(
        b"b?d", b"b\xe9d"
    )
    with pytest.raises(InvalidInput, match="damaged in its records 1 to 2"):
        files.rows(data)


def test_a_footer_above_the_limit_is_not_read(files: Files) -> None:
    data = parquet(pa.table({"a": [1]}))[:-8] + (17 * MIB).to_bytes(4, "little") + b"PAR1"
    with pytest.raises(InvalidInput, match=f"footer of the Parquet file has {17 * MIB} bytes, more than the limit"):
        files.open(data)


def test_what_check_raises_ends_the_reading(files: Files) -> None:
    def check() -> None:
        raise Stopped("A stop was asked for.")

    reader = files.open(parquet(pa.table({"a": [1]})))
    with pytest.raises(Stopped):
        rows(reader, columns(reader), check)


def write(path: Path, values: Any, **how: Any) -> None:
    pq.write_table(pa.table({"a": values}), path, compression="zstd", **how)


def test_case_c1_a_page_of_200_mb_is_refused_before_it_is_read(tmp_path: Path) -> None:
    write(tmp_path / "x", ["y" * 200 * MIB], use_dictionary=False)
    assert (tmp_path / "x").stat().st_size < 20_000
    said, peak = outcome(tmp_path / "x")
    assert f"more than the limit of {128 * MIB}: write the file with smaller pages" in said
    assert peak < 512 * MIB


def test_case_c1_a_dictionary_with_one_long_text_for_a_million_rows_takes_no_memory(tmp_path: Path) -> None:
    """A terabyte, if it were all in memory."""
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 1_000_000, pa.int32()), pa.array(["x" * MIB]))
    write(tmp_path / "x", text, store_schema=False)
    assert (tmp_path / "x").stat().st_size < 13_000
    said, peak = outcome(tmp_path / "x", 256 * MIB)
    assert said == f"The file expands to more than the limit of {256 * MIB} bytes."
    assert peak < 512 * MIB


def test_case_c1_texts_that_repeat_the_one_before_take_no_memory(tmp_path: Path) -> None:
    write(tmp_path / "x", ["y" * 1_000_000] * 1000, use_dictionary=False, column_encoding={"a": "DELTA_BYTE_ARRAY"})
    said, peak = outcome(tmp_path / "x")
    assert said == "1000"
    assert peak < 512 * MIB


def test_memory_does_not_grow_with_a_row_group(tmp_path: Path) -> None:
    """2.4 GB in one row group; long texts in few of its rows."""
    text = pa.array([f"{'long ' * 2000}{n}" if n % 10 == 0 else str(n) for n in range(100_000)])
    table = pa.table({"n": range(2_400_000), "t": pa.chunked_array([text] * 24)})
    pq.write_table(table, tmp_path / "x", row_group_size=10_000_000, compression="zstd")
    said, peak = outcome(tmp_path / "x")
    assert said == "2400000"
    assert peak < 512 * MIB


def test_ten_thousand_columns_are_read_a_few_rows_at_a_time(tmp_path: Path) -> None:
    table = pa.table({f"column {n}": pa.array(range(1000), pa.int64()) for n in range(10_000)})
    pq.write_table(table, tmp_path / "x", use_dictionary=False, compression="zstd")
    said, peak = outcome(tmp_path / "x")
    assert said == "1000"
    assert peak < 512 * MIB


def test_the_headers_of_pages_are_read_as_the_library_writes_them() -> None:
    data = parquet(pa.table({"a": ["x" * 100] * 10}), compression="none")
    chunk = pq.ParquetFile(io.BytesIO(data)).metadata.row_group(0).column(0)
    assert chunk.dictionary_page_offset is not None
    found = list(pages(io.BytesIO(data), chunk.dictionary_page_offset, chunk.total_compressed_size))
    assert found[0] == Page(104, 1, 0, dictionary=True)
    assert [(page.values, page.dictionary) for page in found[1:]] == [(10, False)]


def test_a_header_longer_than_a_piece_is_read_on() -> None:
    data = parquet(pa.table({"a": ["x" * 100_000]}), use_dictionary=False, compression="none", write_page_index=False)
    chunk = pq.ParquetFile(io.BytesIO(data)).metadata.row_group(0).column(0)
    assert [
        page.bytes > 100_000 for page in pages(io.BytesIO(data), chunk.data_page_offset, chunk.total_compressed_size)
    ] == [True]


@pytest.mark.parametrize("header", [b"", b"\x15", b"\xff" * 100, b"\x15\x00\x15\x03\x15\x03\x00", bytes(10)])
def test_case_c15_what_is_no_header_is_refused(header: bytes) -> None:
    with pytest.raises(InvalidInput, match="no page begins at its byte 0"):
        list(pages(io.BytesIO(header), 0, 100))


def test_a_batch_has_fewer_rows_the_longer_they_are(files: Files) -> None:
    reader = files.open(parquet(pa.table({"a": ["x" * 100_000] * 1000})))
    assert isinstance(reader, reading.ParquetReader)
    sizes = [piece.batch.nbytes for piece in reader._pieces(["a"], never)]
    assert max(sizes) < 20 * MIB
    assert len(sizes) > 4
