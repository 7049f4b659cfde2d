"""Typed values to columns: what is exact is taken, and nothing else."""

from __future__ import annotations

import math
import re
import uuid
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rescind.domain.arrow import ARROW
from rescind.domain.schema import Column, Limits, Type
from rescind.errors import InvalidInput
from rescind.readers.arrow_types import flat, inferred
from rescind.readers.conversion import convert

us, ns, ms, s = (pa.timestamp(unit) for unit in ("us", "ns", "ms", "s"))
DAY = 86_400_000_000
moment = datetime.fromisoformat


def read(values: pa.Array[Any], type_: Type, limits: Limits = Limits()) -> tuple[list[Any], dict[int, str]]:  # noqa: B008
    """The values and, per row, why there is none."""
    found = convert(flat(values), Column("a", type_, "", limits=limits))
    assert found.values.type == ARROW[type_]
    assert len(found.values) == len(values)
    return found.values.to_pylist(), {
        row: failure.reason for failure in found.failures for row in failure.rows.tolist()
    }


EXACT: list[tuple[Any, Any, Type, Any]] = [
    (7, pa.int8(), Type.integer, 7),
    (2**63 - 1, pa.uint64(), Type.integer, 2**63 - 1),
    (2**64 - 1, pa.uint64(), Type.unsigned, 2**64 - 1),
    (7, pa.int32(), Type.unsigned, 7),
    (7, pa.int32(), Type.real, 7.0),
    (-(2**53), pa.int64(), Type.real, -(2.0**53)),
    (7, pa.int32(), Type.decimal, "7"),
    (7, pa.int32(), Type.text, "7"),
    (1, pa.int8(), Type.boolean, True),
    (3.0, pa.float64(), Type.integer, 3),
    (-0.0, pa.float32(), Type.integer, 0),
    (0.1, pa.float64(), Type.decimal, "0.1"),
    (1e20, pa.float64(), Type.decimal, "100000000000000000000"),
    (1.5, pa.float32(), Type.real, 1.5),
    (1.5, pa.float16(), Type.real, 1.5),
    (Decimal("1.50"), pa.decimal128(5, 2), Type.decimal, "1.50"),
    (Decimal("0.00000001"), pa.decimal128(38, 8), Type.decimal, "0.00000001"),
    (Decimal("-12345678901234567890.12345"), pa.decimal256(50, 5), Type.decimal, "-12345678901234567890.12345"),
    (Decimal("1.50"), pa.decimal32(5, 2), Type.real, 1.5),
    (Decimal(7), pa.decimal64(5, 0), Type.integer, 7),
    (True, pa.bool_(), Type.boolean, True),
    (True, pa.bool_(), Type.text, "true"),
    (date(2024, 2, 29), pa.date32(), Type.date, date(2024, 2, 29)),
    (date(2024, 2, 29), pa.date64(), Type.date, date(2024, 2, 29)),
    (date(1, 1, 1), pa.date32(), Type.timestamp, moment("0001-01-01")),
    (moment("2024-02-29"), ms, Type.date, date(2024, 2, 29)),
    (moment("2024-02-29 01:02:03"), s, Type.timestamp, moment("2024-02-29 01:02:03")),
    (moment("1969-12-31 23:59:59.999999"), us, Type.timestamp, moment("1969-12-31 23:59:59.999999")),
    (moment("2024-02-29 01:02:03.000004"), ns, Type.timestamp, moment("2024-02-29 01:02:03.000004")),
    (moment("2024-02-29 01:02:03"), us, Type.timestamptz, datetime(2024, 2, 29, 1, 2, 3, tzinfo=UTC)),
    (datetime(2024, 2, 29, tzinfo=UTC), pa.timestamp("ms", "UTC"), Type.timestamp, moment("2024-02-29")),
    (
        datetime(2024, 2, 29, 12, tzinfo=timezone(timedelta(hours=2))),
        pa.timestamp("us", "+02:00"),
        Type.timestamptz,
        datetime(2024, 2, 29, 10, tzinfo=UTC),
    ),
    (time(1, 2, 3), pa.time32("s"), Type.time, time(1, 2, 3)),
    (time(1, 2, 3, 4), pa.time64("ns"), Type.time, time(1, 2, 3, 4)),
    ("é", pa.string(), Type.text, "é"),
    ("é", pa.large_string(), Type.text, "é"),
    ("é", pa.string_view(), Type.text, "é"),
    ("12", pa.dictionary(pa.int8(), pa.string()), Type.integer, 12),
    ("{}", pa.json_(), Type.json, "{}"),
    (b"\xff", pa.large_binary(), Type.binary, b"\xff"),
    (b"\xff", pa.binary_view(), Type.binary, b"\xff"),
    (b"ab", pa.binary(2), Type.binary, b"ab"),
    ("é".encode(), pa.binary(), Type.text, "é"),
    (uuid.UUID(int=10).bytes, pa.uuid(), Type.uuid, str(uuid.UUID(int=10))),
    (None, pa.null(), Type.timestamptz, None),
]


@pytest.mark.parametrize(("value", "kind", "type_", "expected"), EXACT)
def test_what_is_exact_is_taken_beside_null(value: Any, kind: Any, type_: Type, expected: Any) -> None:
    assert read(pa.array([value, None], kind), type_) == ([expected, None], {})


NOT_EXACT: list[tuple[Any, Any, Type, str]] = [
    (2**63, pa.uint64(), Type.integer, "out of range for integer"),
    (-1, pa.int8(), Type.unsigned, "out of range for unsigned"),
    (2**53 + 1, pa.int64(), Type.real, "a number that the column would keep as another"),
    (-(2**53) - 1, pa.int64(), Type.real, "a number that the column would keep as another"),
    (2, pa.int8(), Type.boolean, "not a valid boolean"),
    (1.5, pa.float64(), Type.integer, "not a valid integer"),
    (math.nan, pa.float64(), Type.integer, "not a valid integer"),
    (math.inf, pa.float64(), Type.unsigned, "not a valid unsigned"),
    (2.0**63, pa.float64(), Type.integer, "out of range for integer"),
    ("1e-400", pa.string(), Type.real, "out of range for real"),
    (-1.0, pa.float64(), Type.unsigned, "out of range for unsigned"),
    (math.nan, pa.float64(), Type.decimal, "not a valid decimal"),
    (-math.inf, pa.float64(), Type.decimal, "not a valid decimal"),
    (Decimal("1.50"), pa.decimal128(5, 2), Type.integer, "not a valid integer"),
    (Decimal("1.2345678901234567"), pa.decimal128(20, 16), Type.real, "a number that the column would keep as another"),
    (True, pa.bool_(), Type.integer, "not a valid integer"),
    (1, pa.int32(), Type.date, "not a valid date"),
    (date(2024, 1, 1), pa.date32(), Type.timestamptz, "not a valid timestamptz"),
    (-719_163, pa.date32(), Type.date, "out of range for date"),
    (DAY // 1000 + 1, pa.date64(), Type.date, "not a valid date"),
    (2_932_897, pa.date32(), Type.timestamp, "out of range for timestamp"),
    (1, ns, Type.timestamp, "more than the 6 digits after the point that the column holds"),
    (1, us, Type.date, "not a valid date"),
    (2**62, s, Type.timestamp, "out of range for timestamp"),
    (-(2**62), ms, Type.timestamptz, "out of range for timestamptz"),
    (0, pa.timestamp("us", "Europe/Berlin"), Type.timestamp, "not a valid timestamp"),
    (DAY, pa.time64("us"), Type.time, "out of range for time"),
    (1, pa.time64("ns"), Type.time, "more than the 6 digits after the point that the column holds"),
    (0, us, Type.time, "not a valid time"),
    ("1.5", pa.string(), Type.integer, "not a valid integer"),
    (b"\xff", pa.binary(), Type.text, "not a valid text"),
    (b"\xff", pa.binary(), Type.json, "not a valid json"),
]


@pytest.mark.parametrize(("value", "kind", "type_", "reason"), NOT_EXACT)
def test_case_c12_what_is_not_is_refused_by_its_row(value: Any, kind: Any, type_: Type, reason: str) -> None:
    number = isinstance(value, int) and not isinstance(value, bool) and not pa.types.is_integer(kind)
    width = pa.int32() if number and kind.bit_width == 32 else pa.int64()
    given = pa.array([value], width).view(kind) if number else pa.array([value], kind)
    values, reasons = read(pa.concat_arrays([pa.nulls(2, kind), given]), type_)
    assert (values[:2], reasons) == ([None, None], {2: reason})


def test_case_c12_a_decimal_with_too_many_digits_is_refused_and_zeros_are_none() -> None:
    given = pa.array([Decimal("1.500"), Decimal("1.505"), Decimal("1234.500")], pa.decimal128(10, 3))
    values, reasons = read(given, Type.decimal, Limits(precision=5, scale=2))
    assert values[0] == "1.50"
    assert set(reasons) == {1, 2}


def test_case_c11_nan_is_refused_where_the_column_has_none() -> None:
    values, reasons = read(pa.array([math.nan, 1.0, -math.inf]), Type.real, Limits(finite=True))
    assert values[1] == 1.0
    assert set(reasons) == {0, 2}
    assert not read(pa.array([math.nan]), Type.real)[1]


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)))
def test_integers_are_reals_exactly_or_not_at_all(numbers: list[int | None]) -> None:
    values, reasons = read(pa.array(numbers, pa.int64()), Type.real)
    for row, number in enumerate(numbers):
        assert row in reasons or values[row] == number
        assert row not in reasons or abs(number or 0) > 2**53


@given(st.lists(st.none() | st.floats()))
def test_reals_are_integers_exactly_or_not_at_all(numbers: list[float | None]) -> None:
    values, reasons = read(pa.array(numbers, pa.float64()), Type.integer)
    for row, number in enumerate(numbers):
        assert row in reasons or values[row] == number
        assert row not in reasons or not (number or 0.0).is_integer() or abs(number or 0) >= 2**63


@given(
    st.lists(
        st.none() | st.decimals(allow_nan=False, allow_infinity=False, places=5, min_value=-(10**20), max_value=10**20)
    )
)
def test_decimals_are_the_same_number_as_text(numbers: list[Decimal | None]) -> None:
    values, reasons = read(pa.array(numbers, pa.decimal128(38, 5)), Type.decimal)
    assert not reasons
    assert [None if value is None else Decimal(value) for value in values] == numbers


@pytest.mark.parametrize(
    ("kind", "type_"),
    [
        (pa.int16(), Type.integer),
        (pa.uint32(), Type.integer),
        (pa.uint64(), Type.unsigned),
        (pa.float32(), Type.real),
        (pa.bool_(), Type.boolean),
        (pa.date64(), Type.date),
        (pa.time32("ms"), Type.time),
        (pa.timestamp("ns"), Type.timestamp),
        (pa.timestamp("ns", "Europe/Berlin"), Type.timestamptz),
        (pa.string_view(), Type.text),
        (pa.dictionary(pa.int8(), pa.large_string()), Type.text),
        (pa.null(), Type.text),
        (pa.binary(4), Type.binary),
        (pa.uuid(), Type.uuid),
    ],
)
def test_a_new_tables_column_has_the_declared_type(kind: pa.DataType, type_: Type) -> None:
    assert inferred(pa.field("a", kind)) == Column("a", type_, "")


def test_a_new_tables_decimal_has_its_digits() -> None:
    assert inferred(pa.field("a", pa.decimal128(10, 3))).limits == Limits(precision=10, scale=3)


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        (pa.struct([("b", pa.int8())]), "a.b"),
        (pa.struct([("b", pa.struct([("c", pa.list_(pa.int8()))]))]), "a.b.c[]"),
        (pa.list_(pa.int8()), "a[]"),
        (pa.large_list(pa.int8()), "a[]"),
        (pa.map_(pa.string(), pa.int8()), "a{}"),
        (pa.duration("s"), "a"),
        (pa.run_end_encoded(pa.int32(), pa.int8()), "a"),
        (pa.month_day_nano_interval(), "a"),
    ],
)
def test_case_c14_what_fits_no_column_is_refused_by_its_path(kind: pa.DataType, path: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(f"Column '{path}' of the file is")):
        inferred(pa.field("a", kind))
