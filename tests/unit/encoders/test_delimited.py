"""Rows as CSV: RFC 4180, read back by `load` as they were; formulas made harmless where that is asked for."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.reading import Files, rows

from rescind.domain.arrow import ARROW
from rescind.domain.schema import Column, Type
from rescind.encoders.delimited import CRLF, csv_document

TEXT = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(["", "\r\n", '"', "\\x", "\\x41", "=1"])
#: Values of each type; NaN and the infinities apart, which no text of a number is to a reader.
VALUES: dict[Type, st.SearchStrategy[Any]] = {
    Type.integer: st.integers(-(2**63), 2**63 - 1),
    Type.unsigned: st.integers(0, 2**64 - 1),
    Type.real: st.floats(allow_nan=False, allow_infinity=False),
    Type.decimal: st.decimals(allow_nan=False, allow_infinity=False, places=4).map(lambda number: f"{number:f}"),
    Type.boolean: st.booleans(),
    Type.date: st.dates(),
    Type.time: st.times(),
    Type.timestamp: st.datetimes(),
    Type.timestamptz: st.datetimes(timezones=st.just(UTC)),
    Type.text: TEXT,
    Type.binary: st.binary(max_size=12) | TEXT.map(str.encode),
    Type.json: st.sampled_from(["1.50", ' {"a": "\\n"}', "null", '"\\u0000"']),
    Type.uuid: st.uuids().map(str),
}


def written(kinds: Sequence[Type], table: Sequence[Any], **how: Any) -> bytes:
    columns = [Column(f"c{place}", kind, "") for place, kind in enumerate(kinds)]
    arrays = [pa.array([row[place] for row in table], ARROW[kind]) for place, kind in enumerate(kinds)]
    batch = pa.RecordBatch.from_arrays(arrays, names=[column.name for column in columns])
    half = batch.num_rows // 2
    return b"".join(csv_document(columns, [batch.slice(0, half), batch.slice(half)], **how))


@pytest.mark.parametrize("kind", list(Type))
@given(data=st.data(), line_end=st.sampled_from(["\n", CRLF]))
def test_a_value_of_any_type_comes_back_as_it_was(kind: Type, data: st.DataObject, line_end: str) -> None:
    """Alone in its row too, where NULL is an empty line."""
    values = [(value,) for value in data.draw(st.lists(st.none() | VALUES[kind], max_size=6))]
    with TemporaryDirectory() as directory:
        reader = Files(Path(directory)).open(written([kind], values, line_end=line_end))
        assert rows(reader, [Column("c0", kind, "")]) == values


@given(st.lists(st.tuples(*(st.none() | values for values in VALUES.values())), max_size=5))
def test_rows_of_all_types_come_back_as_they_were(table: list[tuple[Any, ...]]) -> None:
    with TemporaryDirectory() as directory:
        reader = Files(Path(directory)).open(written(list(VALUES), table, line_end=CRLF))
        assert rows(reader, [Column(f"c{place}", kind, "") for place, kind in enumerate(VALUES)]) == table


@given(st.lists(st.tuples(TEXT, TEXT), max_size=6))
def test_pythons_reader_sees_the_same_texts(table: list[tuple[str, str]]) -> None:
    text = written([Type.text, Type.text], table, line_end=CRLF).decode()
    assert list(csv.reader(io.StringIO(text, newline=""), strict=True)) == [["c0", "c1"], *map(list, table)]


def test_records_end_as_rfc_4180_says_or_as_unix_does() -> None:
    assert written([Type.integer], [[1], [2]], line_end=CRLF) == b'"c0"\r\n1\r\n2\r\n'
    assert written([Type.integer], [[1], [2]]) == b'"c0"\n1\n2\n'


def test_a_name_with_quotes_is_quoted() -> None:
    assert b"".join(csv_document([Column('say "so"', Type.text, "")], [])) == b'"say ""so"""\n'


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"]
PLAIN = ["", "a", "1", " =1", "a=b", "'=1", "\n=1", "é"]


@pytest.mark.parametrize("kind", [Type.text, Type.json, Type.uuid])
def test_a_formula_is_escaped_only_where_that_is_asked_for(kind: Type) -> None:
    table = [[text] for text in [*FORMULAS, *PLAIN]]
    plain = written([kind], table, line_end=CRLF).decode()
    assert [row[0] for row in csv.reader(io.StringIO(plain, newline=""))] == ["c0", *FORMULAS, *PLAIN]
    escaped = written([kind], table, line_end=CRLF, spreadsheet=True).decode()
    found = [row[0] for row in csv.reader(io.StringIO(escaped, newline=""))]
    assert found == ["c0", *(f"'{text}" for text in FORMULAS), *PLAIN]


def test_numbers_are_no_formulas_and_a_decimal_that_is_none_is() -> None:
    kinds = [Type.integer, Type.real, Type.decimal, Type.timestamp]
    table = [[-1, -1.5, "-1.50", datetime(2026, 1, 2)], [None, None, "-cmd", None]]  # noqa: DTZ001
    plain = written(kinds, table).decode()
    assert written(kinds, table, spreadsheet=True).decode() == plain.replace('"-cmd"', '"\'-cmd"')


def test_a_name_that_is_a_formula_is_escaped_too() -> None:
    columns = [Column("=a", Type.integer, "")]
    assert b"".join(csv_document(columns, [], spreadsheet=True)) == b'"\'=a"\n'
    assert b"".join(csv_document(columns, [])) == b'"=a"\n'
