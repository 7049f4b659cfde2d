"""Any value of any type that PostgreSQL has comes out as it went in, or its row is refused by name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import make_url
from tests.support.servers.postgresql import PostgreSQL

from rescind.domain.arrow import ARROW
from rescind.domain.branch import BranchId, Protocol
from rescind.domain.schema import Table, Type
from rescind.errors import ConstraintViolated
from rescind.targets.postgresql.target import PostgreSQLTarget

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
NOT_NUL = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
NUMBERS = st.decimals(-(10**30), 10**30, allow_nan=False).map(lambda number: f"{number:f}")
FIRST, LAST = datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999_999)  # noqa: DTZ001 -- as in the database
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | NOT_NUL,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NOT_NUL, inner, max_size=3),
    max_leaves=6,
).map(lambda value: json.dumps(value, ensure_ascii=False))

#: Declaration, and values of it.
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "smallint": st.integers(-(2**15), 2**15 - 1),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "numeric": NUMBERS,
    "numeric(9,2)": st.decimals(-(10**7) + 1, 10**7 - 1, places=2, allow_nan=False).map(str),
    "double precision": st.floats(),
    "real": st.floats(width=32),
    "boolean": st.booleans(),
    "date": st.dates(),
    "time": st.times(),
    "timestamp": st.datetimes(FIRST, LAST),
    "timestamptz": st.datetimes(FIRST, LAST, timezones=st.just(UTC)),
    "text": NOT_NUL,
    "varchar(12)": NOT_NUL,
    "bytea": st.binary(max_size=12),
    "json": JSON,
    "jsonb": JSON,
    "uuid": st.uuids().map(str),
    "integer[]": st.lists(st.integers(0, 9), max_size=3).map(lambda list_: "{" + ",".join(map(str, list_)) + "}"),
    "inet": st.ip_addresses(v=4).map(str),
    "interval": st.integers(0, 23).map(lambda hours: f"{hours:02}:00:00"),
}


class Database:
    """A target and a table for each declaration."""

    def __init__(self, url: str) -> None:
        self.target = PostgreSQLTarget("default", make_url(url))
        self.attempt = 0

    def table(self, declared: str) -> Table:
        return self.target.catalog().table(f"of {declared}")

    def write(self, table: Table, values: pa.Array[Any]) -> None:
        self.attempt += 1
        identity = BranchId("abcdefabcdef", 1, "0192f0c0-0000-7000-8000-000000000001", self.attempt, 0)
        branch = self.target.open_branch(identity, Protocol.one_phase)
        try:
            branch.start()
            branch.clear_table(table.name)
            numbers = pa.array(range(len(values)), pa.int64())
            branch.writer(table, ["n", "v"]).write(pa.RecordBatch.from_arrays([numbers, values], names=["n", "v"]))
            branch.write_marker(len(values), "")
            branch.commit()
        finally:
            branch.rollback()
            branch.close()

    def read(self, table: Table) -> list[Any]:
        with self.target.catalog().rows(table.name) as batches:
            return [value for batch in batches for value in batch.column(1).to_pylist()]


@pytest.fixture(scope="module")
def database(postgresql: PostgreSQL) -> Iterator[Database]:
    url = postgresql.make_database()
    with psycopg.connect(url) as connection:
        for declared in VALUES:
            connection.execute(f'CREATE TABLE "of {declared}" (n bigint PRIMARY KEY, v {declared})'.encode())
    database = Database(url)
    database.target.set_up()
    yield database
    database.target.close()


@pytest.mark.parametrize("declared", VALUES)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_goes_in_comes_out_equal(database: Database, declared: str, data: st.DataObject) -> None:
    table = database.table(declared)
    kind = table.columns[1].type
    values = data.draw(st.lists(st.none() | VALUES[declared], max_size=8))
    database.write(table, pa.array(values, ARROW[kind]))
    single = table.columns[1].limits.single
    found = [comparable(kind, v, single) for v in database.read(table)]
    assert found == [comparable(kind, v, single) for v in values]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(TEXT, min_size=1, max_size=6))
def test_text_comes_out_equal_or_its_row_is_refused(database: Database, values: list[str]) -> None:
    table = database.table("text")
    refused = next((row for row, value in enumerate(values) if "\0" in value), None)
    if refused is None:
        database.write(table, pa.array(values, pa.string()))
        assert database.read(table) == values
    else:
        with pytest.raises(ConstraintViolated) as error:
            database.write(table, pa.array(values, pa.string()))
        assert error.value.row == refused


def comparable(kind: Type, value: Any, single: bool = False) -> Any:
    """Equal numbers are equal (of 32 bits, where a column has no more), NaN is NaN, and JSON is what it says."""
    if value is None:
        return None
    if kind is Type.decimal:
        return Decimal(value)
    if kind is Type.json:
        return "JSON", json.loads(value)
    return str(np.float32(value) if single else value) if kind is Type.real else value


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        ("date", date(1, 1, 1)), ("date", date(9999, 12, 31)), ("time", time(0)), ("time", time.max),
        ("timestamp", FIRST), ("timestamp", LAST), ("timestamptz", LAST.replace(tzinfo=UTC)),
        ("real", float("inf")), ("double precision", float("-inf")), ("double precision", -0.0),
        ("text", "\\."), ("text", ""), ("text", "NULL"), ("text", "\\N"), ("text", '"'), ("text", "\r\n"),
        ("bytea", b""), ("bytea", bytes(range(256))), ("numeric", "NaN"), ("numeric", "1" + "0" * 200),
    ],
)  # fmt: skip
def test_edges(database: Database, declared: str, value: Any) -> None:
    table = database.table(declared)
    kind = table.columns[1].type
    database.write(table, pa.array([value, None, value], ARROW[kind]))
    found = [str(comparable(kind, v)) for v in database.read(table)]
    assert found == [str(comparable(kind, v)) for v in (value, None, value)]
