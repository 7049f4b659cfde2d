"""What a column cannot hold is found: the first row by `violation`, every row by `beyond`."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rescind.domain.arrow import ARROW
from rescind.domain.limits import Violation, beyond, violation
from rescind.domain.schema import Column, Limits, Type

NAN, INFINITY = float("nan"), float("inf")
DAY = 24 * 60 * 60 * 1_000_000  #: in microseconds


def column(kind: Type, nullable: bool = True, **limits: Any) -> Column:
    return Column("c", kind, "", nullable, limits=Limits(**limits))


def stamp(text: str) -> datetime:
    return datetime.fromisoformat(text)


BEYOND: list[tuple[Type, dict[str, Any], list[Any], list[Any], str]] = [
    (Type.integer, {"low": -5}, [-5, 2**63 - 1], [-6, -(2**63)], "less than -5, the least that the column holds"),
    (Type.integer, {"high": 127}, [127, -(2**63)], [128], "more than 127, the greatest that the column holds"),
    (Type.unsigned, {"high": 255}, [0, 255], [256, 2**64 - 1], "more than 255, the greatest that the column holds"),
    (
        Type.date, {"low": 0}, [date(1970, 1, 1), date(9999, 12, 31)], [date(1969, 12, 31)],
        "less than 1970-01-01, the least that the column holds",
    ),
    (
        Type.timestamp, {"high": DAY - 1}, [stamp("1970-01-01T23:59:59.999999")], [stamp("1970-01-02T00:00")],
        "more than 1970-01-01 23:59:59.999999, the greatest that the column holds",
    ),
    (
        Type.timestamptz, {"low": DAY}, [datetime(1970, 1, 2, tzinfo=UTC)], [datetime(1970, 1, 1, 23, tzinfo=UTC)],
        "less than 1970-01-02 00:00:00, the least that the column holds",
    ),
    (
        Type.time, {"scale": 0}, [time(0), time(23, 59, 59)], [time(0, 0, 0, 1), time(1, 2, 3, 500_000)],
        "more than the 0 digits after the point that the column holds",
    ),
    (
        Type.timestamp, {"scale": 3}, [stamp("1969-12-31T23:59:59.999"), stamp("2024-01-01T00:00")],
        [stamp("1969-12-31T23:59:59.999001"), stamp("2024-01-01T00:00:00.0001")],
        "more than the 3 digits after the point that the column holds",
    ),
    (Type.real, {"finite": True}, [0.0, -1e308], [NAN, INFINITY, -INFINITY],
     "neither NaN nor an infinity can be stored"),
    (
        Type.real, {"single": True}, [3.4028234663852886e38, -3.4e38, 1e-45, -0.0, 0.1, NAN, INFINITY],
        [3.4028235677973366e38, -1e39, 1e-46], "out of range for real of 32 bits",
    ),
    (
        Type.real, {"single": True}, [16777216.0, -16777218.0, 2.0**53, 1e10, 16777217.5, 3e38, 0.1],
        [16777217.0, -16777217.0, 123456789.0, 2.0**53 - 1], "a number that the column would keep as another",
    ),
    (Type.text, {"characters": 3}, ["", "abc", "äöü", "🙂🙂🙂"], ["abcd", "🙂🙂🙂🙂"],
     "longer than the 3 characters that the column holds"),
    (Type.text, {"bytes": 4}, ["abcd", "🙂", "äö"], ["abcde", "äöü"], "longer than the 4 bytes that the column holds"),
    (Type.binary, {"bytes": 2}, [b"", b"\0\xff"], [b"\0\0\0"], "longer than the 2 bytes that the column holds"),
    (Type.text, {"nul": False}, ["", "\\0", "a"], ["\0", "a\0b"], "holds U+0000, which the database cannot store"),
    (
        Type.json, {"nul": False}, [r'"\\u0000"', '"0"', r'"\\\\u0000"'], [r'"\u0000"', r'{"a\\\u0000":1}'],
        "holds U+0000, which the database cannot store",
    ),
    (Type.text, {"codec": "utf8mb3"}, ["abc", "\uffff漢"], ["🙂", "a\U00010000"],
     "holds a character that is not in utf8mb3, the column's encoding"),
    (Type.text, {"codec": "cp1252"}, ["abc", "é€"], ["漢", "\x81"],
     "holds a character that is not in cp1252, the column's encoding"),
    (Type.text, {"values": ("small", "it's")}, ["small", "it's"], ["Small", "", "small "],
     "not one of the column's values: 'small', \"it's\""),
    (
        Type.decimal, {"precision": 5, "scale": 2}, ["0", "-999.99", "+00012.5", "1e2", ".5", "5."], ["1.005", "1e-3"],
        "more than the 2 digits after the point that the column holds",
    ),
    (Type.decimal, {"precision": 5, "scale": 2}, ["999", "000999", "-0.0", "9.99e2"], ["1000", "-1000.5", "1e3"],
     "more than the 3 digits before the point that the column holds"),
    (Type.decimal, {"precision": 3, "scale": 5}, ["0.00999", "0", "-.001"], ["0.01", "1"],
     "more than the 0 digits before the point that the column holds"),
    (Type.decimal, {"precision": 2, "scale": -3}, ["99000", "0", "-1e3"], ["99500", "1.5"],
     "more than the 0 digits after the point that the column holds"),
    (
        Type.decimal, {"precision": 4}, ["1234", "0.001234", "-12.34", "0001.500", "12e9", "0.0000000", "NaN"],
        ["12345", "1.2345", "12345e-9"], "more than the 4 digits that the column holds",
    ),
    (Type.decimal, {"finite": True}, ["1", "1e400"], ["NaN", "Infinity", "-Infinity"],
     "neither NaN nor an infinity can be stored"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "limits", "fit", "unfit", "reason"), BEYOND)
def test_what_is_beyond_a_limit_is_found_and_what_is_not_passes(
    kind: Type, limits: dict[str, Any], fit: list[Any], unfit: list[Any], reason: str
) -> None:
    limited, good = column(kind, **limits), [None, *fit]
    assert violation(limited, pa.array(good, ARROW[kind])) is None
    for value in unfit:
        values = pa.array([*good, value, *good, value], ARROW[kind])
        found = violation(limited, values)
        assert found is not None
        assert (found.row, found.column, found.reason) == (len(good), "c", reason)
        assert beyond(limited, values) == {len(good): reason, 2 * len(good) + 1: reason}
        alone = pa.array([value], ARROW[kind])  # of its form alone, where another way of counting is taken
        assert beyond(limited, alone) == {0: reason}
        assert violation(column(kind), values) is None


@pytest.mark.parametrize("kind", list(Type))
def test_nulls_and_nothing_break_no_limit(kind: Type) -> None:
    limited = column(
        kind, low=0, high=1, precision=1, scale=0, characters=0, bytes=0, values=(), codec="ascii", nul=False,
        single=True, finite=True,
    )  # fmt: skip
    for values in (pa.array([None, None], ARROW[kind]), pa.array([], ARROW[kind])):
        assert violation(limited, values) is None
        assert beyond(limited, values) == {}


@pytest.mark.parametrize("kind", [Type.integer, Type.unsigned, Type.date])
def test_a_limit_that_no_value_of_the_type_reaches_is_none(kind: Type) -> None:
    values = pa.array([0], pa.int32()).view(pa.date32()) if kind is Type.date else pa.array([0, 2**62])
    assert violation(column(kind, low=-(2**70), high=2**70), values) is None


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (
            Type.json,
            ["1", ' {"a": [1, null]} ', '"\\ud83d\\ude42"', "1e400"],
            ["", "{", "NaN", "[1,]", '"\\ud800"', "'a'"],
        ),
        (Type.uuid, ["0192f0c0-0000-7000-8000-00000000abcd"], ["", "0192f0c000007000800000000000abcd", "x" * 36]),
        (Type.uuid, [], ["0192F0C0-0000-7000-8000-00000000ABCD", "0192f0c0-0000-7000-8000-00000000abcd\n"]),
        (Type.decimal, ["1", "-.5", "1E+3", "NaN", "-Infinity"], ["", "abc", ".", " 1", "1_0", "1,5", "sNaN", "٣"]),
    ],
)
def test_text_that_is_not_of_its_columns_type_is_found(kind: Type, good: list[str], bad: list[str]) -> None:
    assert violation(column(kind), pa.array([None, *good], pa.string())) is None
    for value in bad:
        found = violation(column(kind), pa.array([*good, None, value], pa.string()))
        assert found == Violation(len(good) + 1, "c", value, f"not a valid {kind}")


@pytest.mark.parametrize("has_default", [False, True])
def test_null_is_found_where_none_may_be(has_default: bool) -> None:
    needed = Column("c", Type.integer, "", nullable=False, has_default=has_default, limits=Limits(high=9))
    reason = "no value, but the column does not allow NULL"
    assert violation(needed, pa.array([1, 2, None, 10])) == Violation(2, "c", None, reason)
    assert str(violation(needed, pa.array([None], pa.int64()))) == f"column c: {reason}"
    found = violation(needed, pa.array([1, 10, None]))
    assert found is not None
    assert (found.row, found.value) == (1, "10")


def test_the_first_of_several_rows_is_named_whatever_limit_it_breaks() -> None:
    text = column(Type.text, characters=3, nul=False)
    found = violation(text, pa.array(["a", "\0", "long one"]))
    assert (found and found.row, str(found)) == (1, "column c: holds U+0000, which the database cannot store ('\\x00')")


def test_a_long_value_is_shortened_and_binary_is_shown_in_hexadecimal() -> None:
    found = violation(column(Type.text, bytes=3), pa.array(["x" * 5000]))
    assert found is not None
    assert len(found.value or "") == 200
    found = violation(column(Type.binary, bytes=1), pa.array([b"\0\xff"]))
    assert found is not None
    assert found.value == "00ff"


@pytest.mark.parametrize(
    ("kind", "values", "row"),
    [
        (Type.integer, pa.array([1, 2, None], pa.int8()), None),
        (Type.integer, pa.array([1.0, 2.5]), 1),
        (Type.unsigned, pa.array([0, -1]), 1),
        (Type.text, pa.array(["a", "b", "a"]).dictionary_encode(), None),
        (Type.decimal, pa.array([Decimal("1.50"), None]), None),
        (Type.integer, pa.array(["1", "x"]), 1),
        (Type.text, pa.array([b"ok", b"\xff"]), 1),
        (Type.timestamp, pa.array([datetime(2024, 1, 1, tzinfo=UTC)]), None),
        (Type.boolean, pa.array([date(2024, 1, 1)]), 0),
    ],
)
def test_other_arrow_types_are_taken_where_nothing_is_lost(kind: Type, values: pa.Array[Any], row: int | None) -> None:
    found = violation(column(kind, high=9), values) if kind is Type.integer else violation(column(kind), values)
    assert (found and found.row) == row


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6), st.integers(1, 12), st.integers(0, 8))
def test_digits_are_counted_as_the_number_has_them(number: Decimal, precision: int, scale: int) -> None:
    """By arithmetic: `number` has six digits after its point, and must be below ten to the digits before."""
    limited = column(Type.decimal, precision=precision, scale=min(scale, precision))
    fits = min(scale, precision) >= 6 and abs(number) < Decimal(10) ** (precision - min(scale, precision))
    assert (violation(limited, pa.array([f"{number:f}"])) is None) is fits


def test_slices_are_looked_at_alone() -> None:
    values = pa.array(["🙂", "a", "b\0", "c"]).slice(1, 2)
    assert beyond(column(Type.text, codec="ascii"), values) == {}
    assert list(beyond(column(Type.text, nul=False), values)) == [1]
