"""The header: cases 6, 7 and 8 of bad input, and what a good one may look like."""

from __future__ import annotations

import pytest
from tests.support.reading import Files, columns, gzipped, never, rows

from rescind.errors import InvalidHeader, RecordTooLong


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", gzipped(b"")])
def test_case_6_an_empty_file_is_refused(files: Files, data: bytes) -> None:
    with pytest.raises(InvalidHeader, match="The file is empty"):
        files.open(data)


@pytest.mark.parametrize("data", [b"a,b", b"a,b\n", b"a,b\r\n", gzipped(b"a,b\n"), b'"a","b"\n', b"\xef\xbb\xbfa,b\n"])
def test_case_7_a_header_alone_is_a_file_of_no_rows(files: Files, data: bytes) -> None:
    reader = files.open(data)
    assert reader.header == ("a", "b")
    assert rows(reader, columns(reader)) == []
    assert [column.type for column in reader.infer(never)] == ["text", "text"]
    assert reader.rows_read == 0


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"a,b,a", "'a' more than once, in columns 1 and 3"),
        (b'a,"a"', "'a' more than once, in columns 1 and 2"),
        (b"a,,b", "Column 2 of 3 has no name"),
        (b"a,b,", "Column 3 of 3 has no name"),
        (b'"",b', "Column 1 of 2 has no name"),
        (b"a, ", "Column 2 of 2 has no name"),
        (b"", "Column 1 of 1 has no name"),
    ],
)
def test_case_8_an_empty_or_doubled_name_is_refused_with_its_place(files: Files, header: bytes, message: str) -> None:
    with pytest.raises(InvalidHeader, match=message):
        files.open(header + b"\n1,2,3\n")


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ('"a,b","c""d"', ("a,b", 'c"d')),
        ('"two\nlines",b', ("two\nlines", "b")),
        ("größe, b ", ("größe", " b ")),
        ("a,A", ("a", "A")),
    ],
)
def test_names_are_taken_exactly_as_they_stand(files: Files, header: str, names: tuple[str, ...]) -> None:
    reader = files.open(header.encode() + b"\n1,2\n")
    assert reader.header == names
    assert rows(reader, columns(reader)) == [("1", "2")]


@pytest.mark.parametrize("header", [b'a,"b', b'a,"b"x', b'a,b"'])
def test_a_misplaced_quote_in_the_header_is_refused(files: Files, header: bytes) -> None:
    with pytest.raises(InvalidHeader, match="quote"):
        files.open(header + b"\n1,2\n")


def test_a_header_above_the_limit_is_refused(files: Files) -> None:
    with pytest.raises(RecordTooLong, match="header is longer than the limit of 1024 bytes"):
        files.open(b"a" * 1024 + b",b\n1,2\n", max_record_bytes=1024)
