"""Files as programs and people spoil them: mixed line ends, marks, NUL bytes, very many columns, odd names."""

from __future__ import annotations

import io

import pytest
from tests.support.reading import MIB, Files, columns, gzipped, never, rows

from rescind.domain.rejects import Reject
from rescind.domain.schema import Column, Limits, Type
from rescind.errors import InvalidHeader
from rescind.readers.dialect import Dialect
from rescind.readers.reader import InputField
from rescind.readers.records import BLOCK_BYTES, Block, split

ENDS = ("\n", "\r\n", "\r")
MARK = b"\xef\xbb\xbf"


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("other", ENDS)
def test_case_c4_line_ends_may_differ_within_a_file(files: Files, end: str, other: str) -> None:
    text = f'a,b{end}1,"x{other}y"{other}2,z{end}3,{other}'
    assert files.rows(text.encode()) == [("1", f"x{other}y"), ("2", "z"), ("3", None)]


def test_case_c4_a_byte_order_mark_is_no_part_of_the_first_name(files: Files) -> None:
    reader = files.open(MARK + b'"a",b\n1,2\n')
    assert reader.header == ("a", "b")
    assert rows(reader, columns(reader)) == [("1", "2")]


def test_case_c4_a_second_mark_is_text(files: Files) -> None:
    """Two files that were put one after the other."""
    assert files.rows(b"a,b\n" + MARK + b"1,2\n") == [("\ufeff1", "2")]
    assert files.rejected(b"a,b\n" + MARK + b"1,2\n", Type.integer, Type.text)[0].value == "\ufeff1"


def test_case_c4_nul_bytes_are_text_where_the_column_can_hold_them(files: Files) -> None:
    data = b"a,b\n1,x\0y\n2,\0\n"
    assert files.rows(data) == [("1", "x\0y"), ("2", "\0")]
    assert files.rejected(b"a,b\n\0,x\n", Type.integer, Type.text) == [Reject(1, "a", "\0", "not a valid integer")]


def test_case_c4_a_nul_in_a_name_tells_of_utf_16(files: Files) -> None:
    with pytest.raises(InvalidHeader, match="say encoding=utf-16-le or encoding=utf-16-be"):
        files.open("a,b\n1,2\n".encode("utf-16-le"))


@pytest.mark.parametrize("quote", ["", '"'])
def test_case_c6_ten_thousand_columns_are_read(files: Files, quote: str) -> None:
    width = 10_000
    names = [f"c{place}" for place in range(width)]
    line = ",".join(f"{quote}{place}{quote}" for place in range(width))
    data = f"{','.join(names)}\n{line}\n{line}\n".encode()
    reader = files.open(data)
    wanted = [Column(name, Type.integer, "") for name in names]
    assert rows(reader, wanted) == [tuple(range(width))] * 2
    assert {column.type for column in reader.infer(never)} == {Type.integer}
    short = files.rejected(data + b"1,2\n")
    assert short == [Reject(3, None, "1,2", f"2 fields where {width} are expected")]


@pytest.mark.parametrize(
    "name", ["x" * 64, "größe", "名前", "select", "order", 'say "so"', "it's", "a`b", "a,b", "a\nb", "a]b", "🙂", " a "]
)
def test_case_c7_names_are_what_the_file_says(files: Files, name: str) -> None:
    written = '"' + name.replace('"', '""') + '"'
    reader = files.open(f"{written},b\n1,2\n".encode())
    assert reader.header == (name, "b")
    assert [column.name for column in reader.infer(never)] == [name, "b"]
    assert rows(reader, columns(reader)) == [("1", "2")]


@pytest.mark.parametrize("text", ["NaN", "nan", "Infinity", "-inf", "1e999"])
@pytest.mark.parametrize("type_", [Type.integer, Type.unsigned, Type.real, Type.decimal])
def test_case_c11_what_is_not_finite_is_no_number_in_text(files: Files, type_: Type, text: str) -> None:
    """Databases disagree on how it is spelled, and most columns cannot hold it."""
    [reject] = files.rejected(f"a\n1\n{text}\n".encode(), type_)
    assert (reject.record, reject.value) == (2, text)
    assert files.inferred(text) is Type.text


def test_case_c11_a_number_that_becomes_infinite_in_32_bits(files: Files) -> None:
    wanted = Column("a", Type.real, "", limits=Limits(single=True))
    found = files.open(b"a\n1e39\n").rows([InputField("a", wanted)], never)
    assert [reject.reason for block in found for reject in block.rejects] == ["out of range for real of 32 bits"]


@pytest.mark.parametrize("stored", [bytes, gzipped], ids=["plain", "gzip"])
def test_case_c16_a_quoted_newline_may_stand_on_every_border(files: Files, stored: type[bytes]) -> None:
    """Blocks end about every BLOCK_BYTES, and the length of a row divides none."""
    field = 'x,\n""\r\ny' * 3
    line = f'1,"{field}"\n'.encode()
    count = 3 * BLOCK_BYTES // len(line)
    found = files.rows(stored(b"a,b\n" + line * count))
    assert len(found) == count
    assert set(found) == {("1", field.replace('""', '"'))}


@pytest.mark.parametrize("size", range(1, 24))
def test_case_c16_however_the_bytes_come_a_record_stays_whole(size: int) -> None:
    class Trickle(io.BytesIO):
        def read(self, wanted: int | None = -1, /) -> bytes:
            return super().read(size)

    data = b'"a\n""b""\r\nc",1\r\n"\r\n",2\n"d\n",3\n' * 3
    pieces = list(split(Trickle(data), 0, MIB, 2, Dialect()))
    assert b"".join(piece.data for piece in pieces if isinstance(piece, Block)) == data
    assert all(piece.data.count(b'"') % 2 == 0 and not piece.broken for piece in pieces if isinstance(piece, Block))


def test_case_c16_a_field_longer_than_a_block(files: Files) -> None:
    field = "line\n" * (BLOCK_BYTES // 4)
    assert files.rows(f'a,b\n1,"{field}"\n2,x\n'.encode()) == [("1", field), ("2", "x")]
