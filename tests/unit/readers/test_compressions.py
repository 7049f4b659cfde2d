"""Each compression: told by content, of several members, cut off, damaged, or a bomb."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tracemalloc
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st
from tests.support.reading import MIB, Files, columns, rows

from rescind.errors import InputTruncated, InvalidInput, RecordTooLong
from rescind.readers import compression
from rescind.readers.compression import Compression
from rescind.readers.reader import Source

Compress = Callable[[bytes], bytes]

METHODS: dict[Compression, Compress] = {
    Compression.gzip: gzip.compress,
    Compression.zstd: zstd.compress,
    Compression.bzip2: bz2.compress,
    Compression.xz: lzma.compress,
}
each = pytest.mark.parametrize(("method", "compress"), METHODS.items(), ids=list(METHODS))

DATA = b"a,b\n" + b"".join(b"%d,%x\n" % (i, i * i) for i in range(20_000))
SMALL = b"a,b\n1,x\n2,y\n"


def expanded(path: Path, data: bytes, size: int = 1000, limit: int = 1024 * MIB) -> bytes:
    path.write_bytes(data)
    found = io.BytesIO()
    with closing(compression.expand(Source(path, MIB, limit))) as stream:
        while piece := stream.read(size):
            assert len(piece) <= size
            found.write(piece)
        assert stream.consumed == len(data)
    return found.getvalue()


@each
def test_it_is_known_by_content_whatever_the_name(files: Files, method: Compression, compress: Compress) -> None:
    reader = files.open(compress(DATA), name="x.csv")
    assert len(rows(reader, columns(reader))) == 20_000
    assert reader.bytes_read == len(compress(DATA))


def test_what_is_not_compressed_is_plain_whatever_the_name(files: Files) -> None:
    reader = files.open(DATA, name="x.gz")
    assert len(rows(reader, columns(reader))) == 20_000
    assert reader.bytes_read == len(DATA)


@each
def test_several_members_are_one_file(tmp_path: Path, method: Compression, compress: Compress) -> None:
    middle = len(DATA) // 2
    data = compress(DATA[:middle]) + compress(b"") + compress(DATA[middle:])
    assert expanded(tmp_path / "x", data) == DATA


@each
def test_case_c2_cut_off_at_any_byte_it_is_refused(files: Files, method: Compression, compress: Compress) -> None:
    """Of one byte, or three of bzip2's that are letters, nobody can say that there was more."""
    data = compress(SMALL)
    for length in range(4 if method is Compression.bzip2 else 2, len(data)):
        with pytest.raises(InvalidInput) as caught:
            files.rows(data[:length])
        assert length < 6 or isinstance(caught.value, InputTruncated), (length, caught.value)


@each
def test_case_c2_cut_off_after_a_whole_piece_too(files: Files, method: Compression, compress: Compress) -> None:
    with pytest.raises(InputTruncated, match=f"The {method} stream ends too early, after"):
        files.rows(compress(DATA) + compress(DATA)[:-1])


@each
def test_garbage_after_a_member_is_refused(files: Files, method: Compression, compress: Compress) -> None:
    with pytest.raises(InvalidInput, match=f"not valid {method} after byte {len(compress(DATA))}"):
        files.rows(compress(DATA) + b"and something more")


@each
def test_a_damaged_byte_is_seen(files: Files, method: Compression, compress: Compress) -> None:
    data = bytearray(
        zstd.compress(DATA, options={zstd.CompressionParameter.checksum_flag: 1})
        if method is Compression.zstd
        else compress(DATA)
    )
    data[len(data) // 2] ^= 1
    with pytest.raises(InvalidInput):
        files.rows(bytes(data))


def test_a_damaged_checksum_is_seen(files: Files) -> None:
    data = bytearray(gzip.compress(DATA))
    data[-6] ^= 1  # every byte expands, but not to what it was
    with pytest.raises(InvalidInput, match="not valid gzip"):
        files.rows(bytes(data))


@each
def test_case_c1_the_limit_of_what_it_expands_to_is_named(
    files: Files, method: Compression, compress: Compress
) -> None:
    reader = files.open(compress(b"a,b\n" + b"1,2\n" * 5 * MIB), max_expanded_bytes=10 * MIB)
    with pytest.raises(InvalidInput, match=f"expands to more than the limit of {10 * MIB} bytes"):
        rows(reader, columns(reader))


@each
def test_case_c1_a_bomb_of_one_record_costs_no_memory(files: Files, method: Compression, compress: Compress) -> None:
    reader = files.open(compress(b"a,b\n" + bytes(200 * MIB)))
    tracemalloc.start()
    try:
        with pytest.raises(RecordTooLong, match="Record 1, which begins at byte 4"):
            rows(reader, columns(reader))
        assert tracemalloc.get_traced_memory()[1] < 100 * MIB
    finally:
        tracemalloc.stop()


def test_xz_that_asks_for_more_memory_than_any_preset_is_refused(files: Files) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 1, "dict_size": 256 * MIB}]
    with pytest.raises(InvalidInput, match="Memory usage limit"):
        files.rows(lzma.compress(DATA, filters=filters))


def test_zstd_that_looks_back_further_than_its_tool_allows_is_refused(files: Files) -> None:
    options: dict[int, int] = {zstd.CompressionParameter.window_log: 28, zstd.CompressionParameter.content_size_flag: 0}
    compressor = zstd.ZstdCompressor(options=options)
    with pytest.raises(InvalidInput, match="not valid zstd"):
        files.rows(compressor.compress(DATA) + compressor.flush())


def test_zstd_frames_that_are_to_be_skipped_are(tmp_path: Path) -> None:
    skipped = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"note"
    assert expanded(tmp_path / "x", skipped + zstd.compress(DATA) + skipped) == DATA


@pytest.mark.parametrize("compress", [gzip.compress, lzma.compress])
def test_zeros_fill_up_what_follows_a_member(tmp_path: Path, compress: Compress) -> None:
    assert expanded(tmp_path / "x", compress(SMALL) + bytes(512) + compress(SMALL) + bytes(64)) == SMALL * 2


@pytest.mark.parametrize("header", [b"BZh1", b"BZh9 and more", b"P*M", b"(a"])
def test_letters_that_begin_like_a_mark_are_a_header(files: Files, header: bytes) -> None:
    assert files.open(header + b",b\n1,2\n").header == (header.decode(), "b")


@given(st.binary(max_size=5000), st.sampled_from(list(METHODS)), st.integers(1, 6000), st.integers(0, 5000))
def test_whatever_is_asked_for_at_a_time_the_bytes_come_back(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, method: Compression, size: int, cut: int
) -> None:
    path = tmp_path_factory.mktemp("x") / "x"
    compress = METHODS[method]
    assert expanded(path, compress(data[:cut]) + compress(data[cut:]), size) == data
