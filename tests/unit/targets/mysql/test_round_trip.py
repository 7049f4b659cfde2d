"""Any value of any type that MariaDB has comes out as it went in, or its row is refused by name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from ipaddress import IPv6Address, ip_address
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.servers.mariadb import MariaDB
from tests.unit.targets.mysql.conftest import administrator

from rescind.domain.arrow import ARROW
from rescind.domain.branch import BranchId, Protocol
from rescind.domain.schema import Table, Type
from rescind.errors import ConstraintViolated
from rescind.targets.mysql.target import MySQLTarget
from rescind.urls import database_url

TEXT = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    ["\\N", "NULL", "\0", "'", '"', "\\", "\r\n"]
)
LATIN = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=12)
FIRST, LAST = datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999_999)  # noqa: DTZ001 -- as in the database
EPOCH, END = datetime(1970, 1, 1, 0, 0, 1), datetime(2038, 1, 19, 3, 14, 7, 999_999)  # noqa: DTZ001
BYTES = st.binary(max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
).map(lambda value: json.dumps(value, ensure_ascii=False))


def _whole(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _without_fraction(value: Any) -> Any:
    return value.replace(microsecond=0)


def _decimals(whole: int, places: int) -> st.SearchStrategy[str]:
    most = 10**whole - 1
    return st.decimals(-most, most, places=places, allow_nan=False).map(lambda number: f"{number:f}")


#: Declaration, and values that it holds.
HELD: dict[str, st.SearchStrategy[Any]] = {
    "tinyint": _whole(8), "smallint": _whole(16), "mediumint": _whole(24), "int": _whole(32), "bigint": _whole(64),
    "tinyint unsigned": st.integers(0, 2**8 - 1), "smallint unsigned": st.integers(0, 2**16 - 1),
    "mediumint unsigned": st.integers(0, 2**24 - 1), "int unsigned zerofill": st.integers(0, 2**32 - 1),
    "bigint unsigned": st.integers(0, 2**64 - 1),
    "boolean": st.booleans(), "bit(1)": st.booleans(), "bit(9)": st.integers(0, 511),
    "bit(64)": st.integers(0, 2**64 - 1),
    "decimal(9,2)": _decimals(7, 2), "decimal(65,30)": _decimals(30, 30), "double(9,2)": _decimals(7, 2),
    "double": st.floats(allow_nan=False, allow_infinity=False),
    "float": st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=False),
    "date": st.dates(), "year": st.integers(1901, 2155),
    "time(6)": st.times(), "time": st.times().map(_without_fraction),
    "datetime(6)": st.datetimes(FIRST, LAST), "datetime": st.datetimes(FIRST, LAST).map(_without_fraction),
    "timestamp(6)": st.datetimes(EPOCH, END, timezones=st.just(UTC)),
    "varchar(12)": TEXT, "text": TEXT, "longtext": TEXT, "char(12)": TEXT.map(lambda text: text.rstrip(" ")),
    "varchar(12) character set latin1": LATIN, "text character set koi8r": st.text("абвюЮ ascii", max_size=9),
    "varbinary(12)": BYTES, "blob": BYTES, "binary(3)": st.binary(min_size=3, max_size=3),
    "enum('a','b''c','')": st.sampled_from(["a", "b'c", ""]), "set('x','y')": st.sampled_from(["", "x", "y", "x,y"]),
    "json": JSON, "uuid": st.uuids(version=4).map(str),
    "inet6": st.integers(2**80, 2**128 - 1).map(lambda number: str(IPv6Address(number))),  # below, some have two names
    "inet4": st.ip_addresses(v=4).map(str),
}  # fmt: skip


class Database:
    """A target, with a table for each declaration and one that has them all."""

    def __init__(self, url: str) -> None:
        self.target = MySQLTarget("default", database_url(url))
        self.target.set_up()
        self.attempt = 0

    def table(self, declared: str) -> Table:
        return self.target.catalog().table(_name(declared))

    def write(self, table: Table, columns: list[Sequence[Any]], *, bulk: bool) -> None:
        """Have just those rows in the table, but for its numbers in `n`."""
        self.attempt += 1
        identity = BranchId("abcdefabcdef", 1, "0192f0c0-0000-7000-8000-000000000001", self.attempt, 0)
        branch = self.target.open_branch(identity, Protocol.one_phase)
        server = branch._server
        branch._server = replace(server, variables={**server.variables, "local_infile": "ON" if bulk else "OFF"})
        arrays = [
            pa.array(values, ARROW[column.type])
            for column, values in zip(table.columns, [range(len(columns[0])), *columns], strict=True)
        ]
        names = [column.name for column in table.columns]
        try:
            branch.start()
            branch.clear_table(table.name)
            branch.writer(table, names).write(pa.RecordBatch.from_arrays(arrays, names=names))
            branch.write_marker(len(arrays[0]), "")
            branch.commit()
        finally:
            branch.rollback()
            branch.close()

    def read(self, table: Table) -> list[tuple[Any, ...]]:
        with self.target.catalog().rows(table.name) as batches:
            return [tuple(row.values())[1:] for batch in batches for row in batch.to_pylist()]


def _name(declared: str) -> str:
    return f"of {declared}"


@pytest.fixture(scope="module")
def database(mariadb: MariaDB) -> Iterator[Database]:
    url = mariadb.make_database()
    sql = administrator(mariadb, url)
    every = ", ".join(f"c{n} {declared} NULL" for n, declared in enumerate(HELD))
    sql(f"CREATE TABLE every(n INT PRIMARY KEY, {every}) ENGINE=InnoDB")
    for declared in HELD:
        sql(f"CREATE TABLE `{_name(declared)}`(n INT PRIMARY KEY, v {declared} NULL) ENGINE=InnoDB")
    database = Database(url)
    yield database
    database.target.close()


def quick(examples: int) -> settings:
    return settings(max_examples=examples, suppress_health_check=[HealthCheck.function_scoped_fixture])


ROWS = st.lists(st.tuples(*(st.none() | values for values in HELD.values())), min_size=1, max_size=12)


@pytest.mark.parametrize("bulk", [True, False], ids=["LOAD DATA", "INSERT"])
@quick(30)
@given(rows=ROWS)
def test_what_a_type_holds_comes_out_equal(database: Database, bulk: bool, rows: list[tuple[Any, ...]]) -> None:
    table = database.target.catalog().table("every")
    kinds = [column.type for column in table.columns[1:]]
    database.write(table, list(zip(*rows, strict=True)), bulk=bulk)
    for found, row in zip(database.read(table), rows, strict=True):
        assert list(map(_plain, kinds, found)) == list(map(_plain, kinds, row))


ANY = {
    Type.integer: st.integers(-(2**63), 2**63 - 1), Type.unsigned: st.integers(0, 2**64 - 1), Type.real: st.floats(),
    Type.decimal: st.decimals(allow_nan=False, allow_infinity=False).map(str), Type.boolean: st.booleans(),
    Type.date: st.dates(), Type.time: st.times(), Type.timestamp: st.datetimes(FIRST, LAST),
    Type.timestamptz: st.datetimes(FIRST, LAST, timezones=st.just(UTC)), Type.text: TEXT, Type.binary: BYTES,
    Type.json: JSON | TEXT, Type.uuid: st.uuids().map(str) | TEXT,
}  # fmt: skip


@pytest.mark.parametrize("declared", HELD)
@quick(4)
@given(data=st.data())
def test_anything_of_its_type_comes_out_equal_or_is_refused(
    database: Database, declared: str, data: st.DataObject
) -> None:
    table = database.table(declared)
    kind = table.columns[1].type
    value: Any = data.draw(ANY[kind])
    if (row := _refused(database, table, value)) is not None:
        assert row == 1
        return
    found = _plain(kind, database.read(table)[1][0])
    if declared == "float":
        assert found == np.float32(value)  # as near as 32 bits come
    elif declared.startswith("set"):
        assert sorted(found.split(",")) == sorted(value.split(","))
    elif declared.startswith("inet"):
        assert ip_address(found) == ip_address(value)
    else:
        assert found == _plain(kind, value)


def _refused(database: Database, table: Table, value: Any) -> int | None:
    try:
        database.write(table, [[None, value]], bulk=True)
    except ConstraintViolated as error:
        return error.row
    return None


def _plain(kind: Type, value: Any) -> Any:
    """What must be equal: a number's value, not its digits, and JSON's, not its spaces."""
    if value is None:
        return None
    match kind:
        case Type.decimal:
            return Decimal(value)
        case Type.json:
            return "JSON", json.loads(value, parse_float=Decimal)
        case Type.real:
            return float(value)
        case _:
            return value


def test_types_and_limits_are_described(database: Database) -> None:
    kinds = {declared: database.table(declared).columns[1].type for declared in HELD}
    assert kinds["boolean"] is kinds["bit(1)"] is Type.boolean
    assert kinds["bigint unsigned"] is kinds["bit(9)"] is Type.unsigned
    assert kinds["int unsigned zerofill"] is kinds["year"] is Type.integer
    assert kinds["double(9,2)"] is Type.decimal
    assert (kinds["datetime(6)"], kinds["timestamp(6)"]) == (Type.timestamp, Type.timestamptz)
    assert (kinds["json"], kinds["uuid"], kinds["longtext"]) == (Type.json, Type.uuid, Type.text)
    assert database.table("enum('a','b''c','')").columns[1].limits.values == ("a", "b'c", "")


@pytest.mark.parametrize(
    ("declared", "values", "shown"),
    [
        ("boolean", "(1), (2)", ["1", "2"]),
        ("time", "('12:00:00'), ('-01:00:00')", ["12:00:00", "-01:00:00"]),
        ("time", "('12:00:00'), ('838:59:59')", ["12:00:00", "838:59:59"]),
        ("date", "('2024-01-01'), ('0000-00-00')", ["2024-01-01", "0000-00-00"]),
        ("datetime", "('2024-01-01'), ('0000-00-00')", ["2024-01-01 00:00:00", "0000-00-00 00:00:00"]),
        ("date", "('2024-01-01')", [date(2024, 1, 1)]),
        ("time", "('23:59:59')", [time(23, 59, 59)]),
    ],
)
def test_what_is_not_of_the_type_is_read_as_text(
    database: Database, mariadb: MariaDB, declared: str, values: str, shown: list[Any]
) -> None:
    sql = administrator(mariadb, mariadb.url(database.target._address.database))
    sql("DROP TABLE IF EXISTS odd")
    sql(f"CREATE TABLE odd(n INT PRIMARY KEY AUTO_INCREMENT, v {declared}) ENGINE=InnoDB")
    sql(f"SET STATEMENT sql_mode = '' FOR INSERT INTO odd(v) VALUES {values}")
    assert database.read(database.target.catalog().table("odd")) == [(value,) for value in shown]
