"""Declarations of columns: the type that they stand for, and what SQLite would alter."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rescind.domain.limits import violation
from rescind.domain.schema import Column, Limits, Type
from rescind.targets.sqlite.columns import limits_of, type_of
from rescind.targets.sqlite.writer import numbers


@pytest.mark.parametrize(
    ("declared", "kind"),
    [
        ("INTEGER", Type.integer),
        ("bigint unsigned", Type.unsigned),
        ("BOOLEAN", Type.boolean),
        ("bool", Type.boolean),
        ("DATE", Type.date),
        ("DATETIME", Type.timestamp),
        ("timestamp(6)", Type.timestamp),
        ("VARCHAR(50)", Type.text),
        ("CLOB", Type.text),
        ("TIME", Type.time),
        ("time(6)", Type.time),
        ("TIME WITH TIME ZONE", Type.text),
        ("TIMESTAMPTZ", Type.timestamptz),
        ("timestamp(6) with time zone", Type.timestamptz),
        ("DATETIME WITH TIME ZONE", Type.timestamptz),
        ("TIMESTAMP WITHOUT TIME ZONE", Type.timestamp),
        ("UUID", Type.uuid),
        ("JSON", Type.json),
        ("JSON TEXT", Type.json),
        ("JSONB", Type.text),
        ("", Type.text),
        ("BLOB", Type.binary),
        ("DOUBLE PRECISION", Type.real),
        ("FLOAT", Type.real),
        ("DECIMAL(10, 2)", Type.decimal),
        ("NUMERIC", Type.decimal),
    ],
)
def test_types_by_their_declaration(declared: str, kind: Type) -> None:
    assert type_of(declared) is kind


@pytest.mark.parametrize(
    ("declared", "limits"),
    [
        ("BIGINT UNSIGNED", Limits(high=2**63 - 1)),
        ("REAL", Limits(finite=True)),
        ("DECIMAL(10, 2)", Limits(number=True)),
        ("STRING", Limits(number=True)),
        ("JSON", Limits(number=True)),
        ("JSON TEXT", Limits()),
        ("VARCHAR(2)", Limits()),
        ("", Limits()),
        ("BLOB", Limits()),
        ("INTEGER", Limits()),
        ("TIME", Limits()),
    ],
)
def test_what_sqlite_would_alter(declared: str, limits: Limits) -> None:
    assert limits_of(declared) == limits


NUMBERLIKE = st.from_regex(r"[ \t]?[+-]?[0-9]{0,20}\.?[0-9]{0,20}([eE][+-]?[0-9]{1,3})?[ ]?", fullmatch=True)


@given(text=NUMBERLIKE | st.sampled_from(["007", "1.0", "1.50", "-0", "1e3", "0x10", ".5", "5.", "1e400", "0.00001"]))
def test_what_passes_as_text_comes_out_of_an_unknown_declaration_as_it_went_in(
    fresh: Callable[[str, object], Any], text: str
) -> None:
    if violation(Column("x", Type.text, "STRING", limits=limits_of("STRING")), pa.array([text])) is None:
        assert str(fresh("STRING", text)) == text


@given(number=st.decimals(allow_nan=False, allow_infinity=False) | st.decimals(-(10**12), 10**12, places=9))
def test_what_passes_as_decimal_comes_out_the_same_number(fresh: Callable[[str, object], Any], number: Decimal) -> None:
    if violation(Column("x", Type.decimal, "NUMERIC", limits=limits_of("NUMERIC")), pa.array([str(number)])) is None:
        (sent,) = numbers(pa.array([str(number)]))
        assert Decimal(repr(fresh("NUMERIC", sent))) == number


@pytest.mark.parametrize(
    "text", ["9223372036854775807", "-9223372036854775808", "123456789012.345", "1e290", "0.00", "1000000000.0000000"]
)
def test_decimals_that_an_integer_or_a_double_is_exactly_pass(text: str) -> None:
    assert violation(Column("x", Type.decimal, "", limits=Limits(number=True)), pa.array([text])) is None


@pytest.mark.parametrize("text", ["9223372036854775808", "1234567890123.456", "1e999", "0.1234567890123456"])
def test_other_decimals_are_refused(text: str) -> None:
    found = violation(Column("x", Type.decimal, "", limits=Limits(number=True)), pa.array(["1", text]))
    assert found is not None
    assert (found.row, found.reason) == (1, "a number that the column would keep as another")


@pytest.fixture(scope="module")
def fresh() -> Callable[[str, object], Any]:
    """What a column of that declaration holds after the value was stored."""

    def stored(declared: str, value: object) -> Any:
        with closing(sqlite3.connect(":memory:")) as connection:
            connection.execute(f"CREATE TABLE t(x {declared})")
            connection.execute("INSERT INTO t VALUES (?)", (value,))
            return connection.execute("SELECT x FROM t").fetchone()[0]

    return stored
