"""A file, its reader, SQLite and the API: a value of any type that goes in comes out equal."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.reading import Files, batches

from rescind.domain.branch import BranchId, Protocol
from rescind.domain.schema import Column, Table, Type
from rescind.encoders import json_text
from rescind.targets.sqlite.target import SQLiteTarget

BRANCH = BranchId("abcdefabcdef", 1, "0192f0c0-0000-7000-8000-000000000001", 1, 0)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


class Road(NamedTuple):
    """Values of a type, how a file has them, and what JSON says of them."""

    values: st.SearchStrategy[Any]
    written: Callable[[Any], str] = str
    said: Callable[[Any], Any] = lambda value: value


ROADS = {
    Type.integer: Road(st.integers(-(2**63), 2**63 - 1)),
    Type.unsigned: Road(st.integers(0, 2**63 - 1)),
    Type.real: Road(st.floats(allow_nan=False, allow_infinity=False), repr),
    Type.decimal: Road(st.decimals(-(10**9), 10**9, places=6), lambda value: f"{value:f}", Decimal),
    Type.boolean: Road(st.booleans()),
    Type.date: Road(st.dates(), said=date.isoformat),
    Type.time: Road(st.times(), said=time.isoformat),
    Type.timestamp: Road(st.datetimes(), said=datetime.isoformat),
    Type.timestamptz: Road(
        st.datetimes(datetime.fromisoformat("0002-01-01"), datetime.fromisoformat("9998-12-31"), timezones=OFFSETS),
        said=lambda value: value.astimezone(UTC).isoformat().replace("+00:00", "Z"),
    ),
    Type.text: Road(TEXT),
    Type.binary: Road(TEXT, said=lambda value: base64.b64encode(value.encode()).decode()),
    Type.json: Road(JSON, json.dumps),
    Type.uuid: Road(st.uuids(), lambda value: str(value).upper(), str),
}


@pytest.mark.parametrize("kind", list(Type))
@settings(max_examples=25)
@given(data=st.data())
def test_what_goes_in_comes_out_equal(kind: Type, data: st.DataObject) -> None:
    road = ROADS[kind]
    values = data.draw(st.lists(st.none() | road.values, min_size=1, max_size=8))
    with TemporaryDirectory() as directory:
        found = through(Path(directory), kind, [None if value is None else road.written(value) for value in values])
    read = [Decimal(value) if kind is Type.decimal and value is not None else value for value in found]
    assert read == [None if value is None else road.said(value) for value in values]


def through(directory: Path, kind: Type, fields: list[str | None]) -> list[Any]:
    """The fields as a file's column, loaded and read again as JSON."""
    table = Table("t", (Column("n", Type.integer, "", nullable=False, key=1), Column("a", kind, "")))
    target = SQLiteTarget("default", directory / "data.db")
    target.set_up()
    branch = target.open_branch(BRANCH, Protocol.one_phase)
    branch.start()
    branch.create_table(table)
    reader = Files(directory).open(document(fields))
    writer = branch.writer(table, reader.header)
    for batch in batches(reader, table.columns):
        writer.write(batch)
    branch.write_marker(len(fields), "")
    branch.commit()
    branch.close()
    with target.catalog().rows("t") as found:
        rows = json.loads(b"[" + b"".join(json_text.json_array(table.columns, found)) + b"]")
    target.close()
    return [row["a"] for row in rows]


def document(fields: list[str | None]) -> bytes:
    """A CSV of rows numbered from 0; NULL is nothing at all, and any other field is quoted."""
    quoted = ("" if field is None else '"' + field.replace('"', '""') + '"' for field in fields)
    return "".join(["n,a\n", *(f"{number},{field}\n" for number, field in enumerate(quoted))]).encode()
