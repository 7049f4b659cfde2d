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


NAMED = ["windows-1252", "iso-8859-15", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp437", "utf-8-sig", "utf-8"]


@pytest.mark.parametrize("stored", [bytes, gzipped], ids=["plain", "gzip"])
@pytest.mark.parametrize("encoding", NAMED)
def test_case_c5_a_named_encoding_is_read(files: Files, stored: Callable[[bytes], bytes], encoding: str) -> None:
    text = 'größe,"b"\n1,"é\n, ""ü"""\nNA,\n'
    reader = files.open(stored(text.encode(encoding)), encoding=encoding)
    assert reader.header == ("größe", "b")
    assert rows(reader, columns(reader)) == [("1", 'é\n, "ü"'), ("NA", None)]
    assert reader.bytes_read == len(stored(text.encode(encoding)))


@pytest.mark.parametrize("encoding", ["shift_jis", "euc_jp", "iso2022_jp", "gb18030"])
def test_case_c5_characters_of_several_bytes_may_stand_on_every_border(files: Files, encoding: str) -> None:
    """Text is decoded a MiB at a time."""
    line = "日本,ソース表\n"  # the second byte of a character may be that of an ASCII one
    count = 3 * 1024 * 1024 // len(line.encode(encoding))
    reader = files.open(("a,b\n" + line * count).encode(encoding), encoding=encoding)
    assert set(rows(reader, columns(reader))) == {("日本", "ソース表")}
    assert reader.rows_read == count


@pytest.mark.parametrize(
    ("encoding", "data", "byte", "value"),
    [
        ("windows-1252", b"a,b\n1,\x81\n", 6, "81"),
        ("ascii", b"a,b\n1,caf\xe9\n", 9, "E9"),
        ("shift_jis", "a,b\n日本,".encode("shift_jis") + b"\x81\x20\n", 9, "81"),
        ("utf-16-le", "a,b\n".encode("utf-16-le") + b"\x00\xd8a\0", 8, "00"),
        ("utf-16", "a,b\n".encode("utf-16") + b"x", 10, "78"),
        ("ascii", b"a,b\n" + b"1,x\n" * 1_000_000 + b"1,\xff\n", 4_000_006, "FF"),
        ("shift_jis", b"a,b\n12," + "日".encode("shift_jis") * 600_000 + b"\x81\x20\n", 1_200_007, "81"),
    ],
)
@pytest.mark.parametrize("stored", [bytes, gzipped], ids=["plain", "gzip"])
def test_case_c5_a_byte_that_is_not_of_the_named_encoding_is_told(
    files: Files, stored: Callable[[bytes], bytes], encoding: str, data: bytes, byte: int, value: str
) -> None:
    """The offset is the file's own, before it was decoded."""
    with pytest.raises(InvalidEncoding, match=rf"Byte {byte} of the file \(0x{value}\) is not {encoding}"):
        files.rows(stored(data), encoding=encoding)


@pytest.mark.parametrize(
    ("data", "readings"),
    [
        (b"a,b\n1,caf\xe9,x\n", ["'café' with encoding=windows-1252", "'cafй' with encoding=windows-1251"]),
        (b"a,b\n1,\x93\xfa\x96\x7b\n", ["'日本' with encoding=shift_jis"]),
    ],
)
def test_case_c5_what_other_encodings_would_make_of_it_is_shown_and_not_done(
    files: Files, data: bytes, readings: list[str]
) -> None:
    with pytest.raises(InvalidEncoding) as caught:
        files.rows(data)
    for reading in readings:
        assert reading in str(caught.value)


def test_case_c5_utf_8_is_shown_to_whoever_named_another(files: Files) -> None:
    with pytest.raises(InvalidEncoding, match="reads 'café' with encoding=utf-8"):
        files.rows("a,b\n1,café\n".encode(), encoding="ascii")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_case_c5_utf_16_with_its_mark_is_told(files: Files, encoding: str) -> None:
    data = "\ufeffa,b\n1,2\n".encode(encoding)
    with pytest.raises(
        InvalidEncoding, match="begins with the byte order mark of UTF-16: name it with encoding=utf-16"
    ):
        files.open(data)
    assert files.rows(data, encoding="utf-16") == files.rows(data, encoding=encoding) == [("1", "2")]
