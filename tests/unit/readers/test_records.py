"""Cutting a file into records: case 5 of bad input, quotes, line ends, and what a record's number is."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.reading import Files

from rescind.domain.rejects import Reason, Reject
from rescind.domain.schema import Type
from rescind.readers import records
from rescind.readers.dialect import Dialect
from rescind.readers.records import BLOCK_RECORDS, Block, split

TOO_LONG = 10**9


class Dribble:
    """A stream that gives a few bytes at a time, so that every place in a file is the end of a piece once."""

    def __init__(self, data: bytes, size: int) -> None:
        self._bytes = io.BytesIO(data)
        self._size = size

    def read(self, size: int) -> bytes:
        return self._bytes.read(min(size, self._size))


def test_line_ends_of_all_kinds_may_be_mixed(files: Files) -> None:
    assert files.rows(b'a,b\r\n1,2\n3,4\r\n"5\r\n5",6\r7,8') == [("1", "2"), ("3", "4"), ("5\r\n5", "6"), ("7", "8")]


def test_quotes_and_commas_and_newlines_inside_quotes_are_text(files: Files) -> None:
    assert files.rows(b'a,b\n"x,""y""\nz","""\n"\n') == [('x,"y"\nz', '"\n')]


def test_case_5_short_and_long_rows_are_rejected_by_number(files: Files) -> None:
    """Records are counted, not lines; rejected ones count."""
    data = b'a,b\n"1\n\n1",2\n3\n4,5\n6,7,8\n"9\n9",10\n11,12,\n'
    assert files.rejected(data) == [
        Reject(2, None, "3", "1 fields where 2 are expected"),
        Reject(4, None, "6,7,8", "more than the expected 2 fields"),
        Reject(6, None, "11,12,", "more than the expected 2 fields"),
    ]


@pytest.mark.parametrize("record", ['"x"y,2', 'x"y,2', 'x"y",2', '1,"x" ', '1, "x"', '"a" "b",2', r'"a \" b",2'])
def test_a_misplaced_quote_is_rejected_and_costs_its_own_line_only(files: Files, record: str) -> None:
    assert files.rejected(f"a,b\n1,2\n{record}\n3\n4,5\n".encode()) == [
        Reject(2, None, record, Reason.quotes),
        Reject(3, None, "3", "1 fields where 2 are expected"),
    ]


def test_a_quote_that_is_never_closed_takes_the_rest_of_the_file(files: Files) -> None:
    assert files.rejected(b'a,b\n1,2\n3,"4\n5,6\n') == [Reject(2, None, '3,"4\n5,6', Reason.quotes)]


def test_rejects_of_all_kinds_come_in_order_one_for_a_record(files: Files) -> None:
    data = b'a,b\nx,y\n1\n"2"2,3\n4,5\n6,z\n7,8,9\n'
    assert [(r.record, r.column) for r in files.rejected(data, Type.integer, Type.integer)] == [
        (1, "a"),
        (2, None),
        (3, None),
        (5, "b"),
        (6, None),
    ]


ALPHABET = st.sampled_from(['"', ",", "\n", "\r\n", "\r", "a", "é", '""', '",', '\n"'])


def joined(parts: list[tuple[bytes, bool]]) -> Iterator[tuple[bytes, bool]]:
    """The parts, with those that are not broken made one where they meet."""
    for broken, group in groupby(filter(itemgetter(0), parts), key=itemgetter(1)):
        data = [part for part, _ in group]
        yield from [(part, True) for part in data] if broken else [(b"".join(data), False)]


DIALECTS = st.sampled_from([Dialect(), Dialect(";", "'"), Dialect(",", ""), Dialect("a", "|")])


@given(st.lists(ALPHABET, max_size=40).map("".join), st.integers(1, 9), DIALECTS)
def test_however_the_bytes_arrive_the_pieces_are_the_same(text: str, size: int, dialect: Dialect) -> None:
    data = text.translate(str.maketrans(',"', dialect.delimiter + (dialect.quote or '"'))).encode()

    def parts(step: int) -> list[tuple[bytes, bool]]:
        """What is broken, and what stands between."""
        found: list[tuple[bytes, bool]] = []
        position = 0
        for piece in split(Dribble(data, step), 0, TOO_LONG, 2, dialect):
            assert isinstance(piece, Block)
            assert piece.offset == position
            position += len(piece.data)
            end = 0
            for broken in piece.broken:
                found += [(piece.data[end : broken.start], False), (piece.data[broken.start : broken.end], True)]
                end = broken.end
            found.append((piece.data[end:], False))
        assert b"".join(part for part, _ in found) == data
        return [*joined(found)]

    assert parts(size) == parts(len(data) + 1)


@given(
    st.lists(st.lists(st.text('a",\n\r é', max_size=6), min_size=2, max_size=2), max_size=8),
    st.integers(1, 200),
    st.sampled_from(["\n", "\r", "\r\n"]),
    st.integers(1, 5),
)
def test_every_block_of_a_well_written_file_ends_with_a_record_and_has_not_too_many(
    table: list[list[str]], size: int, end: str, most: int
) -> None:
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(table)
    data = file.getvalue().encode()
    found: list[list[str]] = []
    with patch.object(records, "BLOCK_RECORDS", most):
        for piece in split(Dribble(data, size), 0, TOO_LONG, 2, Dialect()):
            assert isinstance(piece, Block)
            assert not piece.broken
            block = [*csv.reader(io.StringIO(piece.data.decode(), newline=""), strict=True)]
            assert len(block) <= most
            found += block
    assert found == table


@pytest.mark.parametrize("ends", [b"\n", b"\r", b"\r\n", b"\n\r"], ids=repr)
@pytest.mark.parametrize("value", [b"x", b'"x"', b""])
def test_a_file_of_short_lines_comes_in_blocks_of_bounded_records(value: bytes, ends: bytes) -> None:
    """What is wrong with each of them takes memory and time, so that a stop would wait for a block of millions."""
    data = (value + ends) * (2 * BLOCK_RECORDS)
    pieces = [*split(io.BytesIO(data), 0, TOO_LONG, 1, Dialect())]
    blocks = [piece.data for piece in pieces if isinstance(piece, Block)]
    assert b"".join(blocks) == data
    assert max(len(block.splitlines()) for block in blocks) <= BLOCK_RECORDS
    assert len(blocks) <= 2 + len(data.splitlines()) // BLOCK_RECORDS
