"""Rows of every type, written as each format, come back as they were."""

from __future__ import annotations

import base64
import gzip
import json
import math
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support import formats
from tests.support.reading import Files, columns, rows
from tests.support.workbooks import ods, xlsx

from rescind.domain.arrow import ARROW
from rescind.domain.schema import Type

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
#: A spreadsheet knows no other characters, no empty text, and no space at a text's ends that it would surely keep.
PLAIN = st.text("abcXYZ é0-9;,\"'<&>", max_size=20).map(str.strip).map(lambda text: text or "x")
MOMENTS = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999))  # noqa: DTZ001

VALUES: dict[Type, st.SearchStrategy[Any]] = {
    Type.integer: st.integers(-(2**63), 2**63 - 1),
    Type.unsigned: st.integers(0, 2**64 - 1),
    Type.real: st.floats(allow_nan=False, allow_infinity=False),
    Type.decimal: st.decimals(
        allow_nan=False, allow_infinity=False, places=6, min_value=-(10**30), max_value=10**30
    ).map(lambda number: f"{number:f}"),
    Type.boolean: st.booleans(),
    Type.date: st.dates(date(1, 1, 1)),
    Type.time: st.times(),
    Type.timestamp: MOMENTS,
    Type.timestamptz: MOMENTS.map(lambda moment: moment.replace(tzinfo=UTC)),
    Type.text: TEXT,
    Type.binary: st.binary(max_size=20),
    Type.json: st.recursive(TEXT | st.integers() | st.booleans(), lambda inner: st.lists(inner, max_size=3)).map(
        json.dumps
    ),
    Type.uuid: st.uuids().map(str),
}
Table = dict[Type, Sequence[Any]]


def arrow_table(table: Table) -> pa.Table:
    return pa.table({type_.value: pa.array(values, ARROW[type_]) for type_, values in table.items()})


def as_json(value: Any, type_: Type) -> str:
    if type_ is Type.json or value is None:
        return "null" if value is None else str(value)
    match value:
        case bool() | int() | float():
            return json.dumps(value)
        case bytes():
            return json.dumps(base64.b64encode(value).decode())
        case date() | time():
            return json.dumps(value.isoformat())
        case _:
            return json.dumps(value)


def records(table: Table) -> list[str]:
    lines = zip(*table.values(), strict=True)
    return [
        "{" + ",".join(f'"{t}":{as_json(value, t)}' for t, value in zip(table, line, strict=True)) + "}"
        for line in lines
    ]


WRITERS: dict[str, Callable[[Table], bytes]] = {
    "parquet": lambda table: formats.parquet(arrow_table(table)),
    "parquet, plain pages": lambda table: formats.parquet(
        arrow_table(table), use_dictionary=False, compression="none", data_page_version="2.0"
    ),
    "arrow file": lambda table: formats.arrow(arrow_table(table), rows=2),
    "arrow stream": lambda table: formats.arrow(arrow_table(table), stream=True, compression="lz4"),
    "ndjson": lambda table: "\n".join(records(table)).encode(),
    "ndjson.gz": lambda table: gzip.compress("\n".join(records(table)).encode()),
    "json": lambda table: f"[{','.join(records(table))}]".encode(),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=list(WRITERS))
@given(st.data())
def test_rows_of_every_type_come_back_as_they_were(write: Callable[[Table], bytes], data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 5))
    table: Table = {
        type_: data.draw(st.lists(st.none() | values, min_size=count, max_size=count))
        for type_, values in VALUES.items()
    }
    with TemporaryDirectory() as directory:
        reader = Files(Path(directory)).open(write(table))
        assert reader.header == tuple(type_.value for type_ in table)
        found = rows(reader, columns(reader, *table))
    assert found == list(zip(*table.values(), strict=True))


CELLS: list[tuple[Type, st.SearchStrategy[Any]]] = [
    (Type.integer, st.integers(-(2**53), 2**53)),
    (
        Type.real,
        st.floats(-1e15, 1e15).map(lambda number: float(f"{number:.12g}")).filter(lambda n: n == 0 or abs(n) > 1e-9),
    ),
    (Type.boolean, st.booleans()),
    (Type.date, st.dates(date(1901, 1, 1))),
    (Type.text, PLAIN),
]


@pytest.mark.parametrize("make", [xlsx, ods])
@given(st.lists(st.tuples(*(st.none() | values for _, values in CELLS)), min_size=1, max_size=5))
def test_cells_come_back_as_they_were(make: Callable[[Any], bytes], lines: list[tuple[Any, ...]]) -> None:
    names = [f"c{place}" for place in range(len(CELLS))]
    used = [line for line in lines if any(cell is not None for cell in line)]
    with TemporaryDirectory() as directory:
        reader = Files(Path(directory)).open(make([names, *lines]))
        found = rows(reader, columns(reader, *(type_ for type_, _ in CELLS)))
    assert len(found) == len(used)
    for line, expected in zip(found, used, strict=True):
        for value, cell in zip(line, expected, strict=True):
            assert value == cell or math.isclose(value, cell, rel_tol=1e-15)
