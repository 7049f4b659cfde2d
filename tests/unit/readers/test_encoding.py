"""Case 12 of bad input: bytes that are not UTF-8 are named; nothing is guessed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.support.reading import Files, columns, gzipped, never, rows

from rescind.errors import InvalidEncoding


@pytest.mark.parametrize("stored", [bytes, gzipped], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    ("data", "byte", "value", "record"),
    [
        (b"a,b\n1,\xff\n", 6, "FF", 1),
        (b"\xef\xbb\xbfa,b\n1,\xff\n", 9, "FF", 1),
        (b"a,b\n1,\xc3\xa9\n2\n3,caf\xe9\n", 16, "E9", 3),
        (b'a,b\n"1\n1",2\n3,"x\n\xe9"\n', 17, "E9", 2),
        (b"a,b\n1,\xed\xa0\x80\n", 6, "ED", 1),
        (b'a,b\n1,2\n"\xff"x,4\n', 9, "FF", 2),
        (b"a,b\n1,\xc3", 6, "C3", 1),
    ],
)
def test_case_12_the_byte_and_its_record_are_named(
    files: Files, stored: Callable[[bytes], bytes], data: bytes, byte: int, value: str, record: int
) -> None:
    reader = files.open(stored(data))
    message = rf"Byte {byte} of the file \(0x{value}\), in record {record}, is not UTF-8"
    with pytest.raises(InvalidEncoding, match=message):
        rows(reader, columns(reader))


def test_case_12_far_into_a_file(files: Files) -> None:
    line = b"12345,some more text\n"
    reader = files.open(b"a,b\n" + line * 300_000 + b"1,\xff\n")
    with pytest.raises(InvalidEncoding, match=f"Byte {4 + len(line) * 300_000 + 2} .* record 300001,"):
        rows(reader, columns(reader))


def test_case_12_inference_finds_it_too(files: Files) -> None:
    with pytest.raises(InvalidEncoding, match="record 1"):
        files.open(b"a,b\n1,\xff\n").infer(never)


def test_case_12_in_the_header(files: Files) -> None:
    with pytest.raises(InvalidEncoding, match=r"Byte 2 of the file \(0xE9\), in the header"):
        files.open(b"a,\xe9\n1,2\n")


def test_case_12_utf_16_is_not_guessed(files: Files) -> None:
    with pytest.raises(InvalidEncoding, match="Byte 0 of the file"):
        files.open("a,b\n1,2\n".encode("utf-16"))
