"""Case 9 of bad input: gzip files that are cut off, damaged or bombs. What a file is, its content says."""

from __future__ import annotations

import gzip
import tracemalloc

import pytest
from tests.support.reading import MIB, Files, columns, gzipped, rows

from rescind.errors import InputTruncated, InvalidInput, RecordTooLong

DATA = b"a,b\n" + b"".join(b"%d,%x\n" % (i, i * i) for i in range(20_000))


def test_gzip_is_known_by_content_whatever_the_name(files: Files) -> None:
    zipped, plain = files.open(gzipped(DATA), name="x.csv"), files.open(DATA, name="x.gz")
    assert rows(zipped, columns(zipped)) == rows(plain, columns(plain))
    assert zipped.rows_read == 20_000
    assert zipped.bytes_read == len(gzipped(DATA))
    assert plain.bytes_read == len(DATA)


def test_several_members_are_one_file(files: Files) -> None:
    middle = len(DATA) // 2
    data = gzipped(DATA[:middle]) + gzipped(b"") + gzipped(DATA[middle:]) + bytes(512)
    reader = files.open(data)
    assert len(rows(reader, columns(reader))) == 20_000


@pytest.mark.parametrize("cut", [1, 4, 8, 100, 10_000])
def test_case_9_a_gzip_file_that_ends_too_early_is_refused(files: Files, cut: int) -> None:
    reader = files.open(gzipped(DATA)[:-cut])
    with pytest.raises(InputTruncated, match="ends too early"):
        rows(reader, columns(reader))


@pytest.mark.parametrize("length", [2, 5, 12])
def test_case_9_even_where_it_ends_before_the_header(files: Files, length: int) -> None:
    with pytest.raises(InputTruncated):
        files.open(gzipped(DATA)[:length])


def test_garbage_after_a_member_is_refused(files: Files) -> None:
    reader = files.open(gzipped(DATA) + b"more")
    with pytest.raises(InvalidInput, match=f"not valid gzip after byte {len(gzipped(DATA))}"):
        rows(reader, columns(reader))


def test_a_damaged_member_is_refused(files: Files) -> None:
    data = bytearray(gzipped(DATA))
    data[-6] ^= 1  # in the checksum: every byte of it expands, but not to what it was
    with pytest.raises(InvalidInput, match="not valid gzip"):
        files.rows(bytes(data))


def test_a_file_that_expands_beyond_the_limit_is_refused(files: Files) -> None:
    reader = files.open(gzipped(b"a,b\n" + b"1,2\n" * 10 * MIB), max_expanded_bytes=20 * MIB)
    with pytest.raises(InvalidInput, match=f"expands to more than the limit of {20 * MIB} bytes"):
        rows(reader, columns(reader))


def test_a_bomb_of_one_record_costs_no_memory(files: Files) -> None:
    bomb = gzip.compress(b"a,b\n" + bytes(400 * MIB), 1)
    reader = files.open(bomb)
    tracemalloc.start()
    try:
        with pytest.raises(RecordTooLong, match="Record 1, which begins at byte 4"):
            rows(reader, columns(reader))
        assert tracemalloc.get_traced_memory()[1] < 100 * MIB
    finally:
        tracemalloc.stop()
