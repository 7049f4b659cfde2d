"""COPY's binary form: what it says is what the text says, for every type that has one."""

from __future__ import annotations

import struct
from datetime import UTC, date, datetime, time
from typing import Any

import pyarrow as pa
import pytest
from tests.unit.targets.postgresql.conftest import Begin, Sql

from rescind.domain.arrow import ARROW
from rescind.domain.schema import Column, Limits, Type
from rescind.targets.postgresql import binary
from rescind.targets.postgresql.target import PostgreSQLTarget

A, Z = datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999_999)  # noqa: DTZ001 -- as in the database
LABELS = ("low", "höchst")

#: Declaration: values whose bytes could go wrong, each told by its text in the database.
VALUES: dict[str, dict[Any, str]] = {
    "smallint": {-(2**15): "-32768", 2**15 - 1: "32767", 0: "0"},
    "integer": {-(2**31): "-2147483648", 2**31 - 1: "2147483647"},
    "bigint": {-(2**63): "-9223372036854775808", 2**63 - 1: "9223372036854775807"},
    "oid": {0: "0", 2**31: "2147483648", 2**32 - 1: "4294967295"},
    "numeric(9,2)": {"1.1": "1.10", "-0.01": "-0.01", "9999999.99": "9999999.99", "0": "0.00", "10000": "10000.00"},
    "numeric(38,0)": {"9" * 38: "9" * 38, "-" + "9" * 38: "-" + "9" * 38},
    "numeric(5,5)": {"0.00001": "0.00001", "-.5": "-0.50000"},
    "numeric": {"1.10": "1.10", "1e400".replace("e400", "0" * 400): "1" + "0" * 400},
    "real": {1.5: "1.5", float("inf"): "Infinity", -0.0: "-0"},
    "double precision": {0.1: "0.1", float("-inf"): "-Infinity", 5e-324: "5e-324"},
    "boolean": {True: "true", False: "false"},
    "date": {date(1, 1, 1): "0001-01-01", date(2000, 2, 29): "2000-02-29", date(9999, 12, 31): "9999-12-31"},
    "time": {time(0, 0): "00:00:00", time(23, 59, 59, 999_999): "23:59:59.999999"},
    "timestamp": {A: "0001-01-01 00:00:00", Z: "9999-12-31 23:59:59.999999"},
    "timestamptz": {
        datetime(1970, 1, 1, tzinfo=UTC): "1970-01-01 00:00:00+00",
        Z.replace(tzinfo=UTC): "9999-12-31 23:59:59.999999+00",
    },
    "text": {"": "", 'a\\.\n\t,"': 'a\\.\n\t,"', "😀": "😀"},
    "varchar(3)": {"": "", "😀😀😀": "😀😀😀"},
    "char(3)": {"a": "a"},
    "name": {"x" * 63: "x" * 63},
    "bytea": {b"": "\\x", b"\0\xff\\": "\\x00ff5c"},
    "json": {'{"b": 1, "a":1}': '{"b": 1, "a":1}'},
    "jsonb": {'{"b": 1, "a":1}': '{"a": 1, "b": 1}', '"😀"': '"😀"'},
    "uuid": {
        "00000000-0000-0000-0000-000000000000": "00000000-0000-0000-0000-000000000000",
        "0123abcd-4567-89ef-fedc-ba9876543210": "0123abcd-4567-89ef-fedc-ba9876543210",
    },
    "grade": {LABELS[0]: LABELS[0], LABELS[1]: LABELS[1]},
    "amount": {"1.5": "1.50"},
}
ONLY_TEXT = ("numeric",)  #: it keeps the zeros that are sent, and one scale for all values would add some


@pytest.mark.parametrize("road", ["binary", "text"])
@pytest.mark.parametrize("declared", VALUES)
def test_the_database_has_the_value_by_either_road(
    target: PostgreSQLTarget, begin: Begin, sql: Sql, monkeypatch: pytest.MonkeyPatch, declared: str, road: str
) -> None:
    sql(f"CREATE TYPE grade AS ENUM {LABELS}; CREATE DOMAIN amount AS numeric(5,2)")
    sql("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET timezone = UTC', current_database()); END $$")
    sql(f"CREATE TABLE t(n serial, v {declared})")
    table = target.catalog().table("t")
    roads = watch(monkeypatch) if road == "binary" else forbid(monkeypatch)
    values = [None, *VALUES[declared], None]
    arrow = pa.array(values, ARROW[table.columns[1].type])
    branch = begin()
    assert branch.writer(table, ["v"]).write(pa.RecordBatch.from_arrays([arrow], names=["v"])) == len(values)
    branch.write_marker(len(values), "")
    branch.commit()
    found = sql("SELECT rtrim(v::text) FROM t ORDER BY n")
    assert [value for (value,) in found] == [None, *VALUES[declared].values(), None]
    assert roads == ([] if road == "text" or declared in ONLY_TEXT else ["binary"])


def watch(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is sent in the binary form."""
    sent: list[str] = []
    pieces = binary.Encoder.pieces

    def seen(self: binary.Encoder, batch: pa.RecordBatch) -> Any:
        found = pieces(self, batch)
        sent.append("binary")
        return found

    monkeypatch.setattr(binary.Encoder, "pieces", seen)
    return sent


def forbid(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(binary, "encoder", lambda columns, bases: None)
    return []


def test_a_value_that_only_text_can_say_is_sent_as_text(target: PostgreSQLTarget, begin: Begin, sql: Sql) -> None:
    sql("CREATE TABLE t(n serial, v numeric(9,2))")
    table = target.catalog().table("t")
    branch = begin()
    writer = branch.writer(table, ["v"])
    for value in ("NaN", "1.50"):
        writer.write(pa.RecordBatch.from_arrays([pa.array([value])], names=["v"]))
    branch.write_marker(2, "")
    branch.commit()
    assert sql("SELECT v::text FROM t ORDER BY n") == [("NaN",), ("1.50",)]


@pytest.mark.parametrize("base", ["pg_catalog.inet", "pg_catalog._int4", "pg_catalog.char", ""])
def test_a_type_that_is_not_known_has_no_binary_form(base: str) -> None:
    columns = [Column("a", Type.integer, ""), Column("b", Type.text, "")]
    assert binary.encoder(columns, {"a": "pg_catalog.int4", "b": base}) is None


@pytest.mark.parametrize(("precision", "scale"), [(None, None), (39, 0), (3, 4), (3, -1)])
def test_a_decimal_that_128_bits_do_not_hold_has_no_binary_form(precision: int | None, scale: int | None) -> None:
    column = Column("a", Type.decimal, "", limits=Limits(precision=precision, scale=scale))
    assert binary.encoder([column], {"a": "pg_catalog.numeric"}) is None


def test_pieces_are_one_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL's manual, COPY, "Binary Format": signature, flags, extension, tuples, and -1 at the end."""
    monkeypatch.setattr(binary, "VALUES_PER_PIECE", 4)
    encoder = binary.encoder([Column("a", Type.integer, ""), Column("b", Type.text, "")], BASES)
    assert encoder is not None
    rows = pa.RecordBatch.from_arrays([pa.array([1, None, 3], pa.int64()), pa.array(["x", "", None])], names=["a", "b"])
    pieces = list(encoder.pieces(rows))
    assert len(pieces) == 3
    assert b"".join(pieces) == b"".join(
        [
            b"PGCOPY\n\xff\r\n\0" + bytes(8),
            struct.pack("!hiiis", 2, 4, 1, 1, b"x"),
            struct.pack("!hii", 2, -1, 0),
            struct.pack("!hiii", 2, 4, 3, -1),
            struct.pack("!h", -1),
        ]
    )


BASES = {"a": "pg_catalog.int4", "b": "pg_catalog.text"}
